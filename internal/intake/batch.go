package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	// batchArrivals and batchBytes bound what is settled in one transaction.
	batchArrivals = 500
	batchBytes    = 8 << 20
)

// batch is what one transaction does about a source's records. It is put
// together in memory, from what the database said at the source's turn, and
// written as a whole.
type batch struct {
	s      *Service
	src    opened
	now    time.Time
	frags  map[string]*stored // by key
	open   map[string]query.Item
	places map[string]query.Facility

	arrived  []*arrived
	mentions []*mention
	causes   map[*stored]*arrived  // of fragments whose state is new: what brought it
	release  map[*stored]HoldClass // what these are held for, and are to be issued in spite of
	decided  map[*stored]query.Item
	verdicts []*verdict

	by, note string // of a person's decision
}

// arrived is an arrival that is being settled.
type arrived struct {
	id      int64
	hash    []byte
	at      time.Time
	reading Reading
	err     *vaccination.Error
	items   int
}

// mention is a dose in an arrival.
type mention struct {
	in    *arrived
	dose  *stored
	class HoldClass // why it changes nothing; "" for the newest state of a dose
}

// newBatch begins work on a source. Call it alone.
func (s *Service) newBatch(ctx context.Context, source string) (*batch, error) {
	src, err := s.openSource(ctx, source)
	if err != nil {
		return nil, err
	}
	return &batch{
		s: s, src: src, now: s.Now().UTC(), frags: map[string]*stored{}, open: map[string]query.Item{}, places: map[string]query.Facility{},
		causes: map[*stored]*arrived{}, release: map[*stored]HoldClass{}, decided: map[*stored]query.Item{},
	}, nil
}

// settleWaiting settles the next arrivals of a source and returns how many there
// were, and what the source is to be asked for.
func (s *Service) settleWaiting(ctx context.Context, source string) (n int, err error) {
	var asks bool
	err = s.alone(ctx, source, func() error {
		b, err := s.newBatch(ctx, source)
		if err != nil || b.src.State == Paused {
			return err
		}
		rows, err := s.Store.Read().WaitingArrivals(ctx, query.WaitingArrivalsParams{Source: source, MaxRows: batchArrivals, MaxBytes: batchBytes})
		if err != nil || len(rows) == 0 {
			return err
		}
		// Whom somebody waits for is settled alone.
		if i := slices.IndexFunc(rows, func(r query.WaitingArrivalsRow) bool { return r.Channel != string(Demand) }); i > 0 {
			rows = rows[:i]
		}
		n = len(rows)
		for _, r := range rows {
			if err := b.read(r); err != nil {
				return err
			}
		}
		if err := b.load(ctx); err != nil {
			return err
		}
		b.settle()
		if err := b.loadAround(ctx); err != nil {
			return err
		}
		if err := b.evaluate(ctx); err != nil {
			return err
		}
		asks = b.asks()
		return b.write(ctx)
	})
	if err == nil && asks {
		s.ask(ctx, source)
	}
	return n, err
}

// read opens a stored arrival and has it read by the reader of the source's kind.
func (b *batch) read(r query.WaitingArrivalsRow) error {
	small, err := b.s.Box.Unseal(r.Sealed, arrivalAAD(b.src.Name, r.Hash))
	if err != nil {
		return fmt.Errorf("opening arrival %d: %w", r.ID, err)
	}
	a, err := b.s.packer.unpack(small)
	if err != nil {
		return fmt.Errorf("opening arrival %d: %w", r.ID, err)
	}
	a.Channel, a.Received = Channel(r.Channel), r.LatestAt
	in := &arrived{id: r.ID, hash: r.Hash, at: r.LatestAt}
	in.reading, in.err = b.reading(a)
	b.arrived = append(b.arrived, in)
	return nil
}

// reading reads an arrival. What goes wrong is the arrival's: it must not stand
// in the way of others.
func (b *batch) reading(a Arrival) (r Reading, shown *vaccination.Error) {
	defer func() {
		if recover() != nil { // its value may hold one of the arrival
			b.s.Log.Error("reading an arrival panicked", slog.String("source", b.src.Name), slog.String("stack", string(debug.Stack())))
			r, shown = Reading{}, vaccination.Errorf(vaccination.Internal, "reading this delivery failed on our side: tell whoever runs the system")
		}
	}()
	if b.src.kind.Reader == nil {
		return r, vaccination.Errorf(vaccination.Invalid, "this program cannot read what sources of kind %q send", b.src.Kind)
	}
	r, err := b.src.kind.Reader.Read(a, b.src.Mapping)
	if err == nil {
		err = check(r)
	}
	if err == nil {
		return r, nil
	}
	if !errors.As(err, &shown) {
		b.s.Log.Error("reading an arrival failed", slog.String("source", b.src.Name), slog.String("error", err.Error()))
		shown = vaccination.Errorf(vaccination.Invalid, "this delivery cannot be read")
	}
	return Reading{}, shown
}

const (
	// maxID bounds an id of a source, in bytes, maxPlace a text of a facility.
	maxID    = 500
	maxPlace = 2000
	// maxAhead is how far the clock of a source may be ahead of ours: a day
	// covers a time zone that is wrong.
	maxAhead = 24 * time.Hour
)

// check refuses what no reader may return.
func check(r Reading) error {
	for _, f := range r.Fragments {
		bad := func(id string) bool { return len(id) > maxID || strings.ContainsRune(id, 0) }
		if f.ID == "" || bad(f.ID) || bad(f.Person) || bad(f.Facility) {
			return vaccination.Errorf(vaccination.Invalid, "a record in this delivery has no id, or one of more than %d characters", maxID)
		}
		if f.Kind != PersonFragment && f.Kind != DoseFragment {
			return fmt.Errorf("intake: a reader returned a fragment of kind %q", f.Kind)
		}
	}
	for _, f := range r.Facilities {
		if f.ID == "" || slices.ContainsFunc([]string{f.ID, f.Code, f.Name, f.Path}, func(text string) bool { return len(text) > maxPlace || !printable(text) }) {
			return vaccination.Errorf(vaccination.Invalid, "a facility in this delivery has no id, or a text of it has more than %d characters or one that cannot be printed", maxPlace)
		}
	}
	return nil
}

// personOf is the key of the person that a fragment belongs to.
func (b *batch) personOf(f Fragment) []byte {
	if f.Kind == PersonFragment {
		return b.s.key(b.src.Name, PersonFragment, f.ID)
	}
	return b.s.key(b.src.Name, PersonFragment, f.Person)
}

// load reads what is stored of everything that was read, of the people it
// belongs to, and of their other doses.
func (b *batch) load(ctx context.Context) error {
	var keys, people [][]byte
	for _, in := range b.arrived {
		for _, f := range in.reading.Fragments {
			person := b.personOf(f)
			people = append(people, person)
			if f.Kind == DoseFragment {
				keys = append(keys, b.s.key(b.src.Name, DoseFragment, f.ID))
			}
		}
	}
	return b.fetch(ctx, append(keys, people...), people)
}

// fetch reads fragments by their keys and the doses of people.
func (b *batch) fetch(ctx context.Context, keys, people [][]byte) error {
	q := b.s.Store.Read()
	rows, err := q.FragmentsByKey(ctx, distinct(keys))
	if err != nil {
		return err
	}
	doses, err := q.DosesOfPersons(ctx, distinct(people))
	if err != nil {
		return err
	}
	for _, row := range append(rows, doses...) {
		if b.frags[string(row.Key)] != nil || row.Source != b.src.Name {
			continue
		}
		f, err := b.s.open(row)
		if err != nil {
			return err
		}
		b.frags[string(row.Key)] = f
	}
	return nil
}

func distinct(keys [][]byte) [][]byte {
	slices.SortFunc(keys, slices.Compare)
	return slices.CompactFunc(keys, slices.Equal)
}

// settle takes over the newest state of each thing and says of each dose in each
// arrival what it means.
func (b *batch) settle() {
	latest := map[*stored]*mention{}
	for _, in := range b.arrived {
		seen := map[*stored]*mention{} // in this arrival
		for _, f := range in.reading.Fragments {
			key, person := b.s.key(b.src.Name, f.Kind, f.ID), b.personOf(f)
			to := b.frags[string(key)]
			if to == nil {
				id := f.Person
				if f.Kind == PersonFragment {
					id = f.ID
				}
				to = &stored{fresh: true, row: query.Fragment{Bucket: int16(b.s.Box.Bucket(b.src.Name + ":" + id)), Key: key, Source: b.src.Name, Kind: string(f.Kind)}}
				b.frags[string(key)] = to
			}
			class := b.take(to, f, in, person)
			if f.Kind != DoseFragment {
				continue
			}
			if before := seen[to]; before != nil {
				if class != "" {
					continue // it is counted once
				}
				before.class = "" // a newer state in the same arrival
			} else {
				seen[to] = &mention{in: in, dose: to, class: class}
				b.mentions = append(b.mentions, seen[to])
			}
			if class != "" {
				continue
			}
			if before := latest[to]; before != nil && before != seen[to] {
				before.class = Replaced
			}
			latest[to] = seen[to]
		}
	}
}

// take takes a state over if it is newer and reports why not.
func (b *batch) take(to *stored, f Fragment, in *arrived, person []byte) HoldClass {
	version := f.Version.UTC().Truncate(time.Microsecond)
	if f.Version.IsZero() || version.After(in.at.Add(maxAhead)) {
		// A time yet to come would keep out every later state until then.
		version = in.at
	}
	if f.Deleted && f.Kind == DoseFragment && f.Person == "" && !to.fresh {
		// What is gone need not say whose it was.
		f.Person, person = to.state.Fragment.Person, to.row.Person
	}
	if f.Create && !to.fresh && !to.row.Deleted {
		return Same
	}
	f.Create = false
	hash := b.s.hash(f)
	same := slices.Equal(hash, to.row.Hash)
	switch {
	case !to.newer(version, in.id) && same:
		return Same
	case !to.newer(version, in.id):
		return Older
	case same:
		if !version.Equal(to.row.Version) {
			to.row.Version, to.dirty = version, true
		}
		return Same
	}
	to.put(f, version, in.id, hash, person)
	to.fresh, to.place = false, len(b.causes)
	b.causes[to] = in
	return ""
}

// loadAround reads what is needed to judge the doses: what is held of them, and
// the places where they were given.
func (b *batch) loadAround(ctx context.Context) error {
	var of query.OpenItemsParams
	places := map[string]bool{}
	for _, f := range b.frags {
		if f.row.Kind != string(DoseFragment) {
			continue
		}
		of.Buckets, of.Fragments = append(of.Buckets, f.row.Bucket), append(of.Fragments, f.row.Key)
		if f.row.Facility != "" {
			places[f.row.Facility] = true
		}
	}
	q := b.s.Store.Read()
	if len(of.Buckets) > 0 {
		rows, err := q.OpenItems(ctx, of)
		if err != nil {
			return err
		}
		for _, row := range rows {
			b.open[string(row.Fragment)] = row
		}
	}
	var ids []string
	for id := range places {
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		rows, err := q.FacilitiesByID(ctx, query.FacilitiesByIDParams{Source: b.src.Name, Ids: ids})
		if err != nil {
			return err
		}
		for _, row := range rows {
			b.places[row.ID] = row
		}
	}
	for _, in := range b.arrived {
		for _, f := range in.reading.Facilities {
			b.places[f.ID] = query.Facility{Source: b.src.Name, ID: f.ID, Code: f.Code, Name: f.Name, Path: f.Path}
		}
	}
	return nil
}

// asks reports whether something is missing that the source can be asked for.
func (b *batch) asks() bool {
	if b.src.kind.Fetcher == nil || b.src.State != Active {
		return false
	}
	for _, in := range b.arrived {
		if len(in.reading.Needs) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(b.verdicts, func(v *verdict) bool { return v.class == WaitingForPerson })
}

// isRace reports whether the whole batch is to be put together again.
func isRace(err error) bool {
	return errors.Is(err, errElsewhere) || errors.Is(err, issuance.ErrMet) || registry.IsRace(err)
}
