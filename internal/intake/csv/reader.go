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
	order, err := readHeader(s)
	if err != nil {
		return nil, err
	}
	r := &Reader{rows: rows{s: s}, o: o, order: order, columns: columnsOf(order)}
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
	f := fields{o: &r.o, cells: cells}
	row.Event = f.event()
	row.Faults = f.faults
	return row, nil
}

// fields turns the cells of a row, in the order of the template, into an event.
type fields struct {
	o      *Options
	cells  []string
	faults []vaccination.Fault
}

func (f *fields) fault(column, code, message string) {
	f.faults = append(f.faults, vaccination.Fault{Path: column, Code: code, Message: message})
}

// position is where a column stands in the template.
var position = func() map[string]int {
	at := map[string]int{}
	for i, c := range known() {
		at[c] = i
	}
	return at
}()

func (f *fields) at(column string) string { return strings.TrimSpace(f.cells[position[column]]) }

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

func (f *fields) event() vaccination.Event {
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
		Vaccination: vaccination.Dose{
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
		},
	}
	f.age()
	return e
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
