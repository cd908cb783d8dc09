package citizen_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

func TestFromNumberToRecord(t *testing.T) {
	for _, typed := range []string{"8765550142", "(876) 555-0142", "1 876 555 0142", "+1 876 555 0142"} {
		t.Run(typed, func(t *testing.T) {
			w := newWorld(t)
			secret := w.ask(typed)
			if m := w.sent.last(); m.number != family || m.email != "" || m.language != "en" || len(m.code) != 6 {
				t.Fatalf("sent %+v", m)
			}
			p, err := w.Asked(w.ctx, secret)
			if err != nil || p.Number != family || p.Specimen != "" || p.Left != citizen.CodeTries {
				t.Fatalf("pending %+v, %v", p, err)
			}
			session, err := w.Prove(w.ctx, secret, " "+w.sent.last().code[:3]+" "+w.sent.last().code[3:], "")
			if err != nil {
				t.Fatal(err)
			}
			s := w.session(session)
			people := w.reach(s)
			if len(people) != 3 || len(s.Opened) != 0 {
				t.Fatalf("%d people, opened %v", len(people), s.Opened)
			}
			for _, r := range people {
				factor, answer := profile.FactorBirthDate, r.Person().BirthDate.String()
				if r.EnrolmentCode() == "INEZ" { // the other factor, where the birth date is not known to the day
					factor, answer = profile.FactorDoseDate, "2021-06-16"
				}
				if r.Factor != factor || r.Closed || w.h.Service.Right(r, "1987-04-22") || !w.h.Service.Right(r, answer) {
					t.Errorf("%s is opened by %s", r.EnrolmentCode(), r.Factor)
				}
				if err := w.OpenRecord(w.ctx, s, r.Ref, w.h.Service.Right(r, answer)); err != nil {
					t.Error(err)
				}
			}
			s = w.session(session)
			if len(s.Opened) != 3 {
				t.Errorf("opened %v", s.Opened)
			}
			doses, _, err := w.h.Service.OpenedPage(w.ctx, s, people[0].Records[0].ID, "test")
			if err != nil || len(doses) != 1 {
				t.Errorf("the page: %d doses, %v", len(doses), err)
			}
		})
	}
}

func TestByEMail(t *testing.T) {
	w := newWorld(t)
	secret, err := w.Start(w.ctx, citizen.Ask{Number: "8765550142", Email: "MARCIA@example.org"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if m := w.sent.last(); m.email != address {
		t.Fatalf("sent %+v", m)
	}
	session, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
	if err != nil {
		t.Fatal(err)
	}
	// Her address proves nothing about the others under her number.
	if people := w.reach(w.session(session)); len(people) != 1 || people[0].EnrolmentCode() != "MARCIA" {
		t.Errorf("%d people", len(people))
	}
	w.h.Pass(time.Hour)
	for _, ask := range []citizen.Ask{{Number: "8765550142", Email: "other@example.org"}, {Number: "8765550199", Email: address}} {
		if _, err := w.Start(w.ctx, ask, ""); err != nil || w.sent.times() != 1 {
			t.Errorf("an address that is not on the record of the number: %d sent, %v", w.sent.times(), err)
		}
		w.h.Pass(time.Hour)
	}
	for _, bad := range []string{"marcia", "Marcia <marcia@example.org>", "a@b\r\nBcc: c@d", strings.Repeat("a", 300) + "@example.org"} {
		_, err := w.Start(w.ctx, citizen.Ask{Number: "8765550142", Email: bad}, "")
		refused(t, "an address", err, vaccination.Invalid)
	}
}

func TestCodesGoToThisCountryAlone(t *testing.T) {
	w := newWorld(t)
	w.issue("ABROAD", "Somebody Abroad", "1980-01-01", "tel:+447700900123", "tel:+12125550123")
	for _, number := range []string{"+447700900123", "+1 212 555 0123", "2125550123", "123", "", "+18005550123", strings.Repeat("8", 200)} {
		_, err := w.Start(w.ctx, citizen.Ask{Number: number}, "")
		refused(t, number, err, vaccination.Invalid)
		if err != nil && len(number) > 5 && strings.Contains(err.Error(), number[len(number)-5:]) {
			t.Errorf("the error repeats the number: %v", err)
		}
	}
	if w.sent.times() != 0 {
		t.Errorf("%d codes were sent", w.sent.times())
	}
}

func TestHowOftenCodesAreSent(t *testing.T) {
	w := newWorld(t)
	try := func(want vaccination.Code) {
		t.Helper()
		_, err := w.Start(w.ctx, citizen.Ask{Number: "8765550142"}, "")
		refused(t, w.h.Now().Format(time.TimeOnly), err, want)
	}
	try("")
	try(vaccination.TooMany) // a minute between two
	w.h.Pass(59 * time.Second)
	try(vaccination.TooMany)
	w.h.Pass(time.Second)
	try("")
	w.h.Pass(time.Minute)
	try("")
	w.h.Pass(time.Minute)
	try(vaccination.TooMany) // three in a quarter of an hour
	if _, err := w.Start(w.ctx, citizen.Ask{Number: "8765550199"}, ""); err != nil {
		t.Errorf("another number: %v", err)
	}
	w.h.Pass(12 * time.Minute)
	try("")
	for range 6 {
		w.h.Pass(15 * time.Minute)
		try("")
	}
	w.h.Pass(15 * time.Minute)
	try(vaccination.TooMany) // ten a day
	w.h.Pass(24 * time.Hour)
	try("")
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	secret, err := w.Prove(w.ctx, w.ask("8765550142"), w.sent.last().code, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		w.h.Pass(19 * time.Minute)
		w.session(secret)
	}
	w.h.Pass(7 * time.Minute) // two hours and a minute in all
	_, err = w.Session(w.ctx, secret)
	refused(t, "after two hours", err, vaccination.Unauthorized)

	secret, err = w.Prove(w.ctx, w.ask("8765550142"), w.sent.last().code, "")
	if err != nil {
		t.Fatal(err)
	}
	w.h.Pass(citizen.SessionIdle)
	_, err = w.Session(w.ctx, secret)
	refused(t, "not used for long", err, vaccination.Unauthorized)

	secret, err = w.Prove(w.ctx, w.ask("8765550142"), w.sent.last().code, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(w.ctx, secret); err != nil {
		t.Fatal(err)
	}
	_, err = w.Session(w.ctx, secret)
	refused(t, "ended", err, vaccination.Unauthorized)
	if err := w.End(w.ctx, secret); err != nil {
		t.Errorf("ending it again: %v", err)
	}
	// What is over is forgotten when the next code is asked for.
	w.h.Pass(48 * time.Hour)
	w.ask("8765550199")
	if got := w.counts(); !strings.Contains(got, "citizen_challenge 1 citizen_session 0 ") {
		t.Errorf("what is left: %s", got)
	}
}

func TestADemonstrationShowsTheCode(t *testing.T) {
	w := newWorld(t)
	w.Sender, w.Demo = nil, true
	secret := w.ask("8765550142")
	p, err := w.Asked(w.ctx, secret)
	if err != nil || len(p.Specimen) != 6 {
		t.Fatalf("pending %+v, %v", p, err)
	}
	if _, err := w.Prove(w.ctx, secret, p.Specimen, ""); err != nil {
		t.Error(err)
	}
	w.Demo = false
	if w.Open() {
		t.Error("open, and nothing sends codes")
	}
	_, err = w.Start(w.ctx, citizen.Ask{Number: "8765550199"}, "")
	refused(t, "closed", err, vaccination.Unavailable)
}

func TestEveryActIsInTheAudit(t *testing.T) {
	w := newWorld(t)
	secret := w.ask("8765550142")
	if _, err := w.Prove(w.ctx, secret, w.wrong(), ""); err == nil {
		t.Fatal("a wrong code was taken")
	}
	session, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
	if err != nil {
		t.Fatal(err)
	}
	s := w.session(session)
	r := w.reach(s)[0]
	_ = w.OpenRecord(w.ctx, s, r.Ref, false)
	_ = w.OpenRecord(w.ctx, s, r.Ref, true)
	if _, _, err := w.h.Service.OpenedPage(w.ctx, w.session(session), r.Records[0].ID, "my-pdf"); err != nil {
		t.Fatal(err)
	}
	if err := w.End(w.ctx, session); err != nil {
		t.Fatal(err)
	}
	rows, err := w.h.Store.Pool().Query(w.ctx, "SELECT actor || ' ' || act || ' ' || detail FROM audit WHERE actor LIKE 'citizen%' ORDER BY at, chain, seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]int{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		got[text]++
	}
	for _, want := range []string{"citizen citizen.code sent", "citizen citizen.wrong ", "citizen:1 citizen.in ", "citizen:1 read test", "citizen:1 citizen.mistaken ", "citizen:1 citizen.open ", "citizen:1 read my-pdf", "citizen:1 citizen.out "} {
		if got[want] == 0 {
			t.Errorf("no entry %q in %v", want, got)
		}
	}
}

// TestCodesAreEven draws many codes and looks at their first digits.
func TestCodesAreEven(t *testing.T) {
	w := newWorld(t)
	first := make([]int, 10)
	for range 100 {
		w.h.Pass(24 * time.Hour)
		w.ask("8765550142")
		code := w.sent.last().code
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %q", code)
		}
		first[code[0]-'0']++
	}
	if slices.Max(first) > 35 || slices.Min(first) == 0 {
		t.Errorf("first digits %v", first)
	}
}

// TestWhereNobodyCarriesCodes: who cannot be sent a code is told so before
// anything is written, whoever is on record.
func TestWhereNobodyCarriesCodes(t *testing.T) {
	w := newWorld(t)
	w.Budget = nil
	carried := map[bool]bool{}
	w.Carries = func(_ context.Context, to string) (bool, error) { return carried[strings.HasPrefix(to, "+")], nil }
	for _, c := range []struct{ text, email bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		carried[true], carried[false] = c.text, c.email
		if text, email, err := w.Ways(w.ctx); err != nil || text != c.text || email != c.email {
			t.Errorf("%+v: %v %v %v", c, text, email, err)
		}
		for _, number := range []string{"8765550142", "8765550177"} {
			for _, email := range []string{"", "marcia@example.org"} {
				_, err := w.Start(w.ctx, citizen.Ask{Number: number, Email: email}, "")
				can := email == "" && c.text || email != "" && c.email
				if can && err != nil || !can && vaccination.ErrorCode(err) != vaccination.Unavailable {
					t.Errorf("%+v, %q %q: %v", c, number, email, err)
				}
			}
		}
	}
	w.Sender, w.Carries = nil, nil
	if text, email, err := w.Ways(w.ctx); err != nil || text || email {
		t.Errorf("nothing sends codes: %v %v %v", text, email, err)
	}
}
