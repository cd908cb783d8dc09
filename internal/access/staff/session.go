package staff

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// seeEvery is how often a session's last request is written down.
const seeEvery = time.Minute

// Browser is what is known of the browser that signs in.
type Browser struct {
	Old   string // the session it had, which ends
	Agent string // its User-Agent; only its kind is kept
}

// Session is somebody who is signed in.
type Session struct {
	Member  Member
	Number  int64 // by which [Service.Sessions] names it
	Started time.Time
	Ends    time.Time
	proved  time.Time
	now     time.Time
	id      []byte
}

// Fresh says whether the person proved within [FreshFor] who they are.
func (x Session) Fresh() bool { return x.now.Before(x.proved.Add(FreshFor)) }

// Session returns who is signed in by the secret of a browser, or
// [vaccination.Unauthorized]: one that ended, was idle too long, or whose account
// is not active any more looks like one that never was.
func (s *Service) Session(ctx context.Context, secret string) (Session, error) {
	if len(secret) != encoding.EncodedLen(32) {
		return Session{}, errSignIn()
	}
	id := s.hash("session", secret)
	row, err := s.Store.Read().StaffSession(ctx, id)
	if registry.IsNone(err) {
		return Session{}, errSignIn()
	}
	if err != nil {
		return Session{}, err
	}
	now := s.Now().UTC()
	if !s.usable(row.Origin, row.State) || !now.Before(row.EndsAt) || !now.Before(row.SeenAt.Add(IdleEnd)) {
		return Session{}, errSignIn()
	}
	m, err := s.member(&query.Staff{ID: row.Staff, Origin: row.Origin, Role: row.Role, Facility: row.Facility, State: row.State, Sealed: row.Sealed})
	if err != nil {
		return Session{}, err
	}
	if now.Sub(row.SeenAt) >= seeEvery {
		if err := s.Store.Read().SeeStaffSession(ctx, query.SeeStaffSessionParams{ID: id, At: now}); err != nil {
			return Session{}, err
		}
	}
	return Session{Member: m, Number: row.Number, Started: row.StartedAt, Ends: row.EndsAt, proved: row.FreshAt, now: now, id: id}, nil
}

// abroad is what a session of an identity provider remembers of it.
type abroad struct {
	session string // the provider's own (sid), "" where it names none
	idToken string // to sign out there
}

// open begins a session, with its entry in the audit; the browser's old one ends.
func (s *Service) open(ctx context.Context, q *query.Queries, id int64, b Browser, how string) (string, error) {
	return s.openFrom(ctx, q, id, b, how, nil)
}

func (s *Service) openFrom(ctx context.Context, q *query.Queries, id int64, b Browser, how string, from *abroad) (string, error) {
	row, err := q.LockStaff(ctx, id)
	if err != nil {
		return "", err
	}
	if !s.usable(row.Origin, row.State) {
		return "", errWrong()
	}
	if b.Old != "" {
		if _, err := q.EndStaffSession(ctx, s.hash("session", b.Old)); err != nil && !registry.IsNone(err) {
			return "", err
		}
	}
	secret, err := s.secret()
	if err != nil {
		return "", err
	}
	now := s.Now().UTC()
	p := query.InsertStaffSessionParams{ID: s.hash("session", secret), Staff: id, At: now, EndsAt: now.Add(s.Shift), Browser: kind(b.Agent)}
	if from != nil {
		if from.session != "" {
			p.Provider = s.hash("provider session", from.session)
		}
		if p.Sealed, err = s.seal(id, "session", from.idToken); err != nil {
			return "", err
		}
	}
	if err := q.InsertStaffSession(ctx, p); err != nil {
		return "", err
	}
	return secret, s.audit(ctx, q, Actor(id), "staff.sign-in", fmt.Sprint(id), how)
}

// renew gives a session a new secret, as who has it proved again who they are.
func (s *Service) renew(ctx context.Context, q *query.Queries, at Session, how string) (string, error) {
	secret, err := s.secret()
	if err != nil {
		return "", err
	}
	n, err := q.RenewStaffSession(ctx, query.RenewStaffSessionParams{ID: at.id, NewID: s.hash("session", secret), At: s.Now().UTC()})
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", errSignIn()
	}
	return secret, s.audit(ctx, q, at.Member.Actor(), "staff.again", fmt.Sprint(at.Member.ID), how)
}

// SignOut ends the session of a browser. idToken is what the identity provider
// needs to sign out there too, "" for none. That there is no such session is no
// error.
func (s *Service) SignOut(ctx context.Context, secret string) (idToken string, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.EndStaffSession(ctx, s.hash("session", secret))
		if registry.IsNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if row.Sealed != nil {
			if err := s.unseal(row.Sealed, row.Staff, "session", &idToken); err != nil {
				return err
			}
		}
		return s.audit(ctx, q, Actor(row.Staff), "staff.sign-out", fmt.Sprint(row.Staff), "")
	})
	return idToken, err
}

// SessionInfo is one session of a member, as their own list shows it.
type SessionInfo struct {
	Number        int64
	Started, Seen time.Time
	Browser       string
	This          bool // the one that asks
}

// Sessions returns where a member is signed in, the last used first.
func (s *Service) Sessions(ctx context.Context, at Session) ([]SessionInfo, error) {
	now := s.Now().UTC()
	rows, err := s.Store.Read().StaffSessions(ctx, query.StaffSessionsParams{Staff: at.Member.ID, At: now, Idle: now.Add(-IdleEnd)})
	if err != nil {
		return nil, err
	}
	out := make([]SessionInfo, len(rows))
	for i, r := range rows {
		out[i] = SessionInfo{Number: r.Number, Started: r.StartedAt, Seen: r.SeenAt, Browser: r.Browser, This: r.Number == at.Number}
	}
	return out, nil
}

// SignOutEverywhere ends all sessions of a member, this one too unless keep.
func (s *Service) SignOutEverywhere(ctx context.Context, at Session, keep bool) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		p := query.EndStaffSessionsParams{Staff: at.Member.ID}
		if keep {
			p.Keep = at.id
		}
		n, err := q.EndStaffSessions(ctx, p)
		if err != nil {
			return err
		}
		return s.audit(ctx, q, at.Member.Actor(), "staff.sign-out", fmt.Sprint(at.Member.ID), fmt.Sprintf("%d sessions", n))
	})
}

// EndSession ends one session of a member by its number.
func (s *Service) EndSession(ctx context.Context, at Session, number int64) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.EndStaffSessionNumber(ctx, query.EndStaffSessionNumberParams{Staff: at.Member.ID, Number: number})
		if err != nil {
			return err
		}
		if n == 0 {
			return vaccination.Errorf(vaccination.NotFound, "this session has ended already")
		}
		return s.audit(ctx, q, at.Member.Actor(), "staff.sign-out", fmt.Sprint(at.Member.ID), "another session")
	})
}

// kind is what a browser is called in a list, without what would recognise it.
func kind(agent string) string {
	name, system := "", ""
	for _, n := range []string{"Firefox", "Edg", "OPR", "SamsungBrowser", "Chrome", "Safari"} { // the others say they are these too
		if strings.Contains(agent, n+"/") {
			name = map[string]string{"Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet"}[n]
			if name == "" {
				name = n
			}
			break
		}
	}
	for _, n := range []string{"Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux"} {
		if strings.Contains(agent, n) {
			system = n
			break
		}
	}
	return strings.Trim(name+", "+system, ", ")
}

// Demo returns the accounts of a demonstration, one for each role; they are made
// where they are not there yet. Outside one there are none, and those that a
// copied database holds sign nobody in.
func (s *Service) DemoMembers(ctx context.Context) ([]Member, error) {
	if !s.Demo {
		return nil, nil
	}
	var out []Member
	for _, role := range Roles() {
		m, err := s.demoMember(ctx, role)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// DemoFacility is where those of a demonstration work whose role is at one.
const DemoFacility = "DEMO-1"

func demoNames() map[access.Role]string {
	return map[access.Role]string{
		access.SystemAdmin: "Sam Specimen", access.ProgrammeAdmin: "Pat Specimen", access.FacilityAdmin: "Fay Specimen",
		access.FacilityStaff: "Flo Specimen", access.Auditor: "Ada Specimen",
	}
}

func (s *Service) demoMember(ctx context.Context, role access.Role) (Member, error) {
	name := s.hash("demo", string(role))
	row, err := s.Store.Read().StaffByLogin(ctx, name)
	if registry.IsNone(err) {
		err = s.Store.Tx(ctx, func(q *query.Queries) error {
			n := Invitee{Name: demoNames()[role], Login: "demo-" + string(role), Role: role}
			if AtFacility(role) {
				n.Facility = DemoFacility
			}
			id, err := s.insert(ctx, q, n, OfDemo, Active, name)
			if err != nil {
				return err
			}
			return s.audit(ctx, q, access.System("demo").Actor, "staff.invite", fmt.Sprint(id), says(role, n.Facility))
		})
		if err == nil || registry.IsRace(err) {
			row, err = s.Store.Read().StaffByLogin(ctx, name)
		}
	}
	if err != nil {
		return Member{}, err
	}
	return s.member(&row)
}

// SignInDemo signs somebody in as the demonstration's member of a role, without a
// factor. Outside a demonstration it is [vaccination.NotFound].
func (s *Service) SignInDemo(ctx context.Context, role access.Role, b Browser) (session string, err error) {
	if !s.Demo || demoNames()[role] == "" {
		return "", vaccination.Errorf(vaccination.NotFound, "there is no such account")
	}
	m, err := s.demoMember(ctx, role)
	if err != nil {
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		session, err = s.open(ctx, q, m.ID, b, "demonstration")
		return err
	})
	return session, err
}
