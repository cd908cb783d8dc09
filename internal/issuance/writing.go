package issuance

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

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
