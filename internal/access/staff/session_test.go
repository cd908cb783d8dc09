package staff

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func TestASessionEnds(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	ctx := t.Context()
	by := access.System("test")
	for how, end := range map[string]func(session string){
		"by signing out": func(s string) {
			if _, err := w.SignOut(ctx, s); err != nil {
				t.Fatal(err)
			}
		},
		"by signing out everywhere": func(s string) {
			if err := w.SignOutEverywhere(ctx, w.at(s), false); err != nil {
				t.Fatal(err)
			}
		},
		"by half an hour of nothing": func(string) { w.later(IdleEnd) },
		"with the shift, in use": func(s string) {
			for at := w.at(s); w.now.Before(at.Ends.Add(-time.Minute)); w.later(20 * time.Minute) {
				if !w.alive(s) {
					t.Fatalf("ended %s before the shift", at.Ends.Sub(w.now))
				}
			}
			w.later(20 * time.Minute)
		},
		"by another role": func(string) {
			if err := w.SetRole(ctx, by, p.id, access.ProgrammeAdmin, ""); err != nil {
				t.Fatal(err)
			}
		},
		"by a new sign-in of the same browser": func(s string) { w.in(p, Browser{Old: s}) },
	} {
		s := w.in(p, Browser{})
		if !w.alive(s) {
			t.Fatalf("%s: was none", how)
		}
		if end(s); w.alive(s) {
			t.Errorf("goes on: %s", how)
		}
	}
	for why, s := range map[string]string{"nothing": "", "garbage": strings.Repeat("A", 43), "too long": strings.Repeat("A", 5000)} {
		if w.alive(s) {
			t.Errorf("%s is a session", why)
		}
	}
}

func TestOthersSessionsStay(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.somebody("ann", access.Auditor, ""), w.somebody("bob", access.Auditor, "")
	here, there := w.in(ann, Browser{}), w.in(ann, Browser{})
	if err := w.EndSession(t.Context(), w.at(bob.session), w.at(here).Number); vaccination.ErrorCode(err) != vaccination.NotFound || !w.alive(here) {
		t.Errorf("somebody else's session was ended: %v", err)
	}
	if err := w.SignOutEverywhere(t.Context(), w.at(here), true); err != nil {
		t.Fatal(err)
	}
	if !w.alive(here) || w.alive(there) || w.alive(ann.session) || !w.alive(bob.session) {
		t.Error("signing out everywhere else ended others, or not all")
	}
}

// A session under whose secret somebody waited is worth nothing after a new
// proof: each gives a new one.
func TestEachProofGivesANewSecret(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.SystemAdmin, "")
	ctx := t.Context()
	w.later(FreshFor)
	if w.at(p.session).Fresh() {
		t.Error("fresh for too long")
	}
	_, err := w.Again(ctx, p.session, good, "000000")
	w.is(err, vaccination.Forbidden, "a wrong code")
	_, err = w.Again(ctx, p.session, "wrong, wrong, wrong", w.code(p))
	w.is(err, vaccination.Forbidden, "a wrong password")
	renewed, err := w.Again(ctx, p.session, good, w.code(p))
	if err != nil {
		t.Fatal(err)
	}
	if w.alive(p.session) || !w.alive(renewed) || !w.at(renewed).Fresh() {
		t.Error("the session did not go on under a new secret, fresh")
	}
	if a, b := w.at(renewed), w.at(renewed); a.Number != b.Number || a.Number != 1 {
		t.Errorf("number %d", a.Number)
	}
	w.later(time.Minute)
	for range freeTries {
		_, err = w.Again(ctx, renewed, good, "000000")
		w.is(err, vaccination.Forbidden, "guessing")
	}
	_, err = w.Again(ctx, renewed, good, w.code(p))
	w.is(err, vaccination.TooMany, "guessing at the proof is counted as at the sign-in")
}

func TestChangesOfFactorsAskForAProof(t *testing.T) {
	w := newWorld(t)
	p := w.somebody("ann", access.Auditor, "")
	ctx := t.Context()
	other := w.in(p, Browser{})
	session := w.in(p, Browser{})
	step, secret, err := w.BeginPassword(ctx, w.at(session))
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.somebody("bob", access.Auditor, "")
	if _, err := w.PendingTOTP(ctx, w.at(stranger.session), step); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("somebody else's step: %v", err)
	}
	next := &somebody{totp: secret}
	const better = "violet harbour counts slowly"
	stale := w.at(session)
	stale.now = stale.now.Add(FreshFor)
	w.is(w.SetPassword(ctx, stale, step, better, w.code(next)), vaccination.Unauthorized, "a new password without a fresh proof")
	_, err = w.NewRecovery(ctx, stale)
	w.is(err, vaccination.Unauthorized, "recovery codes without a fresh proof")
	w.is(w.RemovePassword(ctx, stale), vaccination.Unauthorized, "removing without a fresh proof")
	_, _, err = w.AddPasskey(ctx, stale)
	w.is(err, vaccination.Unauthorized, "a passkey without a fresh proof")
	w.is(w.RemovePassword(ctx, w.at(session)), vaccination.Conflict, "removing the only way in")
	w.is(w.SetPassword(ctx, w.at(session), step, "short", w.code(next)), vaccination.Invalid, "a short one")
	if err := w.SetPassword(ctx, w.at(session), step, better, w.code(next)); err != nil {
		t.Fatal(err)
	}
	if w.alive(other) || !w.alive(session) {
		t.Error("the other sessions go on, or this one does not")
	}
	_, err = w.Password(ctx, "ann", good)
	w.is(err, vaccination.Forbidden, "the old password")
	codes, err := w.NewRecovery(ctx, w.at(session))
	if err != nil || len(codes) != RecoveryCodes {
		t.Fatal(err)
	}
	_, err = w.Recover(ctx, "ann", better, p.recovery[0], Browser{})
	w.is(err, vaccination.Forbidden, "a recovery code from before")
	if f, err := w.Factors(ctx, w.at(session)); err != nil || f.Recovery != RecoveryCodes || !f.Password {
		t.Errorf("factors = %+v, %v", f, err)
	}
}

func TestDemoAccountsCountInADemonstrationOnly(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	demo := w.beside(func(o *Options) { o.Demo = true })
	members, err := demo.DemoMembers(ctx)
	if err != nil || len(members) != len(Roles()) {
		t.Fatalf("%d members, %v", len(members), err)
	}
	again, err := demo.DemoMembers(ctx)
	if err != nil || again[0].ID != members[0].ID {
		t.Errorf("made twice: %v", err)
	}
	var sessions []string
	for _, r := range Roles() {
		s, err := demo.SignInDemo(ctx, r, Browser{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := demo.Session(ctx, s)
		if err != nil || at.Member.Role != r || AtFacility(r) != (at.Member.Facility == DemoFacility) {
			t.Errorf("%s: %+v, %v", r, at.Member, err)
		}
		sessions = append(sessions, s)
	}
	for _, r := range []access.Role{access.SourceRole, access.Citizen, "", "root"} {
		_, err := demo.SignInDemo(ctx, r, Browser{})
		w.is(err, vaccination.NotFound, "as "+string(r))
	}
	// In production, also with a database of a demonstration: none of it counts.
	for i, r := range Roles() {
		_, err := w.SignInDemo(ctx, r, Browser{})
		w.is(err, vaccination.NotFound, "in production as "+string(r))
		if w.alive(sessions[i]) {
			t.Errorf("a session of a demonstration's %s counts in production", r)
		}
		_, err = w.Password(ctx, "demo-"+string(r), good)
		w.is(err, vaccination.Forbidden, "by password as "+string(r))
	}
	if list, err := w.DemoMembers(ctx); err != nil || list != nil {
		t.Errorf("production offers %v", list)
	}
}

// Attack class E, four eyes: a token of somebody's own is them, whichever and however
// many they have, and counts no longer than they may do what it does.
func TestATokenOfSomebodysOwn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	boss, ann, bob := w.somebody("boss", access.SystemAdmin, ""), w.somebody("ann", access.SystemAdmin, ""), w.somebody("bob", access.FacilityStaff, "KGN-1")
	tokens := access.Tokens{Store: w.Store, Now: w.Now, Random: w.Random}
	own := func(of *somebody, n access.NewToken) string {
		t.Helper()
		n.For = time.Hour
		secret, err := tokens.Create(ctx, w.at(of.session).Member.Caller(), n)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	is := func(secret string) access.Caller {
		t.Helper()
		c, err := tokens.Authenticate(ctx, secret)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	admin := access.NewToken{Role: access.SystemAdmin, Name: "tool"}
	first, second, others, desk := own(ann, admin), own(ann, admin), own(boss, admin), own(bob, access.NewToken{Role: access.FacilityStaff, Facility: "KGN-1"})
	if got := is(first).Actor; got != "token:1/staff:2 tool" {
		t.Errorf("the audit calls it %q", got)
	}
	if is(first).First() != nil || is(second).Second(is(first).Actor) || !is(others).Second(is(first).Actor) || is(first).Second("staff:2") || !is(first).Second("staff:1") {
		t.Error("two tokens of one person are two people, or those of two are one")
	}
	machine, err := tokens.Create(ctx, access.System("cli"), access.NewToken{Role: access.SystemAdmin, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if c := is(machine); c.First() == nil || c.Second(is(first).Actor) {
		t.Error("a token that is nobody's own is somebody")
	}
	if is(desk).Facility != "KGN-1" {
		t.Error("a desk's own token is of no desk")
	}
	ended := func(secret, when string) {
		t.Helper()
		if _, err := tokens.Authenticate(ctx, secret); vaccination.ErrorCode(err) != vaccination.Unauthorized {
			t.Errorf("%s: %v", when, err)
		}
	}
	if err := w.SetRole(ctx, access.System("test"), ann.id, access.ProgrammeAdmin, ""); err != nil {
		t.Fatal(err)
	}
	ended(first, "its owner has another role")
	if err := w.SetRole(ctx, access.System("test"), bob.id, access.FacilityStaff, "KGN-2"); err != nil {
		t.Fatal(err)
	}
	ended(desk, "its owner is at another facility")
	if err := w.Deactivate(ctx, access.System("test"), boss.id); err != nil {
		t.Fatal(err)
	}
	ended(others, "its owner is deactivated")
	is(machine)
}

func TestWhoLeaves(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	by := access.System("test")
	boss, ann, bob := w.somebody("boss", access.SystemAdmin, ""), w.somebody("ann", access.ProgrammeAdmin, ""), w.somebody("bob", access.ProgrammeAdmin, "")
	tokens := access.Tokens{Store: w.Store, Now: w.Now, Random: w.Random}
	maker := w.at(ann.session).Member.Caller()
	secret, err := tokens.Create(ctx, maker, access.NewToken{Role: access.SourceRole, Source: "clinic", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := tokens.Create(ctx, by, access.NewToken{Role: access.Auditor, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var hand, from, to string
	w.HandOver = func(_ context.Context, _ *query.Queries, by access.Caller, f, t string) (int, error) {
		hand, from, to = by.Actor, f, t
		return 3, nil
	}
	_, err = w.Leave(ctx, w.at(boss.session).Member.Caller(), boss.id, bob.id)
	w.is(err, vaccination.Forbidden, "oneself")
	_, err = w.Leave(ctx, by, ann.id, ann.id)
	w.is(err, vaccination.Conflict, "to oneself")
	_, err = w.Leave(ctx, by, ann.id, 99)
	w.is(err, vaccination.NotFound, "to nobody")

	// All or nothing: while the audit cannot be written nothing ends.
	heal := pgtest.Fail(t, w.Store.Pool(), "INSERT ON audit")
	if _, err := w.Leave(ctx, by, ann.id, bob.id); err == nil || !w.alive(ann.session) {
		t.Errorf("left without an audit entry: %v", err)
	}
	heal()
	left, err := w.Leave(ctx, w.at(boss.session).Member.Caller(), ann.id, bob.id)
	if err != nil || left != (Left{Sessions: 1, Tokens: 1, Handed: 3}) || hand != "staff:1" || from != "staff:2" || to != "staff:3" {
		t.Errorf("left = %+v, %v, %s: %s -> %s", left, err, hand, from, to)
	}
	if w.alive(ann.session) {
		t.Error("a session goes on")
	}
	if _, err := tokens.Authenticate(ctx, secret); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("a token they made goes on: %v", err)
	}
	if _, err := tokens.Authenticate(ctx, kept); err != nil {
		t.Errorf("somebody else's token ended: %v", err)
	}
	if acts := w.acts(); !slices.Contains(acts, "staff:1 staff.leave 2 1 sessions, 1 tokens, 3 cases to staff:3") || !slices.Contains(acts, "staff:1 token.revoke 1") {
		t.Errorf("audit: %v", acts)
	}
}
