// Package citizen recognises citizens: by a code sent to a telephone number on
// record, then by a short session, then, for each person's record, by what that
// person knows of it. A phone is not a person: a code alone opens nobody's
// record.
//
// Whether a number is on record is told to nobody who has not its telephone: an
// unknown number gets the same answer, after the same time, from the same writes,
// and a code that nobody is told.
package citizen

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/netip"
	"time"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The bounds of a code (NIST SP 800-63B 3.1.3.2 and stricter).
const (
	CodeLife  = 5 * time.Minute
	CodeTries = 5
)

// Answer is how long the answer to who asks for a code takes, or a multiple of
// it where the work takes longer, so that its time tells nothing.
const Answer = 250 * time.Millisecond

// Sender hands codes over to be sent.
type Sender interface {
	// SendCode queues a code for a number in E.164 or, where there is one, for an
	// e-mail address, in the transaction of q; not before after, which may be zero.
	// It counts until expires.
	SendCode(ctx context.Context, q *query.Queries, number, email, language, code string, after, expires time.Time) error
	// Wake says that what was handed over is durable and can go.
	Wake()
}

// Options are what a Service needs; all are required except Sender, Carries,
// Budget and Identity.
type Options struct {
	Store   *registry.Store
	Box     *seal.Box
	Profile *profile.Profile
	// OnRecord says whether somebody can be reached by a number in E.164 and, where
	// one is given, by an e-mail address too.
	OnRecord func(ctx context.Context, number, email string) (bool, error)
	// Sender sends codes. Without one a demonstration shows the code, and nobody
	// else can sign in.
	Sender Sender
	Demo   bool
	// Carries reports whether somebody carries messages to a number in E.164 or to
	// an e-mail address, whosever it is. Nil means that Sender does.
	Carries func(ctx context.Context, to string) (bool, error)
	// Budget counts a code that was asked for with a number, on record or not, from
	// a network, and says how long it is to wait. The error is [vaccination.TooMany]
	// for a number, [vaccination.Unavailable] for everybody. Nil counts none.
	Budget func(ctx context.Context, number string, network netip.Addr) (time.Duration, error)
	// Identity asks the country's identity provider, of the profile; see
	// [party.ClientOf]. PublicURL is where it sends browsers back to. Both are nil
	// and "" where citizens sign in by codes alone.
	Identity  *http.Client
	PublicURL string
	// Wait returns at a time, or when ctx ends.
	Wait   func(ctx context.Context, until time.Time)
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Service recognises citizens. It is safe for concurrent use.
type Service struct {
	Options
	provider *identity // nil for none
}

// New returns a Service.
func New(o Options) *Service {
	s := &Service{Options: o}
	if o.Identity != nil && o.Profile.CitizenIdentity != nil {
		s.provider = s.newIdentity(o.Profile.CitizenIdentity)
	}
	return s
}

// Open reports whether anybody can sign in: codes can be sent, or it is a
// demonstration.
func (s *Service) Open() bool { return s != nil && (s.Sender != nil || s.Demo) }

// Ways says how codes can be sent just now: as text messages, by e-mail.
func (s *Service) Ways(ctx context.Context) (text, email bool, err error) {
	if !s.Open() || s.Sender == nil || s.Carries == nil {
		return s.Open(), s.Open(), nil
	}
	if text, err = s.Carries(ctx, "+"+s.Profile.PhoneRules.CountryCode); err == nil {
		email, err = s.Carries(ctx, "anybody@example.org")
	}
	return text, email, err
}

// Ask is what somebody types who wants a code. With an e-mail address the code
// goes there, where both are on record of one person.
type Ask struct {
	Number, Email, Language string
	Network                 netip.Addr // of who asks
}

// Pending is a code that was asked for, as the browser that asked is told.
type Pending struct {
	Number   string    `json:"number"` // E.164
	Email    string    `json:"email,omitempty"`
	Language string    `json:"language"`
	Specimen string    `json:"specimen,omitempty"` // the code itself, in a demonstration
	Expires  time.Time `json:"-"`
	Left     int       `json:"-"` // tries
}

// Start sends a code where the number is on record and returns the secret that
// binds it to the browser. before is the browser's secret of an earlier code, or
// "". The error is [vaccination.Invalid] for what is no number or address,
// [vaccination.TooMany] where codes were asked for too often, and
// [vaccination.Unavailable] where none can be sent; none of them depends on who
// is on record.
func (s *Service) Start(ctx context.Context, a Ask, before string) (secret string, err error) {
	if !s.Open() {
		return "", errClosed()
	}
	began := s.Now()
	defer func() {
		took := s.Now().Sub(began)
		s.Wait(ctx, began.Add((took/Answer+1)*Answer))
	}()
	p := Pending{Language: a.Language}
	if p.Number, err = s.number(a.Number); err != nil {
		return "", err
	}
	if p.Email, err = address(a.Email); err != nil {
		return "", err
	}
	text, email, err := s.Ways(ctx)
	if err != nil {
		return "", err
	}
	if !text && p.Email == "" || !email && p.Email != "" {
		return "", errClosed()
	}
	var delay time.Duration
	if s.Budget != nil {
		if delay, err = s.Budget(ctx, p.Number, a.Network); err != nil {
			return "", err
		}
	}
	known, err := s.OnRecord(ctx, p.Number, p.Email)
	if err != nil {
		return "", err
	}
	code, err := newCode(s.Random)
	if err != nil {
		return "", err
	}
	if s.Demo && s.Sender == nil {
		p.Specimen = code
	}
	if secret, err = s.secret(); err != nil {
		return "", err
	}
	if err := s.keep(ctx, p, draft{secret, before, code, known, delay}); err != nil {
		return "", err
	}
	if s.Sender != nil {
		s.Sender.Wake()
	}
	return secret, nil
}

// draft is a challenge that is being made.
type draft struct {
	secret, before, code string
	known                bool
	delay                time.Duration
}

// keep writes a challenge, and hands the code over where the number is known.
func (s *Service) keep(ctx context.Context, p Pending, d draft) error {
	now := s.Now().UTC()
	id, number := s.key("challenge", d.secret), s.Box.Index(seal.Mobile, p.Number)
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	sealed, err := s.Box.Seal(text, id)
	if err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.ForgetCitizenChallenges(ctx, now); err != nil {
			return err
		}
		if err := q.ForgetCitizenSessions(ctx, now); err != nil {
			return err
		}
		if err := q.EndCitizenChallenges(ctx, query.EndCitizenChallengesParams{Number: number, Browser: s.key("challenge", d.before)}); err != nil {
			return err
		}
		expires := now.Add(d.delay + CodeLife)
		if err := q.InsertCitizenChallenge(ctx, query.InsertCitizenChallengeParams{
			ID: id, Number: number, Email: s.email(p.Email), Code: s.codeHash(d.secret, d.code), Sealed: sealed, ExpiresAt: expires,
		}); err != nil {
			return err
		}
		to := "nobody"
		if d.known {
			to = "sent"
		}
		if err := s.audit(ctx, q, "citizen", number, "citizen.code", "", to); err != nil {
			return err
		}
		if !d.known || s.Sender == nil {
			return nil
		}
		var after time.Time
		if d.delay > 0 {
			after = now.Add(d.delay)
		}
		return s.Sender.SendCode(ctx, q, p.Number, p.Email, p.Language, d.code, after, expires)
	})
}

// Asked is the code that a browser asked for last. One that ended, or that is
// another browser's, is [vaccination.NotFound].
func (s *Service) Asked(ctx context.Context, secret string) (Pending, error) {
	if secret == "" {
		return Pending{}, errEnded()
	}
	id := s.key("challenge", secret)
	row, err := s.Store.Read().CitizenChallenge(ctx, query.CitizenChallengeParams{ID: id, MaxTries: CodeTries, At: s.Now().UTC()})
	if registry.IsNone(err) {
		return Pending{}, errEnded()
	}
	if err != nil {
		return Pending{}, err
	}
	text, err := s.Box.Unseal(row.Sealed, id)
	if err != nil {
		return Pending{}, err
	}
	p := Pending{Expires: row.ExpiresAt, Left: CodeTries - int(row.Tries)}
	return p, json.Unmarshal(text, &p)
}

// Prove takes the code back and returns the secret of a new session; the session
// that the browser had before ends. A wrong code is [vaccination.Forbidden], one
// that ended [vaccination.NotFound]. The try is counted under a lock before the
// code is looked at, so that guesses at once are as many as guesses in a row.
func (s *Service) Prove(ctx context.Context, secret, code, before string) (session string, err error) {
	if secret == "" {
		return "", errEnded()
	}
	if session, err = s.secret(); err != nil {
		return "", err
	}
	now, id := s.Now().UTC(), s.key("challenge", secret)
	left := 0
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.TryCitizenChallenge(ctx, query.TryCitizenChallengeParams{ID: id, MaxTries: CodeTries, At: now})
		if registry.IsNone(err) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(s.codeHash(secret, digits(code)), row.Code) != 1 {
			session, left = "", CodeTries-int(row.Tries)
			return s.audit(ctx, q, "citizen", row.Number, "citizen.wrong", "", "")
		}
		if n, err := q.DeleteCitizenChallenge(ctx, id); err != nil || n != 1 {
			return orEnded(err)
		}
		_, err = s.begin(ctx, q, session, before, proof{number: row.Number, email: row.Email})
		return err
	})
	if err != nil {
		return "", err
	}
	if session == "" {
		return "", vaccination.Errorf(vaccination.Forbidden, "the code is not right: %d more tries", left)
	}
	return session, nil
}

func orEnded(err error) error {
	if err == nil {
		return errEnded()
	}
	return err
}

// newCode draws six digits, each code with the same chance.
func newCode(random io.Reader) (string, error) {
	const codes, range32 = 1_000_000, 1 << 32
	for {
		var b [4]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", err
		}
		if n := new(big.Int).SetBytes(b[:]).Int64(); n < range32-range32%codes {
			return fmt.Sprintf("%06d", n%codes), nil
		}
	}
}

// secret draws 160 bits for a cookie.
func (s *Service) secret() (string, error) {
	var b [20]byte
	_, err := io.ReadFull(s.Random, b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), err
}

// key is what is stored of a secret: with a copy of the table nobody is anybody.
func (s *Service) key(kind, secret string) []byte {
	return s.Box.Index(seal.Content, "citizen "+kind+" "+secret)
}

func (s *Service) codeHash(secret, code string) []byte {
	return s.Box.Index(seal.Content, "citizen code "+secret+" "+code)
}

// audit writes an entry into the chain that a number falls to.
func (s *Service) audit(ctx context.Context, q *query.Queries, actor string, number []byte, act, object, detail string) error {
	chain := int16(registry.AdminChain)
	if len(number) > 0 {
		chain = int16(number[0] >> 4)
	}
	return registry.Audit(ctx, q, s.Now().UTC(), actor, registry.Entry{Chain: chain, Act: act, Object: object, Detail: detail})
}

func errClosed() error {
	return vaccination.Errorf(vaccination.Unavailable, "nobody can sign in here: no way to send codes is set up")
}

// errEnded says that a code is not there any more. Every reason is told alike.
func errEnded() error {
	return vaccination.Errorf(vaccination.NotFound, "this code has ended: it counts for five minutes, five tries and one use; ask for a new one")
}
