package issuance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// reasonPublished is why a state is what it is that was found outside.
const reasonPublished = "as published before the restore"

// marginLists is how many status lists of each group of buckets are skipped
// beyond the last one known, each of 131,072 positions: certificates may have
// been issued after the backup whose lists nobody has fetched.
const marginLists = 16

// Reconciled is what [Service.Reconcile] did.
type Reconciled struct {
	Revoked, Superseded, Suspended int // certificates brought to the state published
	// LostPositions and LostCertificates are what was published withdrawn and is
	// not in the database: it is published on.
	LostPositions, LostCertificates int
	LostKeys                        int // made after the backup; known as retired now
	// StillSuspended are certificates that were suspended at the backup and no
	// longer when the lists were published: to be lifted by somebody who knows.
	StillSuspended []vaccination.CertificateID
	AsOf           time.Time // see [Published.AsOf]
}

// Reconcile brings a restored database to what was published after its backup
// and ends its hold. Certificates get the state that was published for them;
// what is lost here and was withdrawn is published on as withdrawn; counters of
// positions and versions move beyond everything published. acceptLoss, a reason
// for the audit, goes on with what was found, also when that is too little or
// nothing: what was withdrawn after the backup may then be valid again.
//
// Run again after it was killed, it does what was left. A service that is not on
// hold, and too little without acceptLoss, are [vaccination.Conflict].
func (s *Service) Reconcile(ctx context.Context, by access.Caller, p *Published, acceptLoss string) (*Reconciled, error) {
	hold, err := s.Hold(ctx)
	if err != nil {
		return nil, err
	}
	if hold == nil {
		return nil, vaccination.Errorf(vaccination.Conflict, "nothing is on hold here: this was not restored, or it is reconciled already")
	}
	if err := checkReason(acceptLoss); err != nil {
		return nil, err
	}
	r := &reconciling{Service: s, by: by, p: p, out: &Reconciled{AsOf: p.AsOf()}, now: s.Now().UTC(), todo: map[vaccination.Act][]place{}}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	if acceptLoss == "" {
		if err := r.enough(ctx); err != nil {
			return nil, err
		}
	}
	keys := p.LostKeys()
	r.out.LostKeys = len(keys)
	if err := s.Keys.Adopt(ctx, keys); err != nil {
		return nil, err
	}
	// A suspension ends before something final follows it.
	for _, act := range []vaccination.Act{vaccination.ActLift, vaccination.ActSupersede, vaccination.ActRevoke, vaccination.ActSuspend} {
		for batch := range slices.Chunk(r.todo[act], checkPage) {
			if err := r.apply(ctx, act, batch); err != nil {
				return nil, err
			}
		}
	}
	if err := r.lost(ctx); err != nil {
		return nil, err
	}
	if err := s.Store.Tx(ctx, func(q *query.Queries) error { return r.finish(ctx, q, hold, acceptLoss) }); err != nil {
		return nil, err
	}
	s.bundles.drop()
	return r.out, nil
}

type reconciling struct {
	*Service
	by  access.Caller
	p   *Published
	out *Reconciled
	now time.Time
	// What was published and belongs to no certificate here.
	bits map[listKey]*vc.StatusList
	hash map[trust.Hash]vaccination.Status
	todo map[vaccination.Act][]place // what was published and is not so here
}

// place is where a certificate is found.
type place struct {
	bucket int16
	id     []byte
}

func (r *reconciling) enough(ctx context.Context) error {
	before, err := r.bundleVersion(ctx, r.Store.Read())
	if err != nil {
		return err
	}
	rows, err := r.Store.Read().StatusLists(ctx)
	if err != nil {
		return err
	}
	var lists []listKey
	for _, row := range rows {
		if slices.Contains(purposes(), row.Purpose) { // the others say the same as these two
			lists = append(lists, listKey{row.List, row.Purpose})
		}
	}
	if err := r.p.enough(before, lists); err != nil {
		return err
	}
	// Every lost certificate that the bundle says was withdrawn has its bit in a
	// list: with fewer bits, one would be valid again.
	hashes, bits := map[bool]int{}, map[bool]int{} // by whether it is final
	for _, status := range r.hash {
		hashes[status.Final()]++
	}
	for key, list := range r.bits {
		bits[key.purpose == "revocation"] += len(indexes(list))
	}
	for final, purpose := range map[bool]string{true: "revocation", false: "suspension"} {
		if hashes[final] > bits[final] {
			return vaccination.Errorf(vaccination.Conflict, "%d certificates issued after the backup were withdrawn, and only %d of them are in the %s lists that were given: add the missing lists (/status/%s/…)", hashes[final], bits[final], purpose, purpose)
		}
	}
	return nil
}

// indexes are those of the bits that are set.
func indexes(list *vc.StatusList) []int32 {
	var out []int32
	for index := range uint32(vc.ListSize) {
		if list.Get(index) {
			out = append(out, int32(index))
		}
	}
	return out
}

func (r *reconciling) bundleVersion(ctx context.Context, q *query.Queries) (int64, error) {
	text, err := q.GetSetting(ctx, settingBundle)
	if registry.IsNone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// compare finds what was published and is not so here.
func (r *reconciling) compare(ctx context.Context) error {
	r.bits, r.hash = map[listKey]*vc.StatusList{}, map[trust.Hash]vaccination.Status{}
	for key := range r.p.lists {
		r.bits[key] = r.p.bits(key)
	}
	if r.p.states != nil {
		for _, h := range []struct {
			set    trust.Hashes
			status vaccination.Status
		}{{r.p.states.Suspended, vaccination.StatusSuspended}, {r.p.states.Superseded, vaccination.StatusSuperseded}, {r.p.states.Revoked, vaccination.StatusRevoked}} {
			for i := range h.set.Len() {
				r.hash[h.set.At(i)] = h.status
			}
		}
	}
	after := query.CertificateStatesAfterParams{Bucket: -1, ID: []byte{}, MaxRows: checkPage}
	for {
		rows, err := r.Store.Read().CertificateStatesAfter(ctx, after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			for _, act := range r.acts(row) {
				r.todo[act] = append(r.todo[act], place{row.Bucket, row.ID})
			}
		}
		if len(rows) < checkPage {
			return nil
		}
		end := rows[len(rows)-1]
		after.Bucket, after.ID = end.Bucket, end.ID
	}
}

// acts are the moves that lead a certificate to what was published of it. What
// belongs to it is taken from what is looked for.
func (r *reconciling) acts(row query.CertificateStatesAfterRow) []vaccination.Act {
	id := vaccination.CertificateID(row.ID)
	take := func(purpose string) bool {
		bits := r.bits[listKey{row.StatusList, purpose}]
		if bits == nil || !bits.Get(uint32(row.StatusIndex)) {
			return false
		}
		bits.Set(uint32(row.StatusIndex), false)
		return true
	}
	withdrawn, suspended := take("revocation"), take("suspension")
	hash := r.hashOf(nil, id)
	published, known := r.hash[hash]
	delete(r.hash, hash)
	status := statusOf(row.Status)
	switch {
	case status.Final():
		return nil
	case known && published == vaccination.StatusSuperseded && status == vaccination.StatusSuspended:
		r.out.Superseded++
		return []vaccination.Act{vaccination.ActLift, vaccination.ActSupersede}
	case known && published == vaccination.StatusSuperseded:
		r.out.Superseded++
		return []vaccination.Act{vaccination.ActSupersede}
	case withdrawn || known && published == vaccination.StatusRevoked:
		r.out.Revoked++
		return []vaccination.Act{vaccination.ActRevoke}
	case (suspended || known) && status == vaccination.StatusValid:
		r.out.Suspended++
		return []vaccination.Act{vaccination.ActSuspend}
	case !suspended && !known && status == vaccination.StatusSuspended && r.p.states != nil:
		r.out.StillSuspended = append(r.out.StillSuspended, id)
	}
	return nil
}

// apply moves certificates, each with its audit entry, in one transaction.
func (r *reconciling) apply(ctx context.Context, act vaccination.Act, places []place) error {
	var which query.CertificatesByIDsParams
	for _, p := range places {
		which.Buckets, which.Ids = append(which.Buckets, p.bucket), append(which.Ids, p.id)
	}
	rows, err := r.Store.Read().CertificatesByIDs(ctx, which)
	if err != nil {
		return err
	}
	w := newWrites(r.Service, r.by)
	w.held = true
	for _, row := range rows {
		if err := w.move(row, act, reasonPublished); err != nil {
			return err
		}
		w.record(row.Bucket, string(act), vaccination.CertificateID(row.ID), reasonPublished)
	}
	return r.Store.TxRaw(ctx, w.run(ctx))
}

// lost keeps what was published withdrawn and belongs to no certificate here.
func (r *reconciling) lost(ctx context.Context) error {
	return r.Store.Tx(ctx, func(q *query.Queries) error {
		for key, bits := range r.bits {
			status := vaccination.StatusRevoked
			if key.purpose == "suspension" {
				status = vaccination.StatusSuspended
			}
			in := query.InsertLostStatusParams{StatusList: key.list, Status: statusNumber(status), NotedAt: r.now, Indexes: indexes(bits)}
			r.out.LostPositions += len(in.Indexes)
			if len(in.Indexes) == 0 {
				continue
			}
			if _, err := q.InsertLostStatus(ctx, in); err != nil {
				return err
			}
		}
		byStatus := map[vaccination.Status][][]byte{}
		for hash, status := range r.hash {
			byStatus[status] = append(byStatus[status], hash[:])
		}
		r.out.LostCertificates = len(r.hash)
		for status, hashes := range byStatus {
			if err := q.PutLostCertificates(ctx, query.PutLostCertificatesParams{Hashes: hashes, Status: statusNumber(status), NotedAt: r.now}); err != nil {
				return err
			}
		}
		return nil
	})
}

// finish moves every counter beyond what was published and ends the hold, with
// the one audit entry that says how.
func (r *reconciling) finish(ctx context.Context, q *query.Queries, hold *registry.Hold, acceptLoss string) error {
	if err := r.movePositions(ctx, q); err != nil {
		return err
	}
	version, err := r.bundleVersion(ctx, q)
	if err != nil {
		return err
	}
	if r.p.bundle != nil {
		version = max(version, r.p.bundle.Version)
	}
	if _, err := q.NextVersion(ctx, query.NextVersionParams{Name: settingBundle, AtLeast: max(version+1, r.now.Unix())}); err != nil {
		return err
	}
	if err := q.StaleStatusLists(ctx); err != nil {
		return err
	}
	if err := q.ForgetPublishedLists(ctx); err != nil {
		return err
	}
	n, err := q.DeleteSetting(ctx, registry.SettingHold)
	if err == nil && n != 1 {
		err = errors.New("another has reconciled this database just now")
	}
	if err != nil {
		return err
	}
	found := "nothing published was found"
	if !r.out.AsOf.IsZero() {
		found = "published as of " + r.out.AsOf.UTC().Format(time.RFC3339)
	}
	detail := fmt.Sprintf("%s: %d revoked, %d superseded, %d suspended, %d positions and %d certificates lost", found, r.out.Revoked, r.out.Superseded, r.out.Suspended, r.out.LostPositions, r.out.LostCertificates)
	entries := []registry.Entry{{Chain: registry.AdminChain, Act: "restore.reconcile", Object: hold.Backup, Detail: detail}}
	if acceptLoss != "" {
		entries = append(entries, registry.Entry{Chain: registry.AdminChain, Act: "restore.accept-loss", Object: hold.Backup, Detail: acceptLoss})
	}
	return registry.Audit(ctx, q, r.now, r.by.Actor, entries...)
}

// movePositions begins a list in every group of buckets that nobody has used.
func (r *reconciling) movePositions(ctx context.Context, q *query.Queries) error {
	groups, err := q.StatusNext(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.ID >= registry.AdminChain {
			continue
		}
		last := (g.StatusNext + listPositions - 1) / listPositions
		for key := range r.p.lists {
			if int16(key.list>>16) == g.ID {
				last = max(last, int64(key.list&0xffff)+1)
			}
		}
		if last+marginLists > 0xffff {
			return fmt.Errorf("bucket group %d has no status lists left", g.ID)
		}
		if err := q.SetStatusNext(ctx, query.SetStatusNextParams{ID: g.ID, StatusNext: (last + marginLists) * listPositions}); err != nil {
			return err
		}
	}
	return nil
}
