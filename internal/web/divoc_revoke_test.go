package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDIVOCRevokes(t *testing.T) {
	w := newWorld(t, "jamaica")
	dose := func(n int) m { return request("R-1", "vaccination.dose", n, "vaccination.totalDoses", 3) }
	issued := w.certify(http.MethodPost, dose(1), dose(2), dose(3))
	const path = "/divoc/api/v1/certificates/R-1"
	for name, test := range map[string]struct {
		path   string
		status int
	}{
		"nothing said":            {path, 400},
		"all and some":            {path + "?allDoses=true&doses=3", 400},
		"not all":                 {path + "?allDoses=false", 400},
		"a dose in words":         {path + "?doses=MARKED", 400},
		"dose nought":             {path + "?doses=0", 400},
		"with a gap":              {path + "?doses=1&doses=3", 400},
		"not the highest":         {path + "?doses=1&doses=2", 400},
		"never certified":         {path + "?doses=3&doses=4", 404},
		"an unknown code":         {"/divoc/api/v1/certificates/NONE?allDoses=true", 404},
		"of another programme":    {path + "?allDoses=true&programId=yellow-fever", 404},
		"of an unknown programme": {path + "?allDoses=true&programId=MARKED", 404},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.ask(http.MethodDelete, test.path, nil).is(t, test.status)
			if into[failed](t, r).Message == "" || strings.Contains(r.body, "MARKED") {
				t.Errorf("answer %s", r.body)
			}
		})
	}
	revoked := func(query string) []string {
		t.Helper()
		return into[struct{ Revoked []string }](t, w.ask(http.MethodDelete, path+query, nil).is(t, 200)).Revoked
	}
	if diff := cmp.Diff([]string{issued[2].CertificateID}, revoked("?doses=3")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{issued[1].CertificateID, issued[2].CertificateID}, revoked("?doses=3&doses=2")); diff != "" {
		t.Error(diff)
	}
	for range 2 { // the second time there is nothing left to do, which is as well
		if got := revoked("?allDoses=true"); len(got) != 3 {
			t.Errorf("revoked %v", got)
		}
	}
	w.ask(http.MethodGet, "/certificate/api/certificatePDF/R-1", nil).is(t, 404)
	r := w.ask(http.MethodPost, "/divoc/api/v1/certify", dose(1)).is(t, 410)
	if f := into[failed](t, r); f.Code != "REVOKED" || !strings.Contains(f.Message, "again") {
		t.Errorf("the same after a revocation: %s", r.body)
	}
	r = w.ask(http.MethodPut, "/divoc/api/v1/certificate", dose(1)).is(t, 410)
	if f := into[failed](t, r); f.Code != "REVOKED" {
		t.Errorf("a correction to the same after a revocation: %s", r.body)
	}
	next := w.certify(http.MethodPost, request("R-1", "vaccination.totalDoses", 3, "vaccination.batch", "PF2"))[0]
	if next.Outcome != "issued" || next.PreviousCertificateID != issued[0].CertificateID {
		t.Errorf("other content after a revocation = %+v", next)
	}
}

func TestDIVOCRevokedCheck(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.certify(http.MethodPost, request("R-1"))[0]
	credential := w.ask(http.MethodGet, "/api/v1/certificates/"+first.CertificateID+"/credential", nil).is(t, 200).body
	check := func(name string, body any, status int) {
		t.Helper()
		r := w.askAs("", http.MethodPost, "/divoc/api/v1/certificate/revoked", body)
		if r.status != status || strings.Contains(r.body, "MARKED") {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, status)
		}
	}
	check("a certificate that stands", credential, 404)
	check("edited, so never issued by us but of the same id", strings.Replace(credential, "Marcia", "MARKED", 1), 404)
	for _, name := range []string{"rsa-valid.json", "rsa-v2-valid.json", "ed25519-valid.json", "rsa-tampered-must-fail.json", "rsa-v2-subject-not-signed-must-be-refused.json"} {
		check("DIVOC's "+name, shared(t, "DIVOC_VECTORS", "vectors", "divoc/"+name), 404)
	}
	for name, body := range map[string]string{"nothing": "", "garbage": "MARKED", "an object": `{"name":"MARKED"}`, "an array": `["MARKED"]`, "null": "null"} {
		check(name, body, 400)
	}
	check("larger than a certificate", strings.Repeat(" ", 300<<10), 413)
	second := w.certify(http.MethodPut, request("R-1", "vaccination.batch", "PF2"))[0]
	check("a superseded certificate", credential, 200)
	now := w.ask(http.MethodGet, "/api/v1/certificates/"+second.CertificateID+"/credential", nil).is(t, 200).body
	check("its successor", now, 404)
	w.ask(http.MethodDelete, "/divoc/api/v1/certificates/R-1?allDoses=true", nil).is(t, 200)
	check("a revoked certificate", now, 200)
}
