package staff

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// The lock of a name: freeTries are for mistakes, then each failure doubles the
// wait. It is of the name alone: an address that many share is never locked.
const (
	freeTries = 5
	firstWait = time.Minute
	longWait  = time.Hour
	triesLife = 24 * time.Hour // after which failures are forgotten
)

// wait is how long nobody may try after so many failures.
func wait(tries int32) time.Duration {
	if tries < freeTries {
		return 0
	}
	return min(time.Duration(math.Pow(2, float64(min(tries-freeTries, 10))))*firstWait, longWait)
}

// The kinds of steps.
const (
	stepCode   = "code"   // a password was right, its code is waited for
	stepLink   = "link"   // an invitation
	stepTOTP   = "totp"   // a new secret that waits for its first code
	stepAsk    = "ask"    // a question to a passkey, at a sign-in or again
	stepAdd    = "add"    // a question to a new passkey
	stepAbroad = "abroad" // a sign-in at the identity provider
)

func errWrong() error {
	return vaccination.Errorf(vaccination.Forbidden, "the name, the password or the code is wrong")
}

func errWait() error {
	return vaccination.Errorf(vaccination.TooMany, "there were too many wrong tries for this name: wait, use a recovery code, or ask your administrator")
}

// try counts a try for a name before it is looked at, so that of many at once no
// more count than one after the other. The error is [vaccination.TooMany].
func (s *Service) try(ctx context.Context, name []byte) (counted tried, err error) {
	locked := false
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		row, err := q.LockStaffTry(ctx, name)
		if err != nil {
			return err
		}
		if row.LastAt.Add(triesLife).Before(now) {
			row.Tries = 0
		}
		counted = tried{name: name, at: now, before: row.LastAt}
		if locked = row.LastAt.Add(wait(row.Tries)).After(now); locked {
			return nil
		}
		return q.CountStaffTry(ctx, query.CountStaffTryParams{Name: name, At: now, Since: now.Add(-triesLife)})
	})
	if err == nil && locked {
		err = errWait()
	}
	return counted, err
}

// tried is a try that was counted, and when the last one before it was.
type tried struct {
	name       []byte
	at, before time.Time
}

// uncount takes back a try that was none that failed. Those before it stay.
func (s *Service) uncount(ctx context.Context, t tried) error {
	return s.Store.Read().UncountStaffTry(ctx, query.UncountStaffTryParams{Name: t.name, Mine: t.at, Before: t.before})
}

// failed writes down a try that failed, for a name that is anybody's or not, and
// the moment its lock begins.
func (s *Service) failed(ctx context.Context, name []byte, row *query.Staff, how string) error {
	object := ""
	if row != nil {
		object = fmt.Sprint(row.ID)
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		entries := []registry.Entry{{Chain: registry.AdminChain, Act: "staff.failed", Object: object, Detail: how}}
		count, err := q.StaffTry(ctx, name)
		if err != nil && !registry.IsNone(err) {
			return err
		}
		if count.Tries >= freeTries {
			entries = append(entries, registry.Entry{Chain: registry.AdminChain, Act: "staff.locked", Object: object, Detail: wait(count.Tries).String()})
		}
		return registry.Audit(ctx, q, now, "nobody", entries...)
	})
}

// byLogin finds the account of a name, nil where there is none that can sign in
// with a password here.
func (s *Service) byLogin(ctx context.Context, name []byte) (*query.Staff, error) {
	row, err := s.Store.Read().StaffByLogin(ctx, name)
	if registry.IsNone(err) || err == nil && (Origin(row.Origin) != Local || State(row.State) != Active || row.Password == nil) {
		return nil, nil
	}
	return &row, err
}

// right says whether a password is that of an account, nil being nobody's.
func (s *Service) right(ctx context.Context, row *query.Staff, password string) (bool, error) {
	stored := ""
	if row != nil {
		if err := s.unseal(row.Password, row.ID, "password", &stored); err != nil {
			return false, err
		}
	}
	ok, err := s.verify(ctx, password, stored)
	return ok && row != nil, err
}

// Password checks name and password, and returns the secret of a step in which
// [Service.Code] is to follow. Wrong ones are [vaccination.Forbidden], a name that
// must wait [vaccination.TooMany]; neither tells whether the name is anybody's.
func (s *Service) Password(ctx context.Context, login, password string) (step string, err error) {
	name := s.loginHash(login)
	counted, err := s.try(ctx, name)
	if err != nil {
		return "", err
	}
	row, err := s.byLogin(ctx, name)
	if err != nil {
		return "", err
	}
	ok, err := s.right(ctx, row, password)
	if err != nil {
		return "", err
	}
	if !ok {
		if err := s.failed(ctx, name, row, "password"); err != nil {
			return "", err
		}
		return "", errWrong()
	}
	// This try was none that failed; those before it stay until the code is right.
	if err := s.uncount(ctx, counted); err != nil {
		return "", err
	}
	return s.begin(ctx, s.Store.Read(), stepCode, &row.ID, struct{}{}, stepLife)
}

// begin keeps a step and returns the secret that a browser holds for it.
func (s *Service) begin(ctx context.Context, q *query.Queries, kind string, id *int64, v any, life time.Duration) (string, error) {
	secret, err := s.secret()
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	name := s.hash("step", secret)
	sealed, err := s.Box.Seal(plain, append([]byte("staff step "+kind+" "), name...))
	if err != nil {
		return "", err
	}
	now := s.Now().UTC()
	if err := q.ForgetStaff(ctx, query.ForgetStaffParams{At: now, Tries: now.Add(-triesLife)}); err != nil {
		return "", err
	}
	return secret, q.InsertStaffStep(ctx, query.InsertStaffStepParams{ID: name, Kind: kind, Staff: id, Sealed: sealed, ExpiresAt: now.Add(life)})
}

// pending is a step that was begun.
type pending struct {
	staff *int64
	name  []byte
	plain []byte
}

// step returns a step that was begun; take ends it, so that it counts once. One
// that is not there, or over, is [vaccination.NotFound].
func (s *Service) step(ctx context.Context, q *query.Queries, kind, secret string, take bool, into any) (pending, error) {
	name := s.hash("step", secret)
	var sealed []byte
	var of *int64
	var err error
	if take {
		var row query.TakeStaffStepRow
		row, err = q.TakeStaffStep(ctx, query.TakeStaffStepParams{ID: name, Kind: kind, At: s.Now().UTC()})
		sealed, of = row.Sealed, row.Staff
	} else {
		var row query.StaffStepRow
		row, err = q.StaffStep(ctx, query.StaffStepParams{ID: name, Kind: kind, At: s.Now().UTC()})
		sealed, of = row.Sealed, row.Staff
	}
	if registry.IsNone(err) || secret == "" {
		return pending{}, vaccination.Errorf(vaccination.NotFound, "this took too long, or was used already: begin again")
	}
	if err != nil {
		return pending{}, err
	}
	plain, err := s.Box.Unseal(sealed, append([]byte("staff step "+kind+" "), name...))
	if err != nil {
		return pending{}, err
	}
	return pending{staff: of, name: name, plain: plain}, json.Unmarshal(plain, into)
}

// Code checks the code that follows a password, and signs in. old is the session
// that the browser had, which ends. A wrong code is [vaccination.Forbidden], too
// many of them [vaccination.TooMany], a step that is over [vaccination.NotFound].
func (s *Service) Code(ctx context.Context, step, code string, b Browser) (session string, err error) {
	var none struct{}
	p, err := s.step(ctx, s.Store.Read(), stepCode, step, false, &none)
	if err != nil {
		return "", err
	}
	row, err := s.Store.Read().Staff(ctx, *p.staff)
	if err != nil {
		return "", err
	}
	if err := s.checkCode(ctx, &row, code); err != nil {
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, err := s.step(ctx, q, stepCode, step, true, &none); err != nil {
			return err
		}
		if _, err := q.ForgetStaffTry(ctx, row.Login); err != nil {
			return err
		}
		session, err = s.open(ctx, q, row.ID, b, "password and code")
		return err
	})
	return session, err
}

// checkCode counts a try and looks whether code is one of the account's app that
// was not used yet, which then is.
func (s *Service) checkCode(ctx context.Context, row *query.Staff, code string) error {
	counted, err := s.try(ctx, row.Login)
	if err != nil {
		return err
	}
	ok, err := s.useCode(ctx, s.Store.Read(), row, code)
	if err != nil {
		return err
	}
	if !ok {
		if err := s.failed(ctx, row.Login, row, "code"); err != nil {
			return err
		}
		return errWrong()
	}
	return s.uncount(ctx, counted)
}

func (s *Service) useCode(ctx context.Context, q *query.Queries, row *query.Staff, code string) (bool, error) {
	if row.Totp == nil {
		return false, nil
	}
	var secret []byte
	if err := s.unseal(row.Totp, row.ID, "totp", &secret); err != nil {
		return false, err
	}
	step, ok := totpStep(secret, code, s.Now(), row.TotpStep)
	if !ok {
		return false, nil
	}
	n, err := q.UseStaffTOTP(ctx, query.UseStaffTOTPParams{ID: row.ID, TotpStep: step})
	return n == 1, err
}

// recoveries is the name under which tries at the recovery codes of a login are
// counted: apart from those at its password, whose lock they are a way out of.
func (s *Service) recoveries(login []byte) []byte { return s.hash("recovery tries", string(login)) }

// forgetTries ends both locks of a login.
func (s *Service) forgetTries(ctx context.Context, q *query.Queries, login []byte) error {
	for _, name := range [][]byte{login, s.recoveries(login)} {
		if _, err := q.ForgetStaffTry(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Recover signs in with a password and a recovery code, also while the name is
// locked, and ends the lock. Its tries are counted as those of a password are, by
// themselves; above their bound it is [vaccination.TooMany], and the ways out are
// to wait, a passkey, and an administrator. A right code beside a wrong password
// is used up.
func (s *Service) Recover(ctx context.Context, login, password, code string, b Browser) (session string, err error) {
	name := s.loginHash(login)
	if _, err := s.try(ctx, s.recoveries(name)); err != nil {
		if vaccination.ErrorCode(err) == vaccination.TooMany {
			err = vaccination.Errorf(vaccination.TooMany, "there were too many wrong tries at recovery codes for this name: wait, sign in by passkey, or ask your administrator")
		}
		return "", err
	}
	row, err := s.byLogin(ctx, name)
	if err != nil {
		return "", err
	}
	ok, err := s.right(ctx, row, password)
	if err != nil {
		return "", err
	}
	done := false
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		of := int64(0) // nobody's: the same question
		if row != nil {
			of = row.ID
		}
		used, err := q.UseStaffRecovery(ctx, query.UseStaffRecoveryParams{Staff: of, Code: s.recoveryHash(of, code)})
		if err != nil {
			return err
		}
		// A right code beside a wrong password is used up too: somebody has it.
		if done = used == 1 && ok; !done {
			return nil
		}
		if err := s.forgetTries(ctx, q, name); err != nil {
			return err
		}
		session, err = s.open(ctx, q, row.ID, b, "password and recovery code")
		return err
	})
	if err != nil {
		return "", err
	}
	if !done {
		if err := s.failed(ctx, s.recoveries(name), row, "recovery code"); err != nil {
			return "", err
		}
		return "", errWrong()
	}
	return session, nil
}

// Again lets who is signed in prove once more who they are: the session goes on
// under a new secret, which is returned, and is [Session.Fresh].
func (s *Service) Again(ctx context.Context, session, password, code string) (renewed string, err error) {
	at, err := s.Session(ctx, session)
	if err != nil {
		return "", err
	}
	row, err := s.Store.Read().Staff(ctx, at.Member.ID)
	if err != nil {
		return "", err
	}
	if _, err := s.try(ctx, row.Login); err != nil {
		return "", err
	}
	known := &row
	if row.Password == nil {
		known = nil
	}
	ok, err := s.right(ctx, known, password)
	if err == nil && ok {
		ok, err = s.useCode(ctx, s.Store.Read(), &row, code)
	}
	if err != nil {
		return "", err
	}
	if !ok {
		if err := s.failed(ctx, row.Login, &row, "again"); err != nil {
			return "", err
		}
		return "", errWrong()
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, err := q.ForgetStaffTry(ctx, row.Login); err != nil {
			return err
		}
		renewed, err = s.renew(ctx, q, at, "password and code")
		return err
	})
	return renewed, err
}
