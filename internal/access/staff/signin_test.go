package staff

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

func TestTheFirstAdministrator(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, link := w.invite("Ann@Example.org", access.SystemAdmin, "")
	for range 2 { // looking at it uses nothing up
		if i, err := w.Invitation(ctx, link); err != nil || i.Member.Login != "ann@example.org" || len(i.TOTP) != 20 {
			t.Fatalf("invitation = %+v, %v", i.Member, err)
		}
	}
	i, _ := w.Invitation(ctx, link)
	p := &somebody{login: "ANN@example.org ", totp: i.TOTP}
	for why, c := range map[string][2]string{
		"a short password": {"short", w.code(p)}, "its own name": {"ann example ann example", w.code(p)}, "a common one": {"Password2026!!", w.code(p)}, "a wrong code": {good, "000000"}, "no code": {good, ""},
	} {
		_, _, err := w.Accept(ctx, link, c[0], c[1], Browser{})
		w.is(err, vaccination.Invalid, why)
	}
	session, codes, err := w.Accept(ctx, link, good, w.code(p), Browser{Agent: "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"})
	if err != nil || len(codes) != RecoveryCodes {
		t.Fatalf("%v, %d codes", err, len(codes))
	}
	at := w.at(session)
	if by := at.Member.Caller(); by.Role != access.SystemAdmin || by.Actor != "staff:1" || !at.Fresh() {
		t.Errorf("caller = %+v", by)
	}
	_, _, err = w.Accept(ctx, link, good, w.code(p), Browser{})
	w.is(err, vaccination.NotFound, "the link a second time")
	_, err = w.Invitation(ctx, link)
	w.is(err, vaccination.NotFound, "the link a second time, looked at")
	w.later(time.Minute)
	if !w.alive(w.in(p, Browser{})) {
		t.Error("is not signed in with the name in other letters")
	}
	if list, err := w.Sessions(ctx, at); err != nil || len(list) != 2 || list[1].Browser != "Firefox, Windows" || !list[1].This {
		t.Errorf("sessions = %+v, %v", list, err)
	}

	_, old := w.invite("late", access.Auditor, "")
	w.later(LinkLife)
	_, err = w.Invitation(ctx, old)
	w.is(err, vaccination.NotFound, "a link of yesterday")

	// Names, secrets and codes are nowhere to be read.
	var stored string
	if err := w.Store.Pool().QueryRow(ctx, `SELECT concat_ws(' ', (SELECT string_agg(s::text, ' ') FROM staff s), (SELECT string_agg(s::text, ' ') FROM staff_session s),
		(SELECT string_agg(s::text, ' ') FROM staff_step s), (SELECT string_agg(s::text, ' ') FROM staff_recovery s), (SELECT string_agg(s::text, ' ') FROM audit s))`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"ann@example", "Somebody", session, link, codes[0], "argon2id", "Firefox/140"} {
		if strings.Contains(strings.ToLower(stored), strings.ToLower(secret)) {
			t.Errorf("%.12s… is stored in clear", secret)
		}
	}
}

func TestACodeCountsOnce(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	ctx := t.Context()
	first, err := w.Password(ctx, "ann", good)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Password(ctx, "ann", good)
	if err != nil {
		t.Fatal(err)
	}
	code := w.code(p)
	if _, err := w.Code(ctx, first, code[:3]+" "+code[3:], Browser{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Code(ctx, second, code, Browser{})
	w.is(err, vaccination.Forbidden, "the same code again")
	_, err = w.Code(ctx, first, code, Browser{})
	w.is(err, vaccination.NotFound, "the same step again")
	w.later(time.Minute)
	if _, err := w.Code(ctx, second, w.code(p), Browser{}); err != nil {
		t.Errorf("the next code: %v", err)
	}
	third, _ := w.Password(ctx, "ann", good)
	w.later(stepLife)
	_, err = w.Code(ctx, third, w.code(p), Browser{})
	w.is(err, vaccination.NotFound, "a step that is over")
	for why, step := range map[string]string{"nothing": "", "garbage": "x", "a session's secret": p.session} {
		_, err = w.Code(ctx, step, w.code(p), Browser{})
		w.is(err, vaccination.NotFound, why)
	}
}

// Guessed at once, codes count as one after the other: no more than the free
// tries are looked at.
func TestCodesGuessedAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	step, err := w.Password(t.Context(), "ann", good)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := map[vaccination.Code]int{}
	var work sync.WaitGroup
	wrong := "000000"
	if w.code(p) == wrong {
		wrong = "000001"
	}
	for range 40 {
		work.Go(func() {
			_, err := w.Code(t.Context(), step, wrong, Browser{})
			mu.Lock()
			got[vaccination.ErrorCode(err)]++
			mu.Unlock()
		})
	}
	work.Wait()
	if got[vaccination.Forbidden] != freeTries || got[vaccination.TooMany] != 40-freeTries {
		t.Errorf("40 guesses at once: %v", got)
	}
	_, err = w.Code(t.Context(), step, w.code(p), Browser{})
	w.is(err, vaccination.TooMany, "the right one while it is locked")
	w.later(firstWait)
	_, err = w.Code(t.Context(), step, wrong, Browser{})
	w.is(err, vaccination.Forbidden, "after the first wait")
	w.later(firstWait)
	_, err = w.Code(t.Context(), step, w.code(p), Browser{})
	w.is(err, vaccination.TooMany, "the second wait is longer")
	w.later(firstWait)
	if _, err = w.Code(t.Context(), step, w.code(p), Browser{}); err != nil {
		t.Errorf("after the second wait: %v", err)
	}
	if !slices.ContainsFunc(w.acts(), func(a string) bool { return strings.HasPrefix(a, "nobody staff.locked 1") }) {
		t.Error("the lock is not in the audit")
	}
}

// One code used by many at once signs in one of them.
func TestOneCodeAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	var steps []string
	for range freeTries {
		step, err := w.Password(t.Context(), "ann", good)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	var mu sync.Mutex
	in := 0
	var work sync.WaitGroup
	for _, step := range steps {
		work.Go(func() {
			if _, err := w.Code(t.Context(), step, w.code(p), Browser{}); err == nil {
				mu.Lock()
				in++
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if in != 1 {
		t.Errorf("%d signed in with one code", in)
	}
}

// What is answered and worked on is the same for names that exist, that do not,
// and that are no account to sign in with by password.
func TestNamesCannotBeTried(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.somebody("ann", access.Auditor, "")
	left := w.somebody("left", access.Auditor, "")
	if err := w.Deactivate(ctx, access.System("test"), left.id); err != nil {
		t.Fatal(err)
	}
	w.invite("invited", access.Auditor, "")
	type seen struct {
		err    string
		hashed int64
		tries  int32
	}
	var all [][]seen
	names := []string{"ann", "nobody", "left", "invited"}
	for _, name := range names {
		var one []seen
		for range freeTries + 2 {
			before := w.hashed.Load()
			_, err := w.Password(ctx, name, "a wrong one, of some length")
			row, _ := w.Store.Read().StaffTry(ctx, w.loginHash(name))
			one = append(one, seen{err.Error(), w.hashed.Load() - before, row.Tries})
		}
		for range 2 { // and by recovery code
			before := w.hashed.Load()
			_, err := w.Recover(ctx, name, "a wrong one, of some length", "0000-0000-0000-0000", Browser{})
			one = append(one, seen{err.Error(), w.hashed.Load() - before, 0})
		}
		all = append(all, one)
	}
	for i := range all[1:] {
		if !slices.Equal(all[0], all[i+1]) {
			t.Errorf("%s is answered %v\n%s %v", names[0], all[0], names[i+1], all[i+1])
		}
	}
	if all[0][0].hashed != 1 || all[0][freeTries].hashed != 0 {
		t.Errorf("work: %v", all[0])
	}
	// As many entries in the audit, too.
	count := map[string]int{}
	for _, a := range w.acts() {
		if f := strings.Fields(a); f[0] == "nobody" {
			count[f[1]]++
		}
	}
	if count["staff.failed"] != 4*(freeTries+2) || count["staff.locked"] != 4 {
		t.Errorf("audit: %v", count)
	}
}

func TestAnAccountThatIsGoneSignsNobodyIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	left := w.somebody("left", access.Auditor, "")
	step, err := w.Password(ctx, "left", good)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Deactivate(ctx, access.System("test"), left.id); err != nil {
		t.Fatal(err)
	}
	if w.alive(left.session) {
		t.Error("a session goes on after the account")
	}
	if _, err = w.Password(ctx, "left", good); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("right password: %v", err)
	}
	_, err = w.Code(ctx, step, w.code(left), Browser{})
	w.is(err, vaccination.NotFound, "the step that was open")
	_, err = w.Recover(ctx, "left", good, left.recovery[0], Browser{})
	w.is(err, vaccination.Forbidden, "by recovery code")
	if err := w.Reactivate(ctx, access.System("test"), left.id); err != nil {
		t.Fatal(err)
	}
	if w.alive(left.session) {
		t.Error("the old session came back with the account")
	}
	if !w.alive(w.in(left, Browser{})) {
		t.Error("who was brought back cannot sign in")
	}
}

// Who sits at the machine acts as a member that is active, and that is on record.
func TestAMemberAtTheMachine(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	machine := access.System("cli")
	p := w.somebody("ann", access.ProgrammeAdmin, "")
	by, err := w.OnMachine(ctx, machine, p.id, "withdrawal.ask")
	want := w.at(p.session).Member.Caller()
	want.AtMachine = true
	if err != nil || by != want || by.First() != nil || by.Second("staff:9") {
		t.Errorf("%+v, %v", by, err)
	}
	if !slices.Contains(w.acts(), "system:cli staff.as 1 withdrawal.ask") {
		t.Error("the machine is not on record")
	}
	_, err = w.OnMachine(ctx, machine, 99, "x")
	w.is(err, vaccination.NotFound, "nobody")
	invited, _ := w.invite("late", access.SystemAdmin, "")
	_, err = w.OnMachine(ctx, machine, invited, "x")
	w.is(err, vaccination.Conflict, "somebody who never signed in")
	if err := w.Deactivate(ctx, machine, p.id); err != nil {
		t.Fatal(err)
	}
	_, err = w.OnMachine(ctx, machine, p.id, "x")
	w.is(err, vaccination.Conflict, "somebody who left")
}
