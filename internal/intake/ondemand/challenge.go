package ondemand

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// pending is what is kept of a challenge, sealed.
type pending struct {
	Source       string          `json:"source"`
	Arrival      *intake.Arrival `json:"arrival,omitempty"`
	Factor       string          `json:"factor"`
	Right        []string        `json:"right,omitempty"`
	CopyOf       time.Time       `json:"copyOf,omitzero"`
	Certificates []string        `json:"certificates,omitempty"` // once they are known
}

// Start looks for the record of a number and sends a code. The error is
// [vaccination.Invalid] for what is no number, [vaccination.TooMany] where codes
// for the record were asked for or tried too often, and
// [vaccination.Unavailable] where no code can be sent.
func (s *Service) Start(ctx context.Context, a Ask) (Answer, error) {
	can, err := s.CanSend(ctx)
	if err != nil {
		return Answer{}, err
	}
	if !can {
		return Answer{}, errClosed()
	}
	id, err := s.number(a)
	if err != nil {
		return Answer{}, err
	}
	records, down, err := s.found(ctx, a.Kind, id)
	if err == nil && len(records) == 0 && down {
		records, err = s.copies(ctx, a.Kind, id)
	}
	if err != nil {
		return Answer{}, err
	}
	switch {
	case len(records) == 0 && down:
		return Answer{Outcome: Unreachable}, nil
	case len(records) == 0:
		return Answer{Outcome: NobodyFound}, nil
	case len(records) > 1:
		for _, r := range records {
			if err := s.asked(ctx, r, Ambiguous); err != nil {
				return Answer{}, err
			}
		}
		reference, err := s.hand(ctx, records)
		return Answer{Outcome: Ambiguous, Reference: reference}, err
	}
	return s.challenge(ctx, a, id, records[0])
}

// number reads what was typed. The source's own number follows no rule of ours.
func (s *Service) number(a Ask) (profile.Identity, error) {
	if a.Kind != SystemID {
		return s.Issuance.Profile.Identity(a.Kind, a.Number)
	}
	text := strings.TrimSpace(a.Number)
	if text == "" || len(text) > 60 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return profile.Identity{}, vaccination.Errorf(vaccination.Invalid, "this is no number of a record: letters, digits and signs are expected")
	}
	return profile.Identity{Forms: []string{text}}, nil
}

// hand gives records that a person must look at to the intake, which holds what
// it cannot settle, and returns what to call them by.
func (s *Service) hand(ctx context.Context, records []record) (reference string, err error) {
	for _, r := range records {
		if r.arrival == nil {
			continue
		}
		references, err := s.Intake.Deliver(ctx, r.source, intake.Delivery{Arrivals: []intake.Arrival{*r.arrival}})
		if err != nil {
			return "", err
		}
		reference = references[0]
	}
	return reference, nil
}

func (s *Service) challenge(ctx context.Context, a Ask, id profile.Identity, r record) (Answer, error) {
	phone := s.phone(r)
	factor, right := s.factor(r, id)
	switch {
	case len(r.doses) == 0 && r.partial:
		if err := s.asked(ctx, r, Incomplete); err != nil {
			return Answer{}, err
		}
		reference, err := s.hand(ctx, []record{r})
		return Answer{Outcome: Incomplete, Reference: reference}, err
	case len(r.doses) == 0:
		return Answer{Outcome: NobodyFound}, nil // nothing to certify
	case phone == "":
		return Answer{Outcome: NoNumber}, s.asked(ctx, r, NoNumber)
	case factor != profile.FactorNone && len(right) == 0:
		return Answer{Outcome: NoFactor}, s.asked(ctx, r, NoFactor)
	}
	code, err := s.code()
	if err != nil {
		return Answer{}, err
	}
	c := s.newChallenge(r.code)
	if _, err := io.ReadFull(s.Random, c.random[:]); err != nil {
		return Answer{}, err
	}
	sealed, err := s.seal(c, pending{Source: r.source, Arrival: r.arrival, Factor: factor, Right: right, CopyOf: r.copyOf, Certificates: r.copies})
	if err != nil {
		return Answer{}, err
	}
	now := s.Now().UTC()
	expires := now.Add(codeLife)
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		count, err := q.LockOnDemandRecord(ctx, query.LockOnDemandRecordParams{Bucket: c.bucket, Record: c.record})
		if err != nil {
			return err
		}
		free := count.SendsAt.Add(pause(count.Sends, sendFree, sendPause))
		if tries := count.TriesAt.Add(pause(count.Tries, triesFree, triesPause)); tries.After(free) {
			free = tries
		}
		if free.After(now) {
			return errTried(free.Sub(now))
		}
		if err := q.CountOnDemandSend(ctx, query.CountOnDemandSendParams{Bucket: c.bucket, Record: c.record, At: now, Since: now.Add(-quiet)}); err != nil {
			return err
		}
		if err := q.ForgetOnDemand(ctx, now); err != nil {
			return err
		}
		if err := q.EndOnDemandChallenges(ctx, query.EndOnDemandChallengesParams{Bucket: c.bucket, Record: c.record}); err != nil {
			return err
		}
		if err := q.InsertOnDemandChallenge(ctx, query.InsertOnDemandChallengeParams{
			Bucket: c.bucket, ID: s.key(c), Record: c.record, Code: s.codeHash(c, code), Sealed: sealed, ExpiresAt: expires,
		}); err != nil {
			return err
		}
		return s.audit(ctx, q, c, "on-demand.code", r.source)
	})
	if err != nil {
		return Answer{}, err
	}
	out := Answer{Outcome: CodeSent, Challenge: c.String(), Phone: "•••" + phone[len(phone)-2:], Factor: factor, Expires: expires, CopyOf: r.copyOf}
	if s.Sender == nil {
		out.Specimen = code
		return out, nil
	}
	if err := s.Sender.SendCode(ctx, phone, a.Language, code); err != nil {
		s.Log.Error("on demand: a code was not sent", slog.String("error", err.Error()))
		return Answer{}, vaccination.Errorf(vaccination.Unavailable, "the code could not be sent just now: try again in a few minutes, or go to the place where you were vaccinated")
	}
	return out, nil
}

// code draws six digits.
func (s *Service) code() (string, error) {
	n, err := randomBelow(s.Random, 1_000_000)
	return fmt.Sprintf("%06d", n), err
}

// randomBelow draws a number below max, each with the same chance.
func randomBelow(random io.Reader, max int64) (int64, error) {
	limit := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(max))
	limit.Mul(limit, big.NewInt(max))
	for {
		var b [8]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, err
		}
		if v := new(big.Int).SetUint64(binary.BigEndian.Uint64(b[:])); v.Cmp(limit) < 0 {
			return v.Mod(v, big.NewInt(max)).Int64(), nil
		}
	}
}

// challenge names one question: the record's bucket and 160 random bits. Whoever
// has it may try codes and, once one was right, fetch certificates.
type challenge struct {
	bucket int16
	random [20]byte
	record []byte // keyed hash of the enrolment code; not in the name
}

func (s *Service) newChallenge(code string) *challenge {
	return &challenge{bucket: int16(s.Box.Bucket(code)), record: s.Box.Index(seal.EnrolmentCode, "on-demand "+code)}
}

// String is the name, for the person's browser.
func (c *challenge) String() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint16(nil, uint16(c.bucket)), c.random[:]...))
}

func parseChallenge(text string) (*challenge, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 22 || binary.BigEndian.Uint16(b) > 1023 {
		return nil, errEnded()
	}
	return &challenge{bucket: int16(binary.BigEndian.Uint16(b)), random: [20]byte(b[2:])}, nil
}

// key is what is stored of the name: with a copy of the table nobody can try
// codes.
func (s *Service) key(c *challenge) []byte { return s.Box.Index(seal.Content, "challenge "+c.String()) }

func (s *Service) codeHash(c *challenge, code string) []byte {
	return s.Box.Index(seal.Content, "code "+c.String()+" "+code)
}

func (s *Service) aad(c *challenge) []byte { return append([]byte("on demand "), s.key(c)...) }

func (s *Service) seal(c *challenge, p pending) ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return s.Box.Seal(b, s.aad(c))
}

func (s *Service) unseal(c *challenge, sealed []byte) (p pending, err error) {
	b, err := s.Box.Unseal(sealed, s.aad(c))
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	return p, err
}

func (s *Service) audit(ctx context.Context, q *query.Queries, c *challenge, act, detail string) error {
	return registry.Audit(ctx, q, s.Now().UTC(), caller().Actor, registry.Entry{Chain: registry.GroupOf(c.bucket), Act: act, Detail: detail})
}

// asked records that somebody who proved nothing was told something of a record.
func (s *Service) asked(ctx context.Context, r record, told Outcome) error {
	return s.audit(ctx, s.Store.Read(), s.newChallenge(r.code), "on-demand.asked", r.source+" "+string(told))
}

// Prove takes a code and what goes with it, and returns the certificates. A wrong
// one is [vaccination.Forbidden] and says how many tries are left; it does
// not say what was wrong. What has ended is [vaccination.NotFound].
func (s *Service) Prove(ctx context.Context, name, code, factor string) (Given, error) {
	if !s.Open() {
		return Given{}, errClosed()
	}
	c, err := parseChallenge(name)
	if err != nil {
		return Given{}, err
	}
	p, err := s.try(ctx, c, code, factor)
	if err != nil {
		return Given{}, err
	}
	return s.give(ctx, c, p)
}

// try counts the try before it looks at the code, and consumes the challenge when
// all is right.
func (s *Service) try(ctx context.Context, c *challenge, code, factor string) (pending, error) {
	now := s.Now().UTC()
	var row query.TryOnDemandChallengeRow
	err := s.Store.Tx(ctx, func(q *query.Queries) (err error) {
		row, err = q.TryOnDemandChallenge(ctx, query.TryOnDemandChallengeParams{Bucket: c.bucket, ID: s.key(c), MaxTries: codeTries, At: now})
		if registry.IsNone(err) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		return q.CountOnDemandTry(ctx, query.CountOnDemandTryParams{Bucket: c.bucket, Record: row.Record, At: now, Since: now.Add(-quiet)})
	})
	if err != nil {
		return pending{}, err
	}
	p, err := s.unseal(c, row.Sealed)
	if err != nil {
		return pending{}, err
	}
	isCode := subtle.ConstantTimeCompare(s.codeHash(c, strings.TrimSpace(code)), row.Code) == 1
	if known := s.Issuance.Knows(p.Factor, p.Right, factor); !isCode || !known {
		if err := s.audit(ctx, s.Store.Read(), c, "on-demand.wrong", p.Source); err != nil {
			return pending{}, err
		}
		return pending{}, &vaccination.Error{
			Code:    vaccination.Forbidden,
			Message: fmt.Sprintf("the code or what you gave with it is not right: %d more tries", codeTries-row.Tries),
		}
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.ProveOnDemandChallenge(ctx, query.ProveOnDemandChallengeParams{Bucket: c.bucket, ID: s.key(c), At: now, Until: now.Add(provenLife)})
		if err != nil {
			return err
		}
		if n != 1 {
			return errEnded()
		}
		if err := q.ClearOnDemandRecord(ctx, query.ClearOnDemandRecordParams{Bucket: c.bucket, Record: row.Record}); err != nil {
			return err
		}
		return s.audit(ctx, q, c, "on-demand.proven", p.Source)
	})
	return p, err
}
