package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// W3C's signed document in JSON: genuine with its key, forged when changed, unknown
// without; and in no case valid, as it certifies nothing that is read here.
func TestCredentialsOfOthers(t *testing.T) {
	dir := credentialtest.NewVectors(silent{t}, "w3c-vc-di-eddsa", "").Dir
	signed, err := os.ReadFile(filepath.Join(dir, "eddsa-jcs-2022", "signedJCS.json"))
	if err != nil {
		t.Fatal(err)
	}
	const key = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
	did := `{"id":"https://vc.example/issuers/5678","verificationMethod":[{"id":"did:key:` + key + "#" + key + `","type":"Multikey","publicKeyMultibase":"` + key + `"}]}`
	list := func(file string) *trust.List {
		b, err := trust.ParseNamed([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return trust.New(b)
	}
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		text   string
		trust  *trust.List
		at     time.Time
		reason string
	}{
		"by its issuer":            {string(signed), list(did), at, verify.UnsupportedContent},
		"by a key handed over":     {string(signed), list(key), at, verify.UnsupportedContent},
		"by a key as did:key":      {string(signed), list("did:key:" + key), at, verify.UnsupportedContent},
		"changed":                  {strings.Replace(string(signed), "The School", "A School", 1), list(did), at, verify.BadSignature},
		"by nobody who is trusted": {string(signed), trust.New(&trust.Bundle{Issuers: []trust.Issuer{newEnv(t).issuer}}), at, verify.UnknownIssuer},
		"of another issuer":        {string(signed), list(strings.Replace(did, "5678", "9999", 1)), at, verify.IssuerMismatch},
	} {
		s := verify.Text(t.Context(), tc.text, verify.Options{Trust: tc.trust, At: tc.at})
		if len(s.Reasons) != 1 || s.Reasons[0].Code != tc.reason || s.Format != verify.FormatVC || s.Verdict == verify.Valid {
			t.Errorf("%s: %s %v", name, s.Format, s.Reasons)
		}
	}
	s := verify.Text(t.Context(), string(signed), verify.Options{Trust: list(did), At: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
	if !s.Has(verify.NotYetValid) {
		t.Errorf("before its time: %v", s.Reasons)
	}
}

// silent counts nothing.
type silent struct{ testing.TB }

func (silent) Cleanup(func()) {}
