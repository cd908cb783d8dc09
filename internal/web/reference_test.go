package web

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	anchor   = regexp.MustCompile(` id="([^"]+)"`)
	inner    = regexp.MustCompile(`href="#([^"]+)"`)
	anywhere = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)
	tags     = regexp.MustCompile(`<[^>]*>`)
)

// TestTheReferenceShowsTheWholeDescription compares the page with what
// /openapi.json says, follows its links, and asks for the documents beside it.
func TestTheReferenceShowsTheWholeDescription(t *testing.T) {
	w := newWorld(t, "jamaica")
	r := w.askAs("", http.MethodGet, "/docs", nil).is(t, 200)
	text := html.UnescapeString(tags.ReplaceAllString(r.body, ""))
	type property struct{ Description string }
	d := into[struct {
		Paths map[string]map[string]struct {
			Summary, Description string
			Parameters           []struct{ Name, Description string }
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]property }
		}
	}](t, w.askAs("", http.MethodGet, "/openapi.json", nil))
	says := func(what string) {
		t.Helper()
		if !strings.Contains(text, what) {
			t.Errorf("the page does not say %q", what)
		}
	}
	for path, operations := range d.Paths {
		says(path)
		for _, op := range operations {
			says(op.Summary)
			says(op.Description)
			for _, p := range op.Parameters {
				says(p.Name)
				says(p.Description)
			}
		}
	}
	for name, s := range d.Components.Schemas {
		says(name)
		for property, p := range s.Properties {
			says(property)
			says(p.Description)
		}
	}
	for _, name := range []string{"Event", "Person", "Dose", "Statement", "IssuedCertificate"} {
		for property, p := range d.Components.Schemas[name].Properties {
			if p.Description == "" && property != "status" && property != "issuedAt" && !strings.HasPrefix(property, "valid") {
				t.Errorf("nothing is said of %s.%s: internal/web/api/words.go", name, property)
			}
		}
	}
	says(publicURL + "/api/v1/events")
	ids := map[string]int{}
	for _, m := range anchor.FindAllStringSubmatch(r.body, -1) {
		if ids[m[1]]++; ids[m[1]] > 1 {
			t.Errorf("two sections are called %s", m[1])
		}
	}
	for _, m := range inner.FindAllStringSubmatch(r.body, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("a link to no section: %s", m[1])
		}
	}
	for _, m := range anywhere.FindAllStringSubmatch(r.body, -1) {
		if to := html.UnescapeString(m[1]); !strings.HasPrefix(to, "/") {
			t.Errorf("the page points outside: %s", to)
		} else if !strings.HasPrefix(to, "/assets/") && to != "" {
			w.askAs("", http.MethodGet, to, nil).is(t, 200)
		}
	}
	for _, name := range []string{"none.md", "..%2fgo.mod", "docs.go", "operations.md%00"} {
		if a := w.askAs("", http.MethodGet, "/docs/"+name, nil); a.status != 404 && a.status != 400 && a.status != 422 {
			t.Errorf("/docs/%s: %d", name, a.status)
		}
	}
	if a := w.askAs("", http.MethodGet, "/docs/divoc-api.md", nil); !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || !strings.Contains(a.body, "/divoc/api/v1/certify") {
		t.Errorf("DIVOC's paths: %v", a.header)
	}
}
