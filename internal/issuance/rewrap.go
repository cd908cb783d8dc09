package issuance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Rotation tells how far [Service.RotatePersonKeys] is.
type Rotation struct {
	People    int64 // there are so many, about
	Looked    int64 // at so many
	Rewrapped int64 // of these, wrapped anew
}

// rewrapBatch is how many people's keys are wrapped anew in one transaction.
const rewrapBatch = 1000

// RotatePersonKeys makes a new key-encryption key of people, wraps everybody's
// key with it, and destroys the old one when nothing is left that it wraps. It
// works beside running servers, which take the new key over by themselves.
// progress, if not nil, is called after each batch.
//
// What was killed is taken up by running it again: it goes on with the key that
// was made then.
func (s *Service) RotatePersonKeys(ctx context.Context, by access.Caller, progress func(Rotation)) (*Rotation, error) {
	if err := s.auditAct(ctx, by, "keys.rotate", "begun"); err != nil {
		return nil, err
	}
	if err := s.Box.BeginRotation(ctx); err != nil {
		return nil, err
	}
	newest, old, err := s.Box.PersonKeys()
	if err != nil {
		return nil, err
	}
	// From here on nobody is stored under an old key: a server that has not seen
	// the new one is refused, and tries again with it.
	if err := s.refuseOldKeys(ctx, old); err != nil {
		return nil, err
	}
	r := &Rotation{}
	if r.People, err = s.Store.Read().CountPeople(ctx); err != nil {
		return nil, err
	}
	for {
		n, left, err := s.rewrapAll(ctx, newest, r, progress)
		if err != nil {
			return nil, err
		}
		if left > 0 {
			return nil, fmt.Errorf("%d people have a key that does not open; the old key-encryption key is kept: run divoc fsck", left)
		}
		if n == 0 { // a whole look has found nothing that an old key wraps
			break
		}
		r.Looked = 0
	}
	if err := s.auditAct(ctx, by, "keys.retire", fmt.Sprintf("%d people rewrapped", r.Rewrapped)); err != nil {
		return nil, err
	}
	return r, s.Box.EndRotation(ctx, old)
}

// auditAct records an act on the keys of people, before it is done.
func (s *Service) auditAct(ctx context.Context, by access.Caller, act, detail string) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: "personal", Detail: detail})
	})
}

// How long others may wait for the moment in which no writer of people is at
// work, and how often that is tried.
const (
	writersWait  = "1s"
	writersPause = time.Second
	writersTries = 120
)

// refuseOldKeys makes the database refuse people under old keys, and returns
// when every transaction has ended that may not have seen that.
func (s *Service) refuseOldKeys(ctx context.Context, old [][]byte) error {
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		for _, prefix := range old {
			if err := q.RetirePersonKey(ctx, query.RetirePersonKeyParams{Prefix: prefix, RetiredAt: s.Now().UTC()}); err != nil {
				return err
			}
		}
		return nil
	})
	for try := 1; err == nil; try++ {
		err = s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := q.LimitLockWait(ctx, writersWait); err != nil {
				return err
			}
			return q.AwaitPersonWriters(ctx)
		})
		var busy *pgconn.PgError
		if err == nil || !errors.As(err, &busy) || busy.Code != "55P03" { // lock_not_available
			return err
		}
		if try == writersTries {
			return vaccination.Errorf(vaccination.Unavailable, "others are writing people all the time: rotate when there is less to do")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(writersPause):
			err = nil
		}
	}
	return err
}

// rewrapAll looks at everybody once. n is how many it wrapped anew, left how
// many do not open.
func (s *Service) rewrapAll(ctx context.Context, newest []byte, r *Rotation, progress func(Rotation)) (n, left int64, err error) {
	after := query.PeopleKeysAfterParams{Bucket: -1, MaxRows: rewrapBatch}
	for {
		rows, err := s.Store.Read().PeopleKeysAfter(ctx, after)
		if err != nil {
			return n, left, err
		}
		r.Looked += int64(len(rows))
		todo := slices.DeleteFunc(slices.Clone(rows), func(row query.PeopleKeysAfterRow) bool {
			return len(row.Key) == 0 || bytes.HasPrefix(row.Key, newest)
		})
		done, bad, err := s.rewrap(ctx, todo)
		n, left, r.Rewrapped = n+done, left+bad, r.Rewrapped+done
		if err != nil {
			return n, left, err
		}
		if progress != nil {
			progress(*r)
		}
		if len(rows) < rewrapBatch {
			return n, left, nil
		}
		end := rows[len(rows)-1]
		after.Bucket, after.ID = end.Bucket, end.ID
	}
}

// rewrap wraps keys anew, in one transaction that changes only what is still as
// it was read.
func (s *Service) rewrap(ctx context.Context, rows []query.PeopleKeysAfterRow) (done, left int64, err error) {
	var p query.RewrapPeopleParams
	for _, row := range rows {
		who := &person{row: query.Person{Bucket: row.Bucket, ID: row.ID}}
		key, err := s.Box.Rewrap(row.Key, s.aad(who, "key"))
		if err != nil {
			left++
			continue
		}
		p.Buckets, p.Ids = append(p.Buckets, row.Bucket), append(p.Ids, row.ID)
		p.Befores, p.Afters = append(p.Befores, row.Key), append(p.Afters, key)
	}
	if len(p.Ids) == 0 {
		return 0, left, nil
	}
	err = s.retry(ctx, func() error {
		return s.Store.Tx(ctx, func(q *query.Queries) error {
			// In the order in which everybody locks people.
			if err := q.LockPeople(ctx, query.LockPeopleParams{Buckets: p.Buckets, Ids: p.Ids}); err != nil {
				return err
			}
			done, err = q.RewrapPeople(ctx, p)
			return err
		})
	})
	return done, left, err
}
