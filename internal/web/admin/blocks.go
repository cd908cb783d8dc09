package admin

import (
	"fmt"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// A page of the portal is made of blocks, so that all of them look and work alike.

// body is one page.
type body struct {
	Status  int
	Title   string
	Caption string // above the title
	Back    *link
	Done    string // what was just done
	Faults  []page.Fault
	Lead    string
	Script  string
	Blocks  []block
}

// block is one part of a page; one of its fields is set, Heading and Text beside
// another stand above it.
type block struct {
	Heading string
	Text    string
	Inset   bool // Text matters
	Lines   []line
	Table   *table
	Form    *formBlock
	Chart   *chart
	Links   []link
	Pre     string // as it is, in a box
	Live    *live
	Image   string // the URL of a picture; Text says what it shows
}

type link struct{ Text, URL string }

type item struct {
	Text, URL string
	Here      bool
}

// line is one line of a list of facts.
type line struct {
	Key  string
	Cell cell
}

// table is rows of things.
type table struct {
	Caption string
	Head    []string
	Rows    [][]cell
	Empty   string // said where there is no row
	CSV     string // URL of the same as a file
	Next    string // URL of the rows that follow
	Numbers int    // so many columns at the end are numbers
	Select  string // name of the boxes of a form that has the table in it; the first cell's ID is the value
}

// cell is one value of a table.
type cell struct {
	Text string
	URL  string
	Tag  string // colour of a tag: green, red, yellow, grey, blue
	ID   string // of a row to select, in the first cell
}

// live is progress that a script keeps up to date, and a reload shows too.
type live struct {
	URL        string // of the events
	Done, Size int64
	Text       string
}

// formBlock is a form.
type formBlock struct {
	Action string
	Get    bool
	File   bool
	Danger bool
	Submit string
	Hidden [][2]string
	Fields []field
	Table  *table // to select from
	Inline bool   // fields beside each other, for filters
}

// field is one field of a form.
type field struct {
	page.Input
	Kind    string // text, area, select, radios, checks, date, file
	Options []option
	Date    page.DateParts
	Rows    int
}

type option struct {
	Value, Text, Hint string
	Checked           bool // of checks
}

func text(t string) cell { return cell{Text: t} }

func to(t, url string) cell { return cell{Text: t, URL: url} }

func number(n int64) cell { return cell{Text: strconv.FormatInt(n, 10)} }

// when is a moment, "" for none: by the clocks of the country, and in a file, which
// travels, as programs read it.
func (a *asked) when(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	if a.wantsFile() {
		return t.UTC().Format(time.RFC3339)
	}
	return a.v.Time(t)
}

// tag is a word with a colour; the word alone says everything.
func (a *asked) tag(prefix, value string) cell {
	colour := map[string]string{
		"valid": "green", "active": "green", "done": "green", "issued": "green", "current": "green", "changed": "green", "delivered": "green", "in-force": "green",
		"revoked": "red", "refused": "red", "failed": "red", "stopped": "red", "skipped": "red", "wrong": "red", "rejected": "red", "expired": "red",
		"suspended": "yellow", "paused": "yellow", "held": "yellow", "ready": "yellow", "waiting": "yellow", "pending": "yellow", "invited": "yellow", "unknown": "yellow", "draft": "yellow", "asked": "yellow",
		"looking": "blue", "approved": "blue", "processing": "blue", "accepted": "blue", "running": "blue",
	}[value]
	if colour == "" {
		colour = "grey"
	}
	word := value
	if key := prefix + value; a.v.Has(key) {
		word = a.v.T(key)
	}
	return cell{Text: word, Tag: colour}
}

// certificate is a certificate by its id, "" for none.
func certificate(id vaccination.CertificateID) cell {
	if id.IsZero() {
		return cell{}
	}
	return to(id.String(), Path+"/certificates/"+id.String())
}

// textField is a field for one line.
func (a *asked) textField(id, key, value string) field {
	f := field{Kind: "text", Input: page.Input{ID: id, Label: a.v.T("admin." + key), Value: value, Max: 200}}
	if hint := "admin." + key + ".hint"; a.v.Has(hint) {
		f.Hint = a.v.T(hint)
	}
	return f
}

func (a *asked) selectField(id, key, value string, options []option) field {
	f := a.textField(id, key, value)
	f.Kind, f.Options = "select", options
	return f
}

func fieldRows(f field) string { return strconv.Itoa(max(f.Rows, 4)) }

func optionID(f field, i int) string {
	if i == 0 {
		return f.ID
	}
	return fmt.Sprintf("%s-%d", f.ID, i+1)
}
