package csv

import "strings"

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
	colProgramme   = "programId" // may be added to the template
	errorsColumn   = "errors"    // ours, at the end of an error file; read over
	templateLength = 28
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

// known returns every column that a file may have.
func known() []string { return append(Columns(), colProgramme, errorsColumn) }

// Column names the column that a field of an event is read from, by its path.
// A field that no column gives is named as it is.
func Column(path string) string {
	if strings.HasPrefix(path, "contacts") {
		return colMobile
	}
	if c := byPath()[path]; c != "" {
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
