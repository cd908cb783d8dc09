package profile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/profiles"
)

// TestTheIdentityProviderOfCitizens reads what is right, and what is wrong in one
// thing: each is told by its key.
func TestTheIdentityProviderOfCitizens(t *testing.T) {
	const good = `
citizenIdentity:
  issuer: https://esignet.example.org
  clientID: divoc
  name: {en: eSignet}
  claims: {identity: individual_id, kind: passport, phone: phone_number, birthDate: birthdate}
`
	open := func(more string) (*profile.Profile, error) {
		dir := filepath.Join(t.TempDir(), "jamaica")
		from, err := fs.Sub(profiles.FS, "jamaica")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, from); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "profile.yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, more...), 0o600); err != nil {
			t.Fatal(err)
		}
		return profile.Open(dir)
	}
	p, err := open(good)
	if err != nil || p.CitizenIdentity == nil || strings.Join(p.CitizenIdentity.Scopes, " ") != "openid" {
		t.Fatalf("%v, %+v", err, p)
	}
	for name, test := range map[string]struct{ old, new, says string }{
		"http to another machine":     {"https://", "http://", "citizenIdentity.issuer"},
		"a name that begins like us":  {"https://esignet", "http://localhost.esignet", "citizenIdentity.issuer"},
		"an issuer with a password":   {"https://", "https://a:b@", "citizenIdentity.issuer"},
		"no client":                   {"  clientID: divoc\n", "", "citizenIdentity.clientID"},
		"no name":                     {"{en: eSignet}", "{}", "citizenIdentity.name"},
		"scopes without openid":       {"  claims:", "  scopes: [phone]\n  claims:", "citizenIdentity.scopes"},
		"a claim of nothing":          {"phone_number", "a..b", "citizenIdentity.claims.phone"},
		"nothing to find a record by": {"{identity: individual_id, kind: passport, phone: phone_number, birthDate: birthdate}", "{birthDate: birthdate}", "citizenIdentity.claims"},
		"a kind that there is not":    {"kind: passport", "kind: library-card", "citizenIdentity.claims.kind"},
		"an identity without a kind":  {"kind: passport, ", "", "citizenIdentity.claims.kind"},
		"an unknown key":              {"clientID:", "clientSecret:", "clientSecret"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(strings.Replace(good, test.old, test.new, 1)); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}
