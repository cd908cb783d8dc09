package citizen

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// How long a session counts.
const (
	SessionLife = 2 * time.Hour    // at most
	SessionIdle = 20 * time.Minute // without being used
	seeEvery    = time.Minute      // so often it is written down that it was used
)

// Tries to open one person's record, over all sessions. Then it is closed to all
// of them for a month, and the facility is the way; opening it clears the count.
const (
	OpenTries  = 3
	ClosedTime = 30 * 24 * time.Hour
)

// Person names somebody on record by bucket and number.
type Person struct {
	Bucket int16
	ID     int64
}

// Session is a citizen in one browser.
type Session struct {
	Caller access.Caller
	Number []byte   // blind index of the number that was proven; nil for none
	Email  []byte   // blind index of the e-mail address the code went to; nil for none
	Opened []Person // whose records were opened
	Ends   time.Time
	// Identities are blind indexes of the ways in which the number of one identity
	// document is written, for which the country's identity provider vouched.
	Identities [][]byte
	Provider   bool // the session began there

	id []byte
}

// HasOpened reports whether the session opened a person's record.
func (s *Session) HasOpened(p Person) bool {
	for _, o := range s.Opened {
		if o == p {
			return true
		}
	}
	return false
}

// Opened reports whether the session that a caller stands for opened a person's
// record, and may still: it was used not long ago, they live, and it reaches them
// by the number it proved.
func (s *Service) Opened(ctx context.Context, by access.Caller, p Person) (bool, error) {
	number, ok := strings.CutPrefix(by.Actor, actorPrefix)
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || by.Role != access.Citizen {
		return false, nil //nolint:nilerr // who is no citizen opened nothing
	}
	now := s.Now().UTC()
	return s.Store.Read().HasCitizenOpened(ctx, query.HasCitizenOpenedParams{Seq: seq, At: now, Idle: now.Add(-SessionIdle), Bucket: p.Bucket, PersonID: p.ID})
}

// proof is what somebody proved who signs in.
type proof struct {
	number, email []byte
	identities    [][]byte
	provider      bool
	// The provider's own session and its name for them, hashed; nil for none.
	session, subject []byte
}

// begin makes a session in the place of the one before.
func (s *Service) begin(ctx context.Context, q *query.Queries, secret, before string, of proof) (seq int64, err error) {
	if before != "" {
		if _, err := q.DeleteCitizenSession(ctx, s.key("session", before)); err != nil && !registry.IsNone(err) {
			return 0, err
		}
	}
	now := s.Now().UTC()
	seq, err = q.InsertCitizenSession(ctx, query.InsertCitizenSessionParams{
		ID: s.key("session", secret), Number: of.number, Email: of.email, Identities: append([][]byte{}, of.identities...), Provider: of.provider,
		ProviderSession: of.session, ProviderSubject: of.subject, SeenAt: now, EndsAt: now.Add(SessionLife),
	})
	if err != nil {
		return 0, err
	}
	chain, detail := of.number, ""
	if of.provider {
		detail = "identity provider"
	}
	if len(of.identities) > 0 {
		chain = of.identities[0]
	}
	return seq, s.audit(ctx, q, actor(seq), chain, "citizen.in", "", detail)
}

const actorPrefix = "citizen:"

func actor(seq int64) string { return actorPrefix + strconv.FormatInt(seq, 10) }

// Grant makes a session for somebody who proved in another way who they are, with
// these people's records opened: a certificate on demand, a citizen identity.
func (s *Service) Grant(ctx context.Context, before string, people []Person) (secret string, err error) {
	if secret, err = s.secret(); err != nil {
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, err := s.begin(ctx, q, secret, before, proof{}); err != nil {
			return err
		}
		for _, p := range people {
			if err := q.InsertCitizenOpened(ctx, query.InsertCitizenOpenedParams{Bucket: p.Bucket, PersonID: p.ID, Session: s.key("session", secret)}); err != nil {
				return err
			}
		}
		return nil
	})
	return secret, err
}

// Session is who a secret stands for. None, one that ended and one that was not
// used for long are [vaccination.Unauthorized].
func (s *Service) Session(ctx context.Context, secret string) (*Session, error) {
	refused := vaccination.Errorf(vaccination.Unauthorized, "you are not signed in, or not any more")
	if secret == "" || s == nil {
		return nil, refused
	}
	now, id := s.Now().UTC(), s.key("session", secret)
	q := s.Store.Read()
	row, err := q.CitizenSession(ctx, query.CitizenSessionParams{ID: id, At: now, Idle: now.Add(-SessionIdle)})
	if registry.IsNone(err) {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	if now.Sub(row.SeenAt) > seeEvery {
		if err := q.SeeCitizenSession(ctx, query.SeeCitizenSessionParams{ID: id, At: now}); err != nil {
			return nil, err
		}
	}
	opened, err := q.OpenedByCitizen(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &Session{Caller: access.Caller{Actor: actor(row.Seq), Role: access.Citizen}, Number: row.Number, Email: row.Email, Identities: row.Identities, Provider: row.Provider, Ends: row.EndsAt, id: id}
	for _, p := range opened {
		out.Opened = append(out.Opened, Person{p.Bucket, p.PersonID})
	}
	return out, nil
}

// End ends a session and forgets what it opened.
func (s *Service) End(ctx context.Context, secret string) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		seq, err := q.DeleteCitizenSession(ctx, s.key("session", secret))
		if registry.IsNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.audit(ctx, q, actor(seq), nil, "citizen.out", "", "")
	})
}

// TriesLeft is how often a person's record may still be tried to be opened, by
// anybody; 0 where it is closed.
func (s *Service) TriesLeft(ctx context.Context, p Person) (int, error) {
	count, err := s.Store.Read().CitizenTries(ctx, query.CitizenTriesParams{Bucket: p.Bucket, PersonID: p.ID})
	if registry.IsNone(err) {
		return OpenTries, nil
	}
	if err != nil {
		return 0, err
	}
	if s.Now().Sub(count.TriedAt) >= ClosedTime {
		return OpenTries, nil
	}
	return max(0, OpenTries-int(count.Tries)), nil
}

// OpenRecord opens a person's record for a session when right, and counts a try
// where it is not: right is whether what the citizen knew of it was right, found
// out beforehand and in the same time whatever it was. The error is
// [vaccination.Forbidden] for what was wrong, and [vaccination.TooMany] where the
// record is closed, whether it was right or not.
func (s *Service) OpenRecord(ctx context.Context, by *Session, p Person, right bool) error {
	now := s.Now().UTC()
	var told error
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		count, err := q.LockCitizenPerson(ctx, query.LockCitizenPersonParams{Bucket: p.Bucket, PersonID: p.ID})
		if err != nil {
			return err
		}
		tries, act := count.Tries, "citizen.open"
		if now.Sub(count.TriedAt) >= ClosedTime {
			tries = 0
		}
		switch {
		case tries >= OpenTries:
			told = vaccination.Errorf(vaccination.TooMany, "this record was tried to be opened too often: go to a facility with an identity document")
			act = "citizen.refused"
		case right:
			tries = 0
			if err := q.InsertCitizenOpened(ctx, query.InsertCitizenOpenedParams{Bucket: p.Bucket, PersonID: p.ID, Session: by.id}); err != nil {
				return err
			}
		default:
			tries++
			told = vaccination.Errorf(vaccination.Forbidden, "this is not right: %d more tries", OpenTries-tries)
			act = "citizen.mistaken"
		}
		if act != "citizen.refused" { // the month is counted from the last try that could have opened it
			if err := q.CountCitizenTries(ctx, query.CountCitizenTriesParams{Tries: tries, At: now, Bucket: p.Bucket, PersonID: p.ID}); err != nil {
				return err
			}
		}
		return registry.Audit(ctx, q, now, by.Caller.Actor, registry.Entry{Chain: registry.GroupOf(p.Bucket), Act: act, Object: fmt.Sprintf("person %d-%d", p.Bucket, p.ID)})
	})
	if err != nil {
		return err
	}
	return told
}

// Reopen lets a person's record be opened by citizens again, for staff who have
// seen an identity document of the kind that seen is a key of.
func (s *Service) Reopen(ctx context.Context, by access.Caller, p Person, seen string) error {
	if err := by.Can(access.Print); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Profile.Identities, func(k profile.IdentityKind) bool { return k.Key == seen }) {
		return vaccination.Errorf(vaccination.Invalid, "say which identity document you saw")
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.CountCitizenTries(ctx, query.CountCitizenTriesParams{Tries: 0, At: s.Now().UTC(), Bucket: p.Bucket, PersonID: p.ID}); err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(p.Bucket), Act: "citizen.reopen", Object: fmt.Sprintf("person %d-%d", p.Bucket, p.ID), Detail: "seen " + seen})
	})
}
