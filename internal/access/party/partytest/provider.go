// Package partytest is an OpenID Connect provider for tests, which knows one client
// by its key (private_key_jwt) and lies when told to.
package partytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ClientID is the client that a Provider knows.
const ClientID = "divoc"

type m = map[string]any

// Provider is the provider. Its fields may be changed between requests.
type Provider struct {
	Issuer string
	// Keys gives the client's public keys.
	Keys func() []byte
	Now  func() time.Time
	// Said are the claims about who signs in, Told those of the ID token: each may
	// be changed before a sign-in.
	Said, Told m
	// Lie changes an ID token or what userinfo answers: see [Provider.lying].
	Lie string
	// Endpoints replace what it says of itself.
	Endpoints m
	// UserInfo is how that is given: "signed" (as "" is), "plain", "encrypted".
	UserInfo string

	t      testing.TB
	mu     sync.Mutex
	key    *ecdsa.PrivateKey
	codes  map[string]url.Values // what was asked for, by code
	used   map[string]bool       // assertions
	Asked  []string              // paths that were asked for
	Failed []string              // why the token endpoint refused
}

// New starts a Provider, until the test ends.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, Now: now, key: key, codes: map[string]url.Values{}, used: map[string]bool{}, Said: m{}, Told: m{}, Endpoints: m{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	return p
}

// Visit is somebody who is sent to address and signs in there: what their browser
// brings back.
func (p *Provider) Visit(address string) url.Values {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, p.Issuer+"/authorize?") {
		p.t.Fatalf("sent to %s: %v", address, err)
	}
	q := u.Query()
	for name, want := range map[string]string{"client_id": ClientID, "response_type": "code", "code_challenge_method": "S256", "prompt": "login"} {
		if q.Get(name) != want {
			p.t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if q.Get("state") == "" || q.Get("nonce") == "" || q.Get("code_challenge") == "" {
		p.t.Errorf("sent without state, nonce or challenge: %s", address)
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}
}

// ServeHTTP answers as a provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked = append(p.Asked, r.URL.Path)
	var out any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		all := m{
			"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/keys",
			"userinfo_endpoint": p.Issuer + "/userinfo", "end_session_endpoint": p.Issuer + "/end", "authorization_response_iss_parameter_supported": true,
			"id_token_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"},
		}
		for name, value := range p.Endpoints {
			all[name] = value
		}
		out = all
	case "/keys":
		out = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
	case "/token":
		answer, why := p.token(r)
		if why != "" {
			p.Failed = append(p.Failed, why)
			w.WriteHeader(http.StatusBadRequest)
			answer = m{"error": "invalid_grant"}
		}
		out = answer
	case "/userinfo":
		p.userinfo(w, r)
		return
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// token gives tokens for a code, and says why not otherwise.
func (p *Provider) token(r *http.Request) (m, string) {
	f := r.FormValue
	asked, ok := p.codes[f("code")]
	if !ok {
		return nil, "no such code"
	}
	delete(p.codes, f("code"))
	sum := sha256.Sum256([]byte(f("code_verifier")))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		return nil, "another verifier"
	}
	if f("redirect_uri") != asked.Get("redirect_uri") || f("grant_type") != "authorization_code" || f("client_id") != ClientID || f("client_secret") != "" {
		return nil, "another redirect, client or grant"
	}
	if why := p.client(f("client_assertion_type"), f("client_assertion")); why != "" {
		return nil, why
	}
	now := p.Now()
	said := m{"iss": p.Issuer, "sub": "psut-1", "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(), "nonce": asked.Get("nonce")}
	for name, value := range p.Told {
		said[name] = value
	}
	return m{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.lying(said)}, ""
}

// client says why an assertion does not prove who the client is.
func (p *Provider) client(kind, assertion string) string {
	if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return "no assertion"
	}
	signed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "no assertion signed with RS256"
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(p.Keys(), &set); err != nil {
		return "no keys of the client"
	}
	keys := set.Key(signed.Headers[0].KeyID)
	if len(keys) != 1 || keys[0].Use != "sig" || !keys[0].IsPublic() {
		return "an assertion by another key"
	}
	var c jwt.Claims
	if err := signed.Claims(keys[0].Key, &c); err != nil {
		return "an assertion with another signature"
	}
	if err := c.ValidateWithLeeway(jwt.Expected{Issuer: ClientID, Subject: ClientID, AnyAudience: jwt.Audience{p.Issuer + "/token"}, Time: p.Now()}, 0); err != nil || c.Expiry == nil || c.ID == "" || p.used[c.ID] {
		return "an assertion that does not count"
	}
	p.used[c.ID] = true
	return ""
}

// lying signs an ID token, as Lie says: with another "aud", "iss", "nonce", "azp",
// "sub", "key", with "none" or "hs256" as its algorithm, "expired", or of an "old"
// proof.
func (p *Provider) lying(said m) string {
	key := p.key
	switch p.Lie {
	case "aud":
		said["aud"] = "another"
	case "azp":
		said["aud"], said["azp"] = []string{ClientID, "another"}, "another"
	case "iss":
		said["iss"] = "https://another.example.org"
	case "nonce":
		said["nonce"] = "another"
	case "no nonce":
		delete(said, "nonce")
	case "expired":
		said["exp"] = p.Now().Add(-time.Minute).Unix()
	case "old":
		said["auth_time"] = p.Now().Add(-time.Hour).Unix()
	case "key":
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "none":
		return part(m{"alg": "none"}) + "." + part(said) + "."
	case "hs256": // with what everybody knows as the secret
		text := part(m{"alg": "HS256", "kid": "k"}) + "." + part(said)
		public, _ := p.key.PublicKey.Bytes()
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	return p.sign(key, said)
}

// LogoutToken says that somebody signed out here (OpenID Connect Back-Channel Logout
// 1.0, section 2.4), with some of it changed, or left out where it is nil; it lies as
// ID tokens do.
func (p *Provider) LogoutToken(change map[string]any) string {
	now := p.Now()
	said := m{
		"iss": p.Issuer, "sub": "psut-1", "aud": ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": m{"http://schemas.openid.net/event/backchannel-logout": m{}},
	}
	for name, value := range change {
		said[name] = value
		if value == nil {
			delete(said, name)
		}
	}
	return p.lying(said)
}

func part(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func (p *Provider) sign(key crypto.Signer, said m) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := jwt.Signed(signer).Claims(said).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// userinfo says who that is, lying where Lie begins with "info ".
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer access" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	said := m{"iss": p.Issuer, "aud": ClientID, "sub": "psut-1"}
	for name, value := range p.Said {
		said[name] = value
	}
	key := p.key
	switch p.Lie {
	case "info sub":
		said["sub"] = "psut-2"
	case "info aud":
		said["aud"] = "another"
	case "info iss":
		said["iss"] = "https://another.example.org"
	case "info key":
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "info none":
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = w.Write([]byte(part(m{"alg": "none"}) + "." + part(said) + "."))
		return
	case "info large":
		_, _ = w.Write([]byte("{" + strings.Repeat(" ", 2<<20) + "}"))
		return
	case "info elsewhere":
		http.Redirect(w, r, "https://another.example.org/", http.StatusFound)
		return
	}
	text := p.sign(key, said)
	switch p.UserInfo {
	case "plain":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(said)
		return
	case "encrypted":
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(p.Keys(), &set); err != nil {
			p.t.Error(err)
			return
		}
		for _, k := range set.Keys {
			if k.Use != "enc" {
				continue
			}
			e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: k.Key, KeyID: k.KeyID}, (&jose.EncrypterOptions{}).WithContentType("JWT"))
			if err != nil {
				p.t.Error(err)
				return
			}
			sealed, err := e.Encrypt([]byte(text))
			if err != nil {
				p.t.Error(err)
				return
			}
			if text, err = sealed.CompactSerialize(); err != nil {
				p.t.Error(err)
			}
		}
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(text))
}
