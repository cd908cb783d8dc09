package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// tested is an env whose certificate is of a test, an hour after its issue.
func tested(t *testing.T) *env {
	e := newEnv(t)
	e.content, e.payload = credentialtest.Tested(), hcert.DDCCTest
	e.content.Info.Issuer = credentialtest.Jamaica().Info.Issuer
	e.now = e.content.Info.Period.Start.Add(time.Hour)
	return e
}

func (e *env) both(t *testing.T) map[string]string {
	t.Helper()
	cose, err := hcert.Encode(e.content, e.payload, e.qr)
	if err != nil {
		t.Fatal(err)
	}
	code, err := hcert.Text(cose)
	if err != nil {
		t.Fatal(err)
	}
	document, err := vc.Issue(e.content, nil, e.doc, e.content.Info.Period.Start)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"code": code, "document": string(document)}
}

// A genuine certificate of an infection, or of no result, must not look like one
// of health.
func TestWhatATestFoundIsSaid(t *testing.T) {
	for code, want := range map[string]string{"QA02": "", "RA01.0": verify.TestPositive, "inconclusive": verify.TestNoResult, "void": verify.TestNoResult, "": verify.TestNoResult} {
		e := tested(t)
		e.content.Test.Result = vaccination.Coding{Code: code, System: vaccination.SystemICD11}
		for form, text := range e.both(t) {
			s := verify.Text(t.Context(), text, verify.Options{
				Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{{ID: e.issuer.ID, Country: "JM", Keys: []trust.Key{e.qr.Trusted(), e.doc.Trusted()}}}}), At: e.now,
			})
			if s.Verdict != verify.Valid {
				t.Fatalf("%s of %q: %s", form, code, s.Text("en"))
			}
			for _, w := range []string{verify.TestPositive, verify.TestNoResult} {
				if s.Has(w) != (w == want) {
					t.Errorf("%s of %q: %s is %v", form, code, w, s.Has(w))
				}
			}
			for _, lang := range verify.Languages() {
				if page := s.Text(lang); !strings.Contains(page, "2026-11-21 14:05 UTC") || !strings.Contains(page, "2026-11-24 14:05 UTC") {
					t.Errorf("%s: when it was taken and until when it counts:\n%s", lang, page)
				}
			}
		}
	}
}

func TestATestIsOverAtItsHour(t *testing.T) {
	e := tested(t)
	list := trust.New(&trust.Bundle{Issuers: []trust.Issuer{{ID: e.issuer.ID, Country: "JM", Keys: []trust.Key{e.qr.Trusted(), e.doc.Trusted()}}}})
	for form, text := range e.both(t) {
		for at, over := range map[time.Time]bool{e.content.Info.Period.End: false, e.content.Info.Period.End.Add(time.Second): true} {
			if s := verify.Text(t.Context(), text, verify.Options{Trust: list, At: at}); s.Has(verify.Expired) != over {
				t.Errorf("%s at %v: %s", form, at, s.Verdict)
			}
		}
	}
}

// A key that may sign vaccinations alone makes no test.
func TestATestNeedsAKeyForTests(t *testing.T) {
	e := tested(t)
	key := e.qr.Trusted()
	key.Usage = []trust.Usage{trust.Vaccination}
	list := trust.New(&trust.Bundle{Issuers: []trust.Issuer{{ID: e.issuer.ID, Country: "JM", Keys: []trust.Key{key}}}})
	s := verify.Text(t.Context(), e.both(t)["code"], verify.Options{Trust: list, At: e.now})
	if s.Verdict != verify.NotValid || !s.Has(verify.KeyNotAllowed) {
		t.Errorf("%s", s.Text("en"))
	}
}
