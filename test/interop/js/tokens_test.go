package interop

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/issuers"
	"github.com/opendivoc/divoc/vaccination"
)

// TestTokensOfAnotherMaker reads keys and tokens that the jose package made, of
// the shape of Keycloak's. Only RS256 and ES256 count.
func TestTokensOfAnotherMaker(t *testing.T) {
	packages(t)
	now := time.Now()
	made := node[struct {
		Keys   json.RawMessage
		Tokens map[string]string
	}](t, "make-tokens.mjs", map[string]any{
		"iss": "https://id.example.org/auth/realms/divoc", "aud": []string{"vaccination_api", "account"}, "typ": "Bearer", "azp": "admin-api",
		"sub": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"resource_access": map[string]any{"facility-admin-portal": map[string]any{"roles": []string{"facility-staff"}}}, "facility_code": "VCC01",
	})
	dir := t.TempDir()
	for name, data := range map[string][]byte{"keys.json": made.Keys, "issuers.yaml": []byte(`issuers:
- name: moh
  issuer: https://id.example.org/auth/realms/divoc
  keys: keys.json
  audience: vaccination_api
  sourceClaim: facility_code
  roles: {facility-staff: source}
`)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := issuers.Open(t.Context(), filepath.Join(dir, "issuers.yaml"), issuers.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	want := access.Caller{Actor: "moh:f81d4fae-7dec-41d0-a765-00a0c91e6bf6", Role: access.SourceRole, Source: "vcc01"}
	for alg, token := range made.Tokens {
		got, err := set.Recognise(t.Context(), token)
		if alg != "RS256" && alg != "ES256" {
			if vaccination.ErrorCode(err) != vaccination.Unauthorized {
				t.Errorf("%s: %+v, %v", alg, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", alg, got, err)
		}
	}
	if len(made.Tokens) != 5 {
		t.Errorf("%d tokens", len(made.Tokens))
	}
}
