// Package party is this service as a client of an OpenID Connect provider, a
// "relying party": code flow with PKCE, state and nonce; the issuer exactly the
// one that was configured; what a token says is believed only by the provider's
// keys and for this service. Who that is here is for its users to say.
package party

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// maxAnswer bounds what a provider answers, bytes.
const maxAnswer = 1 << 20

// Client is the client for a provider: bounded in time and size, and without
// redirects, which a provider has no reason to answer us with.
func Client() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     bounded{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounded struct{ next http.RoundTripper }

// RoundTrip bounds the body of the answer.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// ClientOf is [Client] that asks nobody but the host of the issuer, by its scheme:
// what the provider says of itself leads nowhere else.
func ClientOf(issuer string) *http.Client {
	c := Client()
	u, err := url.Parse(issuer)
	if err != nil {
		u = &url.URL{}
	}
	c.Transport = own{u.Scheme, u.Host, c.Transport}
	return c
}

type own struct {
	scheme, host string
	next         http.RoundTripper
}

// RoundTrip asks the issuer alone.
func (o own) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != o.host || r.URL.Scheme != o.scheme || o.host == "" {
		return nil, errors.New("the provider names an address that is not its issuer's: nothing is asked there")
	}
	return o.next.RoundTrip(r)
}

// GoodIssuer reports whether text can be the name of an issuer: an address with
// https, or http on this machine, and nothing else in it.
func GoodIssuer(text string) bool {
	u, err := url.Parse(text)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
	return err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && local)
}

// Options say which provider, and as whom this service is registered there.
type Options struct {
	Issuer, ClientID string
	Secret           string // "" for none, or where Key is
	// Key is what this service proves with who it is (private_key_jwt, RFC 7523);
	// it is asked each time. Nil where it has a secret.
	Key    func(context.Context) (*Key, error)
	Names  map[string]string // language → what people call the provider
	Scopes []string
	Client *http.Client
}

// Party is this service at one provider. It is safe for concurrent use.
type Party struct {
	Options

	mu    sync.Mutex
	found *discovered // nil until the provider answered once
}

// New returns a Party; nothing is asked yet.
func New(o Options) *Party { return &Party{Options: o} }

// discovered is what a provider says of itself.
type discovered struct {
	provider *oidc.Provider
	End      string   `json:"end_session_endpoint"` // where a browser signs out
	UserInfo string   `json:"userinfo_endpoint"`
	Says     bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Signs    []string `json:"userinfo_signing_alg_values_supported"`
}

// Name is what people call the provider, in a language; its host where it has no
// name.
func (p *Party) Name(language string) string {
	for _, name := range []string{p.Names[language], p.Names["en"]} {
		if name != "" {
			return name
		}
	}
	u, err := url.Parse(p.Issuer)
	if err != nil {
		return p.Issuer
	}
	return u.Host
}

// Unreachable says that the provider does not answer, and why, for the log.
type Unreachable struct{ Cause error }

// Error is the cause.
func (u *Unreachable) Error() string {
	return "the identity provider does not answer: " + u.Cause.Error()
}

// Unwrap is the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }

// Refusal is why an answer of a provider is not to be believed, for the log.
type Refusal string

// WentBack is a [Refusal] of nobody: who was sent to the provider came back without
// signing in there (RFC 6749, section 4.1.2.1, access_denied).
const WentBack Refusal = "they went back without signing in"

// Error is the reason.
func (r Refusal) Error() string { return string(r) }

// discover asks the provider about itself, once.
func (p *Party) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// Keys are fetched with this context later on too: it must not end.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.Client), p.Issuer)
	if err != nil {
		return nil, &Unreachable{err}
	}
	d := &discovered{provider: provider}
	if err := provider.Claims(d); err != nil {
		return nil, &Unreachable{err}
	}
	p.found = d
	return d, nil
}

// oauth is how codes are asked for and given back.
func (p *Party) oauth(d *discovered, back string) *oauth2.Config {
	c := &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: d.provider.Endpoint(), RedirectURL: back, Scopes: p.Scopes}
	if p.Key != nil {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams // or a code would be tried twice, to find out
	}
	return c
}

// Away is what a sign-in at the provider remembers, apart from the browser.
type Away struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Anew     bool      `json:"anew,omitempty"` // who comes back must have proved it just now
	Began    time.Time `json:"began"`
}

// Begin says where to send the browser, and what to remember. back is the address
// it returns to; secret draws state and nonce; anew asks the provider for a new
// proof, whoever is signed in there. The error is an [Unreachable] where the
// provider does not answer.
func (p *Party) Begin(ctx context.Context, back string, now time.Time, secret func() (string, error), anew bool, more ...oauth2.AuthCodeOption) (address string, w Away, err error) {
	d, err := p.discover(ctx)
	if err != nil {
		return "", w, err
	}
	w = Away{Began: now.UTC(), Verifier: oauth2.GenerateVerifier(), Anew: anew}
	if w.State, err = secret(); err != nil {
		return "", w, err
	}
	if w.Nonce, err = secret(); err != nil {
		return "", w, err
	}
	options := append([]oauth2.AuthCodeOption{oidc.Nonce(w.Nonce), oauth2.S256ChallengeOption(w.Verifier)}, more...)
	if anew {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return p.oauth(d, back).AuthCodeURL(w.State, options...), w, nil
}

// Said is what a provider says of somebody, checked.
type Said struct {
	Subject string
	Session string         // of the provider, "" where it names none
	Raw     string         // the ID token
	Claims  map[string]any // of the ID token

	token *oauth2.Token
}

func same(a, b string) bool { return sha256.Sum256([]byte(a)) == sha256.Sum256([]byte(b)) }

// End takes what the browser brought back. The error is a [Refusal], or an
// [Unreachable].
func (p *Party) End(ctx context.Context, back string, w Away, answer url.Values, now func() time.Time) (*Said, error) {
	if len(answer["state"]) != 1 || w.State == "" || !same(answer.Get("state"), w.State) {
		return nil, Refusal("state is another")
	}
	d, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	// RFC 9207: not the provider that was asked.
	if iss := answer.Get("iss"); iss != "" && iss != p.Issuer || len(answer["iss"]) > 1 || iss == "" && d.Says {
		return nil, Refusal("the answer is another provider's")
	}
	if answer.Get("error") == "access_denied" && !answer.Has("code") {
		return nil, WentBack
	}
	if answer.Has("error") || answer.Get("code") == "" || len(answer["code"]) != 1 {
		return nil, Refusal("it answered without a code")
	}
	ctx = oidc.ClientContext(ctx, p.Client)
	c := p.oauth(d, back)
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(w.Verifier)}
	if p.Key != nil {
		key, err := p.Key(ctx)
		if err != nil {
			return nil, err
		}
		assertion, err := key.Assertion(p.ClientID, c.Endpoint.TokenURL, now())
		if err != nil {
			return nil, err
		}
		options = append(options, oauth2.SetAuthURLParam("client_assertion_type", assertionType), oauth2.SetAuthURLParam("client_assertion", assertion))
	}
	token, err := c.Exchange(ctx, answer.Get("code"), options...)
	if err != nil {
		return nil, Refusal("the code was not taken")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := d.provider.Verifier(&oidc.Config{ClientID: p.ClientID, Now: now}).Verify(ctx, raw)
	if err != nil {
		return nil, Refusal("the ID token is not to be believed")
	}
	if !same(id.Nonce, w.Nonce) {
		return nil, Refusal("nonce is another")
	}
	said := &Said{Subject: id.Subject, Raw: raw, token: token}
	var known struct {
		Session string `json:"sid"`
		Party   string `json:"azp"`
		At      int64  `json:"auth_time"`
	}
	if err := errors.Join(id.Claims(&said.Claims), id.Claims(&known)); err != nil || id.Subject == "" {
		return nil, Refusal("its claims cannot be read")
	}
	if len(id.Audience) > 1 && known.Party != p.ClientID || known.Party != "" && known.Party != p.ClientID {
		return nil, Refusal("the ID token is for another service too")
	}
	if w.Anew && time.Unix(known.At, 0).Before(w.Began.Add(-time.Minute)) {
		return nil, Refusal("it did not ask for a new proof")
	}
	said.Session = known.Session
	return said, nil
}

// signatures are how a provider may sign what it says of somebody. Nothing is
// believed that is not signed with a key of which it publishes the other half.
func signatures(offered []string) []string {
	all := []string{oidc.RS256, oidc.ES256, oidc.PS256, oidc.RS384, oidc.RS512, oidc.ES384, oidc.ES512, oidc.PS384, oidc.PS512, oidc.EdDSA}
	if len(offered) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(a string) bool { return !slices.Contains(offered, a) })
}

// UserInfo asks the provider for what the ID token does not say of somebody: in
// clear from its own address, signed, or signed and encrypted to our key (OpenID
// Connect Core 1.0, section 5.3). Nil claims say that it offers none. The error is
// a [Refusal], or an [Unreachable].
func (p *Party) UserInfo(ctx context.Context, said *Said, now func() time.Time) (map[string]any, error) {
	d, err := p.discover(ctx)
	if err != nil || d.UserInfo == "" {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.UserInfo, nil)
	if err != nil {
		return nil, &Unreachable{err}
	}
	r.Header.Set("Authorization", "Bearer "+said.token.AccessToken)
	r.Header.Set("Accept", "application/jwt, application/json")
	answer, err := p.Client.Do(r)
	if err != nil {
		return nil, &Unreachable{err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, &Unreachable{err}
	}
	if answer.StatusCode != http.StatusOK {
		return nil, Refusal("it does not say who that is")
	}
	text := strings.TrimSpace(string(body))
	if strings.Count(text, ".") == 4 && p.Key != nil { // JWE, RFC 7516 section 3.1
		key, err := p.Key(ctx)
		if err != nil {
			return nil, err
		}
		if text, err = key.Decrypt(text); err != nil {
			return nil, Refusal("what it says of somebody cannot be decrypted")
		}
	}
	var all map[string]any
	if strings.HasPrefix(text, "{") {
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
			return nil, Refusal("what it says of somebody is not signed")
		}
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, Refusal("what it says of somebody cannot be read")
		}
	} else if all, err = p.signed(ctx, d, text, now); err != nil {
		return nil, err
	}
	// Or another's could be put in its place (section 5.3.2).
	if sub, _ := all["sub"].(string); sub != said.Subject {
		return nil, Refusal("what it says is of somebody else")
	}
	return all, nil
}

// signed reads claims that the provider signed. Who signs them should say who that
// is and for whom (section 5.3.2), and then it must be right.
func (p *Party) signed(ctx context.Context, d *discovered, text string, now func() time.Time) (map[string]any, error) {
	wrong := Refusal("what it says of somebody is not to be believed")
	ctx = oidc.ClientContext(ctx, p.Client)
	said, err := d.provider.Verifier(&oidc.Config{
		SkipClientIDCheck: true, SkipIssuerCheck: true, SkipExpiryCheck: true, Now: now, SupportedSigningAlgs: signatures(d.Signs),
	}).Verify(ctx, text)
	if err != nil {
		return nil, wrong
	}
	var all map[string]any
	if err := said.Claims(&all); err != nil {
		return nil, wrong
	}
	if said.Issuer != "" && said.Issuer != p.Issuer || len(said.Audience) > 0 && !slices.Contains(said.Audience, p.ClientID) {
		return nil, wrong
	}
	if !said.Expiry.IsZero() && said.Expiry.Unix() > 0 && now().After(said.Expiry) {
		return nil, wrong
	}
	return all, nil
}
