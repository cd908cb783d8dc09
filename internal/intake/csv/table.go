package csv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/opendivoc/divoc/vaccination"
)

// Table reads the rows of a file with any columns.
type Table struct {
	rows

	columns []string
}

// NewTable reads the header of r. wants says how many of some names are columns
// that somebody looks for: what divides the header into the most of these is the
// file's delimiter. The faults of rows are those of form alone.
func NewTable(r io.Reader, encoding string, wants func(names []string) int) (*Table, error) {
	text, err := decode(r, encoding)
	if err != nil {
		return nil, err
	}
	t := &Table{rows: rows{s: newScanner(text)}}
	rec, err := firstRow(t.s, wants)
	if err != nil {
		return nil, err
	}
	if rec.fault != "" {
		return nil, &HeaderError{vaccination.Errorf(vaccination.Invalid, "the first line is not a header: %s", formMessage(rec, len(rec.cells)))}
	}
	for _, name := range rec.cells {
		name = strings.TrimSpace(unguard(name))
		t.keep = append(t.keep, !strings.EqualFold(name, errorsColumn))
		if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) && !unicode.IsSpace(r) }) {
			return nil, &HeaderError{vaccination.Errorf(vaccination.Invalid, "the first line holds letters that cannot be shown: declare the file's encoding, or save it as UTF-8")}
		}
		if t.keep[len(t.keep)-1] {
			t.columns = append(t.columns, name)
		}
	}
	return t, nil
}

// InspectTable reads the header of a file from its first bytes, of which 64 kB are
// enough, and returns the names of its columns, "errors" left out.
func InspectTable(head []byte, encoding string, wants func(names []string) int) ([]string, error) {
	t, err := NewTable(bytes.NewReader(head), encoding, wants)
	if err != nil {
		return nil, err
	}
	return t.columns, nil
}

// Columns are the names of the file's columns, in its order, without "errors".
func (t *Table) Columns() []string { return t.columns }

// Read returns the next row, see [Reader.Read]; its Event says nothing.
func (t *Table) Read() (Row, error) {
	row, _, err := t.next()
	return row, err
}

// firstRow finds the delimiter and reads the first row.
func firstRow(s *scanner, wants func([]string) int) (record, error) {
	if err := skipDeclaration(s); err != nil {
		return record{}, err
	}
	if s.comma == 0 {
		s.comma = delimiter(s, wants)
	}
	rec, err := s.next(0)
	if errors.Is(err, io.EOF) {
		err = &HeaderError{vaccination.Errorf(vaccination.Invalid, "Missing Headers: the file is empty")}
	}
	return rec, err
}

// delimiter is what the header is divided by into the most columns that are
// wanted.
func delimiter(s *scanner, wants func([]string) int) byte {
	head, _ := s.r.Peek(maxRecord) // less at the end of the file
	best, most := byte(','), -1
	for _, c := range []byte{',', ';', '\t'} {
		try := &scanner{r: bufio.NewReaderSize(bytes.NewReader(head), 2*maxRecord), comma: c, line: 1}
		rec, err := try.next(0)
		if err != nil {
			continue
		}
		if n := wants(rec.cells); n > most {
			best, most = c, n
		}
	}
	return best
}

// rows are the rows of a table behind its header.
type rows struct {
	s      *scanner
	keep   []bool // which cells of a row are handed out
	number int
}

// Skip reads over n rows.
func (r *rows) Skip(n int) error {
	for range n {
		if _, err := r.s.next(len(r.keep)); err != nil {
			return err
		}
		r.number++
	}
	return nil
}

// next returns the next row, and all its cells where it has as many as the
// header.
func (r *rows) next() (Row, []string, error) {
	rec, err := r.s.next(len(r.keep))
	if err != nil {
		return Row{}, nil, err
	}
	r.number++
	for i, c := range rec.cells {
		rec.cells[i] = unguard(c)
	}
	row := Row{Number: r.number, Line: rec.line, Cells: rec.cells}
	if rec.fault != "" {
		row.Broken = true
		row.Faults = []vaccination.Fault{{Path: "row", Code: rec.fault, Message: formMessage(rec, len(r.keep))}}
		return row, nil, nil
	}
	if slices.Contains(r.keep, false) {
		row.Cells = make([]string, 0, len(r.keep))
		for i, c := range rec.cells {
			if r.keep[i] {
				row.Cells = append(row.Cells, c)
			}
		}
	}
	return row, rec.cells, nil
}

func formMessage(rec record, width int) string {
	switch rec.fault {
	case ragged:
		return fmt.Sprintf("this row has %d cells and the header %d: look for a delimiter too many or too few, or text with a delimiter that needs quotation marks", len(rec.cells), width)
	case openQuote:
		return "a quotation mark is not closed, or text stands behind it: write \"\" for one inside a cell"
	default:
		return fmt.Sprintf("this row is longer than %d kB", maxRecord>>10)
	}
}

// Suspicious finds in an event what came to it from a spreadsheet and is not what
// was recorded: numbers whose digits are lost, and names that are formulas. It
// names fields of the event.
func Suspicious(e vaccination.Event) []vaccination.Fault {
	var faults []vaccination.Fault
	number := func(path, value string) {
		if mangled.MatchString(value) {
			faults = append(faults, vaccination.Fault{Path: path, Code: "spreadsheet", Message: shortened})
		}
	}
	name := func(path, value string) {
		if len(value) > 1 && triggers(value[0]) {
			faults = append(faults, vaccination.Fault{Path: path, Code: "formula", Message: aFormula})
		}
	}
	number("enrolmentCode", e.EnrolmentCode)
	number("person.identifier", e.Person.Identifier.Value)
	for _, c := range e.Contacts {
		number("contacts", strings.TrimPrefix(c, "tel:"))
	}
	name("person.name", e.Person.Name)
	name("vaccination.centre", e.Vaccination.Centre)
	name("vaccination.practitioner", e.Vaccination.Practitioner)
	return faults
}

const (
	shortened = "a spreadsheet shortened this number and lost its digits: make the column text and enter it again"
	aFormula  = "no name begins with = + - or @: write the name as recorded"
)
