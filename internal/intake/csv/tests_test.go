package csv

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
)

// tested is a row of a test without fault, by column.
func tested() map[string]string {
	return map[string]string{
		colCode: "T-1", colName: "Zoë Müller", colMobile: "876 555 0142", colBirthDate: "1987-04-21", "recipientGender": "Female", "recipientNationality": "JAM",
		colIdentity: "did:Passport:P1", "recipientDistrict": "Trelawny", "testBatch": "T77", "disease": "COVID-19", "testName": "Panbio", "testType": "RAT",
		"result": "Negative", colResultTime: "2026-11-21T15:00:00Z", "manufacturer": "Abbott", colSampleTime: "2026-11-21T09:05:00-05:00", "sampleOrigin": "Nasal swab",
		"verifier": "N. Brown", colFacility: "Falmouth", "facilityDistrict": "Trelawny",
	}
}

func testTable(rows ...map[string]string) string {
	lines := []string{strings.Join(TestColumns(), ",")}
	for _, row := range rows {
		var cells []string
		for _, c := range TestColumns() {
			cells = append(cells, row[c])
		}
		lines = append(lines, strings.Join(cells, ","))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestARowOfATestBecomesAnEvent(t *testing.T) {
	rows := read(t, strings.NewReader(testTable(tested())), Options{})
	if len(rows) != 1 || codes(rows[0]) != "" {
		t.Fatalf("%+v", rows)
	}
	text := func(s string) vaccination.Coding { return vaccination.Coding{Display: s} }
	want := vaccination.Test{
		Pathogen: text("COVID-19"), Type: text("RAT"), Brand: text("Panbio"), Manufacturer: text("Abbott"), Lot: "T77", Origin: text("Nasal swab"),
		Date: time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC), ResultDate: time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC),
		Result: text("Negative"), Centre: "Falmouth", CentreAddress: vaccination.Address{District: "Trelawny"}, Practitioner: "N. Brown",
	}
	got := rows[0].Event.Normalise()
	if diff := cmp.Diff(want, got.Test); diff != "" {
		t.Error(diff)
	}
	if got.Vaccination != (vaccination.Dose{}) || got.EnrolmentCode != "T-1" || got.Person.Identifier.Kind != "Passport" {
		t.Errorf("%+v", got)
	}
}

func TestRowsOfTestsWithFaults(t *testing.T) {
	kingston := time.FixedZone("", -5*3600)
	for name, tt := range map[string]struct{ column, value, want string }{
		"a day without a time":    {colSampleTime, "2026-11-21", "sampleCollectionTimestamp not-a-date"},
		"a time of two days":      {colSampleTime, "03/04/2026 09:00", "sampleCollectionTimestamp not-a-date"},
		"a time in words":         {colResultTime, "at noon", "resultTimestamp not-a-date"},
		"no date of birth":        {colBirthDate, "", "recipientDOB required"},
		"a formula for the test":  {"testName", "=1+1", "testName formula"},
		"a command for the place": {colFacility, "@SUM(1+1)", "facilityName formula"},
		"a shortened code":        {colCode, "1.23457E+11", "preEnrollmentCode spreadsheet"},
	} {
		t.Run(name, func(t *testing.T) {
			row := tested()
			row[tt.column] = tt.value
			rows := read(t, strings.NewReader(testTable(row, tested())), Options{Zone: kingston})
			if len(rows) != 2 || codes(rows[0]) != tt.want || codes(rows[1]) != "" {
				t.Fatalf("%q and %q, want %q", codes(rows[0]), codes(rows[1]), tt.want)
			}
			for _, f := range rows[0].Faults {
				if len(tt.value) > 1 && strings.Contains(f.Message, tt.value) {
					t.Errorf("the reason repeats the value: %q", f.Message)
				}
			}
		})
	}
	local := tested()
	local[colSampleTime] = "2026-11-21 09:05"
	if e := read(t, strings.NewReader(testTable(local)), Options{Zone: kingston})[0].Event; !e.Test.Date.Equal(time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)) {
		t.Errorf("a clock in the country: %v", e.Test.Date)
	}
	nothing := map[string]string{colCode: "T-1", colName: "A", colBirthDate: "1990"}
	if row := read(t, strings.NewReader(testTable(nothing)), Options{})[0]; !strings.Contains(codes(row), "sampleCollectionTimestamp required") {
		t.Errorf("a row without a test: %q", codes(row))
	}
}

func TestWhichTemplateAHeaderIsOf(t *testing.T) {
	doses, tests := strings.Join(Columns(), ","), strings.Join(TestColumns(), ";")
	for name, tt := range map[string]struct {
		header string
		want   Template
		is     Template // "" is an error
	}{
		"doses":                       {doses, Any, Doses},
		"tests, with another divider": {tests, Any, Tests},
		"tests where tests belong":    {tests, Tests, Tests},
		"doses where tests belong":    {doses, Tests, ""},
		"tests where doses belong":    {tests, Doses, ""},
		"a column of tests missing":   {strings.Replace(tests, "testType;", "", 1), Any, ""},
	} {
		t.Run(name, func(t *testing.T) {
			columns, err := Inspect([]byte(tt.header+"\n"), "", tt.want)
			if (err != nil) != (tt.is == "") || err == nil && TemplateOf(columns) != tt.is {
				t.Errorf("%v, %v", columns, err)
			}
		})
	}
	_, err := Inspect([]byte(strings.Replace(tests, "testType;", "", 1)), "", Tests)
	if err == nil || !strings.Contains(err.Error(), "Missing Headers: testType") {
		t.Errorf("%v", err)
	}
}

func TestEveryColumnOfTestsHasAField(t *testing.T) {
	if len(TestColumns()) != templateLength {
		t.Fatalf("%d columns", len(TestColumns()))
	}
	has := map[string]bool{colMobile: true}
	for path, c := range byPath() {
		has[c] = true
		if Column(path) != c {
			t.Errorf("%s is in %s", path, Column(path))
		}
	}
	for _, path := range []string{"pathogen", "type.display", "brand", "manufacturer", "lot", "origin", "date", "resultDate", "result", "centre", "practitioner"} {
		has[Column("test."+path)] = true
	}
	for _, c := range TestColumns() {
		if !has[c] {
			t.Errorf("no fault can name %s", c)
		}
	}
	if Column("test.centreAddress.region") != "facilityState" || Column("test.country") != "test.country" {
		t.Error("paths")
	}
}
