package issuers

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

type m = map[string]any

const (
	realm = "https://id.example.org/auth/realms/divoc"
	who   = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
)

// keys of the tests, made once: RSA keys take a while.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func encode(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }

// sign makes a token by hand, so that it can be as wrong as a test wants.
func sign(t testing.TB, key any, header, claims m) string {
	t.Helper()
	input := encode(header) + "." + encode(claims)
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, k, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case []byte:
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	case nil:
	default:
		t.Fatalf("no way to sign with %T", key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// jwks is the set of public keys an issuer publishes, as Keycloak does: one for
// encryption among them.
func jwks(more ...jose.JSONWebKey) []byte {
	set := jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{
		{Key: rsaKey().Public(), KeyID: "r1", Algorithm: "RS256", Use: "sig"},
		{Key: ecKey().Public(), KeyID: "e1", Algorithm: "ES256", Use: "sig"},
		{Key: otherRSA().Public(), KeyID: "enc", Algorithm: "RSA-OAEP", Use: "enc"},
	}, more...)}
	return must(json.Marshal(set))
}

// claimsOf are the claims of one of Keycloak's access tokens for facility staff.
func claimsOf(now time.Time) m {
	return m{
		"exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "auth_time": now.Unix(), "jti": "4e2b0b0e-6d3c-4d39-8f4e-000000000001",
		"iss": realm, "aud": []string{"vaccination_api", "account"}, "sub": who, "typ": "Bearer", "azp": "facility-app", "acr": "1",
		"realm_access":    m{"roles": []string{"offline_access", "uma_authorization"}},
		"resource_access": m{"facility-admin-portal": m{"roles": []string{"facility-staff"}}, "account": m{"roles": []string{"view-profile"}}},
		"scope":           "email profile", "facility_code": "VCC01", "full_name": "Nadia Brown", "preferred_username": "8765550142",
	}
}

// world is a set of one issuer whose keys a server publishes.
type world struct {
	*Set
	now     time.Time
	log     *bytes.Buffer
	fetches atomic.Int32
	mu      sync.Mutex
	answer  func(http.ResponseWriter)
}

func (w *world) publish(answer func(http.ResponseWriter)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func newWorld(t testing.TB, more string) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), log: &bytes.Buffer{}}
	w.publish(func(out http.ResponseWriter) { _, _ = out.Write(jwks()) })
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.fetches.Add(1)
		w.mu.Lock()
		answer := w.answer
		w.mu.Unlock()
		answer(out)
	}))
	t.Cleanup(server.Close)
	if more == "" {
		more = "    roles: {facility-staff: source, admin: system-admin, monitoring: auditor, recipient: recipient}\n    sourceClaim: facility_code\n    audience: vaccination_api\n"
	}
	path := filepath.Join(t.TempDir(), "issuers.yaml")
	text := "issuers:\n  - name: moh\n    issuer: " + realm + "\n    keys: " + server.URL + "\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Open(t.Context(), path, Options{Now: func() time.Time { return w.now }, Client: Client(), Log: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.Set = set
	return w
}

// token is the sample token with changed claims: paths and values, nil takes
// one out.
func (w *world) token(t testing.TB, changes ...any) string {
	t.Helper()
	c := claimsOf(w.now)
	for i := 0; i+1 < len(changes); i += 2 {
		if c[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(c, changes[i].(string))
		}
	}
	return sign(t, rsaKey(), m{"alg": "RS256", "typ": "JWT", "kid": "r1"}, c)
}

func clients(roles ...string) m { return m{"some-client": m{"roles": roles}} }

func TestWhoATokenStandsFor(t *testing.T) {
	w := newWorld(t, "")
	staff := access.Caller{Actor: "moh:" + who, Role: access.SourceRole, Source: "vcc01"}
	tests := map[string]struct {
		token string
		want  access.Caller
	}{
		"Keycloak's for facility staff":           {w.token(t), staff},
		"signed with ES256":                       {sign(t, ecKey(), m{"alg": "ES256", "kid": "e1"}, claimsOf(w.now)), staff},
		"of a newer kind":                         {sign(t, rsaKey(), m{"alg": "RS256", "kid": "r1", "typ": "at+jwt"}, claimsOf(w.now)), staff},
		"with one audience":                       {w.token(t, "aud", "vaccination_api"), staff},
		"without Keycloak's typ":                  {w.token(t, "typ", nil), staff},
		"expired less than the clocks may differ": {w.token(t, "exp", w.now.Add(-29*time.Second).Unix()), staff},
		"from a clock that is a little early":     {w.token(t, "iat", w.now.Add(29*time.Second).Unix(), "nbf", w.now.Add(29*time.Second).Unix()), staff},
		"with a list for an attribute":            {w.token(t, "facility_code", []string{"VCC01"}), staff},
		"of an administrator":                     {w.token(t, "resource_access", clients("admin")), access.Caller{Actor: "moh:" + who, Role: access.SystemAdmin, Source: "admin"}},
		"of several roles":                        {w.token(t, "resource_access", m{"a": m{"roles": []string{"recipient", "monitoring"}}, "b": m{"roles": []string{"facility-staff"}}}), staff},
		"of an auditor":                           {w.token(t, "resource_access", clients("monitoring")), access.Caller{Actor: "moh:" + who, Role: access.Auditor, Source: "admin"}},
		"of a person":                             {w.token(t, "resource_access", clients("recipient"), "facility_code", nil), access.Caller{Actor: "moh:" + who, Role: access.Recipient, Mobile: "8765550142"}},
		"of a federated user":                     {w.token(t, "sub", "f:ldap-1:nbrown"), access.Caller{Actor: "moh:f:ldap-1:nbrown", Role: access.SourceRole, Source: "vcc01"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := w.Recognise(t.Context(), test.token)
			if err != nil || got != test.want {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	if w.fetches.Load() != 1 {
		t.Errorf("the keys were fetched %d times", w.fetches.Load())
	}
}

// TestTokensThatAreNotBelieved sends what an attacker would.
func TestTokensThatAreNotBelieved(t *testing.T) {
	w := newWorld(t, "")
	rs := m{"alg": "RS256", "typ": "JWT", "kid": "r1"}
	good := w.token(t)
	parts := strings.Split(good, ".")
	der := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	with := func(header m, more ...any) m {
		out := m{}
		for k, v := range header {
			out[k] = v
		}
		for i := 0; i+1 < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	own := jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "mine", Algorithm: "RS256", Use: "sig"}
	tests := map[string]struct{ token, says string }{
		"alg none":                           {sign(t, nil, with(rs, "alg", "none"), claimsOf(w.now)), "RS256 or ES256"},
		"alg None":                           {sign(t, nil, with(rs, "alg", "None"), claimsOf(w.now)), "RS256 or ES256"},
		"no alg":                             {sign(t, rsaKey(), m{"kid": "r1"}, claimsOf(w.now)), "RS256 or ES256"},
		"HS256 with the public key as PEM":   {sign(t, asPEM, with(rs, "alg", "HS256"), claimsOf(w.now)), "RS256 or ES256"},
		"HS256 with the public key as DER":   {sign(t, der, with(rs, "alg", "HS256"), claimsOf(w.now)), "RS256 or ES256"},
		"RS256 said of an EC key":            {sign(t, rsaKey(), with(rs, "kid", "e1"), claimsOf(w.now)), "signature"},
		"ES256 said of an RSA key":           {sign(t, ecKey(), with(rs, "alg", "ES256"), claimsOf(w.now)), "signature"},
		"PS256":                              {sign(t, rsaKey(), with(rs, "alg", "PS256"), claimsOf(w.now)), "RS256 or ES256"},
		"no signature":                       {parts[0] + "." + parts[1] + ".", "signature"},
		"the signature of another key":       {sign(t, otherRSA(), rs, claimsOf(w.now)), "signature"},
		"other claims under a signature":     {parts[0] + "." + encode(with(claimsOf(w.now), "facility_code", "another")) + "." + parts[2], "signature"},
		"another header over a signature":    {encode(with(rs, "x", 1)) + "." + parts[1] + "." + parts[2], "signature"},
		"the key for encryption":             {sign(t, otherRSA(), with(rs, "kid", "enc"), claimsOf(w.now)), "no such key"},
		"an unknown kid":                     {sign(t, otherRSA(), with(rs, "kid", "other"), claimsOf(w.now)), "no such key"},
		"a kid that is a path":               {sign(t, otherRSA(), with(rs, "kid", "../../../dev/null"), claimsOf(w.now)), "no such key"},
		"no kid":                             {sign(t, rsaKey(), m{"alg": "RS256"}, claimsOf(w.now)), "header"},
		"a kid that is endless":              {sign(t, rsaKey(), with(rs, "kid", strings.Repeat("r", 201)), claimsOf(w.now)), "header"},
		"a jku that brings its key":          {sign(t, otherRSA(), with(rs, "kid", "mine", "jku", "https://evil.example/jwks"), claimsOf(w.now)), "no such key"},
		"an x5u that brings its key":         {sign(t, otherRSA(), with(rs, "x5u", "https://evil.example/chain"), claimsOf(w.now)), "signature"},
		"a jwk that brings its key":          {sign(t, otherRSA(), with(rs, "jwk", own), claimsOf(w.now)), "signature"},
		"crit":                               {sign(t, rsaKey(), with(rs, "crit", []string{"b64"}, "b64", true), claimsOf(w.now)), "header"},
		"crit with what nobody knows":        {sign(t, rsaKey(), with(rs, "crit", []string{"x"}, "x", true), claimsOf(w.now)), "header"},
		"another issuer":                     {w.token(t, "iss", "https://evil.example/auth/realms/divoc"), "issuer"},
		"an issuer of nearly the same name":  {w.token(t, "iss", realm+"/"), "issuer"},
		"no issuer":                          {w.token(t, "iss", nil), "issuer"},
		"another audience":                   {w.token(t, "aud", "account"), "audience"},
		"no audience":                        {w.token(t, "aud", nil), "audience"},
		"expired":                            {w.token(t, "exp", w.now.Add(-30*time.Second).Unix()), "expired"},
		"without an end":                     {w.token(t, "exp", nil), "never expires"},
		"with an end that is null":           {w.token(t, "exp", json.RawMessage("null")), "never expires"},
		"with an end that is a text":         {w.token(t, "exp", "tomorrow"), "signature"},
		"not yet valid":                      {w.token(t, "nbf", w.now.Add(31*time.Second).Unix()), "not valid yet"},
		"issued in the future":               {w.token(t, "iat", w.now.Add(31*time.Second).Unix()), "future"},
		"an ID token":                        {w.token(t, "typ", "ID"), "access token"},
		"a refresh token":                    {w.token(t, "typ", "Refresh"), "access token"},
		"bound to a key of its bearer":       {w.token(t, "cnf", m{"jkt": "x"}), "bound"},
		"huge":                               {w.token(t, "full_name", strings.Repeat("x", 16<<10)), "too large"},
		"garbage":                            {"garbage", "RS256 or ES256"},
		"two dots":                           {"..", "RS256 or ES256"},
		"a signature in JSON":                {`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, "RS256 or ES256"},
		"more than a token":                  {good + "." + good, "RS256 or ES256"},
		"one character less":                 {good[:len(good)-1], ""},
		"claims that are a list":             {parts[0] + "." + encode([]int{1}) + "." + parts[2], "claims"},
		"claims that are deeper than a well": {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 10_000))) + "." + parts[2], "claims"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := w.Recognise(t.Context(), test.token)
			if vaccination.ErrorCode(err) != vaccination.Unauthorized || got != (access.Caller{}) {
				t.Fatalf("%+v, %v", got, err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q, want %q", err, test.says)
			}
		})
	}
	// Attackers who ask for keys do not make us ask.
	if w.fetches.Load() != 1 {
		t.Errorf("the keys were fetched %d times within a minute", w.fetches.Load())
	}
}

// TestTokensThatMayDoNothing are genuine, but nobody here.
func TestTokensThatMayDoNothing(t *testing.T) {
	w := newWorld(t, "")
	tests := map[string]struct{ token, says string }{
		"no role":                         {w.token(t, "resource_access", nil), "roles"},
		"a role that is not mapped":       {w.token(t, "resource_access", clients("facility-print-staff")), "roles"},
		"a role of the realm":             {w.token(t, "resource_access", nil, "realm_access", m{"roles": []string{"admin"}}), "roles"},
		"roles that are a text":           {w.token(t, "resource_access", "facility-staff"), "roles"},
		"a role that is empty":            {w.token(t, "resource_access", clients("")), "roles"},
		"no source":                       {w.token(t, "facility_code", nil), "facility_code"},
		"an empty source":                 {w.token(t, "facility_code", ""), "facility_code"},
		"a source that is no name":        {w.token(t, "facility_code", "VCC 01/../x"), "facility_code"},
		"two sources":                     {w.token(t, "facility_code", []string{"A1", "B2"}), "facility_code"},
		"a source that is a number":       {w.token(t, "facility_code", 12), "facility_code"},
		"the administrators' door":        {w.token(t, "facility_code", "Admin"), "facility_code"},
		"a person without a number":       {w.token(t, "resource_access", clients("recipient"), "preferred_username", nil), "preferred_username"},
		"a subject that is a telephone":   {w.token(t, "sub", "+18765550142"), "sub"},
		"a subject of a telephone's look": {w.token(t, "sub", "f:otp:876-555-0142"), "sub"},
		"a subject that is an address":    {w.token(t, "sub", "n.brown@example.org"), "sub"},
		"no subject":                      {w.token(t, "sub", nil), "sub"},
		"a subject of two lines":          {w.token(t, "sub", "a\nb"), "sub"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := w.Recognise(t.Context(), test.token)
			if vaccination.ErrorCode(err) != vaccination.Forbidden || got != (access.Caller{}) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v, %v; want %q", got, err, test.says)
			}
			for _, personal := range []string{"8765550142", "876-555", "n.brown", "VCC 01"} {
				if err != nil && strings.Contains(err.Error(), personal) || strings.Contains(w.log.String(), personal) {
					t.Errorf("%q is told: %v\n%s", personal, err, w.log)
				}
			}
		})
	}
}

func TestSourcesFromAMap(t *testing.T) {
	w := newWorld(t, "    rolesClaim: realm_access.roles\n    roles: {deliver: source}\n    sources: {commcare-client: commcare, 'https://ehr': ehr}\n    clockSkewSeconds: 0\n")
	realmRole := m{"roles": []string{"deliver"}}
	for azp, want := range map[string]string{"commcare-client": "commcare", "https://ehr": "ehr", "facility-app": "", "commcare": "", "": ""} {
		got, err := w.Recognise(t.Context(), w.token(t, "azp", azp, "realm_access", realmRole, "aud", nil))
		if got.Source != want || (err == nil) != (want != "") {
			t.Errorf("%q acts for %q: %v", azp, got.Source, err)
		}
	}
	if _, err := w.Recognise(t.Context(), w.token(t, "azp", "commcare-client", "realm_access", realmRole, "exp", w.now.Unix())); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("at its end, with clocks that agree: %v", err)
	}
}

func FuzzRecognise(f *testing.F) {
	w := newWorld(f, "")
	f.Add(w.token(f))
	f.Add("..")
	f.Add(sign(f, nil, m{"alg": "none"}, claimsOf(w.now)))
	good := w.token(f)
	f.Fuzz(func(t *testing.T, token string) {
		if by, err := w.Recognise(t.Context(), token); err == nil && token != good && by.Actor != "moh:"+who {
			t.Errorf("%q is %+v", token, by)
		}
	})
}
