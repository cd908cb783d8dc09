package web

import (
	"bytes"
	"encoding/json"
	"image"
	"image/draw"
	"image/png"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// result is what the API answers for one event.
type result struct {
	Outcome, Certificate, HCID, Programme, Status, Replaces string
	Dose, Version                                           int
}

// shown is a certificate as the API shows it.
type shown struct {
	ID, HCID, Programme, Status, Reason, Replaces, Source string
	Dose, Version                                         int
	Content                                               vaccination.Certificate
}

// problem is an error of the API.
type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Item                      *int
	Faults                    []struct{ Path, Code, Message string }
}

func (p problem) paths() []string {
	var out []string
	for _, f := range p.Faults {
		out = append(out, f.Path)
	}
	return out
}

// fails reads a problem, which must be one of RFC 9457 and of this status.
func (r reply) fails(t testing.TB, status int, code string) problem {
	t.Helper()
	r.is(t, status)
	p := into[problem](t, r)
	if r.header.Get("Content-Type") != "application/problem+json" || p.Status != status || p.Code != code || p.Title != http.StatusText(status) || p.Detail == "" || p.Type != "about:blank" {
		t.Errorf("%s %s, want a problem %s", r.header.Get("Content-Type"), r.body, code)
	}
	if strings.Contains(r.body, "MARKED") {
		t.Errorf("a value comes back: %s", r.body)
	}
	return p
}

func (w *world) report(path string, list ...m) []result {
	w.t.Helper()
	return into[struct{ Results []result }](w.t, w.ask(http.MethodPost, path, events(list...)).is(w.t, 200)).Results
}

func (w *world) admin() string {
	return w.newToken(access.NewToken{Role: access.SystemAdmin, For: 1e12})
}

func TestAPITheLifeOfACertificate(t *testing.T) {
	w := newWorld(t, "jamaica")
	const base = "/api/v1/certificates/"
	first := w.report("/api/v1/events", event("E-1"), event("E-1", "vaccination.dose", 2))
	if len(first) != 2 || first[0].Outcome != "issued" || first[1].Dose != 2 || first[0].Programme != "covid-19" || first[0].Status != "valid" {
		t.Fatalf("results = %+v", first)
	}
	id := first[0].Certificate
	marked := "\xef\xbb\xbf" + string(must(json.Marshal(events(event("E-1"))))(t))
	if again := into[struct{ Results []result }](t, w.ask(http.MethodPost, "/api/v1/events", marked).is(t, 200)).Results[0]; again.Outcome != "unchanged" {
		t.Errorf("with a byte order mark = %+v", again)
	}
	if again := w.report("/api/v1/events", event("E-1"))[0]; again.Outcome != "unchanged" || again.Certificate != id {
		t.Errorf("again = %+v", again)
	}
	p := w.ask(http.MethodPost, "/api/v1/events", events(event("E-0"), event("E-1", "vaccination.lot", "MARKED", "person.name", "MARKED"))).fails(t, 409, "conflict")
	if diff := cmp.Diff([]string{"person.name", "vaccination.lot"}, p.paths()); diff != "" || p.Item == nil || *p.Item != 1 {
		t.Errorf("conflict %+v", p)
	}
	for _, name := range []string{id, strings.ToLower(id), url.PathEscape(first[0].HCID), "URN:UVCI:01:JM:" + id} {
		c := into[shown](t, w.ask(http.MethodGet, base+name, nil).is(t, 200))
		if c.ID != id || c.HCID != first[0].HCID || c.Status != "valid" || c.Source != "check" || c.Content.Name != "Marcia Ann-Louise Campbell" || c.Content.Info.HCID != c.HCID {
			t.Errorf("%s: %+v", name, c)
		}
	}
	second := w.report("/api/v1/corrections", event("E-1", "vaccination.lot", "PF2"))[0]
	if second.Outcome != "corrected" || second.Replaces != id || second.Version != 2 {
		t.Errorf("correction = %+v", second)
	}
	w.ask(http.MethodPost, "/api/v1/corrections", events(event("NONE"))).fails(t, 404, "not-found")
	versions := into[struct{ Certificates []shown }](t, w.ask(http.MethodGet, base+id+"/versions", nil).is(t, 200)).Certificates
	if len(versions) != 2 || versions[0].Status != "superseded" || versions[1].ID != second.Certificate || versions[1].Replaces != id {
		t.Errorf("versions = %+v", versions)
	}
	found := into[struct{ Certificates []shown }](t, w.ask(http.MethodPost, base+"search", m{"enrolmentCode": " E-1 ", "programme": "covid-19"}).is(t, 200)).Certificates
	if len(found) != 3 {
		t.Errorf("found %+v", found)
	}
	w.ask(http.MethodPost, base+"search", m{"enrolmentCode": "NONE"}).fails(t, 404, "not-found")
	w.ask(http.MethodPost, base+"search", m{"enrolmentCode": "E-1", "programme": "yellow-fever"}).fails(t, 404, "not-found")

	// A superseded certificate has no page; it can be looked at.
	w.ask(http.MethodGet, base+id+"/pdf", nil).fails(t, 409, "conflict")
	w.ask(http.MethodGet, base+id, nil).is(t, 200)

	id = second.Certificate
	kinds := map[string][2]string{
		"/pdf": {"application/pdf", "%PDF-"}, "/pdf?lang=en": {"application/pdf", "%PDF-"}, "/pdf?lang=xx": {"application/pdf", "%PDF-"},
		"/qr.png": {"image/png", "\x89PNG"}, "/qr.svg": {"image/svg+xml", "<svg"},
		"/code": {"text/plain; charset=utf-8", "HC1:"}, "/credential": {"application/vc", "{"},
	}
	for path, kind := range kinds {
		r := w.ask(http.MethodGet, base+id+path, nil).is(t, 200)
		if r.header.Get("Content-Type") != kind[0] || !strings.HasPrefix(r.body, kind[1]) {
			t.Errorf("%s: %s %.40q", path, r.header.Get("Content-Type"), r.body)
		}
		before := w.audited()
		if head := w.ask(http.MethodHead, base+id+path, nil).is(t, 200); head.body != "" || head.header.Get("Content-Type") != kind[0] || w.audited() == before {
			t.Errorf("HEAD %s: %v %.40q, %d audit entries more", path, head.header, head.body, w.audited()-before)
		}
	}

	w.ask(http.MethodPost, base+id+"/reissue", nil).fails(t, 403, "forbidden")
	w.askAs(w.admin(), http.MethodPost, base+id+"/reissue", nil).fails(t, 409, "conflict")
	for range 2 {
		if s := into[struct{ Status string }](t, w.ask(http.MethodPost, base+id+"/revocation", m{"reason": "issued in error"}).is(t, 200)); s.Status != "revoked" {
			t.Errorf("revocation = %+v", s)
		}
	}
	if c := into[shown](t, w.ask(http.MethodGet, base+id, nil).is(t, 200)); c.Status != "revoked" || c.Reason != "issued in error" {
		t.Errorf("revoked: %+v", c)
	}
	w.ask(http.MethodPost, base+first[0].Certificate+"/revocation", m{}).fails(t, 409, "conflict") // superseded
	w.ask(http.MethodPost, "/api/v1/events", events(event("E-1", "vaccination.lot", "PF2"))).fails(t, 410, "revoked")
	third := into[result](t, w.askAs(w.admin(), http.MethodPost, base+id+"/reissue", nil).is(t, 200))
	if third.Outcome != "issued" || third.Replaces != id || third.Version != 3 {
		t.Errorf("reissued = %+v", third)
	}
	if c := into[shown](t, w.ask(http.MethodGet, base+third.Certificate, nil).is(t, 200)); c.Source != "check" {
		t.Errorf("what an administrator issued again is no longer its source's: %+v", c)
	}
}

func TestAPIRefusesWithoutRepeating(t *testing.T) {
	w := newWorld(t, "jamaica")
	long := strings.Repeat("MARKED", 500)
	tests := map[string]struct {
		path   string
		body   any
		status int
		code   string
		fault  string // path of a fault
		says   string
	}{
		"nothing":                    {"events", "", 400, "invalid", "", "body"},
		"broken":                     {"events", `{"events": [MARKED`, 400, "invalid", "body", "byte"},
		"another encoding":           {"events", "{\"events\":[{\"enrolmentCode\":\"Jos\xe9MARKED\"}]}", 400, "invalid", "body", "UTF-8"},
		"no events":                  {"events", `{"events": []}`, 422, "invalid", "events", ""},
		"events left out":            {"events", `{}`, 422, "invalid", "", "events"},
		"an array":                   {"events", `["MARKED"]`, 422, "invalid", "", "object"},
		"too many":                   {"events", events(make([]m, 1001)...), 422, "invalid", "events", "1000"},
		"a property that is none":    {"events", events(event("E", "person.nickname", "MARKED")), 422, "invalid", "0 person.nickname", ""},
		"a value as a property":      {"events", events(event("E", "person.MARKED Campbell, 1987", 1)), 422, "invalid", "0 person", ""},
		"a wrong type":               {"events", events(event("E", "vaccination.dose", "MARKED")), 422, "invalid", "0 vaccination.dose", "integer"},
		"a wrong date":               {"events", events(event("E", "person.birthDate", "MARKED")), 422, "invalid", "0 person.birthDate", "YYYY-MM-DD"},
		"no such month":              {"events", events(event("E"), event("E", "vaccination.date", "2021-13-01")), 422, "invalid", "1 vaccination.date", "YYYY-MM-DD"},
		"no such day":                {"events", events(event("E", "vaccination.date", "2021-02-30")), 422, "invalid", "0 vaccination.date", "YYYY-MM-DD"},
		"no leap year":               {"events", events(event("E", "vaccination.date", "2021-02-29")), 422, "invalid", "", "YYYY-MM-DD"},
		"a moment for a day":         {"events", events(event("E", "vaccination.date", "2021-02-03T04:05:06Z")), 422, "invalid", "0 vaccination.date", "YYYY-MM-DD"},
		"faults of the record":       {"events", events(event("OK"), event("E", "person.name", "", "vaccination.product", "Comirnty MARKED")), 422, "invalid", "vaccination.product", "Comirnaty"},
		"a code too long":            {"certificates/search", m{"enrolmentCode": long}, 422, "invalid", "enrolmentCode", ""},
		"a code left out":            {"certificates/search", m{}, 422, "invalid", "", "enrolmentCode"},
		"a reason too long":          {"certificates/0123456789ABCDEFGHJKMNPQ/revocation", m{"reason": long}, 422, "invalid", "reason", ""},
		"an id that is none":         {"certificates/MARKED/revocation", m{}, 404, "not-found", "", ""},
		"an id that is long":         {"certificates/" + long + "/revocation", m{}, 404, "not-found", "", ""},
		"more than is taken":         {"events", strings.Repeat(" ", maxBodyDIVOC+1), 413, "too-large", "", "large"},
		"a path that does not exist": {"MARKED", m{}, 404, "not-found", "", ""},
		"a path asked wrongly":       {"certificates/MARKED", m{}, 405, "not-allowed", "", "GET"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := w.ask(http.MethodPost, "/api/v1/"+test.path, test.body)
			p := r.fails(t, test.status, test.code)
			item, path, ofItem := strings.Cut(test.fault, " ")
			if !ofItem {
				path = test.fault
			} else if p.Item == nil || strconv.Itoa(*p.Item) != item {
				t.Errorf("item %v, want %s", p.Item, item)
			}
			found := test.fault == ""
			for _, f := range p.Faults {
				found = found || f.Path == path
			}
			if !found || !strings.Contains(r.body, test.says) {
				t.Errorf("%s, want a fault of %q that says %q", r.body, test.fault, test.says)
			}
		})
	}
	r := w.askAs(w.token, http.MethodPost, "/api/v1/events", "<MARKED/>", "Content-Type", "application/MARKED+xml")
	r.fails(t, 415, "invalid")
	for _, query := range []string{"certificateId=MARKED", "template=%00", "template=%ff"} {
		w.askAs(w.admin(), http.MethodGet, "/api/v1/messages?"+query, nil).fails(t, 422, "invalid")
	}
}

// twoCodes is a picture of two QR codes.
func twoCodes(t *testing.T, a, b string) []byte {
	t.Helper()
	left, err := png.Decode(strings.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	right, err := png.Decode(strings.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	gap := image.Pt(left.Bounds().Dx()+80, 0)
	sheet := image.NewGray(image.Rect(0, 0, gap.X+right.Bounds().Dx(), max(left.Bounds().Dy(), right.Bounds().Dy())))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(sheet, left.Bounds(), left, image.Point{}, draw.Src)
	draw.Draw(sheet, right.Bounds().Add(gap), right, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := png.Encode(&out, sheet); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type said struct {
	Verdict, Status string
	Reasons         []struct{ Code, Text string }
	Warnings        []struct{ Code, Text string }
	Statements      []said
}

func (s said) reason(code string) bool {
	for _, r := range s.Reasons {
		if r.Code == code {
			return true
		}
	}
	return false
}

func TestAPIVerifies(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	issued := w.report("/api/v1/events", event("V-1", "contacts", []string{}), event("V-1", "contacts", []string{}, "vaccination.dose", 2))
	get := func(form string) string {
		return w.ask(http.MethodGet, "/api/v1/certificates/"+issued[0].Certificate+form, nil).is(t, 200).body
	}
	code, credential, page := get("/code"), get("/credential"), get("/pdf")
	verify := func(body any, kind string) said {
		t.Helper()
		return into[said](t, w.askAs("", http.MethodPost, "/api/v1/verify", body, "Content-Type", kind).is(t, 200))
	}
	for name, body := range map[string]struct {
		body any
		kind string
	}{
		"text of a code in JSON":  {m{"data": code}, "application/json"},
		"with a line end":         {m{"data": code + "\n"}, "application/json; charset=utf-8"},
		"a credential in JSON":    {m{"data": credential}, "application/json"},
		"the text itself":         {code, "text/plain"},
		"text, as a form's file":  {code, "application/octet-stream"},
		"the credential":          {credential, "application/json"},
		"the credential, its own": {credential, "application/vc"},
		"a picture":               {get("/qr.png"), "image/png"},
		"the page":                {page, "application/pdf"},
		"of no type":              {page, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if s := verify(body.body, body.kind); s.Verdict != "valid" || s.Status != "valid" {
				t.Errorf("%+v", s)
			}
		})
	}
	other := w.ask(http.MethodGet, "/api/v1/certificates/"+issued[1].Certificate+"/qr.png", nil).body
	if s := verify(twoCodes(t, get("/qr.png"), other), "image/png"); len(s.Statements) != 2 || s.Statements[0].Verdict != "valid" || s.Statements[1].Verdict != "valid" {
		t.Errorf("two codes: %+v", s)
	}
	for name, edited := range map[string]string{
		"edited":           strings.Replace(credential, "Marcia", "Martha", 1),
		"masked":           strings.Replace(credential, "123456789", "XXXXX6789", 1),
		"the proof edited": credential[:strings.Index(credential, `"proofValue":"z`)+20] + "1" + credential[strings.Index(credential, `"proofValue":"z`)+21:],
	} {
		if edited == credential {
			t.Fatalf("%s: nothing was changed", name)
		}
		if s := verify(edited, "application/json"); s.Verdict != "not-valid" || !s.reason("bad-signature") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for name, body := range map[string]string{"some text": "MARKED", "some JSON": `{"MARKED": 1}`, "an empty picture": "\x89PNG\r\n\x1a\n"} {
		s := verify(body, "application/octet-stream")
		if s.Verdict == "valid" || len(s.Reasons) == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	languages := map[string]bool{}
	for _, lang := range []string{"en", "si", "ta", "xx"} {
		r := w.askAs("", http.MethodPost, "/api/v1/verify?lang="+lang, m{"data": code}).is(t, 200)
		languages[into[said](t, r).Warnings[0].Text] = true
	}
	if len(languages) != 3 {
		t.Errorf("sentences in %d languages, want 3: %v", len(languages), languages)
	}
	w.askAs("", http.MethodPost, "/api/v1/verify", "").fails(t, 400, "invalid")
	for _, blank := range []any{" \n", m{"data": " "}} {
		w.askAs("", http.MethodPost, "/api/v1/verify", blank).fails(t, 422, "invalid")
	}
	w.askAs("", http.MethodPost, "/api/v1/verify", strings.Repeat("x", 17<<20)).fails(t, 413, "too-large")
	w.report("/api/v1/corrections", event("V-1", "contacts", []string{}, "vaccination.lot", "PF2"))
	if s := verify(m{"data": code}, "application/json"); s.Verdict != "not-valid" || s.Status != "superseded" {
		t.Errorf("superseded: %+v", s)
	}
}

// TestLanguagesOfAPage asks both doors for one page in several languages, in
// the order asked for.
func TestLanguagesOfAPage(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	id := w.report("/api/v1/events", event("L-1", "contacts", []string{}))[0].Certificate
	pages := map[string]string{}
	for _, query := range []string{"?lang=si", "?lang=ta", "?lang=si&lang=ta", "?lang=ta&lang=si", "?lang=xx"} {
		native := w.ask(http.MethodGet, "/api/v1/certificates/"+id+"/pdf"+query, nil).is(t, 200).body
		if divoc := w.ask(http.MethodGet, "/certificate/api/certificatePDF/L-1"+query, nil).is(t, 200).body; divoc != native {
			t.Errorf("%s: the doors print different pages", query)
		}
		for other, page := range pages {
			if page == native {
				t.Errorf("%s prints the page of %s", query, other)
			}
		}
		pages[query] = native
	}
	if w.ask(http.MethodGet, "/api/v1/certificates/"+id+"/pdf", nil).body != pages["?lang=xx"] {
		t.Error("an unknown language is not as none")
	}
}
