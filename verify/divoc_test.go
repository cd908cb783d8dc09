package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/verifytest"
)

// TestDIVOCsFormatOfOurs changes one thing of a certificate of ours in DIVOC's
// format. The best that can be said of one is that its details are not protected.
func TestDIVOCsFormatOfOurs(t *testing.T) {
	issuedNow := func(e *env) time.Time { return e.now.Add(-time.Hour) }
	for name, tc := range map[string]struct {
		change func(e *env, k *trust.Key)
		text   func(string) string
		want   []string
		shown  bool
	}{
		"nothing changed":                    {want: []string{verify.FieldsNotBound}, shown: true},
		"a key for everything":               {change: func(_ *env, k *trust.Key) { k.Usage = nil }, want: []string{verify.FieldsNotBound}, shown: true},
		"a key for vaccinations":             {change: func(_ *env, k *trust.Key) { k.Usage = []trust.Usage{trust.Vaccination} }, want: []string{verify.FieldsNotBound}, shown: true},
		"a key for tests":                    {change: func(_ *env, k *trust.Key) { k.Usage = []trust.Usage{trust.Test} }, want: []string{verify.KeyNotAllowed}},
		"exported after the key was retired": {change: func(e *env, k *trust.Key) { k.Retired = issuedNow(e).Add(-time.Second) }, want: []string{verify.KeyRetired}},
		"exported before it was":             {change: func(e *env, k *trust.Key) { k.Retired = issuedNow(e).Add(time.Second) }, want: []string{verify.FieldsNotBound}, shown: true},
		"exported before the key was made":   {change: func(e *env, k *trust.Key) { k.NotBefore = issuedNow(e).Add(time.Second) }, want: []string{verify.KeyOutOfPeriod}},
		"a key that nobody trusts":           {change: func(_ *env, k *trust.Key) { k.ID += "x" }, want: []string{verify.UnknownIssuer}},
		"revoked": {change: func(e *env, _ *trust.Key) {
			e.bundle.Status[0].Revoked = trust.NewHashes([]trust.Hash{trust.HashOf(e.content.Info.HCID)})
		}, want: []string{verify.FieldsNotBound, verify.Revoked}, shown: true},
		"expired":      {change: func(e *env, _ *trust.Key) { at(e, e.content.Info.Period.End.Add(time.Second)) }, want: []string{verify.FieldsNotBound, verify.Expired}, shown: true},
		"another name": {text: func(s string) string { return strings.Replace(s, "Marcia", "Marcib", 1) }, want: []string{verify.BadSignature}},
		"doses swapped": {text: func(s string) string {
			return strings.Replace(s, `"dose":1,"totalDoses":2`, `"dose":2,"totalDoses":1`, 1)
		}, want: []string{verify.FieldsNotBound}, shown: true},
		"id and batch swapped": {text: func(s string) string {
			e := newEnv(t)
			return strings.NewReplacer(`"certificateId":"`+e.content.Info.HCID+`"`, `"certificateId":"PF1234"`, `"batch":"PF1234"`, `"batch":"`+e.content.Info.HCID+`"`).Replace(s)
		}, want: []string{verify.ValuesMoved}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			own := verifytest.NewDocumentKey(t, e.issuer.ID)
			key := verifytest.DIVOCKey{Name: own.Name, Private: own.Private}
			e.issuer.Keys = append(e.issuer.Keys, key.Trusted())
			signed := issuedNow(e)
			if tc.change != nil {
				tc.change(e, &e.issuer.Keys[len(e.issuer.Keys)-1])
			}
			data, err := divocqr.Issue(e.content, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}, key, signed)
			if err != nil {
				t.Fatal(err)
			}
			in := string(data)
			if tc.text != nil {
				if in = tc.text(in); in == string(data) {
					t.Fatal("nothing was changed")
				}
			} else if in, err = divocqr.Code(data); err != nil {
				t.Fatal(err)
			}
			s := verify.Text(t.Context(), in, e.opts())
			var got []string
			for _, r := range s.Reasons {
				got = append(got, r.Code)
			}
			if strings.Join(got, " ") != strings.Join(tc.want, " ") || s.Verdict == verify.Valid || (s.Content != nil) != tc.shown {
				t.Errorf("%s, %v, shown %t; want %v, %t", s.Verdict, got, s.Content != nil, tc.want, tc.shown)
			}
		})
	}
}

// TestAKeyOfDIVOCsFormatSignsNothingElse gives the keys of codes and documents
// the usage of DIVOC's.
func TestAKeyOfDIVOCsFormatSignsNothingElse(t *testing.T) {
	e := newEnv(t)
	for i := range e.issuer.Keys {
		e.issuer.Keys[i].Usage = []trust.Usage{trust.DIVOC}
	}
	for form, in := range map[string]string{"code": text(t, e.cose(t)), "document": e.document(t)} {
		check(t, form, verify.Text(t.Context(), in, e.opts()), verify.KeyNotAllowed, false)
	}
}
