package bulk_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is withdrawals of a house, with two people who may make them.
type world struct {
	*bulk.Service
	*issuancetest.House
	t        testing.TB
	one, two access.Caller
}

func newWorld(t testing.TB) *world {
	h := issuancetest.New(t, "jamaica")
	return &world{
		Service: bulk.New(bulk.Options{Store: h.Store, Issuance: h.Service, Now: h.Now, Log: slog.New(slog.DiscardHandler)}), House: h, t: t,
		one: access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin, Source: "admin"}, two: access.Caller{Actor: "staff:2", Role: access.SystemAdmin, Source: "admin"},
	}
}

// issue issues certificates for a source, as many as there are lots.
func (w *world) issue(source, centre string, lots ...string) []vaccination.CertificateID {
	w.t.Helper()
	var events []vaccination.Event
	for i, lot := range lots {
		events = append(events, vaccination.Event{
			EnrolmentCode: fmt.Sprintf("%s-%s-%d", source, centre, i), Person: vaccination.Person{Name: fmt.Sprintf("Person Number %d", i), BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Nationality: "JAM", Identifier: vaccination.Identifier{Value: fmt.Sprint(centre, i)}},
			Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: lot, Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Total: 2, Centre: centre},
		})
	}
	results, err := w.House.Service.Issue(w.t.Context(), access.Caller{Actor: "token:1 " + source, Role: access.SourceRole, Source: source}, issuance.Certify, events)
	if err != nil {
		w.t.Fatal(err)
	}
	ids := make([]vaccination.CertificateID, len(results))
	for i, r := range results {
		ids[i] = r.ID
	}
	return ids
}

func (w *world) ask(r bulk.Request) bulk.Info {
	w.t.Helper()
	if r.Reason == "" {
		r.Reason = "a recalled batch"
	}
	if r.Once == "" {
		r.Once = fmt.Sprint(w.t.Name(), time.Now().UnixNano())
	}
	if r.Act == "" {
		r.Act = vaccination.ActRevoke
	}
	id, err := w.Ask(w.t.Context(), w.one, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.process(id)
}

func (w *world) process(id int64) bulk.Info {
	w.t.Helper()
	if err := w.Process(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	i, err := w.Get(w.t.Context(), w.one, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) status(id vaccination.CertificateID) vaccination.Status {
	w.t.Helper()
	s, known, err := w.House.Service.Status(w.t.Context(), id)
	if err != nil || !known {
		w.t.Fatalf("state of %s: %v, %v", id, known, err)
	}
	return s
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.House.Store.Pool().QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func code(t testing.TB, err error, want vaccination.Code) {
	t.Helper()
	if vaccination.ErrorCode(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestAListChangesNothingUntilASecondPersonApproves(t *testing.T) {
	w := newWorld(t)
	ids := w.issue("a", "Falmouth", "PF1", "PF1", "PF1", "PF2")
	if _, err := w.House.Service.Change(t.Context(), w.Admin, ids[2], vaccination.ActRevoke, "before"); err != nil {
		t.Fatal(err)
	}
	var stranger vaccination.CertificateID
	stranger[14] = 9
	i := w.ask(bulk.Request{IDs: []vaccination.CertificateID{ids[0], ids[1], ids[2], stranger}})
	if i.State != bulk.Ready || i.Looked != 4 || i.Found != 2 || i.Skipped != 2 {
		t.Fatalf("%+v", i)
	}
	if w.status(ids[0]) != vaccination.StatusValid {
		t.Error("something changed before anybody approved it")
	}
	items, err := w.Items(t.Context(), w.two, i.ID, vaccination.CertificateID{})
	if err != nil || len(items) != 4 {
		t.Fatalf("%v, %v", items, err)
	}
	why := map[vaccination.CertificateID]string{}
	for _, x := range items {
		why[x.ID] = x.State + " " + x.Why
	}
	if why[stranger] != "skipped not-found" || why[ids[2]] != "skipped revoked" || why[ids[0]] != "waiting " {
		t.Errorf("items %v", why)
	}
	code(t, w.Approve(t.Context(), w.one, i.ID, 2), vaccination.Forbidden)
	code(t, w.Approve(t.Context(), access.Caller{Actor: "token:1 admin", Role: access.SystemAdmin}, i.ID, 2), vaccination.Forbidden) // perhaps the same person
	code(t, w.Approve(t.Context(), w.two, i.ID, 3), vaccination.Conflict)
	code(t, w.Approve(t.Context(), w.two, i.ID+1, 2), vaccination.NotFound)
	for range 2 { // the form came twice
		if err := w.Approve(t.Context(), w.two, i.ID, 2); err != nil {
			t.Fatal(err)
		}
	}
	if i = w.process(i.ID); i.State != bulk.Done || i.Changed != 2 || i.Skipped != 2 || i.Decider != "staff:2" {
		t.Errorf("%+v", i)
	}
	if err := w.Approve(t.Context(), w.two, i.ID, 2); err != nil {
		t.Errorf("approving again: %v", err)
	}
	w.process(i.ID)
	if w.status(ids[0]) != vaccination.StatusRevoked || w.status(ids[1]) != vaccination.StatusRevoked || w.status(ids[3]) != vaccination.StatusValid {
		t.Error("not what was approved")
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'revoke' AND actor = 'staff:1' AND detail = 'a recalled batch'"); n != 2 {
		t.Errorf("%d entries of the revocations", n)
	}
	for _, act := range []string{"withdrawal.ask", "withdrawal.approve", "withdrawal.done"} {
		if n := w.count("SELECT count(*) FROM audit WHERE act = $1", act); n != 1 {
			t.Errorf("%d entries of %s", n, act)
		}
	}
	if n := w.count("SELECT coalesce(sum(n), 0) FROM count_event WHERE kind = 'revoked'"); n != 3 {
		t.Errorf("%d revocations are counted", n)
	}
}

func TestWhatCertificatesHaveInCommon(t *testing.T) {
	w := newWorld(t)
	first := w.issue("a", "Falmouth", "PF1", "PF2", "pf1 ")
	w.Pass(48 * time.Hour)
	later := w.issue("b", "Kingston", "PF1", "PF3")
	if _, err := w.House.Service.Change(t.Context(), w.Admin, first[1], vaccination.ActSuspend, "looked at"); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		act  vaccination.Act
		f    bulk.Filter
		want []vaccination.CertificateID
	}{
		"a batch, however it is written": {f: bulk.Filter{Lot: "pf1"}, want: []vaccination.CertificateID{first[0], first[2], later[0]}},
		"a batch of one source":          {f: bulk.Filter{Lot: "PF1", Source: "b"}, want: later[:1]},
		"a place":                        {f: bulk.Filter{Facility: "kingston"}, want: later},
		"a source":                       {f: bulk.Filter{Source: "a"}, want: first},
		"who issued":                     {f: bulk.Filter{Actor: "token:1 a"}, want: first},
		"who issued, and a batch":        {f: bulk.Filter{Actor: "token:1 a", Lot: "PF2"}, want: first[1:2]},
		"a time":                         {f: bulk.Filter{Lot: "PF1", Since: noon.Add(24 * time.Hour)}, want: later[:1]},
		"a time alone":                   {f: bulk.Filter{Since: noon.Add(24 * time.Hour), Until: noon.Add(96 * time.Hour)}, want: later},
		"a time in which there was none": {f: bulk.Filter{Since: noon.Add(-96 * time.Hour), Until: noon.Add(-24 * time.Hour)}},
		"before a time":                  {f: bulk.Filter{Actor: "token:1 b", Until: noon.Add(24 * time.Hour)}},
		"what is suspended":              {act: vaccination.ActLift, f: bulk.Filter{Source: "a"}, want: first[1:2]},
		"another programme":              {f: bulk.Filter{Source: "a", Programme: "yellow-fever"}},
		"nothing":                        {f: bulk.Filter{Lot: "PF"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := w.ask(bulk.Request{Act: x.act, Filter: &x.f})
			items, err := w.Items(t.Context(), w.one, i.ID, vaccination.CertificateID{})
			if err != nil || i.State != bulk.Ready || len(items) != len(x.want) || i.Found != int64(len(x.want)) {
				t.Fatalf("%+v: %d items, %v", i, len(items), err)
			}
			for _, item := range items {
				found := false
				for _, id := range x.want {
					found = found || id == item.ID
				}
				if !found {
					t.Errorf("%s is not meant", item.ID)
				}
			}
		})
	}
}

func TestNobodyApprovesInTime(t *testing.T) {
	w := newWorld(t)
	ids := w.issue("a", "Falmouth", "PF1")
	i := w.ask(bulk.Request{IDs: ids})
	w.Pass(24 * time.Hour)
	code(t, w.Approve(t.Context(), w.two, i.ID, 1), vaccination.Conflict)
	w.Pass(time.Minute)
	if err := w.ProcessAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i = w.process(i.ID); i.State != bulk.Expired || w.status(ids[0]) != vaccination.StatusValid {
		t.Errorf("%+v", i)
	}
	code(t, w.Approve(t.Context(), w.two, i.ID, 1), vaccination.Conflict)
	code(t, w.Refuse(t.Context(), w.two, i.ID, "late"), vaccination.Conflict)
}

func TestARefusedWithdrawalIsNotDone(t *testing.T) {
	w := newWorld(t)
	ids := w.issue("a", "Falmouth", "PF1")
	i := w.ask(bulk.Request{IDs: ids})
	if err := w.Refuse(t.Context(), w.one, i.ID, "a slip"); err != nil { // taken back
		t.Fatal(err)
	}
	code(t, w.Approve(t.Context(), w.two, i.ID, 1), vaccination.Conflict)
	if i = w.process(i.ID); i.State != bulk.Refused || w.status(ids[0]) != vaccination.StatusValid {
		t.Errorf("%+v", i)
	}
}

func TestAFormThatComesTwiceIsOneWithdrawal(t *testing.T) {
	w := newWorld(t)
	r := bulk.Request{Act: vaccination.ActRevoke, IDs: w.issue("a", "Falmouth", "PF1"), Reason: "x", Once: "form"}
	first, err := w.Ask(t.Context(), w.one, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Ask(t.Context(), w.one, r)
	if err != nil || again != first {
		t.Errorf("%d, %v, want %d", again, err, first)
	}
	if other, err := w.Ask(t.Context(), w.two, r); err != nil || other == first {
		t.Errorf("somebody else's form: %d, %v", other, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	w := newWorld(t)
	ids := w.issue("a", "Falmouth", "PF1")
	for name, r := range map[string]bulk.Request{
		"nothing":                {Act: vaccination.ActRevoke},
		"both":                   {Act: vaccination.ActRevoke, IDs: ids, Filter: &bulk.Filter{Lot: "PF1"}},
		"a time without an end":  {Act: vaccination.ActRevoke, Filter: &bulk.Filter{Since: time.Now()}},
		"a time without a begin": {Act: vaccination.ActRevoke, Filter: &bulk.Filter{Until: time.Now()}},
		"programme alone":        {Act: vaccination.ActRevoke, Filter: &bulk.Filter{Programme: "covid-19"}},
		"another act":            {Act: vaccination.ActSupersede, IDs: ids},
		"no act":                 {IDs: ids},
		"two lines":              {Act: vaccination.ActRevoke, IDs: ids, Reason: "a\nb"},
		"a unit separator":       {Act: vaccination.ActRevoke, Filter: &bulk.Filter{Lot: "a\x1fb"}},
		"no reason":              {Act: vaccination.ActRevoke, IDs: ids, Reason: " "},
		"too much":               {Act: vaccination.ActRevoke, IDs: ids, Reason: strings.Repeat("x", 151)},
		"the other way":          {Act: vaccination.ActRevoke, Filter: &bulk.Filter{Lot: "x", Since: time.Unix(2, 0), Until: time.Unix(1, 0)}},
	} {
		if r.Reason == "" {
			r.Reason = "x"
		}
		r.Once = name
		if _, err := w.Ask(t.Context(), w.one, r); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Ask(t.Context(), w.one, bulk.Request{Act: vaccination.ActRevoke, Reason: "x", Once: "x", IDs: make([]vaccination.CertificateID, bulk.MaxIDs+1)}); vaccination.ErrorCode(err) != vaccination.TooLarge {
		t.Errorf("too many: %v", err)
	}
	i := w.ask(bulk.Request{IDs: ids})
	for _, role := range []access.Role{access.FacilityAdmin, access.FacilityStaff, access.Auditor, access.SourceRole, access.Citizen, ""} {
		by := access.Caller{Actor: "staff:9", Role: role, Source: "a", Facility: "FAL"}
		_, ask := w.Ask(t.Context(), by, bulk.Request{Act: vaccination.ActRevoke, IDs: ids, Reason: "x", Once: "x"})
		_, list := w.List(t.Context(), by, 0)
		_, get := w.Get(t.Context(), by, i.ID)
		_, items := w.Items(t.Context(), by, i.ID, vaccination.CertificateID{})
		for what, err := range map[string]error{"ask": ask, "list": list, "get": get, "items": items, "approve": w.Approve(t.Context(), by, i.ID, 1), "refuse": w.Refuse(t.Context(), by, i.ID, "x"),
			"change": w.House.Service.ChangeMany(t.Context(), by, ids, vaccination.ActRevoke, "x", nil)} {
			if vaccination.ErrorCode(err) != vaccination.Forbidden {
				t.Errorf("%s by %q: %v", what, role, err)
			}
		}
	}
}

// Each write of a step fails once: what was done before stays, nothing is done
// twice, and the next run goes on.
func TestAStepThatFailsIsDoneLater(t *testing.T) {
	want := map[string]string{}
	for _, write := range []string{"UPDATE ON withdrawal", "UPDATE ON withdrawal_item", "UPDATE ON certificate", "INSERT ON count_event", "INSERT ON audit"} {
		want["change | "+write+" | not persisted"] = t.Name()
		t.Run(write, func(t *testing.T) {
			w := newWorld(t)
			ids := w.issue("a", "Falmouth", make([]string, 450)...)
			i := w.ask(bulk.Request{Filter: &bulk.Filter{Source: "a"}})
			if i.Found != 450 {
				t.Fatalf("%+v", i)
			}
			if err := w.Approve(t.Context(), w.two, i.ID, 450); err != nil {
				t.Fatal(err)
			}
			heal := pgtest.Fail(t, w.House.Store.Pool(), write)
			if err := w.Process(t.Context(), i.ID); err == nil {
				t.Error("it did not fail")
			}
			if n := w.count("SELECT count(*) FROM certificate WHERE status = 3"); n != 0 {
				t.Errorf("%d are revoked", n)
			}
			heal()
			if i = w.process(i.ID); i.State != bulk.Done || i.Changed != 450 {
				t.Errorf("%+v", i)
			}
			if w.status(ids[449]) != vaccination.StatusRevoked {
				t.Error("the last one stands")
			}
		})
	}
	pgtest.CheckFaultTable(t, "internal/bulk", want)
}

func TestManyAtOnceDoEachStepOnce(t *testing.T) {
	w := newWorld(t)
	w.issue("a", "Falmouth", make([]string, 1100)...)
	id, err := w.Ask(t.Context(), w.one, bulk.Request{Act: vaccination.ActRevoke, Reason: "x", Once: "x", Filter: &bulk.Filter{Facility: "Falmouth"}})
	if err != nil {
		t.Fatal(err)
	}
	together := func() {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := w.Process(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	together()
	i, err := w.Get(t.Context(), w.two, id)
	if err != nil || i.State != bulk.Ready || i.Found != 1100 || i.Looked != 1100 {
		t.Fatalf("%+v, %v", i, err)
	}
	if err := w.Approve(t.Context(), w.two, id, 1100); err != nil {
		t.Fatal(err)
	}
	together()
	if i = w.process(id); i.State != bulk.Done || i.Changed != 1100 || i.Skipped != 0 {
		t.Errorf("%+v", i)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'revoke'"); n != 1100 {
		t.Errorf("%d entries", n)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'withdrawal.done'"); n != 1 {
		t.Errorf("done %d times", n)
	}
}
