package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/opendivoc/divoc/test/program"
)

// TestTokensOfAnIssuer serves with an identity provider whose keys are in a
// file: its tokens certify, and stand in the audit by name and subject.
func TestTokensOfAnIssuer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "issuers.yaml")
	good := "issuers:\n- name: moh\n  issuer: https://id.example.org/realms/divoc\n  keys: keys.json\n  roles: {facility-staff: source}\n"
	for name, data := range map[string]string{"keys.json": string(keys), "issuers.yaml": good, "bad.yaml": strings.Replace(good, "source}", "boss}", 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	for _, check := range [][]string{{"--check"}, nil} { // a start that is refused makes nothing
		args := append([]string{"serve", "--data", data, "--profile", "jamaica", "--demo", "--token-issuers", filepath.Join(dir, "bad.yaml")}, check...)
		refusal{args, failed, []string{"bad.yaml:5: issuers.1.roles.facility-staff", "source"}}.check(t)
		if left, _ := filepath.Glob(data); left != nil {
			t.Error("it made the data folder")
		}
	}
	s := program.Start(t, data, "--profile", "jamaica", "--demo", "--token-issuers", file)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "https://id.example.org/realms/divoc", "sub": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "azp": "commcare", "exp": time.Now().Add(time.Minute).Unix(),
		"resource_access": map[string]any{"divoc": map[string]any{"roles": []string{"facility-staff"}}},
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	certify(t, s, token, "I-1")
	if me := ask(t, s, http.MethodGet, "/divoc/api/v1/users/me", token, nil, http.StatusOK, nil); !strings.Contains(me, `"source":"commcare","actor":"moh:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"`) {
		t.Errorf("it is taken for %s", me)
	}
	ask(t, s, http.MethodGet, "/divoc/api/v1/users/me", token[:len(token)-8]+"AAAAAAAA", nil, http.StatusUnauthorized, nil)
}
