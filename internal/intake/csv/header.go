package csv

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// HeaderError says that the first line of a file is not the template's header.
// It wraps a [vaccination.Error] that names columns and never repeats what
// stands in the file: without a header that would be somebody's record.
type HeaderError struct{ Err *vaccination.Error }

// Error is the message and what is wrong with each column.
func (e *HeaderError) Error() string { return e.Err.Error() }

// Unwrap returns the error that may be shown.
func (e *HeaderError) Unwrap() error { return e.Err }

// readHeader finds the delimiter and reads the header of s: for each cell of a
// row the column of the template it is, -1 for one that is read over. Of
// [Any], the template is the one that the header has more columns of.
func readHeader(s *scanner, want Template) (_ Template, order []int, err error) {
	rec, err := firstRow(s, func(names []string) int { return max(want.count(names), Tests.count(names)) })
	if err != nil {
		return "", nil, err
	}
	if want == Any {
		want = Doses
		if Tests.count(rec.cells) > Doses.count(rec.cells) {
			want = Tests
		}
	}
	names := want.known()
	order = make([]int, len(rec.cells))
	var faults []vaccination.Fault
	seen := map[int]bool{}
	for i, cell := range rec.cells {
		n := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, strings.TrimSpace(cell)) })
		order[i] = n
		switch {
		case n < 0:
			faults = append(faults, vaccination.Fault{Path: fmt.Sprintf("column %d", i+1), Code: "unknown-column", Message: "this is no column of the template" + nearest(cell, names)})
		case seen[n]:
			faults = append(faults, vaccination.Fault{Path: names[n], Code: "duplicate-column", Message: "this column is there twice: leave one"})
		case names[n] == errorsColumn:
			order[i] = -1
		}
		seen[n] = true
	}
	var missing []string
	for i, name := range names[:templateLength] {
		if !seen[i] {
			missing = append(missing, name)
		}
	}
	e := &vaccination.Error{Code: vaccination.Invalid, Faults: faults}
	switch {
	case len(missing) == templateLength:
		e.Faults = nil
		e.Message = "Missing Headers: the first line is not the template's header: " + strings.Join(missing, ", ")
	case len(missing) > 0:
		e.Message = "Missing Headers: " + strings.Join(missing, ", ")
	case len(faults) > 0:
		e.Message = "the header differs from the template"
	default:
		return want, order, nil
	}
	return "", nil, &HeaderError{e}
}

// skipDeclaration reads "sep=;" on a line of its own, as spreadsheets write it.
func skipDeclaration(s *scanner) error {
	s.comma = 0
	head, err := s.r.Peek(5)
	if err == io.EOF || len(head) < 5 { //nolint:errorlint // bufio returns it bare
		return nil
	}
	if err != nil || !bytes.EqualFold(head[:4], []byte("sep=")) {
		return err
	}
	line, err := s.peekLine()
	if err == nil && len(bytes.TrimRight(line, "\r\n")) == 5 {
		s.comma = line[4]
		s.skip(line)
	}
	return err
}

// count counts names that are columns of the template.
func (t Template) count(names []string) (n int) {
	known := t.known()
	for _, cell := range names {
		if slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, strings.TrimSpace(cell)) }) {
			n++
		}
	}
	return n
}

// nearest says which of the known columns a cell of the header is most like.
func nearest(cell string, names []string) string {
	cell = strings.ToLower(strings.TrimSpace(cell))
	best := slices.MinFunc(names, func(a, b string) int { return distance(cell, a) - distance(cell, b) })
	if len(cell) > 2*len(best) || distance(cell, best) > len(best)/2 {
		return ": remove it"
	}
	return ": did you mean " + best + "?"
}

// distance is the number of letters to change, add or drop between a, which is
// in small letters, and b.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// Inspect checks the header of a file by its first bytes, of which 64 kB are
// enough, and returns the file's columns in its order, "errors" left out. A
// header that is not the template's is a [*HeaderError].
func Inspect(head []byte, encoding string, want Template) ([]string, error) {
	text, err := decode(bytes.NewReader(head), encoding)
	if err != nil {
		return nil, err
	}
	t, order, err := readHeader(&scanner{r: bufio.NewReaderSize(text, 2*maxRecord), line: 1}, want)
	if err != nil {
		return nil, err
	}
	return columnsOf(t, order), nil
}

func columnsOf(t Template, order []int) []string {
	names := t.known()
	var out []string
	for _, n := range order {
		if n >= 0 {
			out = append(out, names[n])
		}
	}
	return out
}
