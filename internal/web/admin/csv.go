package admin

import (
	"encoding/csv"

	"github.com/opendivoc/divoc/internal/web/door"
)

// file answers with a table as CSV: UTF-8 with a byte order mark, which
// spreadsheets need to know it. No cell of it is a formula.
func (a *asked) file(name string, t *table) (*body, error) {
	h := a.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	h.Set("Cache-Control", "no-store")
	_, _ = a.w.Write([]byte("\xef\xbb\xbf")) // the client went away, here and below
	out := csv.NewWriter(a.w)
	line := func(cells []string) {
		for i := range cells {
			cells[i] = door.Cell(cells[i])
		}
		_ = out.Write(cells)
	}
	line(append([]string{}, t.Head...))
	for _, r := range t.Rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = c.Text
		}
		line(cells)
	}
	out.Flush()
	return nil, nil
}

// wantsFile reports whether a list is asked for as a file.
func (a *asked) wantsFile() bool { return a.URL.Query().Get("format") == "csv" }

// fileURL is the address of this list as a file.
func (a *asked) fileURL(more ...string) string {
	q := a.URL.Query()
	q.Del("done")
	q.Set("format", "csv")
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return a.URL.Path + "?" + q.Encode()
}
