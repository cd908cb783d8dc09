package staff

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

func TestTheWaysOutOfALock(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := w.somebody("ann", access.Auditor, "")
	lock := func() {
		t.Helper()
		for range freeTries {
			_, err := w.Password(ctx, "ann", "wrong, wrong, wrong")
			w.is(err, vaccination.Forbidden, "a wrong password")
		}
		_, err := w.Password(ctx, "ann", good)
		w.is(err, vaccination.TooMany, "the right password while it is locked")
	}
	lock()
	_, err := w.Recover(ctx, "ann", "wrong, wrong, wrong", p.recovery[0], Browser{})
	w.is(err, vaccination.Forbidden, "a recovery code without the password")
	_, err = w.Recover(ctx, "ann", good, p.recovery[0], Browser{})
	w.is(err, vaccination.Forbidden, "that code again")
	other := w.somebody("bob", access.Auditor, "")
	_, err = w.Recover(ctx, "ann", good, other.recovery[0], Browser{})
	w.is(err, vaccination.Forbidden, "a colleague's code")
	session, err := w.Recover(ctx, "ann", good, strings.ToUpper(strings.ReplaceAll(p.recovery[1], "-", " ")), Browser{})
	if err != nil || !w.alive(session) {
		t.Fatalf("by recovery code: %v", err)
	}
	_, err = w.Recover(ctx, "ann", good, p.recovery[1], Browser{})
	w.is(err, vaccination.Forbidden, "a recovery code again")
	if !w.alive(w.in(p, Browser{})) {
		t.Error("the lock did not end with the recovery code")
	}
	lock()
	if err := w.Unlock(ctx, access.System("test"), p.id); err != nil {
		t.Fatal(err)
	}
	if !w.alive(w.in(p, Browser{})) {
		t.Error("the lock did not end by the administrator")
	}
	lock()
	link, err := w.Reset(ctx, access.System("test"), p.id)
	if err != nil {
		t.Fatal(err)
	}
	if w.alive(session) {
		t.Error("a session goes on after everything was reset")
	}
	_, err = w.Password(ctx, "ann", good)
	w.is(err, vaccination.Forbidden, "the password from before")
	i, err := w.Invitation(ctx, link)
	if err != nil {
		t.Fatal(err)
	}
	p.totp = i.TOTP
	if _, _, err := w.Accept(ctx, link, good, w.code(p), Browser{}); err != nil {
		t.Errorf("the new link: %v", err)
	}
	lock()
	w.later(triesLife)
	if !w.alive(w.in(p, Browser{})) {
		t.Error("the lock does not end by itself")
	}
}

// One recovery code given many times at once signs in once.
func TestARecoveryCodeAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	in := make(chan error, 6)
	for range 6 {
		go func() {
			_, err := w.Recover(t.Context(), "ann", good, p.recovery[0], Browser{})
			in <- err
		}()
	}
	n := 0
	for range 6 {
		if <-in == nil {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d signed in with one recovery code", n)
	}
}

// Tries at recovery codes are bounded by name, for names that exist and that do
// not, also while many come at once; a lock of them is no lock of the password.
func TestRecoveryCodesGuessedAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := w.somebody("ann", access.Auditor, "")
	for _, name := range []string{"ann", "nobody"} {
		before := w.hashed.Load()
		var mu sync.Mutex
		got := map[vaccination.Code]int{}
		var work sync.WaitGroup
		for range 20 {
			work.Go(func() {
				_, err := w.Recover(ctx, name, good, "0000-0000-0000-0000", Browser{})
				mu.Lock()
				got[vaccination.ErrorCode(err)]++
				mu.Unlock()
			})
		}
		work.Wait()
		if got[vaccination.Forbidden] != freeTries || got[vaccination.TooMany] != 20-freeTries {
			t.Errorf("%s: 20 guesses at once: %v", name, got)
		}
		if n := w.hashed.Load() - before; n != freeTries {
			t.Errorf("%s: %d passwords were worked on", name, n)
		}
	}
	if _, err := w.Recover(ctx, "ann", good, p.recovery[0], Browser{}); vaccination.ErrorCode(err) != vaccination.TooMany {
		t.Errorf("a right code while they are locked: %v", err)
	}
	if !w.alive(w.in(p, Browser{})) {
		t.Error("who knows password and code is locked out with them")
	}
	for how, out := range map[string]func(){
		"waiting": func() { w.later(longWait) },
		"an administrator": func() {
			if err := w.Unlock(ctx, access.System("test"), p.id); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for range freeTries {
			_, _ = w.Recover(ctx, "ann", good, "0000-0000-0000-0000", Browser{})
		}
		if _, err := w.Recover(ctx, "ann", good, p.recovery[0], Browser{}); vaccination.ErrorCode(err) != vaccination.TooMany {
			t.Errorf("%s: it is not locked: %v", how, err)
		}
		out()
		session, err := w.Recover(ctx, "ann", good, p.recovery[0], Browser{})
		if err != nil || !w.alive(session) {
			t.Errorf("%s is no way out: %v", how, err)
		}
		p.recovery = p.recovery[1:]
	}
}

// What the old password opened ends with it.
func TestANewPasswordEndsWhatTheOldOneBegan(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p := w.somebody("ann", access.Auditor, "")
	begun, err := w.Password(ctx, "ann", good)
	if err != nil {
		t.Fatal(err)
	}
	other := w.in(p, Browser{})
	session := w.in(p, Browser{})
	step, secret, err := w.BeginPassword(ctx, w.at(session))
	if err != nil {
		t.Fatal(err)
	}
	p.totp = secret
	if err := w.SetPassword(ctx, w.at(session), step, "violet harbour counts slowly", w.code(p)); err != nil {
		t.Fatal(err)
	}
	w.later(time.Minute)
	_, err = w.Code(ctx, begun, w.code(p), Browser{})
	w.is(err, vaccination.NotFound, "a sign-in that the old password began")
	if w.alive(other) || !w.alive(session) {
		t.Error("other sessions go on, or this one does not")
	}
}
