package staff

import (
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Invitee is somebody who is to become a member of staff.
type Invitee struct {
	Name     string // as colleagues call them
	Login    string // what they will type to sign in
	Role     access.Role
	Facility string // code, for the roles at a facility
}

// Invite makes an account and returns the secret of a link, good once and for
// [LinkLife], by which its owner chooses how to sign in. Nobody else learns it.
// Who may not grant the role is [vaccination.Forbidden], a sign-in name that is
// taken [vaccination.Conflict], a wrong field [vaccination.Invalid].
func (s *Service) Invite(ctx context.Context, by access.Caller, n Invitee) (id int64, link string, err error) {
	n.Name, n.Login = norm.NFC.String(strings.TrimSpace(n.Name)), plainLogin(n.Login)
	if err := mayGrant(by, n.Role, n.Facility); err != nil {
		return 0, "", err
	}
	if err := checkNew(n); err != nil {
		return 0, "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		id, err = s.insert(ctx, q, n, Local, Invited, s.loginHash(n.Login))
		if err != nil {
			return err
		}
		if link, err = s.newLink(ctx, q, id); err != nil {
			return err
		}
		return s.audit(ctx, q, by.Actor, "staff.invite", fmt.Sprint(id), says(n.Role, n.Facility))
	})
	if registry.IsRace(err) {
		return 0, "", vaccination.Errorf(vaccination.Conflict, "somebody has this sign-in name already: choose another, or make a new link for that account")
	}
	if err != nil {
		return 0, "", err
	}
	return id, link, nil
}

// says is a role and its facility, for the audit.
func says(role access.Role, facility string) string {
	return strings.TrimSpace(string(role) + " " + facility)
}

// mayGrant says whether by may make a member of this role there, or change one.
// Who runs a facility's staff manages those who work at its desk, not its equals.
func mayGrant(by access.Caller, role access.Role, facility string) error {
	if err := by.Can(access.ManageStaff); err != nil {
		return err
	}
	if !by.At(access.ManageStaff, facility) || by.Role == access.FacilityAdmin && role != access.FacilityStaff {
		return vaccination.Errorf(vaccination.Forbidden, "your role manages the facility staff of your own facility only")
	}
	return nil
}

func (s *Service) insert(ctx context.Context, q *query.Queries, n Invitee, origin Origin, state State, login []byte) (int64, error) {
	handle := make([]byte, 32)
	if _, err := io.ReadFull(s.Random, handle); err != nil {
		return 0, err
	}
	now := s.Now().UTC()
	id, err := q.InsertStaff(ctx, query.InsertStaffParams{
		Login: login, Origin: string(origin), Role: string(n.Role), Facility: n.Facility, State: string(state), Sealed: []byte{}, Handle: handle, At: now,
	})
	if err != nil {
		return 0, err
	}
	p := person{Name: n.Name, Login: n.Login}
	if origin == FromProvider {
		p.Login = ""
	}
	sealed, err := s.seal(id, "person", p)
	if err != nil {
		return 0, err
	}
	return id, q.SealStaff(ctx, query.SealStaffParams{ID: id, Sealed: sealed})
}

// OnMachine is the caller for an act that somebody who sits at the machine does as
// a member: act names it in the entry of the machine, which is beside what the
// member is then on record for. The error is [vaccination.NotFound] for no member,
// [vaccination.Conflict] for one whose account is not active.
func (s *Service) OnMachine(ctx context.Context, by access.Caller, id int64, act string) (access.Caller, error) {
	row, err := s.Store.Read().Staff(ctx, id)
	if registry.IsNone(err) {
		return access.Caller{}, vaccination.Errorf(vaccination.NotFound, "there is no member of staff %d: divoc staff list shows them", id)
	}
	if err != nil {
		return access.Caller{}, err
	}
	if !s.usable(row.Origin, row.State) {
		return access.Caller{}, vaccination.Errorf(vaccination.Conflict, "this account is %s: name one that is active", row.State)
	}
	m, err := s.member(&row)
	if err != nil {
		return access.Caller{}, err
	}
	c := m.Caller()
	c.AtMachine = true
	return c, s.audit(ctx, s.Store.Read(), by.Actor, "staff.as", fmt.Sprint(id), act)
}

// List returns the members that by may manage: all, or those of their facility.
func (s *Service) List(ctx context.Context, by access.Caller) ([]Member, error) {
	if err := by.Can(access.ManageStaff); err != nil {
		return nil, err
	}
	facility := ""
	if !by.At(access.ManageStaff, "") {
		facility = by.Facility
	}
	rows, err := s.Store.Read().ListStaff(ctx, facility)
	if err != nil {
		return nil, err
	}
	out := make([]Member, 0, len(rows))
	for _, r := range rows {
		if !by.At(access.ManageStaff, r.Facility) {
			continue
		}
		m, err := s.member(&query.Staff{ID: r.ID, Origin: r.Origin, Role: r.Role, Facility: r.Facility, State: r.State, Sealed: r.Sealed, Password: r.Password, CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt})
		if err != nil {
			return nil, err
		}
		if m.Passkeys = int(r.Passkeys); r.Seen.Unix() > 0 {
			m.Seen = r.Seen
		}
		out = append(out, m)
	}
	return out, nil
}

// Get returns one member that by may manage. Another one is
// [vaccination.NotFound], whether there is one of that number or not.
func (s *Service) Get(ctx context.Context, by access.Caller, id int64) (Member, error) {
	if err := by.Can(access.ManageStaff); err != nil {
		return Member{}, err
	}
	row, err := s.Store.Read().Staff(ctx, id)
	if err := s.reachable(by, row.Facility, err); err != nil {
		return Member{}, err
	}
	m, err := s.member(&row)
	if err != nil {
		return Member{}, err
	}
	keys, err := s.Store.Read().StaffPasskeys(ctx, id)
	m.Passkeys = len(keys)
	return m, err
}

func (s *Service) reachable(by access.Caller, facility string, err error) error {
	if registry.IsNone(err) || err == nil && !by.At(access.ManageStaff, facility) {
		return vaccination.Errorf(vaccination.NotFound, "there is no such member of staff")
	}
	return err
}

// change runs an act on a member that by manages, with its audit entry. act
// returns the detail of the entry.
func (s *Service) change(ctx context.Context, by access.Caller, id int64, name string, act func(q *query.Queries, row *query.Staff) (string, error)) error {
	if err := by.Can(access.ManageStaff); err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockStaff(ctx, id)
		if err := s.reachable(by, row.Facility, err); err != nil {
			return err
		}
		if err := mayGrant(by, access.Role(row.Role), row.Facility); err != nil {
			return err
		}
		if by.Actor == Actor(id) {
			return vaccination.Errorf(vaccination.Forbidden, "nobody changes their own role or ends their own account: a colleague does")
		}
		detail, err := act(q, &row)
		if err != nil {
			return err
		}
		return s.audit(ctx, q, by.Actor, name, fmt.Sprint(id), detail)
	})
}

// SetRole gives a member another role or facility. Their sessions end, so that
// nothing goes on under what they could do before. Accounts of a provider have
// the role that the provider says.
func (s *Service) SetRole(ctx context.Context, by access.Caller, id int64, role access.Role, facility string) error {
	if err := mayGrant(by, role, facility); err != nil {
		return err
	}
	if err := checkNew(Invitee{Name: "-", Login: "-", Role: role, Facility: facility}); err != nil {
		return err
	}
	return s.change(ctx, by, id, "staff.role", func(q *query.Queries, row *query.Staff) (string, error) {
		if Origin(row.Origin) != Local {
			return "", vaccination.Errorf(vaccination.Conflict, "the role of this account is said by the identity provider: change it there")
		}
		if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: id}); err != nil {
			return "", err
		}
		return says(access.Role(row.Role), row.Facility) + " -> " + says(role, facility),
			q.SetStaffRole(ctx, query.SetStaffRoleParams{ID: id, Role: string(role), Facility: facility, At: s.Now().UTC()})
	})
}

// Deactivate ends an account at once, with its sessions and open links. Its
// entries in the audit stay its own; [Service.Reactivate] brings it back.
func (s *Service) Deactivate(ctx context.Context, by access.Caller, id int64) error {
	return s.change(ctx, by, id, "staff.deactivate", func(q *query.Queries, row *query.Staff) (string, error) {
		return "", s.end(ctx, q, row)
	})
}

func (s *Service) end(ctx context.Context, q *query.Queries, row *query.Staff) error {
	if State(row.State) == Deactivated {
		return vaccination.Errorf(vaccination.Conflict, "this account is deactivated already")
	}
	if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID}); err != nil {
		return err
	}
	if err := q.DeleteStaffSteps(ctx, &row.ID); err != nil {
		return err
	}
	return q.SetStaffState(ctx, query.SetStaffStateParams{ID: row.ID, State: string(Deactivated), At: s.Now().UTC()})
}

// Reactivate lets a deactivated account sign in again, with the factors it had.
// One that never had any stays invited: it needs a new link.
func (s *Service) Reactivate(ctx context.Context, by access.Caller, id int64) error {
	return s.change(ctx, by, id, "staff.reactivate", func(q *query.Queries, row *query.Staff) (string, error) {
		if State(row.State) != Deactivated {
			return "", vaccination.Errorf(vaccination.Conflict, "this account is not deactivated")
		}
		keys, err := q.StaffPasskeys(ctx, id)
		if err != nil {
			return "", err
		}
		state := Active
		if Origin(row.Origin) == Local && row.Password == nil && len(keys) == 0 {
			state = Invited
		}
		return "", q.SetStaffState(ctx, query.SetStaffStateParams{ID: id, State: string(state), At: s.Now().UTC()})
	})
}

// Reset takes all factors of a member away, ends their sessions and the lock,
// and returns a new link: the way out for who lost everything.
func (s *Service) Reset(ctx context.Context, by access.Caller, id int64) (link string, err error) {
	err = s.change(ctx, by, id, "staff.reset", func(q *query.Queries, row *query.Staff) (string, error) {
		if Origin(row.Origin) != Local || State(row.State) == Deactivated {
			return "", vaccination.Errorf(vaccination.Conflict, "only an active account of this system has factors to set again")
		}
		if err := s.strip(ctx, q, row); err != nil {
			return "", err
		}
		link, err = s.newLink(ctx, q, id)
		return "", err
	})
	return link, err
}

// strip takes away everything a member could sign in with.
func (s *Service) strip(ctx context.Context, q *query.Queries, row *query.Staff) error {
	now := s.Now().UTC()
	if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID}); err != nil {
		return err
	}
	if _, err := q.DeleteStaffPasskeys(ctx, row.ID); err != nil {
		return err
	}
	if err := q.DeleteStaffRecovery(ctx, row.ID); err != nil {
		return err
	}
	if err := q.DeleteStaffSteps(ctx, &row.ID); err != nil {
		return err
	}
	if err := q.SetStaffPassword(ctx, query.SetStaffPasswordParams{ID: row.ID, At: now}); err != nil {
		return err
	}
	if err := q.SetStaffTOTP(ctx, query.SetStaffTOTPParams{ID: row.ID, At: now}); err != nil {
		return err
	}
	if err := s.forgetTries(ctx, q, row.Login); err != nil {
		return err
	}
	return q.SetStaffState(ctx, query.SetStaffStateParams{ID: row.ID, State: string(Invited), At: now})
}

// Unlock forgets the failed tries of a member.
func (s *Service) Unlock(ctx context.Context, by access.Caller, id int64) error {
	return s.change(ctx, by, id, "staff.unlock", func(q *query.Queries, row *query.Staff) (string, error) {
		return "", s.forgetTries(ctx, q, row.Login)
	})
}

// Left says what ended when somebody left.
type Left struct {
	Sessions int // that were open
	Tokens   int // API tokens they had made
	Handed   int // cases that a colleague has now
}

// Leave ends everything of a member who leaves, in one transaction: account,
// sessions, links, the API tokens they made; what they were working on goes to
// the colleague to, who must be active. to is 0 where nothing is to be handed
// over.
func (s *Service) Leave(ctx context.Context, by access.Caller, id, to int64) (left Left, err error) {
	err = s.change(ctx, by, id, "staff.leave", func(q *query.Queries, row *query.Staff) (string, error) {
		left = Left{}
		now := s.Now().UTC()
		if to != 0 {
			colleague, err := q.Staff(ctx, to)
			if err := s.reachable(by, colleague.Facility, err); err != nil {
				return "", err
			}
			if State(colleague.State) != Active || to == id {
				return "", vaccination.Errorf(vaccination.Conflict, "the colleague who takes over must be somebody else, with an active account")
			}
		}
		sessions, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: id})
		if err != nil {
			return "", err
		}
		left.Sessions = int(sessions)
		tokens, err := q.RevokeTokensBy(ctx, query.RevokeTokensByParams{CreatedBy: Actor(id), At: &now})
		if err != nil {
			return "", err
		}
		left.Tokens = len(tokens)
		for _, t := range tokens {
			if err := s.audit(ctx, q, by.Actor, "token.revoke", fmt.Sprint(t), ""); err != nil {
				return "", err
			}
		}
		if s.HandOver != nil {
			heir := ""
			if to != 0 {
				heir = Actor(to)
			}
			if left.Handed, err = s.HandOver(ctx, q, by, Actor(id), heir); err != nil {
				return "", err
			}
		}
		detail := fmt.Sprintf("%d sessions, %d tokens, %d cases", left.Sessions, left.Tokens, left.Handed)
		if to != 0 {
			detail += " to " + Actor(to)
		}
		return detail, s.end(ctx, q, row)
	})
	return left, err
}
