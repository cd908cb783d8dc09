package page

import (
	"math"
	"net/url"
	"strconv"
	"strings"
)

// Fault is one thing to put right in a form: the id of the field it is about
// and a sentence that says what to do.
type Fault struct{ Field, Message string }

// T is the text of a key in the page's language, as [locale.Locale.T].
func (v View) T(key string, args ...string) string { return v.L.T(key, args...) }

// Service is the name of the service: what the header says beside the issuer.
func (v View) Service() string { return v.T("service.name") }

func (v View) documentTitle() string {
	t := v.page.Title + " – " + v.frame.issuer(v.L.Tag)
	if v.page.Faulty {
		t = v.T("error.prefix") + " " + t
	}
	if v.Specimen {
		t = "SPECIMEN – " + t
	}
	return t
}

// under says whether this page is the one at a path or below it, and no other
// link of the bar fits better.
func (v View) under(path string) bool {
	const audit = "/admin/audit"
	if path == "/admin" && (v.path == audit || strings.HasPrefix(v.path, audit+"/")) {
		return false
	}
	return v.path == path || strings.HasPrefix(v.path, path+"/")
}

// at is the facility behind a role.
func at(facility string) string {
	if facility == "" {
		return ""
	}
	return " · " + facility
}

// languageURL is this page in another language.
func (v View) languageURL(tag string) string {
	q := url.Values{}
	for k, x := range v.query {
		q[k] = x
	}
	q.Set("lang", tag)
	return v.path + "?" + q.Encode()
}

// contrastToWhite is the contrast ratio of a colour #rrggbb and white
// (WCAG 2.2, "contrast ratio" and "relative luminance").
func contrastToWhite(hex string) float64 {
	channel := func(i int) float64 {
		n, _ := strconv.ParseUint(hex[i:i+2], 16, 8) // the caller checked the digits
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	l := 0.2126*channel(1) + 0.7152*channel(3) + 0.0722*channel(5)
	return 1.05 / (l + 0.05)
}

// Languages are those the pages are offered in, the default first.
func (f *Frame) Languages() []string { return f.languages }

// Primary is the colour of header and buttons, #rrggbb.
func (f *Frame) Primary() string { return f.o.Primary }

// EmblemURL is where the emblem is, an SVG; "" for none.
func (f *Frame) EmblemURL() string {
	if len(f.o.Emblem) == 0 {
		return ""
	}
	return f.themeURL("emblem.svg")
}

// Message is the first fault of a field, "" when it has none.
func Message(faults []Fault, field string) string {
	for _, x := range faults {
		if x.Field == field {
			return x.Message
		}
	}
	return ""
}
