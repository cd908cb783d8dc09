package csv

import (
	stdcsv "encoding/csv"
	"io"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// triggers reports whether a spreadsheet takes a cell that begins with c for a
// formula, or may come to.
func triggers(c byte) bool { return strings.IndexByte("=+-@\t\r", c) >= 0 }

// guard returns a cell that a spreadsheet shows and does not run: with ' before
// what could be a formula. [unguard] is its inverse, for every cell.
func guard(cell string) string {
	if rest := strings.TrimLeft(cell, "'"); rest != "" && triggers(rest[0]) {
		return "'" + cell
	}
	return cell
}

// unguard takes off what guard put on.
func unguard(cell string) string {
	if rest := strings.TrimLeft(cell, "'"); rest != "" && triggers(rest[0]) && cell[0] == '\'' {
		return cell[1:]
	}
	return cell
}

// ErrorWriter writes the rows that were refused, with the reasons in a last
// column, to be corrected and uploaded again. It is UTF-8 with a byte order
// mark, which spreadsheets need to know it.
type ErrorWriter struct {
	w       *stdcsv.Writer
	columns int
}

// NewErrorWriter writes the header: columns and "errors".
func NewErrorWriter(w io.Writer, columns []string) (*ErrorWriter, error) {
	if _, err := io.WriteString(w, "\xef\xbb\xbf"); err != nil {
		return nil, err
	}
	e := &ErrorWriter{w: stdcsv.NewWriter(w), columns: len(columns)}
	return e, e.w.Write(append(append([]string{}, columns...), errorsColumn))
}

// Write writes a row. The reasons stand in their column also where the row has
// too many cells; those follow.
func (e *ErrorWriter) Write(cells []string, reasons []vaccination.Fault) error {
	out := make([]string, 0, max(e.columns, len(cells))+1)
	for i := range max(e.columns, len(cells)) {
		if i == e.columns {
			out = append(out, Sentence(reasons))
		}
		cell := ""
		if i < len(cells) {
			cell = guard(cells[i])
		}
		out = append(out, cell)
	}
	if len(out) == e.columns {
		out = append(out, Sentence(reasons))
	}
	return e.w.Write(out)
}

// Flush writes out what is buffered.
func (e *ErrorWriter) Flush() error {
	e.w.Flush()
	return e.w.Error()
}

// Sentence tells reasons in one cell.
func Sentence(reasons []vaccination.Fault) string {
	var parts []string
	for _, r := range reasons {
		parts = append(parts, strings.TrimPrefix(r.Path+": "+r.Message, ": "))
	}
	return strings.Join(parts, "; ")
}
