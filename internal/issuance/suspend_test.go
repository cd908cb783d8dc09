package issuance_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// suspended issues a certificate and suspends it for a while.
func (w *world) suspended(code string, during time.Duration) vaccination.CertificateID {
	w.t.Helper()
	id := w.must(issuance.Certify, event(code, 1)).ID
	if err := w.Suspend(w.ctx, w.by, id, w.now.Add(during), "looked into"); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// says fails unless the certificate is suspended, or not, for the registry, in
// its list and in a bundle that is made now.
func (w *world) says(what string, id vaccination.CertificateID, suspended bool) {
	w.t.Helper()
	status, _, err := w.Status(w.ctx, id)
	if err != nil || (status == vaccination.StatusSuspended) != suspended {
		w.t.Errorf("%s: it is %s, %v", what, status, err)
	}
	if w.flagged(id, "suspension") != suspended {
		w.t.Errorf("%s: in the status list it is not so", what)
	}
	if n := issuance.New(w.Options); (&world{Service: n, t: w.t, ctx: w.ctx}).bundle().Status[0].Suspended.Len() == 1 != suspended {
		w.t.Errorf("%s: in the trust bundle it is not so", what)
	}
}

// TestASuspensionEndsByItself lets the time pass while no job runs: from that
// second on nobody hears that the certificate is suspended, and the first who
// reads it records the end, once.
func TestASuspensionEndsByItself(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.suspended("A-1", time.Hour)
	w.says("at once", id, true)
	w.now = w.now.Add(time.Hour - time.Second)
	w.says("a second before", id, true)
	w.checked()
	w.now = w.now.Add(time.Second)
	w.says("at the end", id, false)
	w.checked() // not recorded yet, and all is well
	if n := w.count("SELECT count(*) FROM certificate WHERE status = 1"); n != 1 {
		t.Fatal("somebody recorded the end already")
	}
	r, err := w.ByID(w.ctx, w.by, id, "test")
	if err != nil || r.Status != vaccination.StatusValid || !r.StatusAt.Equal(w.now) || !r.SuspendedUntil.IsZero() {
		t.Errorf("read after the end: %+v, %v", r, err)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'lift'"); n != 1 {
		t.Errorf("lifted %d times", n)
	}
	w.says("recorded", id, false)
	w.checked()
}

// TestAnEndedSuspensionStandsInNobodysWay corrects, revokes and finds after the
// end, before anybody recorded it.
func TestAnEndedSuspensionStandsInNobodysWay(t *testing.T) {
	for name, do := range map[string]func(w *world, id vaccination.CertificateID) error{
		"correct": func(w *world, _ vaccination.CertificateID) error {
			_, err := w.issue(issuance.Correct, with(event("A-1", 1), lot("X")))
			return err
		},
		"revoke": func(w *world, id vaccination.CertificateID) error {
			_, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, "")
			return err
		},
		"by code": func(w *world, _ vaccination.CertificateID) error {
			_, err := w.ByCode(w.ctx, w.by, "", "A-1", "test")
			return err
		},
		"page": func(w *world, id vaccination.CertificateID) error {
			_, _, err := w.Page(w.ctx, w.by, id, "test")
			return err
		},
		"what was delivered": func(w *world, _ vaccination.CertificateID) error {
			records, _, err := w.Delivered(w.ctx, w.by, vaccination.CertificateID{}, 10, "test")
			if err == nil && (len(records) != 1 || records[0].Status != vaccination.StatusValid) {
				err = fmt.Errorf("delivered: %+v", records)
			}
			return err
		},
		"a person's own": func(w *world, _ vaccination.CertificateID) error {
			me := access.Caller{Actor: "realm:person", Role: access.Recipient, Mobile: "8765550142"}
			records, err := w.Mine(w.ctx, me, "test")
			if err == nil && (len(records) != 1 || records[0].Status != vaccination.StatusValid) {
				err = fmt.Errorf("one's own: %+v", records)
			}
			return err
		},
		"suspend it": func(w *world, id vaccination.CertificateID) error {
			return w.Suspend(w.ctx, w.by, id, w.now.Add(time.Hour), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			id := w.suspended("A-1", time.Minute)
			w.now = w.now.Add(time.Minute)
			if err := do(w, id); err != nil {
				t.Error(err)
			}
			w.checked()
		})
	}
}

// TestTheJobLiftsWhatIsOver runs it from several sides, after years in which it
// did not, and with the clock gone back.
func TestTheJobLiftsWhatIsOver(t *testing.T) {
	w := newWorld(t, "jamaica")
	var over []vaccination.CertificateID
	for _, code := range []string{"A", "B", "C", "D", "E"} {
		over = append(over, w.suspended(code, time.Hour))
	}
	later := w.suspended("LATER", 3*365*24*time.Hour)
	forever := w.must(issuance.Certify, event("FOREVER", 1)).ID
	if _, err := w.Change(w.ctx, w.by, forever, vaccination.ActSuspend, ""); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(-2 * time.Hour)
	if n, err := w.LiftEnded(w.ctx); n != 0 || err != nil {
		t.Errorf("with the clock gone back %d are lifted, %v", n, err)
	}
	w.now = w.now.AddDate(2, 0, 0)
	var wg sync.WaitGroup
	total := make([]int, 4)
	for i, s := range []*issuance.Service{w.Service, w.Service, issuance.New(w.Options), issuance.New(w.Options)} {
		wg.Go(func() {
			n, err := s.LiftEnded(w.ctx)
			if err != nil {
				t.Error(err)
			}
			total[i] = n
		})
	}
	wg.Wait()
	if n := total[0] + total[1] + total[2] + total[3]; n != len(over) {
		t.Errorf("%d are lifted, want %d", n, len(over))
	}
	for _, id := range append(over, later, forever) {
		want := vaccination.StatusValid
		if id == later || id == forever {
			want = vaccination.StatusSuspended
		}
		if status, _, err := w.Status(w.ctx, id); err != nil || status != want {
			t.Errorf("%s, %v; want %s", status, err, want)
		}
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'lift' AND actor = 'system:suspensions'"); n != len(over) {
		t.Errorf("the audit says that %d were lifted", n)
	}
	w.checked()
}

// TestTheQueueLifts starts the queue on a database with a suspension that is
// over, as after a restart.
func TestTheQueueLifts(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.suspended("A-1", time.Minute)
	if !w.flagged(id, "suspension") {
		t.Fatal("not published")
	}
	w.now = w.now.Add(time.Minute)
	queue, err := issuance.NewQueue(w.store, w.Service, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := queue.Stop(w.ctx); err != nil {
			t.Error(err)
		}
	}()
	for start := time.Now(); w.count("SELECT count(*) FROM certificate WHERE status = 1") > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("nobody lifts it")
		}
	}
	w.checked()
}

// TestAnotherEnd moves the end of a suspension, takes it away, and lets an older
// divoc lift and suspend, which knows nothing of ends.
func TestAnotherEnd(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.suspended("A-1", time.Hour)
	if err := w.Suspend(w.ctx, w.by, id, w.now.Add(2*time.Hour), "takes longer"); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(90 * time.Minute)
	w.says("after the first end", id, true)
	r, err := w.ByID(w.ctx, w.by, id, "test")
	if err != nil || r.Reason != "takes longer" || !r.SuspendedUntil.Equal(w.now.Add(30*time.Minute)) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.Change(w.ctx, w.by, id, vaccination.ActSuspend, "no end in sight"); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	w.says("without an end", id, true)
	w.checked()
	if err := w.Suspend(w.ctx, w.by, id, w.now.Add(time.Hour), ""); err != nil {
		t.Fatal(err)
	}
	w.exec("UPDATE certificate SET status_at = status_at + interval '10 minutes'")
	w.now = w.now.Add(2 * time.Hour)
	w.says("suspended anew by an older divoc", id, true)
	if n, err := w.LiftEnded(w.ctx); n != 0 || err != nil || w.count("SELECT count(*) FROM suspension") != 0 {
		t.Errorf("%d lifted, %v; the end of another suspension is left", n, err)
	}
}

// TestASuspensionIsItsSources refuses what is not the caller's to suspend.
func TestASuspensionIsItsSources(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.suspended("A-1", time.Hour)
	for name, by := range map[string]access.Caller{"another source": w.source("other"), "an auditor": {Role: access.Auditor}, "nobody": {}} {
		if err := w.Suspend(w.ctx, by, id, w.now.Add(2*time.Hour), ""); err == nil {
			t.Errorf("%s suspends it", name)
		}
	}
	if err := w.Suspend(w.ctx, w.by, id, w.now, ""); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("until now: %v", err)
	}
	if err := w.Suspend(w.ctx, w.by, id, w.now.Add(time.Hour), "a\nb"); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("a reason of two lines: %v", err)
	}
	w.checked()
}
