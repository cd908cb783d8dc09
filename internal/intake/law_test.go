package intake_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// number counts rows.
func (w *world) number(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT count(*) FROM "+sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// certificateOf is a certificate of the only person there is.
func (w *world) certificateOf() vaccination.CertificateID {
	w.t.Helper()
	var id []byte
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT id FROM certificate WHERE sealed <> '' ORDER BY issued_at LIMIT 1").Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return vaccination.CertificateID(id)
}

// TestErasedWithWhatASourceTold destroys what a source told of a person: all of
// it, and of nobody else more than a delivery that told of both.
func TestErasedWithWhatASourceTold(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1))
	first := w.certificateOf()
	w.sent("issued", person("p2", "name=Devon Bailey", "dob=1990-02-03", "phone=876 555 0143"), dose("d2", "p2", 1))
	w.sent("held:unmapped-code", dose("d3", "p1", 2, "vaccine=ZZ")) // of the first, waits
	if n := w.number("fragment"); n != 5 {
		t.Fatalf("%d fragments", n)
	}
	if _, err := w.issuance.Erase(w.ctx, w.admin, first, false, "asked in writing", intake.Forget); err != nil {
		t.Fatal(err)
	}
	w.checked()
	if n := w.number("fragment"); n != 2 {
		t.Errorf("%d fragments stay, want those of the other", n)
	}
	if n := w.number("arrival WHERE sealed <> '' OR cleared_at IS NULL"); n != 1 {
		t.Errorf("%d deliveries with their text, want that of the other", n)
	}
	if n := w.number("item WHERE state = 'held'"); n != 0 {
		t.Error("something of who was erased waits for a decision")
	}
	w.process("clinic") // nothing comes back by itself
	w.checked()
	if n := w.number("certificate WHERE sealed <> ''"); n != 1 {
		t.Errorf("%d certificates open", n)
	}
	// Delivered again, they are somebody new.
	w.send("clinic", person("p1"), dose("d1", "p1", 1))
	w.process("clinic")
	w.checked()
	if n := w.number("certificate WHERE sealed <> ''"); n != 2 {
		t.Errorf("%d certificates open", n)
	}
}

// TestRawTextGoesAfterItsTime removes the text of deliveries of which nothing
// waits, and knows one again that comes again.
func TestRawTextGoesAfterItsTime(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1))
	w.sent("held:unmapped-code", person("p2", "name=Devon Bailey", "phone=876 555 0143"), dose("d2", "p2", 1, "vaccine=ZZ"))
	begun := w.now
	clear := func(before time.Time, want int64) {
		t.Helper()
		due, err := w.store.Read().CountArrivalsToClear(w.ctx, before)
		if err != nil || due != want {
			t.Errorf("%d are due, want %d: %v", due, want, err)
		}
		if n, err := w.ClearOld(w.ctx, before); err != nil || n != want {
			t.Errorf("%d were cleared, want %d: %v", n, want, err)
		}
		w.checked()
	}
	clear(begun, 0) // not before its time
	w.now = w.now.Add(200 * 24 * time.Hour)
	clear(begun.Add(time.Hour), 1) // the other waits for a decision
	clear(begun.Add(time.Hour), 0)
	if n := w.number("audit WHERE act = 'delivery.clear'"); n != 1 {
		t.Errorf("%d entries", n)
	}
	if n := w.number("arrival WHERE sealed = '' AND octet_length(hash) > 0 AND size > 0"); n != 1 {
		t.Error("hash and size are gone")
	}
	w.send("clinic", person("p1"), dose("d1", "p1", 1))
	w.process("clinic")
	w.counted("clinic", "3 in = 0 waiting + 1 issued + 1 unchanged + 1 held + 0 rejected")
	if n := w.number("arrival WHERE sealed = ''"); n != 0 {
		t.Error("a delivery that came again has no text")
	}
	w.checked()
	if got := len(w.held(intake.HoldFilter{})); got != 1 {
		t.Errorf("%d wait for a decision", got)
	}
	// Removed behind our back, fsck says so.
	if err := w.script("UPDATE arrival SET sealed = '' WHERE cleared_at IS NULL"); err != nil {
		t.Fatal(err)
	}
	if found := w.problems(); len(found) == 0 {
		t.Error("fsck misses text that nobody said was removed")
	}
}

// TestTheAuditNamesNobody looks for everything that is known of people in all
// that the audit says of them.
func TestTheAuditNamesNobody(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1", "@=1"), dose("d1", "p1", 1, "@=1"))
	w.sent("issued", person("p1", "@=9", "name=Marcia Campbell-Brown"), dose("d1", "p1", 1, "@=9", "lot=PF77"))
	w.sent("held:unmapped-code", dose("d3", "p1", 2, "vaccine=ZZSECRET"))
	w.held(intake.HoldFilter{})
	var text string
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT string_agg(concat_ws(' ', actor, act, object, detail), E'\n') FROM audit").Scan(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Count(text, "\n") < 3 {
		t.Fatalf("the audit says only:\n%s", text)
	}
	for _, value := range []string{"Marcia", "Campbell", "1987", "5550142", "555 0142", "PF77", "ZZSECRET"} {
		if strings.Contains(text, value) {
			t.Errorf("%q stands in the audit:\n%s", value, text)
		}
	}
}
