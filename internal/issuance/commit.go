package issuance

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Commit writes what was signed: person, certificate, superseded version, audit
// entry, the job that publishes the status, in one transaction. When it returns
// nil, all of it is durable. When the connection breaks while committing, the
// outcome is open and the error says so; sending the same events again then
// gives the same certificates.
func (s *Service) Commit(ctx context.Context, by access.Caller, signed []*Signed) ([]Result, error) {
	return s.commit(ctx, by, signed, nil)
}

// commit is Commit with something else to write in the same transaction, first
// of all. What also returns ends the transaction.
func (s *Service) commit(ctx context.Context, by access.Caller, signed []*Signed, also func(pgx.Tx, *query.Queries, []Result) error) (_ []Result, err error) {
	ctx, span := tracing.Step(ctx, "Commit", len(signed))
	defer func() { span.End(err) }()
	w := newWrites(s, by)
	for _, g := range signed {
		if err := w.add(g); err != nil {
			return nil, err
		}
	}
	results := s.results(signed)
	if w.empty() && also == nil {
		return results, nil
	}
	if err := w.sealPeople(); err != nil {
		return nil, err
	}
	err = s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		if also != nil {
			if err := also(tx, q, results); err != nil || w.empty() {
				return err
			}
		}
		return w.run(ctx)(tx, q)
	})
	if err != nil {
		return nil, err
	}
	if len(w.flags) > 0 {
		s.bundles.drop()
	}
	return results, nil
}

func (s *Service) results(signed []*Signed) []Result {
	results := make([]Result, len(signed))
	for i, g := range signed {
		if g.draft.same != nil {
			for j, other := range signed[:i] {
				if other.draft == g.draft.same {
					results[i] = results[j]
				}
			}
			results[i].Outcome = Unchanged
			continue
		}
		results[i] = s.result(g)
	}
	return results
}

func (s *Service) result(g *Signed) Result {
	d := g.draft
	r := Result{Outcome: d.outcome, Programme: d.programme.Key, Dose: d.event.Number()}
	if d.outcome == Unchanged || d.outcome == Updated {
		v := d.previous
		r.ID, r.HCID, r.Version, r.Status = v.id(), v.id().UVCI(s.Profile.Country.Alpha2), v.number(), v.status()
		if v.row.Replaces != nil {
			r.Replaces = vaccination.CertificateID(v.row.Replaces)
		}
		return r
	}
	r.ID, r.HCID, r.Version, r.Status = g.id, g.hcid, d.number, vaccination.StatusValid
	if d.previous != nil {
		r.Replaces = d.previous.id()
	}
	return r
}

// writes gathers what one transaction is to write, as arrays, so that a
// thousand certificates cost as many statements as one.
type writes struct {
	s       *Service
	by      access.Caller
	people  map[*person]vaccination.Event // newest event of each person to write
	order   []*person
	rows    []query.Certificate
	flags   []flag
	updates query.UpdateContactsParams
	told    []*Draft // whose records' sources told a newer state
	links   []link
	seen    []*Seen  // of people who are new
	alone   []*Draft // that one person may correct as far as was read
	news    []tiding
	audit   []registry.Entry
	counts  []registry.Counted
	now     time.Time // of everything in the transaction
	held    bool      // also while the service is on hold
}

// flag is a move of a stored certificate from one state to another.
type flag struct {
	row    query.Certificate
	to     vaccination.Status
	reason string
	until  time.Time // the end of a suspension, zero for none
}

func newWrites(s *Service, by access.Caller) *writes {
	return &writes{s: s, by: by, people: map[*person]vaccination.Event{}}
}

func (w *writes) empty() bool { return len(w.rows)+len(w.flags)+len(w.updates.Ids)+len(w.told) == 0 }

// touch has the person's row written as d says. Who a person is and how to reach
// them is for the source to say that said it first: another that certifies a dose
// under the same enrolment code must not turn messages to a telephone of its own.
func (w *writes) touch(d *Draft) {
	p, e := d.person, d.event
	if p.row.Source == "" {
		p.row.Source = d.source
	}
	if p.row.Source != d.source {
		return
	}
	if _, ok := w.people[p]; !ok {
		w.order = append(w.order, p)
	}
	w.people[p] = e
}

func (w *writes) add(g *Signed) error {
	d := g.draft
	if d.same == nil && d.tell != nil {
		w.told = append(w.told, d)
	}
	if d.same != nil || d.outcome == Unchanged {
		return nil
	}
	w.touch(d)
	if d.one != nil {
		w.links = append(w.links, link{d.person, d.one, d.oneWith.Reason})
	}
	if d.person.fresh && d.seen != nil {
		w.seen = append(w.seen, d.seen)
	}
	w.issuedNews(g)
	if d.outcome == Updated {
		return w.updateContact(d)
	}
	if d.outcome == Corrected {
		if err := w.move(d.previous.row, vaccination.ActSupersede, reasonCorrected); err != nil {
			return err
		}
		if d.alone {
			w.alone = append(w.alone, d)
		}
	}
	w.rows = append(w.rows, g.row())
	w.counts = append(w.counts, registry.Counted{
		Kind: map[bool]string{false: registry.CountIssued, true: registry.CountCorrected}[d.outcome == Corrected], Programme: d.programme.Key,
		Product: whatWasDone(d.said), Facility: d.event.Centre(), Source: d.source, N: 1,
	})
	w.record(d.person.row.Bucket, string(d.outcome), g.id, issueDetail(g.row()))
	if d.reason != "" {
		w.record(d.person.row.Bucket, actReissue, d.previous.id(), d.reason)
	}
	return nil
}

// whatWasDone is what a certificate is counted under: the key of a product, or of
// a kind of test. What a test found is counted nowhere.
func whatWasDone(said vaccination.Event) string {
	if said.IsTest() {
		return said.Test.Type.Code
	}
	return said.Vaccination.Product
}

// reasonCorrected is why a certificate is superseded.
const reasonCorrected = "corrected"

// actContact is how the audit names new contacts.
const actContact = "contact"

// markReplaces stands in the audit before the id of the version that another one
// follows.
const markReplaces = " replaces "

// issueDetail is what the audit says of a certificate when it is issued.
func issueDetail(c query.Certificate) string {
	detail := fmt.Sprintf("%s dose %d version %d by %s", c.Programme, c.Dose, c.Version, c.Source)
	if len(c.Replaces) > 0 {
		detail += markReplaces + vaccination.CertificateID(c.Replaces).String()
	}
	return detail
}

// updateContact stores an event that differs only in how to reach the person
// with the certificate that stands.
func (w *writes) updateContact(d *Draft) error {
	v := d.previous
	parts, err := w.s.open(d.person, v)
	if err != nil {
		return err
	}
	parts.event = d.written
	sealed, err := w.s.sealParts(d.person, v.id(), parts)
	if err != nil {
		return err
	}
	u := &w.updates
	u.Buckets, u.Ids = append(u.Buckets, v.row.Bucket), append(u.Ids, v.row.ID)
	u.Befores, u.Contents, u.Sealeds = append(u.Befores, v.row.Content), append(u.Contents, v.contents(d.content)), append(u.Sealeds, sealed)
	w.record(v.row.Bucket, actContact, v.id(), "by "+d.source)
	return nil
}

// move changes the state of a stored certificate by the table of moves.
func (w *writes) move(row query.Certificate, act vaccination.Act, reason string) error {
	to, err := statusOf(row.Status).After(act)
	if err != nil {
		return err
	}
	w.flags = append(w.flags, flag{row: row, to: to, reason: reason})
	if kind := counted(act); kind != "" {
		w.counts = append(w.counts, registry.Counted{Kind: kind, Programme: row.Programme, Source: row.Source, N: 1})
	}
	return nil
}

// counted is how an act on a stored certificate is counted, "" where it is not: a
// superseded one is counted with the version that follows it.
func counted(act vaccination.Act) string {
	switch act {
	case vaccination.ActRevoke:
		return registry.CountRevoked
	case vaccination.ActSuspend:
		return registry.CountSuspended
	default:
		return ""
	}
}

func (w *writes) record(bucket int16, act string, id vaccination.CertificateID, detail string) {
	w.audit = append(w.audit, registry.Entry{Chain: registry.GroupOf(bucket), Act: act, Object: id.String(), Detail: detail})
}
