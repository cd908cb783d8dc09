package csv

import (
	"slices"
	"strings"
)

// The columns of DIVOC's template that are spoken of by name here.
const (
	colCode        = "preEnrollmentCode"
	colName        = "recipientName"
	colMobile      = "recipientMobileNumber"
	colBirthDate   = "recipientDOB"
	colAge         = "recipientAge"
	colIdentity    = "recipientIdentity"
	colDate        = "vaccinationDate"
	colDose        = "vaccinationDose"
	colTotal       = "vaccinationTotalDoses"
	colStart       = "vaccinationEffectiveStart"
	colEnd         = "vaccinationEffectiveEnd"
	colVaccinator  = "vaccinatorName"
	colFacility    = "facilityName"
	colSampleTime  = "sampleCollectionTimestamp"
	colResultTime  = "resultTimestamp"
	colProgramme   = "programId" // may be added to the template
	errorsColumn   = "errors"    // ours, at the end of an error file; read over
	templateLength = 28          // of either template
)

// Columns returns the columns of DIVOC's template, in its order. A file has
// all of them, in any order; cells may be empty.
func Columns() []string {
	return []string{
		colCode, colName, colMobile, colBirthDate, colAge, "recipientGender", "recipientNationality", colIdentity,
		"recipientAddressLine1", "recipientAddressLine2", "recipientDistrict", "recipientState", "recipientPincode",
		"vaccinationBatch", colDate, colDose, colTotal, colStart, colEnd, "vaccinationManufacturer", "vaccinationName",
		colVaccinator, colFacility, "facilityAddressLine1", "facilityAddressLine2", "facilityDistrict", "facilityState", "facilityPincode",
	}
}

// TestColumns returns the columns of DIVOC's template of tests, in its order.
func TestColumns() []string {
	return []string{
		colCode, colName, colMobile, colBirthDate, "recipientGender", "recipientNationality", colIdentity,
		"recipientAddressLine1", "recipientAddressLine2", "recipientDistrict", "recipientState", "recipientPincode",
		"testBatch", "disease", "testName", "testType", "result", colResultTime, "manufacturer", colSampleTime, "sampleOrigin", "verifier",
		colFacility, "facilityAddressLine1", "facilityAddressLine2", "facilityDistrict", "facilityState", "facilityPincode",
	}
}

// Template is one of DIVOC's tables.
type Template string

// The templates. Any is whichever a header is of.
const (
	Any   Template = ""
	Doses Template = "doses"
	Tests Template = "tests"
)

// columns of a template, all of which a file has.
func (t Template) columns() []string {
	if t == Tests {
		return TestColumns()
	}
	return Columns()
}

// known returns every column that a file may have.
func (t Template) known() []string { return append(t.columns(), colProgramme, errorsColumn) }

// TemplateOf is the template of a file with these columns.
func TemplateOf(columns []string) Template {
	if slices.Contains(columns, colSampleTime) {
		return Tests
	}
	return Doses
}

// Column names the column that a field of an event is read from, by its path.
// A field that no column gives is named as it is.
func Column(path string) string {
	if strings.HasPrefix(path, "contacts") {
		return colMobile
	}
	if c := byPath()[path]; c != "" {
		return c
	}
	if rest, ok := strings.CutPrefix(path, "test."); ok {
		return testColumn(path, rest)
	}
	return path
}

// testColumn names the column of a field of a test.
func testColumn(path, rest string) string {
	name, last, _ := strings.Cut(rest, ".")
	if name == "centreAddress" {
		if c := byPath()["vaccination."+name+"."+last]; c != "" {
			return c
		}
	}
	if c := map[string]string{
		"pathogen": "disease", "type": "testType", "brand": "testName", "manufacturer": "manufacturer", "lot": "testBatch",
		"origin": "sampleOrigin", "date": colSampleTime, "resultDate": colResultTime, "result": "result", "centre": colFacility, "practitioner": "verifier",
	}[name]; c != "" {
		return c
	}
	return path
}

func byPath() map[string]string {
	return map[string]string{
		"programme":                          colProgramme,
		"enrolmentCode":                      colCode,
		"person.name":                        colName,
		"person.birthDate":                   colBirthDate,
		"person.sex":                         "recipientGender",
		"person.nationality":                 "recipientNationality",
		"person.identifier.type":             colIdentity,
		"person.identifier.value":            colIdentity,
		"address.line1":                      "recipientAddressLine1",
		"address.line2":                      "recipientAddressLine2",
		"address.district":                   "recipientDistrict",
		"address.region":                     "recipientState",
		"address.postCode":                   "recipientPincode",
		"vaccination.lot":                    "vaccinationBatch",
		"vaccination.date":                   colDate,
		"vaccination.dose":                   colDose,
		"vaccination.totalDoses":             colTotal,
		"vaccination.validFrom":              colStart,
		"vaccination.validUntil":             colEnd,
		"vaccination.manufacturer.display":   "vaccinationManufacturer",
		"vaccination.product":                "vaccinationName",
		"vaccination.practitioner":           colVaccinator,
		"vaccination.centre":                 colFacility,
		"vaccination.centreAddress.line1":    "facilityAddressLine1",
		"vaccination.centreAddress.line2":    "facilityAddressLine2",
		"vaccination.centreAddress.district": "facilityDistrict",
		"vaccination.centreAddress.region":   "facilityState",
		"vaccination.centreAddress.postCode": "facilityPincode",
	}
}
