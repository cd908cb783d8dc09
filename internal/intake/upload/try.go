package upload

import (
	"context"
	"errors"
	"fmt"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
)

const (
	// maxTrying bounds how many dry runs there are at once: each takes the room of
	// its file.
	maxTrying = 2
	// maxShown bounds the wrong rows that a dry run hands out.
	maxShown = 100
)

// Try is a dry run: it tells what uploading a file would give and gives nothing.
// Every row goes the way it would go, except that nothing is signed and nothing
// stays: the file is stored sealed, as an upload that is still being sent, and
// removed with everything about it before Try returns, or by the keeper where the
// program ends first. What is left is the entry in the audit that it was run.
// progress, if not nil, is told after every batch.
func (s *Service) Try(ctx context.Context, by access.Caller, f File, progress func(Info)) (_ Info, err error) {
	select {
	case s.trying <- struct{}{}:
		defer func() { <-s.trying }()
	case <-ctx.Done():
		return Info{}, ctx.Err()
	}
	stored, err := s.store(ctx, by, f)
	if err != nil {
		return Info{}, err
	}
	defer func() { err = errors.Join(err, s.forget(ctx, stored.ID)) }()
	u := stored.Info
	u.DryRun = true
	file := &chunks{ctx: ctx, s: s, id: u.ID}
	err = s.each(ctx, &u, file, func(batch []record) error {
		if err := s.tryBatch(ctx, &u, batch); err != nil {
			return err
		}
		if u.BytesRead, u.Touched = file.read, s.Now().UTC(); progress != nil {
			progress(u)
		}
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	err = registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.AdminChain, Act: "upload.try", Object: "source " + u.Source,
		Detail: fmt.Sprintf("%d rows: %d would be issued, %d unchanged, %d wrong", u.Rows, u.Issued, u.Unchanged+u.NoDose, u.Wrong),
	})
	if err != nil {
		return Info{}, err
	}
	u.ID = 0 // there is no such upload
	return u, nil
}

// tryBatch counts what issuing records would give.
func (s *Service) tryBatch(ctx context.Context, u *Info, batch []record) error {
	in := s.sort(ctx, u, batch)
	each, err := s.Issuance.TryFile(ctx, u.by, u.Created, u.ID, in.events)
	if err != nil {
		return err
	}
	states := make([]string, len(batch))
	for k, e := range each {
		i := in.places[k]
		if e.Err != nil {
			in.reasons[i] = s.reasons(u, e.Err, batch[i])
			continue
		}
		states[i] = string(e.Result.Outcome)
	}
	for i, rec := range batch {
		switch {
		case rec.none:
			states[i] = NoDose
		case states[i] == "":
			states[i] = Wrong
			if len(u.WrongRows) < maxShown {
				u.WrongRows = append(u.WrongRows, Row{Row: rec.row, Dose: rec.slot, State: Wrong, Reasons: in.reasons[i]})
			}
		}
	}
	u.count(batch, states)
	return nil
}
