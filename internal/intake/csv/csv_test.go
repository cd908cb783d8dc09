package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/opendivoc/divoc/vaccination"
)

// record1 is a row without fault, by column.
func record1() map[string]string {
	return map[string]string{
		colCode: "A-1", colName: "Zoë Müller", colMobile: "876 555 0142", colBirthDate: "1987-04-21", colAge: "34",
		"recipientGender": "Female", "recipientNationality": "JAM", colIdentity: "did:Passport:P1",
		"recipientAddressLine1": "1 Test Road,\nback house", "recipientDistrict": "Trelawny", "recipientPincode": "JM1",
		"vaccinationBatch": "PF1", colDate: "2021-11-30T15:00:00Z", colDose: "1", colTotal: "2.0",
		colStart: "2021-11-30", colEnd: "30-Nov-2022", "vaccinationManufacturer": "Pfizer", "vaccinationName": "Comirnaty",
		colVaccinator: "N. Brown", colFacility: "Falmouth \"West\" Centre", "facilityDistrict": "Trelawny",
	}
}

// table writes rows under the template's header with a delimiter.
func table(comma string, rows ...map[string]string) string {
	lines := []string{strings.Join(Columns(), comma)}
	for _, row := range rows {
		var cells []string
		for _, c := range Columns() {
			v := row[c]
			if strings.ContainsAny(v, comma+"\"\r\n") {
				v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			cells = append(cells, v)
		}
		lines = append(lines, strings.Join(cells, comma))
	}
	return strings.Join(lines, "\n") + "\n"
}

func with(column, value string) map[string]string {
	row := record1()
	row[column] = value
	return row
}

func read(t *testing.T, r io.Reader, o Options) []Row {
	t.Helper()
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	reader, err := NewReader(r, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []Row
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
}

func codes(row Row) string {
	var out []string
	for _, f := range row.Faults {
		out = append(out, f.Path+" "+f.Code)
	}
	return strings.Join(out, ", ")
}

func TestARowBecomesAnEvent(t *testing.T) {
	rows := read(t, strings.NewReader(table(",", record1())), Options{})
	if len(rows) != 1 || codes(rows[0]) != "" {
		t.Fatalf("rows = %+v", rows)
	}
	date := func(y, m, d int) vaccination.Date { return vaccination.Date{Year: y, Month: time.Month(m), Day: d} }
	want := vaccination.Event{
		EnrolmentCode: "A-1",
		Person: vaccination.Person{
			Name: "Zoë Müller", BirthDate: date(1987, 4, 21), Sex: "Female", Nationality: "JAM",
			Identifier: vaccination.Identifier{Kind: "Passport", Value: "P1"},
		},
		Contacts: []string{"tel:876 555 0142"},
		Address:  vaccination.Address{Line1: "1 Test Road,\nback house", District: "Trelawny", PostCode: "JM1"},
		Vaccination: vaccination.Dose{
			Product: "Comirnaty", Manufacturer: vaccination.Coding{Display: "Pfizer"}, Lot: "PF1", Date: date(2021, 11, 30),
			ValidFrom: date(2021, 11, 30), ValidUntil: date(2022, 11, 30), Number: 1, Total: 2,
			Centre: `Falmouth "West" Centre`, CentreAddress: vaccination.Address{District: "Trelawny"}, Practitioner: "N. Brown",
		},
	}
	if diff := cmp.Diff(want, rows[0].Event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestEncodingsAndDelimiters(t *testing.T) {
	want := read(t, strings.NewReader(table(",", record1())), Options{})[0].Event
	utf16 := func(e unicode.Endianness, bom unicode.BOMPolicy) func(string) []byte {
		return func(s string) []byte {
			b, err := unicode.UTF16(e, bom).NewEncoder().Bytes([]byte(s))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	encodings := map[string]struct {
		encode func(string) []byte
		want   string
	}{
		"UTF-8":                   {func(s string) []byte { return []byte(s) }, UTF8},
		"UTF-8 with a mark":       {func(s string) []byte { return []byte("\xef\xbb\xbf" + s) }, UTF8},
		"UTF-16LE with a mark":    {utf16(unicode.LittleEndian, unicode.UseBOM), UTF16LE},
		"UTF-16BE with a mark":    {utf16(unicode.BigEndian, unicode.UseBOM), UTF16BE},
		"UTF-16LE without a mark": {utf16(unicode.LittleEndian, unicode.IgnoreBOM), UTF16LE},
		"UTF-16BE without a mark": {utf16(unicode.BigEndian, unicode.IgnoreBOM), UTF16BE},
		"Windows-1252":            {func(s string) []byte { b, _ := charmap.Windows1252.NewEncoder().Bytes([]byte(s)); return b }, Windows1252},
		"line ends of Windows":    {func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }, UTF8},
		"line ends of old Macs":   {func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r")) }, UTF8},
		"no line end at the end":  {func(s string) []byte { return []byte(strings.TrimSuffix(s, "\n")) }, UTF8},
		"empty rows at the end": {func(s string) []byte {
			return []byte(s + "\n \n" + strings.Repeat(s[len(colCode):len(colCode)+1], 27) + "\n\n")
		}, UTF8},
		"a letter cut by pieces": {func(s string) []byte { return []byte(s) }, UTF8},
		"a declaration of spreadsheets": {func(s string) []byte {
			comma := ","
			for _, c := range []string{";", "\t"} {
				if strings.Contains(s, colCode+c) {
					comma = c
				}
			}
			return []byte("sep=" + comma + "\n" + s)
		}, UTF8},
	}
	for name, e := range encodings {
		for _, comma := range []string{",", ";", "\t"} {
			t.Run(fmt.Sprintf("%s %q", name, comma), func(t *testing.T) {
				data := e.encode(table(comma, record1()))
				var d Detector
				for i := range data {
					_, _ = d.Write(data[i : i+1])
				}
				encoding, err := d.Encoding()
				if err != nil || encoding != e.want {
					t.Fatalf("encoding = %q, %v; want %q", encoding, err, e.want)
				}
				rows := read(t, iotest.OneByteReader(bytes.NewReader(data)), Options{Encoding: encoding})
				if len(rows) != 1 {
					t.Fatalf("%d rows: %+v", len(rows), rows)
				}
				got := rows[0].Event
				if name == "line ends of Windows" || name == "line ends of old Macs" {
					got = got.Normalise()
					if diff := cmp.Diff(want.Normalise(), got); diff != "" {
						t.Error(diff)
					}
				} else if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestWhatTheEncodingCannotBe(t *testing.T) {
	var d Detector
	_, _ = d.Write([]byte("abcd \x81 and more"))
	if e, err := d.Encoding(); err == nil {
		t.Errorf("a byte that is nothing in Windows-1252: %q", e)
	}
	d = Detector{}
	_, _ = d.Write([]byte("Zoë Müller, සිංහල and one broken \xe9 letter"))
	if e, err := d.Encoding(); err != nil || e != UTF8 {
		t.Errorf("UTF-8 with one broken letter: %q, %v", e, err)
	}
	if _, err := ParseEncoding("koi8-r"); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("unknown encoding: %v", err)
	}
}

func TestHeaders(t *testing.T) {
	all := strings.Join(Columns(), ",")
	tests := map[string]struct {
		header string
		want   string // in the error
		silent string // not in it
	}{
		"missing":              {strings.Replace(all, "recipientName,", "", 1), "Missing Headers: recipientName", ""},
		"two missing":          {strings.Replace(strings.Replace(all, "recipientName,", "", 1), "vaccinationDose,", "", 1), "Missing Headers: recipientName, vaccinationDose", ""},
		"unknown":              {strings.Replace(all, "recipientName", "recipentName", 1), "column 2: this is no column of the template: did you mean recipientName?", "recipentName"},
		"a column too many":    {all + ",shoe size", "column 29: this is no column of the template: remove it", "shoe"},
		"twice":                {all + ",recipientName", "recipientName: this column is there twice", ""},
		"a record in place":    {"A-1,Marcia Campbell,8765550142", "the first line is not the template's header", "Marcia"},
		"empty file":           {"", "the file is empty", ""},
		"an unclosed quote":    {`"` + all, "Missing Headers", ""},
		"nothing but a marker": {"sep=,", "Missing Headers", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Inspect([]byte(tt.header), "", Any)
			var h *HeaderError
			var shown *vaccination.Error
			if !errors.As(err, &h) || !errors.As(err, &shown) || shown.Code != vaccination.Invalid {
				t.Fatalf("error = %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %q, want %q in it", err, tt.want)
			}
			if tt.silent != "" && strings.Contains(err.Error(), tt.silent) {
				t.Errorf("the error repeats the file: %q", err)
			}
		})
	}
	columns, err := Inspect([]byte(strings.ToUpper(all)+",programId,errors\n"), "", Any)
	if diff := cmp.Diff(append(Columns(), colProgramme), columns); err != nil || diff != "" {
		t.Errorf("columns: %v, %s", err, diff)
	}
}

func TestRowsWithFaults(t *testing.T) {
	tests := map[string]struct{ column, value, want string }{
		"no dose of that number":    {colDose, "0", "vaccinationDose out-of-range"},
		"a dose in words":           {colDose, "erste", "vaccinationDose format"},
		"half a dose":               {colDose, "1.5", "vaccinationDose format"},
		"an endless dose":           {colDose, "99999999999999999999", "vaccinationDose format"},
		"total in words":            {colTotal, "two", "vaccinationTotalDoses format"},
		"ambiguous birth date":      {colBirthDate, "03/04/2021", "recipientDOB ambiguous"},
		"ambiguous date":            {colDate, "3.4.2021", "vaccinationDate ambiguous"},
		"no date at all":            {colDate, "yesterday", "vaccinationDate not-a-date"},
		"no such day":               {colDate, "31/02/2021", "vaccinationDate not-a-date"},
		"no such ISO day":           {colDate, "2021-02-29", "vaccinationDate not-a-date"},
		"a birth date with a time":  {colBirthDate, "1987-04-21T22:10:00Z", "recipientDOB not-a-date"},
		"a year of two digits":      {colBirthDate, "13/04/87", "recipientDOB not-a-date"},
		"an age in words":           {colAge, "old", "recipientAge format"},
		"a negative age":            {colAge, "-3", "recipientAge format"},
		"a shortened code":          {colCode, "1.23457E+11", "preEnrollmentCode spreadsheet"},
		"a shortened mobile number": {colMobile, "1.87656E+10", "recipientMobileNumber spreadsheet"},
		"a shortened identity":      {colIdentity, "1,2E+15", "recipientIdentity spreadsheet"},
		"a formula for a name":      {colName, `=HYPERLINK("http://example.org")`, "recipientName formula"},
		"a command for a facility":  {colFacility, "@SUM(1+1)", "facilityName formula"},
		"a formula for vaccinator":  {colVaccinator, "+1+1", "vaccinatorName formula"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows := read(t, strings.NewReader(table(",", with(tt.column, tt.value), record1())), Options{})
			if len(rows) != 2 || codes(rows[0]) != tt.want {
				t.Fatalf("%d rows, faults %q; want %q", len(rows), codes(rows[0]), tt.want)
			}
			if codes(rows[1]) != "" || rows[1].Event.EnrolmentCode != "A-1" {
				t.Errorf("the row after: %+v", rows[1])
			}
			for _, f := range rows[0].Faults {
				if strings.Contains(f.Message, tt.value) && len(tt.value) > 1 {
					t.Errorf("the reason repeats the value: %q", f.Message)
				}
			}
		})
	}
	neither := with(colAge, "")
	neither[colBirthDate] = ""
	if row := read(t, strings.NewReader(table(",", neither)), Options{})[0]; codes(row) != "recipientDOB required" {
		t.Errorf("neither date of birth nor age: %q", codes(row))
	}
	young := with(colBirthDate, "")
	if row := read(t, strings.NewReader(table(",", young)), Options{})[0]; codes(row) != "" || !row.Event.Person.BirthDate.IsZero() {
		t.Errorf("an age alone: %q, birth date %v", codes(row), row.Event.Person.BirthDate)
	}
}

func TestBrokenRowsCostThemselvesOnly(t *testing.T) {
	good := strings.SplitN(table(",", with("recipientAddressLine1", "1 Test Road")), "\n", 2)[1]
	tests := map[string]struct {
		row  string
		want []string
	}{
		"too few cells":             {"a,b,c\n", []string{"columns"}},
		"too many cells":            {strings.TrimSuffix(good, "\n") + ",more\n", []string{"columns"}},
		"a quote never closed":      {`A,"open` + strings.Repeat(",", 26) + "\n", []string{"quote"}},
		"text behind a quote":       {`A,"x"y` + strings.Repeat(",", 26) + "\n", []string{"quote"}},
		"longer than a row can be":  {"A," + strings.Repeat("x", 3*maxRecord) + strings.Repeat(",", 26) + "\n", []string{"too-big"}},
		"an open quote of any size": {`A,"` + strings.Repeat("x", 3*maxRecord) + "\n", []string{"too-big"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows := read(t, strings.NewReader(strings.Join(Columns(), ",")+"\n"+tt.row+good+good), Options{})
			var broken []string
			whole := 0
			for _, r := range rows {
				if r.Broken {
					broken = append(broken, r.Faults[0].Code)
				} else if codes(r) == "" {
					whole++
				}
			}
			if diff := cmp.Diff(tt.want, broken); diff != "" || whole != 2 {
				t.Errorf("%d whole rows, broken (-want +got):\n%s", whole, diff)
			}
			if last := rows[len(rows)-1]; last.Number != 3 || last.Line != 4 {
				t.Errorf("the last row is number %d at line %d", last.Number, last.Line)
			}
		})
	}
}

// TestALostQuoteJoinsNoRows has a mark too many in two rows, which together look
// like one cell.
func TestALostQuoteJoinsNoRows(t *testing.T) {
	rows := read(t, strings.NewReader(strings.Join(Columns(), ",")+"\n"+
		`A,"Marcia`+strings.Repeat(",", 26)+"\n"+
		`B,Marcia 5",,,33`+strings.Repeat(",", 23)+"\n"), Options{})
	if len(rows) != 2 || !rows[0].Broken || codes(rows[1]) != "" || rows[1].Event.EnrolmentCode != "B" {
		t.Errorf("%d rows: %+v", len(rows), rows)
	}
}

func TestEveryColumnHasAField(t *testing.T) {
	if len(Columns()) != templateLength {
		t.Fatalf("%d columns", len(Columns()))
	}
	has := map[string]bool{colMobile: true, colAge: true}
	for _, c := range byPath() {
		has[c] = true
	}
	for _, c := range Columns() {
		if !has[c] {
			t.Errorf("no fault can name %s", c)
		}
	}
	if Column("contacts[0]") != colMobile || Column("vaccination.country") != "vaccination.country" {
		t.Error("paths")
	}
}

func BenchmarkReader(b *testing.B) {
	one := strings.SplitN(table(",", record1()), "\n", 2)
	b.SetBytes(int64(len(one[1])))
	b.ReportAllocs()
	r, err := NewReader(io.MultiReader(strings.NewReader(one[0]+"\n"), strings.NewReader(strings.Repeat(one[1], b.N))), Options{Zone: time.UTC})
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
