package subject

import (
	_ "embed"
	"html/template"
	"io"
	"time"
)

//go:embed page.html
var pageText string

// WritePage writes a document as one page that a person can read and print. It
// needs no network and no script.
func (d *Document) WritePage(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"time": func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
		"text": func(b []byte) string { return string(b) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, d)
}
