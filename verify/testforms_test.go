package verify_test

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/verifytest"
)

// testForms are a test in the formats beside DDCC's, the trust they verify under, and
// what stands against each, "" where it is valid.
func testForms(t *testing.T, result string, usage ...trust.Usage) (forms map[string][2]string, list *trust.List, at time.Time) {
	t.Helper()
	e := tested(t)
	term, ok := catalogue.TestResult(result)
	if !ok {
		t.Fatalf("no result %q", result)
	}
	e.content.Test.Result = term.Coding()
	forms = map[string][2]string{}
	own := verifytest.NewDocumentKey(t, e.issuer.ID)
	old := verifytest.DIVOCKey{Name: own.Name, Private: own.Private}
	data, err := divocqr.Issue(e.content, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}, old, e.content.Info.Period.Start)
	if err != nil {
		t.Fatal(err)
	}
	text, err := divocqr.Code(data)
	if err != nil {
		t.Fatal(err)
	}
	forms[verify.FormatDIVOC] = [2]string{text, verify.FieldsNotBound}
	if term.EU != "" { // cards and seals have no word for others
		id, _ := e.content.ID()
		jws, err := shc.Issue(e.content, nil, "https://"+strings.TrimPrefix(e.issuer.ID, "did:web:"), base64.RawURLEncoding.EncodeToString(id[:]), e.qr)
		if err != nil {
			t.Fatal(err)
		}
		code, err := shc.Code(jws)
		if err != nil {
			t.Fatal(err)
		}
		forms[verify.FormatSHC] = [2]string{code, ""}
	}
	keys := []trust.Key{e.qr.Trusted(), old.Trusted()}
	for i := range keys {
		if len(usage) > 0 {
			keys[i].Usage = usage
		}
	}
	list = trust.New(&trust.Bundle{
		Issuers: []trust.Issuer{{ID: e.issuer.ID, Country: "JM", Keys: keys}}, Status: []trust.Snapshot{{Issuer: e.issuer.ID, AsOf: e.now}},
	})
	return forms, list, e.now
}

// A test in a health card or in DIVOC's format says what it found, in words that
// people read, and warns of what is no proof of health.
func TestTestsOfOtherFormats(t *testing.T) {
	for result, want := range map[string]string{"Negative": "", "Positive": verify.TestPositive, "Inconclusive": verify.TestNoResult, "Void": verify.TestNoResult} {
		forms, list, at := testForms(t, result)
		for format, form := range forms {
			s := verify.Text(t.Context(), form[0], verify.Options{Trust: list, At: at})
			if s.Format != format || s.Content == nil || !s.Content.IsTest() || (form[1] == "") != (s.Verdict == verify.Valid) || form[1] != "" && !s.Has(form[1]) {
				t.Fatalf("%s, %s: %s", format, result, s.Text("en"))
			}
			for _, w := range []string{verify.TestPositive, verify.TestNoResult} {
				if s.Has(w) != (w == want) {
					t.Errorf("%s, %s: %s is %v", format, result, w, s.Has(w))
				}
			}
			if x := s.Content.Test; x.Type.Display == "" || x.Result.Display == "" || !x.Date.Equal(time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC)) {
				t.Errorf("%s, %s: %+v", format, result, x)
			}
			if s := verify.Text(t.Context(), form[0], verify.Options{Trust: list, At: at.AddDate(0, 0, 4)}); !s.Has(verify.Expired) {
				t.Errorf("%s, %s, days later: %s", format, result, s.Text("en"))
			}
		}
	}
}

// A key for vaccinations alone makes none of them.
func TestTestsOfOtherFormatsNeedAKeyForTests(t *testing.T) {
	forms, list, at := testForms(t, "Negative", trust.Vaccination)
	for format, form := range forms {
		if s := verify.Text(t.Context(), form[0], verify.Options{Trust: list, At: at}); s.Verdict != verify.NotValid || !s.Has(verify.KeyNotAllowed) {
			t.Errorf("%s: %s", format, s.Text("en"))
		}
	}
}

// A seal of a test has words and no codes; what they mean is known all the same.
func TestASealOfATest(t *testing.T) {
	const of = `{"hdr":{"t":"icao.test","v":1,"is":"AUS"},"msg":{"utci":"U01932","pid":{"n":"ANYPERSON  JAMES","dob":"1951-01-20","dt":"P","dn":"E1234567P"},
"sp":{"spn":"ABC General Hospital","ctr":"JPN","cd":{"p":"+00068736651","e":"a@example.com","a":"99 Example Street"}},"dat":{"sc":"2021-02-15T12:00:00+08:00","ri":"2021-02-17T14:00:00+08:00"},
"tr":{"tc":"molecular(PCR)","r":"RESULT","m":"nasopharyngeal"}}}`
	at := time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC)
	for result, want := range map[string]string{"negative": "", "Negative": "", "positive": verify.TestPositive, "unclear": verify.TestNoResult} {
		s := newSealer(t, func(_, bsc *x509.Certificate, _ *sealer) { bsc.ExtraExtensions = nil })
		s.data = strings.Replace(of, "RESULT", result, 1)
		got := verify.Text(t.Context(), s.seal(t), verify.Options{Trust: trusting(t, s.authority), At: at})
		if got.Verdict != verify.Valid || got.Content == nil || got.Content.Test.Centre != "ABC General Hospital" || got.Content.Identifier != (vaccination.Identifier{Kind: "passport", Value: "E1234567P"}) {
			t.Fatalf("%s: %s", result, got.Text("en"))
		}
		for _, w := range []string{verify.TestPositive, verify.TestNoResult} {
			if got.Has(w) != (w == want) {
				t.Errorf("%s: %s is %v", result, w, got.Has(w))
			}
		}
	}
	s := newSealer(t, nil) // of vaccinations
	s.data = strings.Replace(of, "RESULT", "negative", 1)
	if got := verify.Text(t.Context(), s.seal(t), verify.Options{Trust: trusting(t, s.authority), At: at}); !got.Has(verify.KeyNotAllowed) {
		t.Errorf("by a signer of vaccinations: %s", got.Text("en"))
	}
}
