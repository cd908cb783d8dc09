package staff

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// invitation is what a link holds beside its account: the secret that its owner's
// app is to have, the same however often the page is opened.
type invitation struct {
	TOTP []byte `json:"totp"`
}

func (s *Service) newLink(ctx context.Context, q *query.Queries, id int64) (string, error) {
	secret, err := newTOTP(s.Random)
	if err != nil {
		return "", err
	}
	if err := q.DeleteStaffSteps(ctx, &id); err != nil { // one link at a time
		return "", err
	}
	return s.begin(ctx, q, stepLink, &id, invitation{secret}, LinkLife)
}

// LinkPath is where a link is opened; the secret follows it.
const LinkPath = "/sign-in/start/"

// LinkURL is the address to give to the person.
func (s *Service) LinkURL(link string) string { return s.PublicURL + LinkPath + link }

// Invitation is what the page of a link shows.
type Invitation struct {
	Member Member
	TOTP   []byte // the secret for the app
}

// Invitation returns what a link is for, without using it up: programs look at
// links in messages before people do. One that was used or is too old is
// [vaccination.NotFound].
func (s *Service) Invitation(ctx context.Context, link string) (Invitation, error) {
	i, _, err := s.invited(ctx, s.Store.Read(), link, false)
	return i, err
}

func (s *Service) invited(ctx context.Context, q *query.Queries, link string, take bool) (Invitation, *query.Staff, error) {
	var of invitation
	p, err := s.step(ctx, q, stepLink, link, take, &of)
	if err != nil {
		return Invitation{}, nil, err
	}
	row, err := q.Staff(ctx, *p.staff)
	if err != nil {
		return Invitation{}, nil, err
	}
	if State(row.State) == Deactivated {
		return Invitation{}, nil, vaccination.Errorf(vaccination.NotFound, "this link was used already, or is too old: ask for a new one")
	}
	m, err := s.member(&row)
	return Invitation{m, of.TOTP}, &row, err
}

// Accept uses a link: its owner chose a password, and code comes from their app.
// They are signed in, and get recovery codes, which are not shown again. What is
// wrong is [vaccination.Invalid] with the fields "password" or "code".
func (s *Service) Accept(ctx context.Context, link, password, code string, b Browser) (session string, recovery []string, err error) {
	i, row, err := s.invited(ctx, s.Store.Read(), link, false)
	if err != nil {
		return "", nil, err
	}
	if err := CheckPassword(i.Member.Login, password); err != nil {
		return "", nil, err
	}
	step, ok := totpStep(i.TOTP, code, s.Now(), 0)
	if !ok {
		return "", nil, errCode()
	}
	stored, err := s.stretch(ctx, password)
	if err != nil {
		return "", nil, err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, _, err := s.invited(ctx, q, link, true); err != nil {
			return err
		}
		if err := s.setPassword(ctx, q, row.ID, stored); err != nil {
			return err
		}
		if err := s.setTOTP(ctx, q, row.ID, i.TOTP, step); err != nil {
			return err
		}
		if err := s.audit(ctx, q, Actor(row.ID), "staff.factor.add", fmt.Sprint(row.ID), "password and code"); err != nil {
			return err
		}
		if recovery, err = s.newRecovery(ctx, q, row.ID); err != nil {
			return err
		}
		session, err = s.accepted(ctx, q, row, b)
		return err
	})
	return session, recovery, err
}

// accepted makes an account active that has its first factor, and signs it in.
func (s *Service) accepted(ctx context.Context, q *query.Queries, row *query.Staff, b Browser) (session string, err error) {
	if err := s.forgetTries(ctx, q, row.Login); err != nil {
		return "", err
	}
	if err := q.SetStaffState(ctx, query.SetStaffStateParams{ID: row.ID, State: string(Active), At: s.Now().UTC()}); err != nil {
		return "", err
	}
	return s.open(ctx, q, row.ID, b, "invitation")
}

func errCode() error {
	return &vaccination.Error{Code: vaccination.Invalid, Message: "the code is wrong", Faults: []vaccination.Fault{{Path: "code", Code: "wrong", Message: "this is not the code that the app shows now"}}}
}

// stretch is the stored form of a new password.
func (s *Service) stretch(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(s.Random, salt); err != nil {
		return "", err
	}
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return hashPassword(password, salt), nil
}

func (s *Service) setPassword(ctx context.Context, q *query.Queries, id int64, stored string) error {
	sealed, err := s.seal(id, "password", stored)
	if err != nil {
		return err
	}
	return q.SetStaffPassword(ctx, query.SetStaffPasswordParams{ID: id, Password: sealed, At: s.Now().UTC()})
}

func (s *Service) setTOTP(ctx context.Context, q *query.Queries, id int64, secret []byte, step int64) error {
	sealed, err := s.seal(id, "totp", secret)
	if err != nil {
		return err
	}
	return q.SetStaffTOTP(ctx, query.SetStaffTOTPParams{ID: id, Totp: sealed, TotpStep: step, At: s.Now().UTC()})
}

// RecoveryCodes is how many recovery codes there are at first.
const RecoveryCodes = 8

// recoveryEncoding has no letters that look alike (Crockford's base 32).
var recoveryEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func (s *Service) recoveryHash(id int64, code string) []byte {
	plain := strings.NewReplacer("o", "0", "i", "1", "l", "1", " ", "", "-", "").Replace(strings.ToLower(strings.TrimSpace(code)))
	if len(plain) > 100 {
		plain = plain[:100]
	}
	return s.hash(fmt.Sprintf("recovery %d", id), plain)
}

// newRecovery makes new recovery codes of 80 random bits; the old ones end.
func (s *Service) newRecovery(ctx context.Context, q *query.Queries, id int64) ([]string, error) {
	if err := q.DeleteStaffRecovery(ctx, id); err != nil {
		return nil, err
	}
	codes, hashes := make([]string, RecoveryCodes), make([][]byte, RecoveryCodes)
	for i := range codes {
		raw := make([]byte, 10)
		if _, err := io.ReadFull(s.Random, raw); err != nil {
			return nil, err
		}
		text := recoveryEncoding.EncodeToString(raw)
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		hashes[i] = s.recoveryHash(id, text)
	}
	if err := q.InsertStaffRecovery(ctx, query.InsertStaffRecoveryParams{Staff: id, Codes: hashes}); err != nil {
		return nil, err
	}
	return codes, s.audit(ctx, q, Actor(id), "staff.recovery", fmt.Sprint(id), fmt.Sprintf("%d codes", len(codes)))
}

// NewRecovery makes new recovery codes for who is signed in and [Session.Fresh].
func (s *Service) NewRecovery(ctx context.Context, at Session) (codes []string, err error) {
	err = s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		codes, err = s.newRecovery(ctx, q, row.ID)
		return err
	})
	return codes, err
}

// own runs a change of the factors of who is signed in, which asks for a fresh
// proof: an open session that somebody finds must not be enough.
func (s *Service) own(ctx context.Context, at Session, act func(q *query.Queries, row *query.Staff) error) error {
	if !at.Fresh() {
		return vaccination.Errorf(vaccination.Unauthorized, "prove once more who you are, then do this again")
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockStaff(ctx, at.Member.ID)
		if err != nil {
			return err
		}
		if Origin(row.Origin) != Local || !s.usable(row.Origin, row.State) {
			return vaccination.Errorf(vaccination.Conflict, "this account signs in elsewhere: its factors are changed there")
		}
		return act(q, &row)
	})
}

// Factors is what a member can sign in with.
type Factors struct {
	Password bool // with a code of an app
	Passkeys []Passkey
	Recovery int // codes that are left
}

// Factors returns those of who is signed in.
func (s *Service) Factors(ctx context.Context, at Session) (Factors, error) {
	q := s.Store.Read()
	row, err := q.Staff(ctx, at.Member.ID)
	if err != nil {
		return Factors{}, err
	}
	left, err := q.CountStaffRecovery(ctx, row.ID)
	if err != nil {
		return Factors{}, err
	}
	keys, err := s.Passkeys(ctx, row.ID)
	return Factors{Password: row.Password != nil, Passkeys: keys, Recovery: int(left)}, err
}

// BeginPassword draws a secret for the app of somebody who chooses a new password
// with its code; [Service.SetPassword] ends it. The step is for the form.
func (s *Service) BeginPassword(ctx context.Context, at Session) (step string, secret []byte, err error) {
	if secret, err = newTOTP(s.Random); err != nil {
		return "", nil, err
	}
	step, err = s.begin(ctx, s.Store.Read(), stepTOTP, &at.Member.ID, invitation{secret}, stepLife)
	return step, secret, err
}

// PendingTOTP is the secret that a step of [Service.BeginPassword] waits with.
func (s *Service) PendingTOTP(ctx context.Context, at Session, step string) ([]byte, error) {
	var of invitation
	p, err := s.step(ctx, s.Store.Read(), stepTOTP, step, false, &of)
	if err == nil && *p.staff != at.Member.ID {
		err = errSignIn()
	}
	return of.TOTP, err
}

// SetPassword gives who is signed in and fresh a new password and a new app for
// its codes. Their other sessions end, and every sign-in that was begun.
func (s *Service) SetPassword(ctx context.Context, at Session, step, password, code string) error {
	secret, err := s.PendingTOTP(ctx, at, step)
	if err != nil {
		return err
	}
	if err := CheckPassword(at.Member.Login, password); err != nil {
		return err
	}
	used, ok := totpStep(secret, code, s.Now(), 0)
	if !ok {
		return errCode()
	}
	stored, err := s.stretch(ctx, password)
	if err != nil {
		return err
	}
	return s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		if _, err := s.step(ctx, q, stepTOTP, step, true, new(invitation)); err != nil {
			return err
		}
		if err := s.setPassword(ctx, q, row.ID, stored); err != nil {
			return err
		}
		if err := s.setTOTP(ctx, q, row.ID, secret, used); err != nil {
			return err
		}
		if _, err := q.EndStaffSessions(ctx, query.EndStaffSessionsParams{Staff: row.ID, Keep: at.id}); err != nil {
			return err
		}
		// A step that the old password opened is worth nothing.
		if err := q.DeleteStaffSteps(ctx, &row.ID); err != nil {
			return err
		}
		return s.audit(ctx, q, Actor(row.ID), "staff.factor.add", fmt.Sprint(row.ID), "password and code")
	})
}

// RemovePassword takes password and code away from who is signed in and fresh, if
// a passkey remains.
func (s *Service) RemovePassword(ctx context.Context, at Session) error {
	return s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		keys, err := q.StaffPasskeys(ctx, row.ID)
		if err != nil {
			return err
		}
		if row.Password == nil || len(keys) == 0 {
			return vaccination.Errorf(vaccination.Conflict, "one way to sign in must remain: add a passkey first")
		}
		now := s.Now().UTC()
		if err := q.SetStaffPassword(ctx, query.SetStaffPasswordParams{ID: row.ID, At: now}); err != nil {
			return err
		}
		if err := q.SetStaffTOTP(ctx, query.SetStaffTOTPParams{ID: row.ID, At: now}); err != nil {
			return err
		}
		return s.audit(ctx, q, Actor(row.ID), "staff.factor.remove", fmt.Sprint(row.ID), "password and code")
	})
}
