package intake

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
)

const (
	askTimeout = 30 * time.Second
	askAfter   = 15 * time.Minute // until the source is asked again for what it did not have
	askAtOnce  = 100
)

// ask fetches from a source what held items wait for, and stores it as
// deliveries. What fails is asked for again later.
func (s *Service) ask(ctx context.Context, source string) {
	if err := s.askNow(ctx, source); err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotAsked) {
		s.Log.Warn("asking a source for what is missing", slog.String("source", source), slog.String("error", err.Error()))
	}
}

func (s *Service) askNow(ctx context.Context, source string) error {
	src, err := s.openSource(ctx, source)
	if err != nil || src.kind.Fetcher == nil || src.State != Active {
		return err
	}
	now := s.Now().UTC()
	q := s.Store.Read()
	rows, err := q.ItemsToAsk(ctx, query.ItemsToAskParams{
		Source: source, Classes: []string{string(WaitingForPerson), string(WaitingForRecord)}, Before: now.Add(-askAfter), MaxRows: askAtOnce,
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	var people, records []string
	var items []int64
	var stubs []query.ItemsToAskRow
	for _, row := range rows {
		items = append(items, row.ID)
		if row.Fragment == nil {
			stubs = append(stubs, row)
			continue
		}
		frags, err := q.FragmentsByKey(ctx, [][]byte{row.Fragment})
		if err != nil {
			return err
		}
		for _, r := range frags {
			f, err := s.open(r)
			if err != nil {
				return err
			}
			people = append(people, f.state.Fragment.Person)
		}
	}
	// Marked first: should asking fail halfway, others have their turn.
	if err := q.ItemsAsked(ctx, query.ItemsAskedParams{At: now, Ids: items}); err != nil {
		return err
	}
	for _, stub := range stubs {
		needs, err := s.needs(ctx, src, stub.Arrival)
		if err != nil {
			return err
		}
		records = append(records, needs...)
	}
	fetchedPeople := s.fetch(ctx, src, PersonFragment, people)
	if err := s.fetch(ctx, src, DoseFragment, records); err != nil || fetchedPeople != nil {
		return errors.Join(err, fetchedPeople)
	}
	closed := newItems(source)
	for _, stub := range stubs {
		closed.add(itemRow{bucket: stub.Bucket, id: stub.ID, state: Unchanged, class: Fetched})
	}
	if len(closed.decided) == 0 {
		return nil
	}
	_, err = q.DecideItems(ctx, closed.decisions(s.Now(), "", ""))
	return err
}

// needs are the ids that a stored arrival names.
func (s *Service) needs(ctx context.Context, src opened, arrival int64) ([]string, error) {
	row, err := s.Store.Read().ArrivalByID(ctx, arrival)
	if err != nil {
		return nil, err
	}
	if row.ClearedAt != nil {
		return nil, nil
	}
	b := &batch{s: s, src: src}
	if err := b.read(query.WaitingArrivalsRow{ID: row.ID, Channel: row.Channel, LatestAt: row.LatestAt, Hash: row.Hash, Sealed: row.Sealed}); err != nil {
		return nil, err
	}
	return b.arrived[0].reading.Needs, nil
}

// fetch asks a source for ids and stores what it answers.
func (s *Service) fetch(ctx context.Context, src opened, kind FragmentKind, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := src.kind.Fetcher.Fetch(ask, src.Source, kind, ids)
	if errors.Is(err, ErrNotAsked) {
		return err
	}
	if err == nil {
		_, err = s.Deliver(ctx, src.Name, Delivery{Arrivals: list})
	}
	return errors.Join(err, s.Contact(ctx, src.Name, err, false))
}

// askAgain asks sources for what they did not have before.
func (s *Service) askAgain(ctx context.Context) error {
	rows, err := s.Store.Read().IntakeSources(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.State == string(Active) && s.Kinds[SourceKind(row.Kind)].Fetcher != nil {
			s.keeping.Go(func() { s.ask(ctx, row.Name) })
		}
	}
	return nil
}
