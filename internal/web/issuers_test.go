package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/opendivoc/divoc/internal/access/issuers"
)

// realm is an identity provider of the tests, as a country runs Keycloak.
const realm = "https://id.example.org/auth/realms/divoc"

var realmKey = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

// issuersOf are the identity providers of a world: one, with DIVOC's roles.
func issuersOf(t testing.TB, clock func() time.Time) *issuers.Set {
	t.Helper()
	dir := t.TempDir()
	keys := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: must(realmKey())(t).Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}))(t)
	for name, data := range map[string][]byte{"keys.json": keys, "issuers.yaml": []byte(`issuers:
- name: moh
  issuer: ` + realm + `
  keys: keys.json
  audience: vaccination_api
  sourceClaim: facility_code
  roles: {facility-staff: source, facility-admin: source, admin: system-admin, monitoring: auditor, recipient: recipient}
`)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return must(issuers.Open(t.Context(), filepath.Join(dir, "issuers.yaml"), issuers.Options{Now: clock, Log: slog.New(slog.DiscardHandler)}))(t)
}

// vouched is a token of the realm, as Keycloak makes it, for a role of its own.
// changes are claims and their values; nil takes one out.
func (w *world) vouched(role string, changes ...any) string {
	w.t.Helper()
	claims := m{
		"iss": realm, "sub": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "aud": []string{"vaccination_api", "account"}, "typ": "Bearer", "azp": "facility-app",
		"iat": w.now.Unix(), "exp": w.now.Add(5 * time.Minute).Unix(),
		"realm_access":    m{"roles": []string{"offline_access"}},
		"resource_access": m{"facility-admin-portal": m{"roles": []string{role}}, "account": m{"roles": []string{"view-profile"}}},
		"facility_code":   "CHECK", "preferred_username": "8765550142",
	}
	change(claims, changes...)
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: must(realmKey())(w.t)}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k1")))(w.t)
	return must(jwt.Signed(signer).Claims(claims).Serialize())(w.t)
}
