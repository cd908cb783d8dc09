package party

import (
	"context"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// SignOutURL is where a browser signs out at the provider too and comes back to
// out, "" for nowhere. Without an ID token the provider asks whether it is meant.
func (p *Party) SignOutURL(ctx context.Context, idToken, out string) string {
	d, err := p.discover(ctx)
	if err != nil || d.End == "" {
		return ""
	}
	u, err := url.Parse(d.End)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	q := u.Query()
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", out)
	u.RawQuery = q.Encode()
	return u.String()
}

// logoutEvent is what a logout token is about (OpenID Connect Back-Channel
// Logout 1.0, section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutLife is how old a logout token may be, and logoutSkew how far ahead the
// provider's clock.
const (
	logoutLife = 10 * time.Minute
	logoutSkew = time.Minute
)

// Left is somebody who signed out at the provider.
type Left struct {
	Subject string // who, "" where Session says it
	Session string // which of its sessions; "" for all of Subject

	id    string    // of the token
	until time.Time // so long it must be remembered
}

// ErrNoLogout says that what was sent ends nobody's session ([vaccination.Invalid]).
func ErrNoLogout() error {
	return vaccination.Errorf(vaccination.Invalid, "this is no logout token of the identity provider for this service, or it came before")
}

// Once takes the token in the transaction of q: one that was taken before is
// [ErrNoLogout]. hash makes a name of it that tells nothing.
func (l *Left) Once(ctx context.Context, q *query.Queries, now time.Time, hash func(name string) []byte) error {
	if err := q.ForgetLogoutTokens(ctx, now.UTC()); err != nil {
		return err
	}
	n, err := q.TakeLogoutToken(ctx, query.TakeLogoutTokenParams{ID: hash(l.id), ExpiresAt: l.until.UTC()})
	if err == nil && n == 0 {
		err = ErrNoLogout()
	}
	return err
}

// SignedOut reads a logout token (OpenID Connect Back-Channel Logout 1.0, section
// 2.6); [Left.Once] sees to it that it counts once. The error is a [Refusal], or an
// [Unreachable].
func (p *Party) SignedOut(ctx context.Context, token string, now func() time.Time) (*Left, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	id, err := d.provider.Verifier(&oidc.Config{ClientID: p.ClientID, Now: now}).Verify(oidc.ClientContext(ctx, p.Client), token)
	if err != nil {
		return nil, Refusal("the logout token is not to be believed")
	}
	var said struct {
		Session string         `json:"sid"`
		Events  map[string]any `json:"events"`
		ID      string         `json:"jti"`
		Nonce   *string        `json:"nonce"`
	}
	if err := id.Claims(&said); err != nil || said.Events[logoutEvent] == nil || said.Nonce != nil || said.ID == "" || said.Session == "" && id.Subject == "" {
		return nil, Refusal("this is no logout token")
	}
	if at := now(); id.IssuedAt.Before(at.Add(-logoutLife)) || id.IssuedAt.After(at.Add(logoutSkew)) {
		return nil, Refusal("the logout token is of another time")
	}
	return &Left{Subject: id.Subject, Session: said.Session, id: p.Issuer + "\x00" + p.ClientID + "\x00" + said.ID, until: id.IssuedAt.Add(logoutLife + logoutSkew)}, nil
}
