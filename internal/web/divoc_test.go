package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

func TestDIVOCCertifies(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := ""
	sameAgain := func(t *testing.T, path string, body any) {
		t.Helper()
		r := w.ask(http.MethodPost, path, body).is(t, 200)
		got := into[struct{ Certificates []certified }](t, r).Certificates
		if len(got) != 1 || got[0].Dose != 1 || got[0].ProgramID != "covid-19" || got[0].Version != 1 || got[0].Status != "valid" {
			t.Fatalf("answer %s", r.body)
		}
		if _, err := vaccination.ParseCertificateID(got[0].HCID); err != nil || !strings.Contains(got[0].HCID, got[0].CertificateID) {
			t.Errorf("id %q in HCID %q: %v", got[0].CertificateID, got[0].HCID, err)
		}
		if want := map[bool]string{true: "issued", false: "unchanged"}[id == ""]; got[0].Outcome != want {
			t.Errorf("outcome %s, want %s", got[0].Outcome, want)
		}
		if id == "" {
			id = got[0].CertificateID
		}
		if got[0].CertificateID != id {
			t.Errorf("another certificate of the same record")
		}
	}
	text := string(must(json.Marshal(request("C-1")))(t))
	for name, body := range map[string]any{
		"an array":               []m{request("C-1")},
		"one bare object":        request("C-1"),
		"a byte order mark":      "\xef\xbb\xbf [" + text + "]\r\n",
		"a bare one with a mark": "\xef\xbb\xbf\n" + text,
		"doses as text":          request("C-1", "vaccination.dose", "1", "vaccination.totalDoses", "2"),
		"doses as 1.0":           strings.Replace(text, `"dose":1`, `"dose":1.0`, 1),
		"no programme":           request("C-1", "programId", nil),
		"what is not used":       request("C-1", "meta", m{"x": []int{1}}, "unheardOf", true, "comorbidities", []string{"a"}),
	} {
		for _, path := range []string{"/divoc/api/v1/certify", "/divoc/api/v3/certify"} {
			t.Run(name+" "+path, func(t *testing.T) { sameAgain(t, path, body) })
		}
	}
}

func TestDIVOCv3WantsLess(t *testing.T) {
	w := newWorld(t, "jamaica")
	r := request("C-1", "recipient.address", nil, "recipient.gender", nil, "vaccinator", nil, "facility.address", nil, "recipient.dob", nil, "recipient.age", 33)
	w.ask(http.MethodPost, "/divoc/api/v3/certify", []m{r}).is(t, 200)
	r = request("C-2", "recipient.address", nil, "vaccinator", nil, "recipient.dob", json.RawMessage("null"), "recipient.age", "33")
	w.ask(http.MethodPost, "/divoc/api/v3/certify", []m{r}).is(t, 200)
	// The age stays out of the birth date.
	stored := w.ask(http.MethodGet, "/divoc/api/v1/certificates/C-1", nil).is(t, 200).body
	if strings.Contains(stored, "birthDate") || strings.Contains(stored, "1987") || strings.Contains(stored, "1993") {
		t.Errorf("an age became a birth date: %s", stored)
	}
}

func TestDIVOCNamesEveryFault(t *testing.T) {
	w := newWorld(t, "jamaica")
	tests := map[string]struct {
		changes []any
		fields  []string
		code    string
		says    string // in one of the messages
	}{
		"no name":                     {[]any{"recipient.name", nil}, []string{"recipient.name"}, "MISSING_FIELDS", ""},
		"no code":                     {[]any{"preEnrollmentCode", ""}, []string{"preEnrollmentCode"}, "MISSING_FIELDS", ""},
		"no dose":                     {[]any{"vaccination.dose", nil}, []string{"vaccination.dose"}, "MISSING_FIELDS", ""},
		"no vaccination":              {[]any{"vaccination", nil}, []string{"vaccination.date", "vaccination.dose"}, "MISSING_FIELDS", ""},
		"neither age nor birth date":  {[]any{"recipient.dob", nil}, []string{"recipient.dob"}, "MISSING_FIELDS", "age"},
		"a negative age":              {[]any{"recipient.dob", nil, "recipient.age", "-3"}, []string{"recipient.age"}, "INVALID", ""},
		"an age in words":             {[]any{"recipient.dob", nil, "recipient.age", "thirty"}, []string{"recipient.age"}, "INVALID", ""},
		"a birth date with a time":    {[]any{"recipient.dob", "1987-04-21T22:10:00Z"}, []string{"recipient.dob"}, "INVALID", "YYYY-MM-DD"},
		"no such day":                 {[]any{"vaccination.effectiveStart", "2021-02-30"}, []string{"vaccination.effectiveStart"}, "INVALID", ""},
		"a dose in words":             {[]any{"vaccination.dose", "first"}, []string{"vaccination.dose"}, "INVALID", "whole number"},
		"half a dose":                 {[]any{"vaccination.dose", 1.5}, []string{"vaccination.dose"}, "INVALID", "whole number"},
		"dose nought":                 {[]any{"vaccination.dose", 0}, []string{"vaccination.dose"}, "MISSING_FIELDS", ""},
		"dose below nought":           {[]any{"vaccination.dose", -1}, []string{"vaccination.dose"}, "INVALID", ""},
		"a dose beyond all numbers":   {[]any{"vaccination.totalDoses", json.RawMessage("1e300")}, []string{"vaccination.totalDoses"}, "INVALID", ""},
		"in the future":               {[]any{"vaccination.date", "2027-01-01T00:00:00Z"}, []string{"vaccination.date"}, "INVALID", "future"},
		"an unknown sex":              {[]any{"recipient.gender", "MARKED"}, []string{"recipient.gender"}, "INVALID", ""},
		"an unknown country":          {[]any{"facility.address.country", "MARKED"}, []string{"facility.address.country"}, "INVALID", "ISO 3166-1"},
		"an unknown programme":        {[]any{"programId", "MARKED"}, []string{"programId"}, "INVALID", "covid-19"},
		"an unknown product":          {[]any{"vaccination.name", "Comirnty MARKED"}, []string{"vaccination.name"}, "INVALID", "Comirnaty"},
		"a contact that is none":      {[]any{"recipient.contact", []string{"tel:"}}, []string{"recipient.contact[0]"}, "INVALID", ""},
		"a name that turns direction": {[]any{"recipient.name", "Marcia \u202e Campbell"}, []string{"recipient.name"}, "INVALID", ""},
		"a lost character":            {[]any{"recipient.name", "Mar\ufffdia"}, []string{"recipient.name"}, "INVALID", ""},
		"everything at once": {
			[]any{"recipient.name", "", "recipient.dob", "MARKED", "vaccination.date", "30.11.2021 MARKED", "vaccination.effectiveUntil", "MARKED", "vaccination.name", "MARKED", "vaccination.dose", "MARKED", "facility.address.pincode", strings.Repeat("MARKED", 100)},
			[]string{"facility.address.pincode", "recipient.dob", "recipient.name", "vaccination.date", "vaccination.dose", "vaccination.effectiveUntil", "vaccination.name"}, "MISSING_FIELDS", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := w.ask(http.MethodPost, "/divoc/api/v1/certify", []m{request("GOOD-" + name), request("C-1", test.changes...)}).is(t, 422)
			f := into[failed](t, r)
			if diff := cmp.Diff(test.fields, f.fields()); diff != "" {
				t.Errorf("fields (-want +got):\n%s in %s", diff, r.body)
			}
			if f.Code != test.code || f.Item == nil || *f.Item != 1 {
				t.Errorf("code %s of item %v, want %s of item 1", f.Code, f.Item, test.code)
			}
			if strings.Contains(r.body, "MARKED") || !strings.Contains(r.body, test.says) {
				t.Errorf("answer %s", r.body)
			}
			// Nothing of the request was written.
			w.ask(http.MethodGet, "/divoc/api/v1/certificates/"+strings.ReplaceAll("GOOD-"+name, " ", "%20"), nil).is(t, 404)
		})
	}
}

func TestDIVOCRefusesABody(t *testing.T) {
	w := newWorld(t, "jamaica")
	many := make([]m, 1001)
	for i := range many {
		many[i] = m{}
	}
	tests := map[string]struct {
		body   any
		status int
		says   string
	}{
		"none":                         {"", 400, "empty"},
		"an empty array":               {"[]", 400, "no certification request"},
		"broken":                       {`[{"preEnrollmentCode": "MARKED"`, 400, "byte 31"},
		"two values":                   {`[] MARKED`, 400, "byte"},
		"a text":                       {`"MARKED"`, 400, "array"},
		"a number":                     {`42`, 400, "array"},
		"null":                         {`null`, 400, "no certification request"},
		"an item that is none":         {`[{"preEnrollmentCode":"a"},"MARKED"]`, 400, `"item":1`},
		"an item that is null":         {`[null]`, 400, `"item":0`},
		"an object for a text":         {`[{},{"recipient":{"name":{"first":"MARKED"}}}]`, 400, "recipient.name"},
		"a truth for a text":           {`[{"recipient":{"address":{"pincode":true}}}]`, 400, "recipient.address.pincode"},
		"a text for an object":         {`[{"recipient":"MARKED"}]`, 400, "recipient"},
		"another encoding":             {"[{\"recipient\":{\"name\":\"Jos\xe9\"}}]", 400, "UTF-8"},
		"more items than a call has":   {many, 400, "1000"},
		"more bytes than a call has":   {"[" + strings.Repeat(" ", maxBodyDIVOC) + "]", 413, "too large"},
		"a form":                       {"preEnrollmentCode=MARKED", 400, "byte"},
		"deeper than anybody nests":    {strings.Repeat("[", 100_000), 400, ""},
		"an enrolment code that is []": {`[{"preEnrollmentCode":["MARKED"]}]`, 400, "preEnrollmentCode"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := w.ask(http.MethodPost, "/divoc/api/v1/certify", test.body).is(t, test.status)
			if f := into[failed](t, r); f.Code == "" || f.Message == "" {
				t.Errorf("no code or message: %s", r.body)
			}
			if !strings.Contains(r.body, test.says) || strings.Contains(r.body, "MARKED") {
				t.Errorf("%s, want %q", r.body, test.says)
			}
		})
	}
}

const maxBodyDIVOC = 8 << 20

func TestDIVOCReadsDatesWhereTheyWereGiven(t *testing.T) {
	w := newWorld(t, "jamaica") // five hours behind UTC
	tests := map[string]struct{ field, sent, want string }{
		"a day":                              {"vaccination.date", "2021-11-30", "2021-11-30"},
		"a moment on the next day in London": {"vaccination.date", "2021-12-01T03:00:00Z", "2021-11-30"},
		"with a zone":                        {"vaccination.date", "2021-11-30T23:00:00-05:00", "2021-11-30"},
		"with a zone without a colon":        {"vaccination.date", "2021-11-30T10:00:00.000+0000", "2021-11-30"},
		"as DIVOC's files have it":           {"recipient.dob", "21-Apr-1987", "1987-04-21"},
		"a birth date at midnight":           {"recipient.dob", "1987-04-21T00:00:00.000Z", "1987-04-21"},
		"a birth year":                       {"recipient.dob", "1987", "1987"},
	}
	n := 0
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			code := fmt.Sprintf("D-%d", n)
			w.certify(http.MethodPost, request(code, test.field, test.sent))
			rows := into[[]struct {
				Certificate struct {
					CredentialSubject vaccination.Certificate
				}
			}](t, w.ask(http.MethodGet, "/divoc/api/v1/certificates/"+code, nil).is(t, 200))
			got := rows[0].Certificate.CredentialSubject.Vaccination.Date.String()
			if test.field == "recipient.dob" {
				got = rows[0].Certificate.CredentialSubject.BirthDate.String()
			}
			if got != test.want {
				t.Errorf("%s was certified as %s", test.sent, got)
			}
		})
	}
}

func TestDIVOCCorrects(t *testing.T) {
	w := newWorld(t, "jamaica")
	for _, v := range []string{"v1", "v3"} {
		code := "PUT-" + v
		put := "/divoc/api/" + v + "/certificate"
		r := w.ask(http.MethodPut, put, []m{request(code)}).is(t, 412)
		if f := into[failed](t, r); f.Code != "CERTIFICATE_NOT_FOUND" || f.Item == nil || *f.Item != 0 {
			t.Errorf("none: %s", r.body)
		}
		first := w.certify(http.MethodPost, request(code))[0]
		r = w.ask(http.MethodPost, "/divoc/api/"+v+"/certify", []m{request(code, "vaccination.batch", "PF2", "recipient.name", "MARKED")}).is(t, 409)
		f := into[failed](t, r)
		if diff := cmp.Diff([]string{"recipient.name", "vaccination.batch"}, f.fields()); diff != "" || f.Code != "CONFLICT" || strings.Contains(r.body, "MARKED") {
			t.Errorf("conflict %s", r.body)
		}
		r = w.ask(http.MethodPost, "/divoc/api/"+v+"/certify", []m{request(code, "vaccination.name", "COVAXIN", "vaccination.manufacturer", "Bharat Biotech", "recipient.identity", "did:passport:A1", "facility.address.country", "IND")}).is(t, 409)
		f = into[failed](t, r)
		if diff := cmp.Diff([]string{"facility.address.country", "recipient.identity", "vaccination.name"}, f.fields()); diff != "" || strings.Contains(r.body, "brand") {
			t.Errorf("names that DIVOC's clients do not know: %s", r.body)
		}
		// DIVOC's update is a certification request with the changed fields.
		second := into[struct{ Certificates []certified }](t, w.ask(http.MethodPut, put, request(code, "vaccination.batch", "PF2")).is(t, 200)).Certificates[0]
		if second.Outcome != "corrected" || second.Version != 2 || second.PreviousCertificateID != first.CertificateID {
			t.Errorf("correction = %+v", second)
		}
		moved := request(code, "vaccination.batch", "PF2", "recipient.contact", []string{"tel:6585550199", "mailto:m@example.org"})
		third := into[struct{ Certificates []certified }](t, w.ask(http.MethodPut, put, moved).is(t, 200)).Certificates[0]
		if third.Outcome != "updated" || third.CertificateID != second.CertificateID || third.Version != 2 {
			t.Errorf("a new telephone number = %+v", third)
		}
		// A request is whole or nothing, corrections too.
		w.ask(http.MethodPut, put, []m{request(code, "vaccination.batch", "PF9"), request("NONE-" + v)}).is(t, 412)
		if again := w.certify(http.MethodPost, moved)[0]; again.Outcome != "unchanged" || again.Version != 2 {
			t.Errorf("after a refused request = %+v", again)
		}
	}
}

func TestDIVOCFindsAndPrints(t *testing.T) {
	w := newWorld(t, "jamaica")
	code := "A/B 1%é"
	path := "A%2FB%201%25%C3%A9"
	w.certify(http.MethodPost, request(code), request(code, "vaccination.dose", 2, "vaccination.batch", "PF8"))
	w.certify(http.MethodPut, request(code, "vaccination.batch", "PF2"))
	rows := into[[]struct {
		CertificateID, PreEnrollmentCode, ProgramID, Name, Status string
		Dose, Version                                             int
		Certificate                                               m
	}](t, w.ask(http.MethodGet, "/divoc/api/v1/certificates/"+path, nil).is(t, 200))
	if len(rows) != 3 || rows[0].Status != "superseded" || rows[1].Version != 2 || rows[2].Dose != 2 || rows[0].PreEnrollmentCode != code || rows[0].Certificate["proof"] == nil {
		t.Errorf("rows = %+v", rows)
	}
	pdf := w.ask(http.MethodGet, "/certificate/api/certificatePDF/"+path, nil).is(t, 200)
	if !strings.HasPrefix(pdf.body, "%PDF-") || pdf.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("PDF: %s %.20s", pdf.header, pdf.body)
	}
	before := w.audited()
	head := w.ask(http.MethodHead, "/certificate/api/certificatePDF/"+path, nil).is(t, 200)
	if head.body != "" || head.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("HEAD: %v %q", head.header, head.body)
	}
	if w.audited() == before {
		t.Error("that a certificate exists was told without an audit entry")
	}
	png := w.ask(http.MethodGet, "/certificate/api/certificateQRCode/"+path, nil).is(t, 200)
	if !strings.HasPrefix(png.body, "\x89PNG") || png.header.Get("Content-Type") != "image/png" {
		t.Errorf("QR: %v", png.header)
	}
	// What the image says is the certificate of the latest dose.
	said := into[struct {
		Verdict string
		Content vaccination.Certificate
	}](t, w.askAs("", http.MethodPost, "/api/v1/verify", png.body, "Content-Type", "image/png").is(t, 200))
	if said.Verdict != "valid" || said.Content.Vaccination.Number != 2 {
		t.Errorf("the image says %+v", said)
	}
	for _, p := range []string{"/divoc/api/v1/certificates/", "/certificate/api/certificatePDF/", "/certificate/api/certificateQRCode/"} {
		w.ask(http.MethodGet, p+"NONE", nil).is(t, 404)
		w.ask(http.MethodGet, p+path+"?programId=yellow-fever", nil).is(t, 404)
		if r := w.ask(http.MethodHead, p+"NONE", nil).is(t, 404); r.body != "" {
			t.Errorf("HEAD with a body: %s", r.body)
		}
	}
	if r := w.askAs("", http.MethodGet, "/divoc/api/v1/ping", nil).is(t, 200); r.body == "" {
		t.Error("ping says nothing")
	}
}

// audited counts the entries of the audit.
func (w *world) audited() (n int) {
	w.t.Helper()
	if err := w.tokens.Store.Pool().QueryRow(w.t.Context(), "SELECT count(*) FROM audit").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestDIVOCsOwnSamplesIssue(t *testing.T) {
	sample := shared(t, "DIVOC_FIXTURES", "fixtures", "dhis2-covac/divoc-certify-request-sample.json")
	w := newWorld(t, "jamaica")
	first := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, "/divoc/api/v1/certify", sample).is(t, 200)).Certificates[0]
	// The documented update is the whole request with the changed fields.
	var update m
	if err := json.Unmarshal(sample, &update); err != nil {
		t.Fatal(err)
	}
	change(update, "recipient.name", "Megha Jain Rao", "recipient.dob", "1983-01-31", "vaccination.batch", "MB3428BY")
	second := into[struct{ Certificates []certified }](t, w.ask(http.MethodPut, "/divoc/api/v1/certificate", []m{update}).is(t, 200)).Certificates[0]
	if second.PreviousCertificateID != first.CertificateID {
		t.Errorf("update = %+v", second)
	}
	w.ask(http.MethodGet, "/certificate/api/certificatePDF/identifier", nil).is(t, 200)
}

func TestDIVOCPathsThatDoNotExist(t *testing.T) {
	w := newWorld(t, "jamaica")
	for request, want := range map[string]int{
		"GET /divoc/api/v1/nothing":                   404,
		"GET /divoc/api/v1/certify":                   405,
		"PATCH /divoc/api/v1/certificate":             405,
		"POST /divoc/api/v1/certificates/MARKED":      405,
		"GET /certificate/api/MARKED":                 404,
		"POST /certificate/api/certificatePDF/MARKED": 405,
		"GET /divoc/api/v1/certificates/":             404,
		"MARKED /divoc/api/v1/certify":                405,
		"POST /divoc/api/v4/MARKED/certify":           501,
	} {
		method, path, _ := strings.Cut(request, " ")
		r := w.ask(method, path, nil)
		if r.status != want || r.header.Get("Content-Type") != "application/json" || strings.Contains(r.body, "MARKED") {
			t.Errorf("%s: %d %s %s, want %d", request, r.status, r.header.Get("Content-Type"), r.body, want)
			continue
		}
		if f := into[failed](t, r); f.Code == "" || f.Message == "" {
			t.Errorf("%s: %s", request, r.body)
		}
		if (r.header.Get("Allow") != "") != (want == 405) {
			t.Errorf("%s: Allow = %q", request, r.header.Get("Allow"))
		}
	}
}

// TestDIVOCsPageIsWhole looks for every path and every kind of error of the
// door in docs/divoc-api.md.
func TestDIVOCsPageIsWhole(t *testing.T) {
	page := string(must(os.ReadFile("../../docs/divoc-api.md"))(t))
	for _, r := range routes() {
		method, path, ok := strings.Cut(r.pattern, " ")
		if !ok || !strings.HasPrefix(path, "/divoc/") && !strings.HasPrefix(path, "/certificate/") {
			continue
		}
		path = strings.Replace(path, "{preEnrollmentCode}", "{code}", 1)
		if !strings.Contains(page, "`"+method+" "+path+"`") && !strings.Contains(page, "`"+method+" "+path+"?") && !strings.Contains(page, "`"+strings.TrimPrefix(path, "/divoc/api")+"`") {
			t.Errorf("%s is not there", r.pattern)
		}
	}
	if !strings.Contains(page, "| 501 | `NOT_SUPPORTED` |") {
		t.Error("NOT_SUPPORTED is not there")
	}
	for _, code := range []vaccination.Code{
		vaccination.Invalid, vaccination.Conflict, vaccination.NotFound, vaccination.Unauthorized, vaccination.Forbidden,
		vaccination.Revoked, vaccination.TooLarge, vaccination.NotAllowed, vaccination.Unavailable, vaccination.Internal,
	} {
		name := strings.ToUpper(strings.ReplaceAll(string(code), "-", "_"))
		if !strings.Contains(page, fmt.Sprintf("| %d | `%s` |", divocStatus(code), name)) {
			t.Errorf("%s is not there as %d", name, divocStatus(code))
		}
	}
}

// divocStatus is the status of an error of this kind at DIVOC's door.
func divocStatus(code vaccination.Code) int {
	if code == vaccination.Invalid {
		return http.StatusBadRequest
	}
	return door.Status(code)
}
