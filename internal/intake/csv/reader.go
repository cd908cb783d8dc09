package csv

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/vaccination"
)

// Options say how a file is to be read.
type Options struct {
	Encoding string         // UTF8 where it is empty; a byte order mark counts for more
	Dates    dates.Order    // of dates that are all numbers
	Zone     *time.Location // in which a time of vaccination is a day
}

// Row is one row of a file.
type Row struct {
	Number int      // from 1, the header and empty rows not counted
	Line   int      // of the file, at which it begins
	Cells  []string // as written, in the order of [Reader.Columns]; more or fewer when the row is ragged
	Event  vaccination.Event
	// Faults is what is wrong with the row so far, in the names of columns.
	// Event says what could be read of it all the same, unless Broken.
	Faults []vaccination.Fault
	Broken bool // not a row of the table: Event says nothing
}

// Reader reads the rows of a file.
type Reader struct {
	rows

	o       Options
	of      Template
	order   []int
	columns []string
}

// NewReader reads the header of in. One that is not the template's is a
// [*HeaderError].
func NewReader(in io.Reader, o Options) (*Reader, error) {
	text, err := decode(in, o.Encoding)
	if err != nil {
		return nil, err
	}
	s := newScanner(text)
	of, order, err := readHeader(s, Any)
	if err != nil {
		return nil, err
	}
	r := &Reader{rows: rows{s: s}, o: o, of: of, order: order, columns: columnsOf(of, order)}
	for _, n := range order {
		r.keep = append(r.keep, n >= 0)
	}
	return r, nil
}

// Columns are the columns of the file, in its order, without "errors".
func (r *Reader) Columns() []string { return r.columns }

// Read returns the next row; io.EOF after the last. Every other error is the
// underlying reader's: what is wrong with a row is in its Faults.
func (r *Reader) Read() (Row, error) {
	row, all, err := r.next()
	if err != nil || row.Broken {
		return row, err
	}
	cells := make([]string, templateLength+1)
	for i, n := range r.order {
		if n >= 0 {
			cells[n] = all[i]
		}
	}
	f := fields{o: &r.o, cells: cells, position: position[r.of]}
	row.Event = f.event(r.of)
	row.Faults = f.faults
	return row, nil
}

// fields turns the cells of a row, in the order of the template, into an event.
type fields struct {
	o        *Options
	cells    []string
	position map[string]int // of a column in the template
	faults   []vaccination.Fault
}

func (f *fields) fault(column, code, message string) {
	f.faults = append(f.faults, vaccination.Fault{Path: column, Code: code, Message: message})
}

// position is where a column stands in each template.
var position = func() map[Template]map[string]int {
	at := map[Template]map[string]int{Doses: {}, Tests: {}}
	for t, columns := range at {
		for i, c := range t.known() {
			columns[c] = i
		}
	}
	return at
}()

// at is the cell of a column, which the template must have.
func (f *fields) at(column string) string { return strings.TrimSpace(f.cells[f.position[column]]) }

// mangled is a number as a spreadsheet shows one that is too long for it. The
// digits are lost, and many records would have one code.
var mangled = regexp.MustCompile(`^[0-9]([.,][0-9]+)?E\+?[0-9]+$`)

// name is the name of a person or place. A formula is none: it may be harmless
// here, and is not in the next program that a certificate's words come to.
func (f *fields) name(column string) string {
	s := f.at(column)
	if len(s) > 1 && triggers(s[0]) {
		f.fault(column, "formula", aFormula)
	}
	return s
}

// whole reads a number that a spreadsheet may have written as 1.0.
func (f *fields) whole(column string) int {
	s := f.at(column)
	if s == "" {
		return 0
	}
	digits, zeros, _ := strings.Cut(s, ".")
	n, err := strconv.Atoi(digits)
	if err != nil || strings.Trim(zeros, "0") != "" || len(digits) > 6 {
		f.fault(column, vaccination.FaultFormat, "a whole number is expected: 1 for the first dose")
		return 1 // that nothing is there would be another fault
	}
	if n == 0 {
		f.fault(column, vaccination.FaultRange, "a whole number from 1 is expected")
		return 1
	}
	return n
}

func (f *fields) date(column string, zone *time.Location) vaccination.Date {
	d, code, message := dates.Parse(f.at(column), f.o.Dates, zone)
	if code != "" {
		f.fault(column, code, message)
	}
	return d
}

func (f *fields) event(of Template) vaccination.Event {
	for _, c := range []string{colCode, colMobile, colIdentity} {
		if mangled.MatchString(f.at(c)) {
			f.fault(c, "spreadsheet", shortened)
		}
	}
	e := vaccination.Event{
		Programme:     f.at(colProgramme),
		EnrolmentCode: f.at(colCode),
		Person: vaccination.Person{
			Name:        f.name(colName),
			BirthDate:   f.date(colBirthDate, nil),
			Sex:         vaccination.Sex(f.at("recipientGender")),
			Nationality: f.at("recipientNationality"),
			Identifier:  identifier(f.at(colIdentity)),
		},
		Contacts: contacts(f.at(colMobile)),
		Address:  f.address("recipient"),
	}
	if of == Tests {
		if f.at(colBirthDate) == "" {
			f.fault(colBirthDate, vaccination.FaultRequired, "give the date of birth, or the year where no more is known")
		}
		e.Test = f.test()
		return e
	}
	e.Vaccination = vaccination.Dose{
		Product:       f.at("vaccinationName"),
		Manufacturer:  vaccination.Coding{Display: f.at("vaccinationManufacturer")},
		Lot:           f.at("vaccinationBatch"),
		Date:          f.date(colDate, f.o.Zone),
		ValidFrom:     f.date(colStart, nil),
		ValidUntil:    f.date(colEnd, nil),
		Number:        f.whole(colDose),
		Total:         f.whole(colTotal),
		Centre:        f.name(colFacility),
		CentreAddress: f.address("facility"),
		Practitioner:  f.name(colVaccinator),
	}
	f.age()
	return e
}

func (f *fields) test() vaccination.Test {
	display := func(column string) vaccination.Coding { return vaccination.Coding{Display: f.at(column)} }
	t := vaccination.Test{
		Pathogen: display("disease"), Type: display("testType"), Brand: vaccination.Coding{Display: f.name("testName")},
		Manufacturer: display("manufacturer"), Lot: f.at("testBatch"), Origin: display("sampleOrigin"),
		Date: f.moment(colSampleTime), ResultDate: f.moment(colResultTime), Result: display("result"),
		Centre: f.name(colFacility), CentreAddress: f.address("facility"), Practitioner: f.name("verifier"),
	}
	if t.IsZero() { // else it would be read as a dose that lacks everything
		f.fault(colSampleTime, vaccination.FaultRequired, "say when the sample was taken")
	}
	return t
}

// moment reads a time: with its zone, or as a clock in the country showed it.
func (f *fields) moment(column string) time.Time {
	s := f.at(column)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, f.o.Zone); err == nil {
			return t
		}
	}
	f.fault(column, vaccination.FaultNotADate, "write date and time: 2021-11-30T09:05:00+05:30, or 2021-11-30 09:05 as the clock showed it there")
	return time.Time{}
}

// age checks the age, which DIVOC wants where there is no date of birth. It
// stays an age: no birth date is made of it.
func (f *fields) age() {
	age := f.at(colAge)
	if age == "" {
		if f.at(colBirthDate) == "" {
			f.fault(colBirthDate, vaccination.FaultRequired, "give the date of birth, or the age where it is not known")
		}
		return
	}
	if n, err := strconv.ParseFloat(age, 64); err != nil || !(n >= 0 && n <= 150) {
		f.fault(colAge, vaccination.FaultFormat, "an age is a number of years from 0 to 150")
	}
}

func (f *fields) address(of string) vaccination.Address {
	return vaccination.Address{
		Line1: f.at(of + "AddressLine1"), Line2: f.at(of + "AddressLine2"), District: f.at(of + "District"),
		Region: f.at(of + "State"), PostCode: f.at(of + "Pincode"),
	}
}

// identifier reads DIVOC's identity: "did:Passport:P123", or a bare number.
func identifier(s string) vaccination.Identifier {
	if rest, ok := strings.CutPrefix(s, "did:"); ok {
		if kind, value, ok := strings.Cut(rest, ":"); ok {
			return vaccination.Identifier{Kind: kind, Value: value}
		}
	}
	return vaccination.Identifier{Value: s}
}

func contacts(s string) []string {
	switch {
	case s == "":
		return nil
	case strings.HasPrefix(s, "tel:"), strings.HasPrefix(s, "mailto:"):
		return []string{s}
	case strings.Contains(s, "@"):
		return []string{"mailto:" + s}
	}
	return []string{"tel:" + s}
}
