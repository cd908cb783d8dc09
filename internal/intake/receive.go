package intake

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Delivery is what one contact with a source brought.
type Delivery struct {
	Arrivals []Arrival
	// Cursor, if not nil, is how far the source was read once these arrivals
	// are stored; it moves in the same transaction.
	Cursor *string
	// From, with Cursor, is where it stood when the poll began: when somebody
	// else moved it since, nothing is stored and the error is [ErrMoved].
	From string
	// Lag is how far what was read is behind the source, where it is known.
	Lag time.Duration
}

// ErrMoved says that another poll of the same source moved its cursor.
var ErrMoved = errors.New("intake: another poll of this source was quicker")

// referenceEncoding survives being read aloud.
var referenceEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Receive stores one arrival and returns its reference, which is the same for
// the same arrival of the same source and says nothing of a person. When it
// returns nil the arrival is durable and will be processed, whatever happens.
// When the connection breaks while storing, it may or may not be: sending it
// again is right.
func (s *Service) Receive(ctx context.Context, source string, a Arrival) (reference string, err error) {
	refs, err := s.Deliver(ctx, source, Delivery{Arrivals: []Arrival{a}})
	if err != nil {
		return "", err
	}
	return refs[0], nil
}

// Deliver stores arrivals and moves the source's cursor, in one transaction, and
// returns the arrivals' references. See [Service.Receive].
func (s *Service) Deliver(ctx context.Context, source string, d Delivery) (references []string, err error) {
	in := query.InsertArrivalsParams{Source: source}
	first := map[string]int{} // of those with one hash, the place of the first
	var again []int
	for i, a := range d.Arrivals {
		if len(a.Body) > maxArrival {
			return nil, vaccination.Errorf(vaccination.TooLarge, "one delivery has at most %d MB: send it in parts", maxArrival>>20)
		}
		switch a.Channel {
		case Push, Poll, Demand, File:
		default:
			return nil, fmt.Errorf("intake: unknown channel %q", a.Channel)
		}
		text, err := plain(a)
		if err != nil {
			return nil, err
		}
		hash := s.index("arrival", source, string(text))
		references = append(references, referenceEncoding.EncodeToString(hash))
		if _, ok := first[string(hash)]; ok {
			again = append(again, i)
			continue
		}
		first[string(hash)] = i
		small, err := s.packer.pack(text)
		if err != nil {
			return nil, err
		}
		sealed, err := s.Box.Seal(small, arrivalAAD(source, hash))
		if err != nil {
			return nil, err
		}
		in.Channels, in.Sizes, in.Ats = append(in.Channels, string(a.Channel)), append(in.Sizes, int32(len(a.Body))), append(in.Ats, s.received(a))
		in.Hashes, in.Sealeds = append(in.Hashes, hash), append(in.Sealeds, sealed)
	}
	err = s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		if d.Cursor != nil {
			n, err := q.MovePosition(ctx, query.MovePositionParams{Name: source, Position: *d.Cursor, Before: d.From, At: s.Now().UTC(), LagSeconds: int64(d.Lag / time.Second)})
			if err == nil && n != 1 {
				err = ErrMoved
			}
			if err != nil {
				return err
			}
		}
		if len(in.Hashes) == 0 {
			return nil
		}
		rows, err := q.InsertArrivals(ctx, in)
		if err != nil {
			return err
		}
		stored := map[string]bool{}
		for _, r := range rows {
			stored[string(r.Hash)] = true
		}
		wake := len(rows) > 0
		repeat := func(i int, hash []byte) error {
			awake, err := s.repeat(ctx, q, source, hash, d.Arrivals[i])
			wake = wake || awake
			return err
		}
		for i, hash := range in.Hashes {
			if !stored[string(hash)] {
				if err := repeat(first[string(in.Hashes[i])], hash); err != nil {
					return err
				}
			}
		}
		for _, i := range again {
			hash, err := referenceEncoding.DecodeString(references[i])
			if err == nil {
				err = repeat(i, hash)
			}
			if err != nil {
				return err
			}
		}
		if wake && s.later != nil {
			return s.later(ctx, tx, source)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return references, nil
}

// received is when an arrival came.
func (s *Service) received(a Arrival) time.Time {
	if a.Received.IsZero() {
		return s.Now().UTC()
	}
	return a.Received.UTC()
}

// repeat counts an arrival that came before and reports whether it is to be
// looked at again: without versions it may mean that something went back to an
// earlier state. One that waits already is only counted.
func (s *Service) repeat(ctx context.Context, q *query.Queries, source string, hash []byte, a Arrival) (awake bool, err error) {
	row, err := q.ArrivalAgain(ctx, query.ArrivalAgainParams{Hash: hash, Source: source})
	if err != nil {
		return false, err
	}
	awake = row.State == stateDone && !row.Held
	if row.ClearedAt != nil { // its text was removed after its time, and is here again
		text, err := plain(a)
		if err != nil {
			return false, err
		}
		small, err := s.packer.pack(text)
		if err != nil {
			return false, err
		}
		sealed, err := s.Box.Seal(small, arrivalAAD(source, hash))
		if err != nil {
			return false, err
		}
		if err := q.ArrivalBack(ctx, query.ArrivalBackParams{ID: row.ID, Sealed: sealed}); err != nil {
			return false, err
		}
	}
	state := row.State
	if awake {
		state = stateWaiting
	} else {
		in := newItems(source)
		in.add(itemRow{bucket: int16(s.Box.Bucket(source + ":" + string(hash))), arrival: row.ID, state: Unchanged, class: Repeated, received: s.received(a)})
		if err := q.InsertItems(ctx, in.params(s.Now())); err != nil {
			return false, err
		}
	}
	at := s.received(a)
	if at.Before(row.LatestAt) {
		at = row.LatestAt
	}
	return awake, q.RepeatArrival(ctx, query.RepeatArrivalParams{ID: row.ID, At: at, Channel: string(a.Channel), State: state})
}

// The states of arrivals.
const (
	stateWaiting = "waiting"
	stateDone    = "done"
)

// Known is what is stored of one thing of a source.
type Known struct {
	Version time.Time
	Hash    string // of its content, as [Service.Hash] makes it
	Deleted bool
}

// Known returns what is stored under ids of a source, for a poll that asks
// only for what changed. Ids never seen are not in the answer.
func (s *Service) Known(ctx context.Context, source string, kind FragmentKind, ids []string) (map[string]Known, error) {
	keys, byKey := make([][]byte, len(ids)), map[string]string{}
	for i, id := range ids {
		keys[i] = s.key(source, kind, id)
		byKey[string(keys[i])] = id
	}
	rows, err := s.Store.Read().FragmentStates(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := map[string]Known{}
	for _, r := range rows {
		out[byKey[string(r.Key)]] = Known{Version: r.Version, Hash: string(r.Hash), Deleted: r.Deleted}
	}
	return out, nil
}

// eachPage is how many things [Service.Each] opens at once.
const eachPage = 500

// Each calls f with everything that is known of a source and not deleted, some at
// a time, for a walk that looks for what the source has no longer. Of each thing
// only id, kind, person, stage and version are told. It ends with f's first error.
func (s *Service) Each(ctx context.Context, source string, f func([]Fragment) error) error {
	p := query.FragmentsOfSourceParams{Source: source, Bucket: -1, After: []byte{}, MaxRows: eachPage}
	for {
		rows, err := s.Store.Read().FragmentsOfSource(ctx, p)
		if err != nil || len(rows) == 0 {
			return err
		}
		page := make([]Fragment, len(rows))
		for i, row := range rows {
			stored, err := s.open(row)
			if err != nil {
				return err
			}
			is := stored.state.Fragment
			page[i] = Fragment{Kind: is.Kind, ID: is.ID, Person: is.Person, Stage: is.Stage, Version: row.Version}
		}
		if err := f(page); err != nil {
			return err
		}
		last := rows[len(rows)-1]
		p.Bucket, p.After = last.Bucket, last.Key
	}
}

// Contact records that a source was asked: err nil that it answered, else what
// it said ([*vaccination.Error]; others are told as unreachable). With stop
// nothing more is asked until a person mends the source.
func (s *Service) Contact(ctx context.Context, source string, err error, stop bool) error {
	p := query.SourceContactParams{Name: source, At: s.Now().UTC(), Ok: err == nil, Problem: shown(err)}
	if stop && err != nil {
		p.State = string(Stopped)
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.SourceContact(ctx, p); err != nil || p.State == "" {
			return err
		}
		s.Log.Error("a source is stopped until somebody mends it", slog.String("source", source), slog.String("problem", p.Problem))
		return registry.Audit(ctx, q, p.At, "intake", registry.Entry{Chain: registry.AdminChain, Act: "source.stop", Object: object(source), Detail: oneLine(p.Problem)})
	})
}

// shown is what of an error may stand in a list.
func shown(err error) string {
	var e *vaccination.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return oneLine(e.Error())
	default:
		return "it cannot be reached, or did not answer as expected; the log has more"
	}
}

// oneLine is a text of ours as the audit takes it.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r < ' ' }), " ")
	for len(text) > 400 {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

// PutFacilities stores places of vaccination as the source names them now.
func (s *Service) PutFacilities(ctx context.Context, source string, list []Facility) error {
	return putFacilities(ctx, s.Store.Read(), source, list)
}

func putFacilities(ctx context.Context, q *query.Queries, source string, list []Facility) error {
	p := query.PutFacilitiesParams{Source: source}
	last := map[string]Facility{}
	for _, f := range list {
		last[f.ID] = f
	}
	for id, f := range last {
		p.Ids, p.Codes, p.Names, p.Paths = append(p.Ids, id), append(p.Codes, f.Code), append(p.Names, f.Name), append(p.Paths, f.Path)
	}
	if len(p.Ids) == 0 {
		return nil
	}
	return q.PutFacilities(ctx, p)
}
