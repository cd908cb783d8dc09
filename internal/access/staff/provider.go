package staff

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Provider is the country's identity provider (OpenID Connect), as the
// administrator's file names it: code flow with PKCE, state and nonce; the issuer
// exactly the one of the file; what a token says is believed only by the
// provider's keys and for this service.
type Provider struct {
	issuer, clientID, secret string
	names                    map[string]string // language → what the button calls it
	scopes                   []string
	nameClaim, rolesClaim    claims.Path
	roles                    map[string]access.Role
	facilityClaim            claims.Path
	facilities               map[string]string
	client                   *http.Client

	mu    sync.Mutex
	found *discovered // nil until the provider answered once
}

// discovered is what a provider says of itself.
type discovered struct {
	provider *oidc.Provider
	oauth    oauth2.Config
	end      string // where a browser signs out
}

// Path is where the pages of a sign-in at the provider are.
const (
	ProviderPath = "/sign-in/provider"
	ReturnPath   = ProviderPath + "/return" // to be registered there as redirect URI
	EndedPath    = ProviderPath + "/ended"  // and as back-channel logout URI
	OutPath      = "/sign-in"               // and as post-logout redirect URI
)

// maxAnswer bounds what a provider answers, bytes.
const maxAnswer = 1 << 20

// ProviderClient is the client for a provider: bounded in time and size, and
// without redirects, which a provider has no reason to answer us with.
func ProviderClient() *http.Client {
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

// Name is what the sign-in page calls it, in a language.
func (p *Provider) Name(language string) string {
	for _, name := range []string{p.names[language], p.names["en"]} {
		if name != "" {
			return name
		}
	}
	u, err := url.Parse(p.issuer)
	if err != nil {
		return p.issuer
	}
	return u.Host
}

// discover asks the provider about itself, once.
func (p *Provider) discover(ctx context.Context, publicURL string) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// Keys are fetched with this context later on too: it must not end.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	p.found = &discovered{provider: provider, end: more.End, oauth: oauth2.Config{
		ClientID: p.clientID, ClientSecret: p.secret, Endpoint: provider.Endpoint(), RedirectURL: publicURL + ReturnPath, Scopes: p.scopes,
	}}
	return p.found, nil
}

func errProvider() error {
	return vaccination.Errorf(vaccination.Unavailable, "the identity provider does not answer just now: try again in a moment, or sign in another way")
}

// SignOutURL is where a browser signs out at the provider too, "" for nowhere.
func (s *Service) SignOutURL(p *Provider, idToken string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil || p.found.end == "" || idToken == "" {
		return ""
	}
	u, err := url.Parse(p.found.end)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	q := u.Query()
	q.Set("id_token_hint", idToken)
	q.Set("client_id", p.clientID)
	q.Set("post_logout_redirect_uri", s.PublicURL+OutPath)
	u.RawQuery = q.Encode()
	return u.String()
}

// away is what a sign-in at the provider remembers.
type away struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	To       string    `json:"to,omitempty"`
	Again    []byte    `json:"again,omitempty"` // the session that is to be renewed
	Began    time.Time `json:"began"`
}

// BeginAbroad begins a sign-in at the provider: where to send the browser, and
// the secret of the step, which the browser keeps. to is where it goes after; at
// is the session to be renewed, nil for a first sign-in.
func (s *Service) BeginAbroad(ctx context.Context, p *Provider, to string, at *Session) (address, step string, err error) {
	d, err := p.discover(ctx, s.PublicURL)
	if err != nil {
		s.Log.Warn("the staff's identity provider does not answer", slog.String("error", err.Error()))
		return "", "", errProvider()
	}
	w := away{To: to, Began: s.Now().UTC(), Verifier: oauth2.GenerateVerifier()}
	if w.State, err = s.secret(); err != nil {
		return "", "", err
	}
	if w.Nonce, err = s.secret(); err != nil {
		return "", "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(w.Nonce), oauth2.S256ChallengeOption(w.Verifier)}
	if at != nil {
		w.Again = at.id
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	step, err = s.begin(ctx, s.Store.Read(), stepAbroad, nil, w, stepLife)
	return d.oauth.AuthCodeURL(w.State, options...), step, err
}

// Refused says why somebody whom the provider vouches for does not come in.
type Refused string

// The reasons.
const (
	NoRole      Refused = "text"    // none of their roles means anything here, or the facility is missing
	NotActive   Refused = "account" // deactivated here
	NoGoodReply Refused = "failed"  // the provider's answer cannot be used
)

// Error is the reason.
func (r Refused) Error() string { return "refused: " + string(r) }

// EndAbroad ends a sign-in at the provider with what the browser brought back.
// The error is a [Refused], which the page tells, or one of the service.
func (s *Service) EndAbroad(ctx context.Context, p *Provider, step string, answer url.Values, b Browser) (session, to string, err error) {
	refuse := func(why error) (string, string, error) {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a sign-in at the identity provider was refused", slog.String("reason", why.Error()))
		return "", "", NoGoodReply
	}
	var w away
	if _, err := s.step(ctx, s.Store.Read(), stepAbroad, step, true, &w); err != nil {
		return "", "", err
	}
	if len(answer["state"]) != 1 || sha256.Sum256([]byte(answer.Get("state"))) != sha256.Sum256([]byte(w.State)) {
		return refuse(errors.New("state is another"))
	}
	if iss := answer.Get("iss"); iss != "" && iss != p.issuer { // RFC 9207: not the provider that was asked
		return refuse(errors.New("the answer is another provider's"))
	}
	if answer.Has("error") || answer.Get("code") == "" {
		return refuse(errors.New("it answered without a code"))
	}
	d, err := p.discover(ctx, s.PublicURL)
	if err != nil {
		return "", "", errProvider()
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := d.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(w.Verifier))
	if err != nil {
		return refuse(errors.New("the code was not taken"))
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := d.provider.Verifier(&oidc.Config{ClientID: p.clientID, Now: s.Now}).Verify(ctx, raw)
	if err != nil {
		return refuse(errors.New("the ID token is not to be believed"))
	}
	if sha256.Sum256([]byte(id.Nonce)) != sha256.Sum256([]byte(w.Nonce)) {
		return refuse(errors.New("nonce is another"))
	}
	var all map[string]any
	var known struct {
		Session string `json:"sid"`
		Party   string `json:"azp"`
		At      int64  `json:"auth_time"`
	}
	if err := errors.Join(id.Claims(&all), id.Claims(&known)); err != nil {
		return refuse(errors.New("its claims cannot be read"))
	}
	if len(id.Audience) > 1 && known.Party != p.clientID || known.Party != "" && known.Party != p.clientID {
		return refuse(errors.New("the ID token is for another service too"))
	}
	if w.Again != nil && time.Unix(known.At, 0).Before(w.Began.Add(-time.Minute)) {
		return refuse(errors.New("it did not ask for a new proof"))
	}
	from := &abroad{session: known.Session, idToken: raw}
	session, err = s.arrived(ctx, p, id.Subject, all, w, from, b)
	return session, w.To, err
}

// arrived finds or makes the account of somebody the provider vouches for, gives
// it the role it has there, and signs it in.
func (s *Service) arrived(ctx context.Context, p *Provider, subject string, all map[string]any, w away, from *abroad, b Browser) (session string, err error) {
	name := s.providerLogin(p, subject)
	n := p.invitee(all)
	refused := checkNew(n) != nil
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.StaffByLogin(ctx, name)
		switch {
		case registry.IsNone(err) && refused:
			return NoRole
		case registry.IsNone(err):
			id, err := s.insert(ctx, q, n, FromProvider, Active, name)
			if err != nil {
				return err
			}
			if err := s.audit(ctx, q, Actor(id), "staff.invite", fmt.Sprint(id), says(n.Role, n.Facility)+" by the identity provider"); err != nil {
				return err
			}
			row.ID = id
		case err != nil:
			return err
		case State(row.State) == Deactivated:
			return NotActive
		case refused: // they had a role before: what is open ends too
			return NoRole
		case access.Role(row.Role) != n.Role || row.Facility != n.Facility:
			if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID}); err != nil {
				return err
			}
			if err := q.SetStaffRole(ctx, query.SetStaffRoleParams{ID: row.ID, Role: string(n.Role), Facility: n.Facility, At: s.Now().UTC()}); err != nil {
				return err
			}
			if err := s.audit(ctx, q, Actor(row.ID), "staff.role", fmt.Sprint(row.ID), says(access.Role(row.Role), row.Facility)+" -> "+says(n.Role, n.Facility)+" by the identity provider"); err != nil {
				return err
			}
		}
		if w.Again != nil {
			at, err := s.Session(ctx, b.Old)
			if err != nil || at.Member.ID != row.ID || string(at.id) != string(w.Again) {
				return NoGoodReply
			}
			session, err = s.renew(ctx, q, at, "identity provider")
			return err
		}
		session, err = s.openFrom(ctx, q, row.ID, b, "identity provider", from)
		return err
	})
	if errors.Is(err, NoRole) {
		if ended := s.unvouched(ctx, name); ended != nil {
			return "", ended
		}
	}
	return session, err
}

// unvouched ends what is open of somebody who has no role any more.
func (s *Service) unvouched(ctx context.Context, name []byte) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.StaffByLogin(ctx, name)
		if registry.IsNone(err) {
			return s.audit(ctx, q, "nobody", "staff.failed", "", "no role at the identity provider")
		}
		if err != nil {
			return err
		}
		if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID}); err != nil {
			return err
		}
		return s.audit(ctx, q, "nobody", "staff.failed", fmt.Sprint(row.ID), "no role at the identity provider")
	})
}

func (s *Service) providerLogin(p *Provider, subject string) []byte {
	return s.hash("provider", p.issuer+"\x00"+subject)
}

// invitee is who the provider says somebody is.
func (p *Provider) invitee(all map[string]any) Invitee {
	n := Invitee{Name: p.nameClaim.Text(all), Login: "-"}
	if runes := []rune(n.Name); len(runes) > maxName {
		n.Name = string(runes[:maxName])
	}
	if n.Name = strings.TrimSpace(n.Name); n.Name == "" {
		n.Name = "—"
	}
	given := map[access.Role]bool{}
	for _, r := range p.rolesClaim.Texts(all) {
		given[p.roles[r]] = true
	}
	for _, r := range Roles() { // the widest first
		if given[r] {
			n.Role = r
			break
		}
	}
	if AtFacility(n.Role) {
		n.Facility = p.facilityClaim.Text(all)
		if p.facilities != nil {
			n.Facility = p.facilities[n.Facility]
		}
	}
	return n
}

// logoutEvent is what a logout token is about (OpenID Connect Back-Channel
// Logout 1.0, section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// EndedAbroad ends the sessions that a logout token of the provider names, by the
// provider's session or by the person. One that is not to be believed is
// [vaccination.Invalid].
func (s *Service) EndedAbroad(ctx context.Context, p *Provider, token string) error {
	wrong := vaccination.Errorf(vaccination.Invalid, "this is no logout token of the identity provider for this service")
	d, err := p.discover(ctx, s.PublicURL)
	if err != nil {
		return errProvider()
	}
	id, err := d.provider.Verifier(&oidc.Config{ClientID: p.clientID, Now: s.Now}).Verify(oidc.ClientContext(ctx, p.client), token)
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a logout token was refused")
		return wrong
	}
	var said struct {
		Session string         `json:"sid"`
		Events  map[string]any `json:"events"`
		ID      string         `json:"jti"`
		Nonce   *string        `json:"nonce"`
	}
	if err := id.Claims(&said); err != nil || said.Events[logoutEvent] == nil || said.Nonce != nil || said.ID == "" || said.Session == "" && id.Subject == "" {
		return wrong
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		var ended []int64
		if said.Session != "" {
			if ended, err = q.EndStaffSessionsOf(ctx, s.hash("provider session", said.Session)); err != nil {
				return err
			}
		} else {
			row, err := q.StaffByLogin(ctx, s.providerLogin(p, id.Subject))
			if registry.IsNone(err) {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID}); err != nil {
				return err
			}
			ended = []int64{row.ID}
		}
		for _, member := range ended {
			if err := s.audit(ctx, q, Actor(member), "staff.sign-out", fmt.Sprint(member), "at the identity provider"); err != nil {
				return err
			}
		}
		return nil
	})
}
