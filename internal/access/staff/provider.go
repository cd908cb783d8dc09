package staff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Provider is the country's identity provider (OpenID Connect), as the
// administrator's file names it, and what its roles mean here.
type Provider struct {
	at                    *party.Party
	nameClaim, rolesClaim claims.Path
	roles                 map[string]access.Role
	facilityClaim         claims.Path
	facilities            map[string]string
}

// Path is where the pages of a sign-in at the provider are.
const (
	ProviderPath = "/sign-in/provider"
	ReturnPath   = ProviderPath + "/return" // to be registered there as redirect URI
	EndedPath    = ProviderPath + "/ended"  // and as back-channel logout URI
	OutPath      = "/sign-in"               // and as post-logout redirect URI
)

// ProviderClient is the client for a provider.
func ProviderClient() *http.Client { return party.Client() }

// Name is what the sign-in page calls it, in a language.
func (p *Provider) Name(language string) string { return p.at.Name(language) }

func errProvider() error {
	return vaccination.Errorf(vaccination.Unavailable, "the identity provider does not answer just now: try again in a moment, or sign in another way")
}

// SignOutURL is where a browser signs out at the provider too, "" for nowhere. The
// provider asks whether it is meant where no ID token says who asks.
func (s *Service) SignOutURL(ctx context.Context, p *Provider, idToken string) string {
	return p.at.SignOutURL(ctx, idToken, s.PublicURL+OutPath)
}

// away is what a sign-in at the provider remembers.
type away struct {
	party.Away
	To    string `json:"to,omitempty"`
	Again []byte `json:"again,omitempty"` // the session that is to be renewed
}

// BeginAbroad begins a sign-in at the provider: where to send the browser, and
// the secret of the step, which the browser keeps. to is where it goes after; at
// is the session to be renewed, nil for a first sign-in.
func (s *Service) BeginAbroad(ctx context.Context, p *Provider, to string, at *Session) (address, step string, err error) {
	w := away{To: to}
	if at != nil {
		w.Again = at.id
	}
	if address, w.Away, err = p.at.Begin(ctx, s.PublicURL+ReturnPath, s.Now(), s.secret, at != nil); err != nil {
		if u := (*party.Unreachable)(nil); errors.As(err, &u) {
			s.Log.Warn("the staff's identity provider does not answer", slog.String("error", u.Cause.Error()))
			err = errProvider()
		}
		return "", "", err
	}
	step, err = s.begin(ctx, s.Store.Read(), stepAbroad, nil, w, stepLife)
	return address, step, err
}

// Refused says why somebody whom the provider vouches for does not come in.
type Refused string

// The reasons.
const (
	NoRole      Refused = "text"    // none of their roles means anything here, or the facility is missing
	NotActive   Refused = "account" // deactivated here
	NoGoodReply Refused = "failed"  // the provider's answer cannot be used
	WentBack    Refused = "back"    // they came back without signing in there
)

// Error is the reason.
func (r Refused) Error() string { return "refused: " + string(r) }

// EndAbroad ends a sign-in at the provider with what the browser brought back, and
// says where it goes next. The error is a [Refused], which the page tells, or one of
// the service.
func (s *Service) EndAbroad(ctx context.Context, p *Provider, step string, answer url.Values, b Browser) (session, to string, err error) {
	var w away
	if _, err := s.step(ctx, s.Store.Read(), stepAbroad, step, true, &w); err != nil {
		return "", "", err
	}
	w.Anew = w.Again != nil // whatever a version before this one wrote
	said, err := p.at.End(ctx, s.PublicURL+ReturnPath, w.Away, answer, s.Now)
	if err != nil {
		return "", w.To, s.notBelieved(ctx, err)
	}
	session, err = s.arrived(ctx, p, said.Subject, said.Claims, w, &abroad{session: said.Session, idToken: said.Raw}, b)
	return session, w.To, err
}

// notBelieved is how an error of the provider's is told.
func (s *Service) notBelieved(ctx context.Context, err error) error {
	var why party.Refusal
	var unreachable *party.Unreachable
	switch {
	case errors.As(err, &unreachable):
		return errProvider()
	case errors.Is(err, party.WentBack):
		return WentBack
	case errors.As(err, &why):
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a sign-in at the identity provider was refused", slog.String("reason", why.Error()))
		return NoGoodReply
	}
	return err
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
	return s.hash("provider", p.at.Issuer+"\x00"+subject)
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

// EndedAbroad ends the sessions that a logout token of the provider names, by the
// provider's session or by the person. One that is not to be believed, or that came
// before, is [vaccination.Invalid].
func (s *Service) EndedAbroad(ctx context.Context, p *Provider, token string) error {
	left, err := p.at.SignedOut(ctx, token, s.Now)
	if unreachable := (*party.Unreachable)(nil); errors.As(err, &unreachable) {
		return errProvider()
	}
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a logout token was refused")
		return party.ErrNoLogout()
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := left.Once(ctx, q, s.Now(), func(name string) []byte { return s.hash("logout token", name) }); err != nil {
			return err
		}
		var ended []int64
		if left.Session != "" {
			if ended, err = q.EndStaffSessionsOf(ctx, s.hash("provider session", left.Session)); err != nil {
				return err
			}
		} else {
			row, err := q.StaffByLogin(ctx, s.providerLogin(p, left.Subject))
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
