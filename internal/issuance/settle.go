package issuance

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Told is an event and the time as of which its source tells it.
type Told struct {
	Event vaccination.Event
	// AsOf orders the states of one record, by the source's own clock: when it
	// changed the record last ("lastUpdated", "server_modified_on"). Zero where
	// the source does not say. Kept to the microsecond.
	AsOf time.Time
	// One, if not zero, is whom this person was recognised as: where a certificate
	// is issued, a link between the two is made with it.
	One One
	// Seen is what the registry knew when it was looked up, see [Service.Look];
	// nil for none. Where somebody like this person came meanwhile, nothing is
	// issued and the error is [ErrMet].
	Seen *Seen
}

// One names somebody whom a new person is one with, and says why.
type One struct {
	EnrolmentCode string // known to the registry, or issued for in the same call
	Reason        string // one line that says nothing of them
}

// Settle brings records to the newest state that their source has told, however
// often, late and out of order it tells. It is [Service.IssueEach] with
// [Certify], and with times that count where the source is authoritative and the
// record its own; one call holds a record once.
//
// A record remembers what its source told last, with the newest time:
//
//	no time is known, here or there  what was heard before changes nothing,
//	                                 other content is a correction
//	an older time                    nothing changes: it is late
//	the same time                    as without a time
//	a newer time                     nothing changes where the source told the
//	                                 same last; other content is a correction,
//	                                 also back to what an earlier version said
//
// So A, B, A with rising times ends at A, and with times that do not rise, or
// none, at B: a source sends again far more often than it takes back, and what
// it takes back without a time can be corrected by name ([Correct]). A source
// that tells the same with a newer time has changed nothing, so a correction
// that was made here meanwhile stands.
//
// What is late after a revocation is [vaccination.Revoked], as what was heard
// before is: it never brings a certificate back.
func (s *Service) Settle(ctx context.Context, by access.Caller, told []Told, also Also) ([]Each, error) {
	r := request{by: by, action: Certify, told: told}
	for _, t := range told {
		r.events, r.asOf = append(r.events, t.Event), append(r.asOf, t.AsOf)
	}
	return s.issueEach(ctx, r, also)
}

// tellSkew is by how much the clock of a source may be ahead of ours.
const tellSkew = 10 * time.Minute

// told is a time of a source's clock as it is kept. One from the future is now:
// what the source changes after its clock was put right must not be late.
func (s *Service) told(asOf time.Time) time.Time {
	if now := s.Now(); asOf.After(now.Add(tellSkew)) {
		asOf = now
	}
	return asOf.UTC().Truncate(time.Microsecond) // as PostgreSQL keeps it
}

// settling is what a draft knows of the order of its record's states.
type settling struct {
	authoritative bool        // its source corrects by sending again
	once          bool        // see [Service.SettleFile]
	asOf          time.Time   // zero when it was told without a time
	told          *query.Told // what the record's source told last, nil when it told nothing with a time
	tell          *query.Told // what to remember in its place, nil to leave it
}

// findTold loads what was told last of the records of drafts of an authoritative
// source.
func (s *Service) findTold(ctx context.Context, people map[string]*person, drafts []*Draft) error {
	of := query.ToldOfParams{}
	if len(drafts) > 0 {
		for _, d := range drafts {
			if d != nil && !d.authoritative {
				return nil // they share a source
			}
		}
		for _, p := range people {
			if !p.fresh {
				of.Buckets, of.People = append(of.Buckets, p.row.Bucket), append(of.People, p.row.ID)
			}
		}
	}
	if len(of.People) == 0 {
		return nil
	}
	rows, err := s.Store.Read().ToldOf(ctx, of)
	if err != nil {
		return err
	}
	type key struct {
		bucket    int16
		person    int64
		programme string
		dose      int16
	}
	byRecord := map[key]*query.Told{}
	for i, t := range rows {
		byRecord[key{t.Bucket, t.PersonID, t.Programme, t.Dose}] = &rows[i]
	}
	for _, d := range drafts {
		if d == nil {
			continue
		}
		if p := people[string(s.codeIndex(d.event.EnrolmentCode))]; !p.fresh {
			d.told = byRecord[key{p.row.Bucket, p.row.ID, d.programme.Key, int16(d.event.Number())}]
		}
	}
	return nil
}

// late reports whether the source told a newer state before.
func (d *settling) late() bool {
	return d.told != nil && !d.asOf.IsZero() && d.asOf.Before(d.told.AsOf)
}

// newer reports whether it is certainly newer than all that was told before.
func (d *settling) newer() bool { return d.told != nil && d.asOf.After(d.told.AsOf) }

// heard reports whether a draft of an authoritative source about its own record
// tells nothing new. matches: some version was certified with this content.
func (d *Draft) heard(last *version, matches bool) bool {
	switch {
	case d.late():
		return true
	case d.newer():
		return last.newest(d.content) || string(d.told.Content) == string(d.content)
	default:
		return matches
	}
}

// note decides what is remembered of a draft that was decided upon.
func (d *Draft) note(by access.Caller, action Action) {
	own := d.previous == nil || d.previous.row.Source == by.Source
	if !d.authoritative || !own || action == Reissue || d.late() {
		return
	}
	tell := query.Told{AsOf: d.asOf, Content: d.content}
	if d.told != nil && !d.newer() {
		if d.outcome == Unchanged {
			return // it was heard before
		}
		tell.AsOf = d.told.AsOf
	}
	if !tell.AsOf.IsZero() {
		d.tell = &tell
	}
}

// writeTold remembers what sources told last, where nobody else did meanwhile.
func (w *writes) writeTold(ctx context.Context, q *query.Queries) error {
	var insert query.InsertToldParams
	var move query.MoveToldParams
	for _, d := range w.told {
		bucket, id, dose, programme := d.person.row.Bucket, d.person.row.ID, int16(d.event.Number()), d.programme.Key
		if d.told == nil {
			insert.Buckets, insert.People = append(insert.Buckets, bucket), append(insert.People, id)
			insert.Doses, insert.Programmes = append(insert.Doses, dose), append(insert.Programmes, programme)
			insert.AsOfs, insert.Contents = append(insert.AsOfs, d.tell.AsOf), append(insert.Contents, d.tell.Content)
			continue
		}
		move.Buckets, move.People = append(move.Buckets, bucket), append(move.People, id)
		move.Doses, move.Programmes = append(move.Doses, dose), append(move.Programmes, programme)
		move.Befores, move.BeforeContents = append(move.Befores, d.told.AsOf), append(move.BeforeContents, d.told.Content)
		move.AsOfs, move.Contents = append(move.AsOfs, d.tell.AsOf), append(move.Contents, d.tell.Content)
	}
	if len(insert.People) > 0 {
		if err := q.InsertTold(ctx, insert); err != nil {
			return err
		}
	}
	if len(move.People) == 0 {
		return nil
	}
	n, err := q.MoveTold(ctx, move)
	if err == nil && n != int64(len(move.People)) {
		err = registry.ErrChanged
	}
	return err
}
