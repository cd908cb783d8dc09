package issuance

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
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

// run writes everything. The audit comes last: its heads are locked for the
// shortest time, and when it fails nothing of the act remains.
func (w *writes) run(ctx context.Context) func(pgx.Tx, *query.Queries) error {
	return func(tx pgx.Tx, q *query.Queries) error {
		if !w.held {
			if err := w.s.notHeld(ctx, q); err != nil {
				return err
			}
		}
		w.now = w.s.Now().UTC()
		steps := []func() error{
			func() error { return w.lockPeople(ctx, q) },
			func() error { return w.meet(ctx, q) },
			func() error { return w.stillAlone(ctx, q) },
			func() error { return w.writePeople(ctx, q) },
			func() error { return w.writeLinks(ctx, q) },
			func() error { return w.writeFlags(ctx, q) },
			func() error { return w.writeCertificates(ctx, q) },
			func() error { return w.writeUpdates(ctx, q) },
			func() error { return w.writeTold(ctx, q) },
			func() error { return w.tell(ctx, tx, q) },
			func() error { return w.publishLater(ctx, tx, q) },
			func() error { return registry.Count(ctx, q, w.now, w.counts...) },
			func() error { return registry.Audit(ctx, q, w.now, w.by.Actor, w.audit...) },
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
}

// sealPeople puts the people in the order in which everybody writes them, and
// seals their rows, before the transaction begins.
func (w *writes) sealPeople() error {
	slices.SortFunc(w.order, func(a, b *person) int {
		return cmp.Or(cmp.Compare(a.row.Bucket, b.row.Bucket), bytes.Compare(a.row.CodeIndex, b.row.CodeIndex))
	})
	events := make([]vaccination.Event, len(w.order))
	err := inParallel(len(w.order), func(i int) (err error) {
		events[i], err = w.s.sealParticulars(w.order[i], w.people[w.order[i]])
		return err
	})
	for i, p := range w.order {
		w.people[p] = events[i]
	}
	return err
}

// lockPeople lets nobody else change the people of the stored rows that are
// about to change. New people are inserted in one order too (see sealPeople).
func (w *writes) lockPeople(ctx context.Context, q *query.Queries) error {
	var p query.LockPeopleParams
	add := func(bucket int16, id int64) { p.Buckets, p.Ids = append(p.Buckets, bucket), append(p.Ids, id) }
	for _, person := range w.order {
		if !person.fresh {
			add(person.row.Bucket, person.row.ID)
		}
	}
	for _, f := range w.flags {
		add(f.row.Bucket, f.row.PersonID)
	}
	for _, d := range w.told {
		if !d.person.fresh {
			add(d.person.row.Bucket, d.person.row.ID)
		}
	}
	for _, l := range w.links {
		for _, one := range []*person{l.of, l.to} {
			if !one.fresh {
				add(one.row.Bucket, one.row.ID)
			}
		}
	}
	if len(p.Ids) == 0 {
		return nil
	}
	return q.LockPeople(ctx, p)
}

// stillAlone gives up where something was certified for a person since it was
// decided that one may correct who they are alone: another record of theirs may
// have been corrected in the other half. The people are locked.
func (w *writes) stillAlone(ctx context.Context, q *query.Queries) error {
	if len(w.alone) == 0 {
		return nil
	}
	var p query.CountVersionsParams
	read := map[personKey]int{}
	for _, d := range w.alone {
		if k := d.person.ref(); read[k] == 0 {
			read[k] = len(d.person.versions)
			p.Buckets, p.Ids = append(p.Buckets, k.bucket), append(p.Ids, k.id)
		}
	}
	rows, err := q.CountVersions(ctx, p)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if int(r.N) != read[personKey{r.Bucket, r.PersonID}] {
			return registry.ErrChanged
		}
	}
	return nil
}

func (w *writes) writePeople(ctx context.Context, q *query.Queries) error {
	if len(w.order) == 0 {
		return nil
	}
	insert := query.InsertPeopleParams{UpdatedAt: w.now}
	update := query.UpdatePeopleParams{UpdatedAt: w.now}
	var index query.InsertPersonIndexesParams
	for _, p := range w.order {
		e := w.people[p]
		if p.fresh {
			insert.Buckets, insert.Ids, insert.Codes = append(insert.Buckets, p.row.Bucket), append(insert.Ids, p.row.ID), append(insert.Codes, p.row.CodeIndex)
			insert.Keys, insert.Sealeds = append(insert.Keys, p.row.Key), append(insert.Sealeds, p.row.Sealed)
			insert.Sources = append(insert.Sources, p.row.Source)
		} else {
			update.Buckets, update.Ids = append(update.Buckets, p.row.Bucket), append(update.Ids, p.row.ID)
			update.Befores, update.Sealeds = append(update.Befores, p.read), append(update.Sealeds, p.row.Sealed)
		}
		for _, v := range w.s.indexes(e) {
			index.Vals, index.Buckets, index.Ids = append(index.Vals, v), append(index.Buckets, p.row.Bucket), append(index.Ids, p.row.ID)
		}
	}
	if len(insert.Ids) > 0 {
		n, err := q.InsertPeople(ctx, insert)
		if err == nil && n != int64(len(insert.Ids)) {
			err = registry.ErrChanged // their keys are wrapped by one that is being retired
		}
		if err != nil {
			return err
		}
	}
	if len(update.Ids) > 0 {
		n, err := q.UpdatePeople(ctx, update)
		if err == nil && n != int64(len(update.Ids)) {
			err = registry.ErrChanged // how somebody is reached was changed since they were read
		}
		if err != nil {
			return err
		}
		if err := q.DeletePersonIndexes(ctx, query.DeletePersonIndexesParams{Buckets: update.Buckets, Ids: update.Ids}); err != nil {
			return err
		}
	}
	if len(index.Vals) == 0 {
		return nil
	}
	return q.InsertPersonIndexes(ctx, index)
}

func (w *writes) writeFlags(ctx context.Context, q *query.Queries) error {
	if len(w.flags) == 0 {
		return nil
	}
	p := query.SetStatusParams{StatusAt: w.now, Reason: w.flags[0].reason}
	for _, f := range w.flags {
		p.Buckets, p.Ids = append(p.Buckets, f.row.Bucket), append(p.Ids, f.row.ID)
		p.Befores, p.Since, p.Statuses = append(p.Befores, f.row.Status), append(p.Since, f.row.StatusAt), append(p.Statuses, statusNumber(f.to))
	}
	n, err := q.SetStatus(ctx, p)
	if err == nil && n != int64(len(w.flags)) {
		err = registry.ErrChanged
	}
	if err != nil {
		return err
	}
	return w.writeSuspensions(ctx, q)
}

// writeSuspensions keeps when suspensions end.
func (w *writes) writeSuspensions(ctx context.Context, q *query.Queries) error {
	var over query.DeleteSuspensionsParams
	for _, f := range w.flags {
		if !f.until.IsZero() {
			err := q.PutSuspension(ctx, query.PutSuspensionParams{Bucket: f.row.Bucket, ID: f.row.ID, StatusList: f.row.StatusList, Since: w.now, Until: f.until})
			if err != nil {
				return err
			}
		} else if statusOf(f.row.Status) == vaccination.StatusSuspended {
			over.Buckets, over.Ids = append(over.Buckets, f.row.Bucket), append(over.Ids, f.row.ID)
		}
	}
	if len(over.Ids) == 0 {
		return nil
	}
	return q.DeleteSuspensions(ctx, over)
}

func (w *writes) writeCertificates(ctx context.Context, q *query.Queries) error {
	if len(w.rows) == 0 {
		return nil
	}
	var p query.InsertCertificatesParams
	for _, c := range w.rows {
		p.Buckets, p.Doses, p.Versions = append(p.Buckets, c.Bucket), append(p.Doses, c.Dose), append(p.Versions, c.Version)
		p.StatusLists, p.StatusIndexes = append(p.StatusLists, c.StatusList), append(p.StatusIndexes, c.StatusIndex)
		p.People, p.IssuedAts = append(p.People, c.PersonID), append(p.IssuedAts, c.IssuedAt)
		p.Ids, p.Replaces, p.Contents = append(p.Ids, c.ID), append(p.Replaces, c.Replaces), append(p.Contents, c.Content)
		p.Programmes, p.Sources, p.Sealeds = append(p.Programmes, c.Programme), append(p.Sources, c.Source), append(p.Sealeds, c.Sealed)
	}
	return q.InsertCertificates(ctx, p)
}

func (w *writes) writeUpdates(ctx context.Context, q *query.Queries) error {
	if len(w.updates.Ids) == 0 {
		return nil
	}
	n, err := q.UpdateContacts(ctx, w.updates)
	if err == nil && n != int64(len(w.updates.Ids)) {
		err = registry.ErrChanged
	}
	return err
}

// publishLater marks each status list that a move made stale, so that whoever
// asks for it signs it anew, and queues a job for it where none waits: whoever
// marks a list that was not marked adds the job.
//
// Nothing is lost in between. A publisher holds the list's lock from before it
// reads the states until its list, unmarked, is durable; so do we from here to
// our commit. Either it sees what we write, or it is through and we mark anew.
func (w *writes) publishLater(ctx context.Context, tx pgx.Tx, q *query.Queries) error {
	var lists []int32
	for _, f := range w.flags {
		lists = append(lists, f.row.StatusList)
	}
	slices.Sort(lists)
	for _, list := range slices.Compact(lists) {
		if err := q.LockStatusList(ctx, query.LockStatusListParams{Class: lockStatusLists, List: list}); err != nil {
			return err
		}
		marked, err := q.StaleStatusList(ctx, list)
		if err == nil && marked > 0 && w.s.Later != nil {
			err = w.s.Later(ctx, tx, list)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
