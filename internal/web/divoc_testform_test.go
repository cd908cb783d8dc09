package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// A result in DIVOC's own format is one of the exports where the programme's profile
// asks for it, and its state is the certificate's at DIVOC's own question.
func TestATestInDIVOCsFormat(t *testing.T) {
	w := newTests(t, asking(t, "ddcc, divoc", "rsa"))
	programme := w.service.Profile.Programmes["covid-19-test"]
	certificate := func(code string, changes ...any) string {
		r := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, testPath+"certify", []m{testRequest(code, changes...)}).is(t, 200))
		return "/api/v1/certificates/" + r.Certificates[0].CertificateID
	}
	path := certificate("T-1")
	w.ask(http.MethodGet, path+"/exports/divoc", nil).is(t, 404)
	programme.Payloads = []string{profile.PayloadDDCC, profile.PayloadDIVOC}
	credential := w.ask(http.MethodGet, path+"/exports/divoc", nil).is(t, 200).body
	if strings.Contains(credential, "A1234567") || strings.Contains(credential, "8765550142") || !strings.Contains(credential, "ProofOfTestCertificateCredential") {
		t.Errorf("%s", credential)
	}
	s := readBy(t, w, credential)
	if s.Verdict != verify.CannotTell || s.Format != verify.FormatDIVOC || codes(s.Reasons) != verify.FieldsNotBound || s.Status != vaccination.StatusValid || s.Content.Test.Result.Display != "Negative" || s.Has(verify.TestPositive) {
		t.Errorf("%s", s.Text("en"))
	}
	if s := readBy(t, w, w.ask(http.MethodGet, path+"/exports/divoc/qr.png", nil).is(t, 200).body); s.Content == nil || !s.Content.IsTest() {
		t.Errorf("its code: %s", s.Text("en"))
	}
	asked := func(want int) {
		t.Helper()
		w.askAs("", http.MethodPost, "/divoc/api/v1/certificate/revoked", credential).is(t, want)
	}
	asked(404)
	w.ask(http.MethodPost, path+"/revocation", m{}).is(t, 200)
	asked(200)
	w.ask(http.MethodGet, path+"/exports/divoc", nil).is(t, 409)

	// The API names each format, and why one cannot be had.
	path = certificate("T-2", "testDetails.testType", "RT-PCR", "testDetails.result", "Positive")
	list := into[struct {
		Exports []struct{ Format, Refused string }
	}](t, w.ask(http.MethodGet, path+"/exports", nil).is(t, 200)).Exports
	if !slices.Contains(list, struct{ Format, Refused string }{"eu-dcc-recovery", "too-early"}) {
		t.Errorf("%+v", list)
	}
	if r := w.ask(http.MethodGet, path+"/exports/eu-dcc-recovery", nil).is(t, 422); !strings.Contains(r.body, "eleventh day") {
		t.Error(r.body)
	}
	w.now = w.now.AddDate(0, 0, 15)
	w.token = w.newToken(access.NewToken{Role: access.SourceRole, Source: "check", For: time.Hour})
	recovery := w.ask(http.MethodGet, path+"/exports/eu-dcc-recovery", nil).is(t, 200).body
	if s := readBy(t, w, recovery); s.Verdict != verify.Valid || s.Content.Recovery.IsZero() {
		t.Errorf("%s", s.Text("en"))
	}
	w.ask(http.MethodGet, path+"/exports/eu-dcc-recovery/qr.svg", nil).is(t, 200)
	w.ask(http.MethodGet, path+"/exports/eu-dcc", nil).is(t, 422)
}

// A citizen sees on the page of a test in which formats it can be had, and in words
// why not; a recovery is no word on the page of a dose.
func TestACitizenSeesTheFormatsOfATest(t *testing.T) {
	w := newTests(t, "jamaica")
	w.service.Profile.Networks = nil
	positive := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, testPath+"certify", []m{
		testRequest("T-1", "testDetails.testType", "RT-PCR", "testDetails.result", "Positive", "testDetails.sampleOrigin", ""),
	}).is(t, 200)).Certificates[0].CertificateID
	antigen := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, testPath+"certify", []m{
		testRequest("T-1", "testDetails.sampleOrigin", "elsewhere"),
	}).is(t, 200)).Certificates[0].CertificateID
	dose := into[struct{ Results []result }](t, w.ask(http.MethodPost, "/api/v1/events", events(event("T-1"))).is(t, 200)).Results[0].Certificate
	v := w.visit()
	v.enter("876 555 0142")
	page := func(id string) string {
		t.Helper()
		return v.do(http.MethodPost, "/my/certificates/"+id, url.Values{"answer-day": {"21"}, "answer-month": {"4"}, "answer-year": {"1987"}}).is(t, 200).body
	}
	body := page(positive)
	for _, want := range []string{"EU certificate of recovery", "Possible from the eleventh day", "SMART Health Card", "/exports/eu-dcc", "/exports/shc", "Not possible for this kind of certificate"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of a positive test lacks %q", want)
		}
	}
	body = v.do(http.MethodGet, "/my/certificates/"+antigen, nil).is(t, 200).body
	for _, want := range []string{"it is made from a positive result", "where the sample was taken from"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of an antigen test lacks %q", want)
		}
	}
	if body = v.do(http.MethodGet, "/my/certificates/"+dose, nil).is(t, 200).body; strings.Contains(body, "EU certificate of recovery") || !strings.Contains(body, "EU digital COVID certificate") {
		t.Error("the page of a dose speaks of recovery")
	}
	w.now = w.now.AddDate(0, 0, 12)
	v.enter("876 555 0142")
	page(positive)
	code := v.do(http.MethodGet, "/my/certificates/"+positive+"/exports/eu-dcc-recovery", nil).is(t, 200).body
	if s := readBy(t, w, code); s.Content == nil || s.Content.Recovery.IsZero() {
		t.Errorf("%s", s.Text("en"))
	}
}
