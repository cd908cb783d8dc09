package issuance_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/tokenstatus"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// forms is one certificate in every form that has a state of its own.
type forms struct {
	id   vaccination.CertificateID
	hcid string
	sig  trust.Hash
	kid  []byte
	card *shc.Card
}

func (w *world) inAllForms(code string) forms {
	w.t.Helper()
	r := w.must(issuance.Certify, event(code, 1))
	eu, err := w.Export(w.ctx, w.by, r.ID, issuance.FormatEU)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := hcert.Decode(eu.Code)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.Export(w.ctx, w.by, r.ID, issuance.FormatSHC)
	if err != nil {
		w.t.Fatal(err)
	}
	card, err := shc.Decode(c.Code)
	if err != nil {
		w.t.Fatal(err)
	}
	return forms{r.ID, r.HCID, m.SignatureHash(), m.KeyIDs[0], card}
}

// tokenValue is what the token status list says of a certificate.
func (w *world) tokenValue(id vaccination.CertificateID) tokenstatus.Value {
	w.t.Helper()
	var list int32
	var index uint32
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT status_list, status_index FROM certificate WHERE id = $1", id[:]).Scan(&list, &index); err != nil {
		w.t.Fatal(err)
	}
	said := map[tokenstatus.Value]bool{}
	for purpose, parse := range map[string]func([]byte) (*tokenstatus.Token, error){issuance.PurposeToken: tokenstatus.Parse, issuance.PurposeCWT: tokenstatus.ParseCWT} {
		data, _, err := w.StatusList(w.ctx, purpose, list)
		if err != nil {
			w.t.Fatal(err)
		}
		token, err := parse(data)
		if err != nil {
			w.t.Fatal(err)
		}
		if token.KeyID != w.Keys.Document().ID() {
			w.t.Fatal("signed by another key: ", token.KeyID)
		}
		if err := token.Verify(w.Keys.Document().Public()); err != nil {
			w.t.Fatal(err)
		}
		v, err := token.Lookup(w.ListURL(issuance.PurposeToken, list), index, w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		said[v] = true
	}
	if len(said) != 1 {
		w.t.Fatalf("the two forms of the token status list differ: %v", said)
	}
	for v := range said {
		return v
	}
	return tokenstatus.Valid
}

// hashLists reads all batches, as somebody does who has nothing yet.
func (w *world) hashLists() (*trust.List, hashIndex) {
	w.t.Helper()
	published, err := w.HashIndex(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	var index hashIndex
	if err := json.Unmarshal(published.Body, &index); err != nil {
		w.t.Fatal(err)
	}
	var all []*trust.Bundle
	for _, b := range index.Batches {
		data, err := w.HashBatch(w.ctx, b.BatchID)
		if err != nil {
			w.t.Fatal(err)
		}
		batch, err := trust.ParseNamed(data)
		if err != nil {
			w.t.Fatal(err)
		}
		if n := batch.HashLists[0].Hashes.Len(); n != b.Entries || n > 1000 {
			w.t.Fatalf("%d hashes, the list says %d", n, b.Entries)
		}
		all = append(all, batch)
	}
	return trust.New(all...), index
}

type hashIndex struct {
	Version    int64
	NextUpdate time.Time
	Batches    []struct {
		BatchID, HashType, Partition string
		Entries                      int
		Expires                      time.Time
	}
}

func (w *world) cardList(keyID string) *shc.CRL {
	w.t.Helper()
	data, _, err := w.CardList(w.ctx, keyID)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := shc.ParseCRL(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// disagree returns the forms that say anything else of a certificate than its state.
func (w *world) disagree(f forms, status vaccination.Status) (wrong []string) {
	w.t.Helper()
	withdrawn := status != vaccination.StatusValid
	expect := func(form string, ok bool) {
		if !ok {
			wrong = append(wrong, form)
		}
	}
	expect("revocation list", w.flagged(f.id, "revocation") == status.Final())
	expect("suspension list", w.flagged(f.id, "suspension") == (status == vaccination.StatusSuspended))
	value := tokenstatus.Valid
	switch {
	case status.Final():
		value = tokenstatus.Invalid
	case withdrawn:
		value = tokenstatus.Suspended
	}
	expect("token status list", w.tokenValue(f.id) == value)
	lists, _ := w.hashLists()
	expect("hashes, all", lists.HashListed("JM", [][]byte{f.kid}, f.hcid, f.sig) == withdrawn)
	expect("hashes, by signature", lists.HashListed("JM", [][]byte{f.kid}, "", f.sig) == withdrawn)
	expect("hashes, by id", lists.HashListed("JM", [][]byte{f.kid}, f.hcid, trust.Hash{}) == withdrawn)
	expect("cards", w.cardList(f.card.KeyID).Revoked(f.card.Revocation, f.card.NotBefore) == withdrawn)
	bundle := w.bundle()
	l := trust.New(bundle)
	state, _ := l.Status(bundle.Status[0].Issuer, f.hcid)
	expect("trust bundle", state == status)
	return wrong
}

// TestOneStatusInAllForms moves one certificate through all states. Every form says
// each of them at once, as a second later at the earliest anything is asked again.
func TestOneStatusInAllForms(t *testing.T) {
	w := newWorld(t, "jamaica")
	f := w.inAllForms("A")
	other := w.inAllForms("B")
	last, cards := int64(0), int64(0)
	step := func(name string, status vaccination.Status, act func() error) {
		t.Helper()
		w.now = w.now.Add(2 * time.Second)
		if err := act(); err != nil {
			t.Fatal(name, err)
		}
		if wrong := w.disagree(f, status); wrong != nil {
			t.Errorf("%s: wrong in %q", name, wrong)
		}
		if wrong := w.disagree(other, vaccination.StatusValid); wrong != nil {
			t.Errorf("%s: it reached another certificate in %q", name, wrong)
		}
		_, index := w.hashLists()
		list := w.cardList(f.card.KeyID)
		if index.Version <= last || list.Counter <= cards {
			t.Errorf("%s: numbers %d after %d, %d after %d", name, index.Version, last, list.Counter, cards)
		}
		if !index.NextUpdate.After(w.now) {
			t.Errorf("%s: next update %v", name, index.NextUpdate)
		}
		last, cards = index.Version, list.Counter
	}
	change := func(act vaccination.Act) func() error {
		return func() error {
			_, err := w.Change(w.ctx, w.by, f.id, act, "")
			return err
		}
	}
	step("as issued", vaccination.StatusValid, func() error { return nil })
	step("suspended", vaccination.StatusSuspended, change(vaccination.ActSuspend))
	step("lifted", vaccination.StatusValid, change(vaccination.ActLift))
	step("suspended for a minute", vaccination.StatusSuspended, func() error { return w.Suspend(w.ctx, w.by, f.id, w.now.Add(time.Minute), "") })
	step("the minute is over, and no job runs", vaccination.StatusValid, func() error { w.now = w.now.Add(2 * time.Minute); return nil })
	step("corrected", vaccination.StatusSuperseded, func() error {
		_, err := w.issue(issuance.Correct, with(event("A", 1), lot("OTHER")))
		return err
	})
	f = w.inAllForms("C")
	step("revoked", vaccination.StatusRevoked, change(vaccination.ActRevoke))
	w.checked()
}

// TestAnotherProcessIsSeenWithARefresh changes a state by another process: lists
// made here say it within a minute, or when somebody has them looked at anew.
func TestAnotherProcessIsSeenWithARefresh(t *testing.T) {
	w := newWorld(t, "jamaica")
	f := w.inAllForms("A")
	if wrong := w.disagree(f, vaccination.StatusValid); wrong != nil {
		t.Fatal(wrong)
	}
	elsewhere := issuance.New(w.Options)
	for i, refresh := range []bool{true, false} {
		act, status := vaccination.ActSuspend, vaccination.StatusSuspended
		if i == 1 {
			act, status = vaccination.ActRevoke, vaccination.StatusRevoked
		}
		if _, err := elsewhere.Change(w.ctx, w.by, f.id, act, ""); err != nil {
			t.Fatal(err)
		}
		if refresh {
			w.now = w.now.Add(2 * time.Second)
			w.Refresh()
		} else {
			w.now = w.now.Add(time.Minute)
		}
		if wrong := w.disagree(f, status); wrong != nil {
			t.Errorf("%s: wrong in %q", status, wrong)
		}
	}
	// Both processes give a list the same number, and a later list a higher one.
	again := issuance.New(w.Options)
	data, _, err := again.CardList(w.ctx, f.card.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	l, err := shc.ParseCRL(data)
	if err != nil || l.Counter != w.cardList(f.card.KeyID).Counter {
		t.Errorf("another process numbers it %d: %v", l.Counter, err)
	}
	w.now = w.now.Add(-time.Hour) // a clock that was put right
	g, before := w.inAllForms("B"), w.cardList(f.card.KeyID).Counter
	if _, err := w.Change(w.ctx, w.by, g.id, vaccination.ActRevoke, ""); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Second)
	if after := w.cardList(f.card.KeyID).Counter; after <= before {
		t.Errorf("after the clock went back: %d after %d", after, before)
	}
}

// TestWritersLoseNothingInAnyForm lets many writers, each a process of its own,
// suspend, lift and revoke certificates in any order while readers make every
// list. Afterwards each form says of each certificate what the last act made it,
// and no list had a lower number than one seen before it.
func TestWritersLoseNothingInAnyForm(t *testing.T) {
	w := newWorld(t, "jamaica")
	const n = 12
	var all []forms
	for i := range n {
		all = append(all, w.inAllForms(fmt.Sprint("P-", i)))
	}
	status := make([]vaccination.Status, n)
	for i := range status {
		status[i] = vaccination.StatusValid
	}
	kinds := []vaccination.Act{vaccination.ActSuspend, vaccination.ActLift, vaccination.ActSuspend, vaccination.ActLift, vaccination.ActSuspend, vaccination.ActLift, vaccination.ActRevoke}
	for round := range uint64(6) {
		acts := make([][]vaccination.Act, n)
		for i := range n {
			random := rand.New(rand.NewPCG(round, uint64(i)))
			for range 4 {
				acts[i] = append(acts[i], kinds[random.IntN(len(kinds))])
			}
		}
		w.now = w.now.Add(2 * time.Second)
		stop, read := make(chan struct{}), sync.WaitGroup{}
		for range 2 {
			reader := issuance.New(w.Options)
			read.Go(func() {
				last := int64(0)
				for {
					select {
					case <-stop:
						return
					default:
					}
					reader.Refresh()
					data, _, err := reader.CardList(w.ctx, all[0].card.KeyID)
					if err != nil {
						t.Error(err)
						return
					}
					l, err := shc.ParseCRL(data)
					if err != nil || l.Counter < last {
						t.Errorf("number %d after %d: %v", l.Counter, last, err)
						return
					}
					last = l.Counter
				}
			})
		}
		var write sync.WaitGroup
		for i, f := range all {
			s := issuance.New(w.Options)
			write.Go(func() {
				for _, act := range acts[i] {
					if _, err := status[i].After(act); err != nil {
						continue // the table of moves does not have it
					}
					after, err := s.Change(w.ctx, w.by, f.id, act, "")
					if err != nil {
						t.Errorf("%s of what is %s: %v", act, status[i], err)
						return
					}
					status[i] = after
				}
			})
		}
		write.Wait()
		close(stop)
		read.Wait()
		w.now = w.now.Add(2 * time.Second)
		w.Refresh()
		for i, f := range all {
			if wrong := w.disagree(f, status[i]); wrong != nil {
				t.Fatalf("round %d: certificate %d is %s, wrong in %q", round, i, status[i], wrong)
			}
		}
	}
	t.Log(status)
	w.checked()
}
