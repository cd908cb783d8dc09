package trustlist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Proposal is a list that was read and compared. It changes nothing.
type Proposal struct {
	Version   int64 // to apply it by; 0 where it says what counts already
	Changes   []Change
	Keys      int
	Signed    bool
	LeftOut   []string
	Unchanged bool
}

// Propose reads a list of a source, compares it with the one that counts, and keeps
// it until somebody applies it. What waited before is dropped. data nil asks the
// source's URL. A list that may not take the place of the one that counts is
// refused ([vaccination.Conflict]), and so is one that cannot be read.
func (s *Service) Propose(ctx context.Context, by access.Caller, name string, data []byte) (*Proposal, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return nil, err
	}
	row, err := s.Store.Read().TrustSource(ctx, name)
	if err != nil {
		return nil, missing(err)
	}
	if data == nil {
		if row.Url == "" {
			return nil, vaccination.Errorf(vaccination.Invalid, "this source has no URL: send the list")
		}
		if data, err = s.Fetch(ctx, row.Url); err != nil {
			return nil, err
		}
	}
	return s.propose(ctx, by, row, data)
}

func (s *Service) propose(ctx context.Context, by access.Caller, row query.TrustSource, data []byte) (*Proposal, error) {
	old, err := s.counting(ctx, row)
	if err != nil {
		return nil, err
	}
	next, err := s.read(settingsOf(row), old, data)
	if err != nil {
		return nil, err
	}
	if err := s.elsewhere(ctx, row.Name, next); err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	if next.Issued.After(now.Add(24 * time.Hour)) {
		return nil, refused("it was made in the future, %s", next.Issued.Format(time.RFC3339))
	}
	if err := replaces(old, next, int(row.MaxLoss), now); err != nil {
		return nil, err
	}
	packed, digest, err := next.pack()
	if err != nil {
		return nil, err
	}
	p := &Proposal{Changes: Difference(old, next), Keys: next.Size(), Signed: next.Signed, LeftOut: next.LeftOut}
	if old != nil {
		_, was, err := old.pack()
		if err != nil {
			return nil, err
		}
		p.Unchanged = was == digest && next.Serial == old.Serial && next.Issued.Equal(old.Issued)
	}
	added, removed, changed := count(p.Changes)
	base := int64(0)
	if row.Version != nil {
		base = *row.Version
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		locked, err := q.LockTrustSource(ctx, row.Name)
		if err != nil {
			return missing(err)
		}
		if settingsOf(locked) != settingsOf(row) || at(locked.Version) != base {
			return changedMeanwhile()
		}
		if p.Unchanged {
			return q.SawTrustSource(ctx, query.SawTrustSourceParams{Name: row.Name, At: &now, Good: true})
		}
		if err := q.DropWaitingTrust(ctx, row.Name); err != nil {
			return err
		}
		add := query.AddTrustVersionParams{
			Source: row.Name, Kind: row.Kind, Base: base, Digest: digest[:], Serial: next.Serial, Signed: next.Signed, Keys: int32(p.Keys),
			Added: int32(added), Removed: int32(removed), Changed: int32(changed), LeftOut: strings.Join(next.LeftOut, "\n"),
			List: packed, MadeAt: now, MadeBy: by.Actor,
		}
		if !next.Issued.IsZero() {
			add.Issued = &next.Issued
		}
		if p.Version, err = q.AddTrustVersion(ctx, add); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: registry.ActTrustImport, Object: row.Name, Detail: mark(p.Version, packed)})
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// mark is how the audit calls a version: by its number, and by the SHA-256 of its list
// as it is stored, with its date and number.
func mark(id int64, list []byte) string {
	sum := sha256.Sum256(list)
	return fmt.Sprintf("version %d, %s", id, hex.EncodeToString(sum[:]))
}

func changedMeanwhile() error {
	return vaccination.Errorf(vaccination.Conflict, "this source was changed meanwhile: look at the difference again")
}

func at(version *int64) int64 {
	if version == nil {
		return 0
	}
	return *version
}

// read reads a list as the settings of its source say.
func (s *Service) read(set Settings, old *Content, data []byte) (*Content, error) {
	_, anchors, pins, err := parseAnchors([]byte(set.Anchors))
	if err != nil {
		return nil, err
	}
	r := &reading{Settings: set, anchors: anchors, pins: pins, own: s.Own(), demo: s.Demo, last: old}
	return r.read(data)
}

// counting is what counts of a source, nil for nothing.
func (s *Service) counting(ctx context.Context, row query.TrustSource) (*Content, error) {
	if row.Version == nil {
		return nil, nil
	}
	v, err := s.Store.Read().TrustVersion(ctx, *row.Version)
	if err != nil {
		return nil, err
	}
	return unpack(v.List)
}

// elsewhere refuses a list that adds to an issuer whom another source names: with
// it, whoever publishes the one could sign for the other.
func (s *Service) elsewhere(ctx context.Context, name string, next *Content) error {
	rows, err := s.Store.Read().CurrentTrust(ctx)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for i := range next.Issuers {
		ids[next.Issuers[i].ID] = true
	}
	for _, r := range rows {
		if r.Name == name {
			continue
		}
		c, err := unpack(r.List)
		if err != nil {
			return err
		}
		for i := range c.Issuers {
			if id := c.Issuers[i].ID; id != "" && ids[id] {
				return refused("the source %s names the same issuer (%s): one issuer has one source", r.Name, line(id, 100))
			}
		}
	}
	return nil
}

// Difference is what a version changes: of one that waits, against what counts
// now; of another, against the version that counted before it.
func (s *Service) Difference(ctx context.Context, by access.Caller, id int64) (Version, []Change, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return Version{}, nil, err
	}
	v, err := s.Store.Read().TrustVersion(ctx, id)
	if registry.IsNone(err) {
		return Version{}, nil, vaccination.Errorf(vaccination.NotFound, "there is no such version")
	}
	if err != nil {
		return Version{}, nil, err
	}
	next, err := unpack(v.List)
	if err != nil {
		return Version{}, nil, err
	}
	var old *Content
	if v.Base != 0 {
		before, err := s.Store.Read().TrustVersion(ctx, v.Base)
		if err != nil {
			return Version{}, nil, err
		}
		if old, err = unpack(before.List); err != nil {
			return Version{}, nil, err
		}
	}
	out := Version{
		ID: v.ID, Source: v.Source, Waiting: v.State == stateWaiting, Base: v.Base, Issued: moment(v.Issued), Serial: v.Serial, Signed: v.Signed,
		Keys: int(v.Keys), Added: int(v.Added), Removed: int(v.Removed), Changed: int(v.Changed), LeftOut: lines(v.LeftOut),
		Made: v.MadeAt, By: v.MadeBy, Decided: moment(v.DecidedAt), Decider: v.DecidedBy,
	}
	return out, Difference(old, next), nil
}

// Apply makes a list that waits the one that counts. Who applies it saw its
// difference, which is against what counts: where that changed meanwhile, it is
// [vaccination.Conflict].
func (s *Service) Apply(ctx context.Context, by access.Caller, id int64) error {
	if err := by.Can(access.ManageKeys); err != nil {
		return err
	}
	return s.decide(ctx, by, registry.ActTrustApply, id, func(v query.TrustVersion, row query.TrustSource) error {
		if v.State != stateWaiting || v.Base != at(row.Version) {
			return changedMeanwhile()
		}
		next, err := unpack(v.List)
		if err != nil {
			return err
		}
		old, err := s.counting(ctx, row)
		if err != nil {
			return err
		}
		// What was allowed when it was read may not be by now: another source named
		// the same issuer, time went on.
		if err := s.elsewhere(ctx, row.Name, next); err != nil {
			return err
		}
		return replaces(old, next, int(row.MaxLoss), s.Now().UTC())
	})
}

// Revert goes back to a version that counted before. That is the one way to an
// older list, and somebody's decision.
func (s *Service) Revert(ctx context.Context, by access.Caller, id int64) error {
	if err := by.Can(access.ManageKeys); err != nil {
		return err
	}
	return s.decide(ctx, by, registry.ActTrustRevert, id, func(v query.TrustVersion, row query.TrustSource) error {
		switch {
		case v.State != stateApplied:
			return vaccination.Errorf(vaccination.Conflict, "this version never counted: apply it")
		case v.ID == at(row.Version):
			return vaccination.Errorf(vaccination.Conflict, "this version counts already")
		}
		next, err := unpack(v.List)
		if err != nil {
			return err
		}
		return s.elsewhere(ctx, row.Name, next)
	})
}

// decide points a source to a version, where may does not object.
func (s *Service) decide(ctx context.Context, by access.Caller, act string, id int64, may func(query.TrustVersion, query.TrustSource) error) error {
	now := s.Now().UTC()
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		v, err := q.TrustVersion(ctx, id)
		if registry.IsNone(err) {
			return vaccination.Errorf(vaccination.NotFound, "there is no such version")
		}
		if err != nil {
			return err
		}
		row, err := q.LockTrustSource(ctx, v.Source)
		if err != nil {
			return missing(err)
		}
		if v, err = q.TrustVersion(ctx, id); err != nil { // as it is behind the lock
			return changedMeanwhile()
		}
		if v.Kind != row.Kind { // of a source of this name that was removed
			return vaccination.Errorf(vaccination.Conflict, "this version is of another kind than the source is by now")
		}
		if err := may(v, row); err != nil {
			return err
		}
		if v.State == stateWaiting {
			if err := q.DecideTrustVersion(ctx, query.DecideTrustVersionParams{ID: id, At: &now, By: by.Actor}); err != nil {
				return err
			}
		} else if err := q.DropWaitingTrust(ctx, row.Name); err != nil { // compared with what counts no more
			return err
		}
		if err := q.PointTrustSource(ctx, query.PointTrustSourceParams{Name: row.Name, Version: id, At: &now}); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: row.Name, Detail: mark(id, v.List)})
	})
	if err == nil {
		s.forget()
	}
	return err
}

// Refuse drops a list that waits. One that waits no more, as another came or
// somebody decided, is [vaccination.Conflict].
func (s *Service) Refuse(ctx context.Context, by access.Caller, id int64) error {
	if err := by.Can(access.ManageKeys); err != nil {
		return err
	}
	now := s.Now().UTC()
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		v, err := q.TrustVersion(ctx, id)
		if registry.IsNone(err) {
			return changedMeanwhile()
		}
		if err != nil {
			return err
		}
		if _, err := q.LockTrustSource(ctx, v.Source); err != nil {
			return missing(err)
		}
		if v, err = q.TrustVersion(ctx, id); err != nil || v.State != stateWaiting { // as it is behind the lock
			return changedMeanwhile()
		}
		if err := q.DropWaitingTrust(ctx, v.Source); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: registry.ActTrustRefuse, Object: v.Source, Detail: mark(id, v.List)})
	})
}

// Remove ends a source: nothing of it counts any more. Its versions are kept.
func (s *Service) Remove(ctx context.Context, by access.Caller, name string) error {
	if err := by.Can(access.ManageKeys); err != nil {
		return err
	}
	now := s.Now().UTC()
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockTrustSource(ctx, name)
		if err != nil {
			return missing(err)
		}
		if err := q.DropWaitingTrust(ctx, name); err != nil {
			return err
		}
		if err := q.DeleteTrustSource(ctx, name); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: registry.ActTrustRemove, Object: name, Detail: fmt.Sprintf("version %d", at(row.Version))})
	})
	if err == nil {
		s.forget()
	}
	return err
}

// forget has what counts read anew, and told.
func (s *Service) forget() {
	s.mu.Lock()
	s.looked = time.Time{}
	s.mu.Unlock()
	if s.Changed != nil {
		s.Changed()
	}
}
