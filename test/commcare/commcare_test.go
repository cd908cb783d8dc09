// Package commcare_test runs a whole house whose source is a replay of what
// CommCare HQ documents of its forwarders and of its case API. It is not CommCare
// HQ; `make conformance` asks a real one.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/sourcedoor"
	"github.com/opendivoc/divoc/test/commcare/hq"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

var update = flag.Bool("update", false, "write the golden files anew")

const source = "commcare"

// house is divoc with a project of CommCare beside it.
type house struct {
	*issuancetest.House
	t         testing.TB
	hq        *hq.Server
	forwarder *hq.Forwarder
	intake    *intake.Service
	pull      *commcare.Service
	url       string
	pushes    int // of people, so far
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{House: issuancetest.New(t, "jamaica"), t: t}
	h.hq = hq.New(hq.Options{Domain: "jamaica", User: "reader@moh", APIKey: "key", Now: h.Now, IndexLag: time.Minute})
	address, stop := h.hq.Start()
	t.Cleanup(stop)
	h.pull = commcare.New(commcare.Options{Patience: []time.Duration{time.Millisecond, time.Millisecond}, Now: h.Now, Log: h.Log})
	h.intake = intake.New(intake.Options{
		Store: h.Store, Box: h.Box, Issuance: h.Service, Profile: h.Profile, Now: h.Now, Log: h.Log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.CommCare: h.pull.Kind()},
	})
	h.pull.Intake = h.intake
	config := fmt.Sprintf(`{"url":%q,"domain":"jamaica","user":"reader@moh","apiKey":"key"}`, address)
	err := h.intake.Create(t.Context(), h.Admin, intake.NewSource{Name: source, Kind: intake.CommCare, Config: json.RawMessage(config), Mapping: hq.Mapping()})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	sourcedoor.Register(mux, sourcedoor.Options{Intake: h.intake, Tokens: h.Tokens(), Now: h.Now, Log: h.Log})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	token := h.Token(t, source)
	h.url = server.URL + "/api/v1/intake/" + source
	h.forwarder = &hq.Forwarder{
		Server: h.hq, URL: h.url, Client: server.Client(), Workers: 4, Random: rand.New(rand.NewPCG(20, 21)),
		Authorize: func(r *http.Request) { r.SetBasicAuth(source, token) },
	}
	return h
}

// enter puts n people with their doses into the project, doses first where odd, and
// returns the doses.
func (h *house) enter(from, n int) (doses []hq.Case) {
	for i := from; i < from+n; i++ {
		person, some := hq.Invent(i)
		cases := append([]hq.Case{person}, some...)
		if i%2 == 1 {
			slices.Reverse(cases)
		}
		for _, c := range cases {
			h.hq.Put(c)
		}
		doses = append(doses, some...)
	}
	return doses
}

func (h *house) process() {
	h.t.Helper()
	if err := h.intake.Process(h.t.Context(), source); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) poll() {
	h.t.Helper()
	src, err := h.intake.Source(h.t.Context(), source)
	if err == nil {
		err = h.pull.Poll(h.t.Context(), src)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.process()
}

// counts is the ledger; it fails the test where the sum is wrong.
func (h *house) counts() intake.Counts {
	h.t.Helper()
	all, err := h.intake.Counts(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	c := all[source]
	if c.In != c.Waiting+c.Issued+c.Unchanged+c.Held+c.Rejected {
		h.t.Errorf("the ledger does not add up: %+v", c)
	}
	return c
}

// certificates are the current certificates by enrolment code and dose.
func (h *house) certificates(people int) map[string]*issuance.Record {
	h.t.Helper()
	out := map[string]*issuance.Record{}
	for i := range people {
		person, _ := hq.Invent(i)
		code := source + ":" + person.ID
		records, err := h.Service.ByCode(h.t.Context(), h.Admin, "", code, "test")
		if err != nil {
			continue // nothing is certified for them
		}
		for _, r := range records {
			if r.Status == "valid" {
				out[fmt.Sprintf("%s-%d", person.ID, r.Certificate.Vaccination.Number)] = r
			}
		}
	}
	return out
}

// TestNothingIsLost drops a fifth of all pushes, sends others twice and in no
// order, and takes the door away for a while. Every dose becomes a certificate
// all the same, once.
func TestNothingIsLost(t *testing.T) {
	h := newHouse(t)
	h.forwarder.Drop, h.forwarder.Twice = 0.2, 0.2
	const people = 40
	doses := h.enter(0, people)
	there := h.forwarder.URL
	h.forwarder.URL = there + "x" // a wrong address for the first try: 404 is tried again
	again := h.forwarder.Step()
	h.forwarder.URL = there
	dropped, delivered := again.Dropped, 0
	for n, next := h.forwarder.Waiting(); n > 0; n, next = h.forwarder.Waiting() {
		h.Set(next)
		sent := h.forwarder.Step()
		dropped, delivered = dropped+sent.Dropped, delivered+sent.Delivered
		h.process()
	}
	if before := len(h.certificates(people)); dropped == 0 || before == len(doses) {
		t.Fatalf("nothing was lost on the way: %d dropped, %d of %d certificates", dropped, before, len(doses))
	}
	h.Pass(time.Hour)
	h.poll()
	found := h.certificates(people)
	for _, d := range doses {
		r := found[d.ID]
		if r == nil {
			t.Errorf("no certificate for dose %s", d.ID)
			continue
		}
		trace, err := h.intake.Trace(t.Context(), h.Admin, r.ID)
		if err != nil || len(trace) == 0 {
			t.Errorf("certificate of %s has no raw record: %v", d.ID, err)
		}
	}
	if c := h.counts(); len(found) != len(doses) || c.Held != 0 || c.Waiting != 0 {
		t.Errorf("%d certificates of %d doses, %+v", len(found), len(doses), c)
	}
	t.Logf("%d pushes delivered, %d dropped; %d doses", delivered, dropped, len(doses))
}

// TestCorrectionsAndDeletions changes cases after they were certified.
func TestCorrectionsAndDeletions(t *testing.T) {
	h := newHouse(t)
	doses := h.enter(0, 3)
	h.forwarder.Step()
	h.process()
	h.Pass(time.Minute)
	// A name was misspelt: every dose of the person is corrected.
	person, some := hq.Invent(0)
	h.hq.Put(hq.Case{ID: person.ID, Name: "Corrected Name"})
	// A batch was wrong: one dose is.
	_, other := hq.Invent(1)
	h.hq.Put(hq.Case{ID: other[0].ID, Properties: map[string]string{"batch_number": "NEW1"}})
	h.forwarder.Step()
	h.process()
	found := h.certificates(3)
	for _, d := range some {
		if r := found[d.ID]; r == nil || r.Certificate.Name != "Corrected Name" || r.Version != 2 {
			t.Errorf("dose %s was not corrected", d.ID)
		}
	}
	if r := found[other[0].ID]; r == nil || r.Certificate.Vaccination.Lot != "NEW1" || r.Version != 2 {
		t.Errorf("dose %s was not corrected", other[0].ID)
	}
	if len(found) != len(doses) {
		t.Errorf("%d certificates of %d doses", len(found), len(doses))
	}
	h.counts()
}

// TestDeletedCase removes a case at the source, which forwards nothing: the weekly
// walk finds that it is gone, and a person decides what becomes of its certificate.
func TestDeletedCase(t *testing.T) {
	h := newHouse(t)
	doses := h.enter(0, 3)
	h.forwarder.Step()
	h.process()
	h.Pass(time.Hour)
	h.poll() // reads everything
	h.hq.Delete(doses[0].ID)
	h.Pass(8 * 24 * time.Hour)
	h.poll()
	held, err := h.intake.Holds(t.Context(), h.Admin, intake.HoldFilter{Source: source})
	if err != nil || len(held) != 1 || held[0].Class != intake.Deleted {
		t.Fatalf("%+v, %v", held, err)
	}
	if found := h.certificates(3); len(found) != len(doses) {
		t.Errorf("%d certificates of %d doses: none is to be revoked by itself", len(found), len(doses))
	}
	h.counts()
}

// TestOfflinePhones delivers the states of a case in the wrong order: the newest
// by the server's clock stands.
func TestOfflinePhones(t *testing.T) {
	h := newHouse(t)
	h.enter(0, 1)
	h.forwarder.Step()
	h.process()
	_, doses := hq.Invent(0)
	old := fmt.Sprintf(`{"case_id":%q,"closed":false,"server_date_modified":"2021-05-01T00:00:00Z","properties":{"case_type":"vaccination","dose_number":"1","vaccine":"pfizer","batch_number":"OLD","date_given":"2021-04-30"},
		"indices":{"parent":{"case_id":%q,"case_type":"patient"}}}`, doses[0].ID, doses[0].Parent)
	if _, err := h.intake.Receive(t.Context(), source, intake.Arrival{Channel: intake.Push, Body: []byte(old), Received: h.Now()}); err != nil {
		t.Fatal(err)
	}
	h.process()
	if r := h.certificates(1)[doses[0].ID]; r == nil || r.Certificate.Vaccination.Lot == "OLD" || r.Version != 1 {
		t.Error("an older state replaced a newer one")
	}
}

// TestPublishedSamples lists what becomes of the bodies that CommCare HQ's
// documentation prints, and of those recorded from an older server, under a
// mapping made for them. The list was read by eye; -update writes it anew.
func TestPublishedSamples(t *testing.T) {
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no fixtures: set DIVOC_FIXTURES to the folder of recorded answers")
	}
	h := newHouse(t)
	text := `person: {name: [full_name, case_name], birthDate: dob, sex: sex, phone: mobile_phone_number, types: [child, pregnancy, mscase]}
dose: {date: date_opened, number: {from: weight, codes: {"54": 1, "56": 2}}, product: {from: isPregnant, codes: {pregnant: comirnaty}}}
stages: {checkup: {}, assignment: {}}
`
	if _, err := h.intake.SetMapping(t.Context(), h.Admin, source, text); err != nil {
		t.Fatal(err)
	}
	if err := h.intake.Set(t.Context(), h.Admin, source, intake.Settings{Config: json.RawMessage(`{}`)}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, file := range []string{
		"hq-docs-case-forward.json", "hq-docs-case-forward.xml", "hq-docs-form-forward.xml", "hq-docs-form-stub.json", "hq-docs-case-v2-list.json", "hq-docs-case-v2-bulk-fetch.json",
		"motech/cases.json", "motech/single-case-response.json", "motech/registrationForm.json", "motech/sampleForm.json", "motech/register_child.xml", "motech/sample_form_xml.xml", "motech/formList.json",
	} {
		body, err := os.ReadFile(filepath.Join(dir, "commcare", file))
		if err != nil {
			t.Fatal(err)
		}
		reference, err := h.intake.Receive(t.Context(), source, intake.Arrival{Channel: intake.Push, Body: body, Received: h.Now()})
		if err != nil {
			t.Fatal(err)
		}
		items, err := h.intake.Settle(t.Context(), source, reference)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", file)
		for _, i := range items {
			fmt.Fprintf(&b, "  %s, %s\n", i.State, i.Class)
			for _, p := range i.Problems {
				fmt.Fprintf(&b, "    %s: %s\n", p.Path, p.Message)
			}
		}
	}
	h.counts()
	golden := filepath.Join("testdata", "samples.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("another outcome than the one that was read by eye (- before, + now):\n%s", diff)
	}
}

// TestFromPushToCertificate runs the queue as the server does and has 50 people
// vaccinated a second: a person's case and a dose's each time. It reports how long it
// took from the push to the certificate; what is asserted is that all came.
func TestFromPushToCertificate(t *testing.T) {
	h := newHouse(t)
	defer h.running()()
	seconds := 2
	if os.Getenv("DIVOC_SOAK") != "" {
		seconds = 60
	}
	took := h.vaccinate(seconds)
	t.Logf("from push to certificate at 50 vaccinations/s: half below %v, p95 %v, last %v", took[len(took)/2], took[len(took)*95/100], took[len(took)-1])
}

// BenchmarkTable_PushToCertificate is how long a dose takes from being pushed to its
// certificate, while 50 people are vaccinated a second for ten seconds.
func BenchmarkTable_PushToCertificate(b *testing.B) {
	h := newHouse(b)
	defer h.running()()
	h.vaccinate(1)
	b.ResetTimer()
	for range b.N {
		took := h.vaccinate(10)
		b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
		b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	}
}

// BenchmarkTable_Push is a forwarder with eight workers whose cases are stored
// before they are answered; nothing is done about them meanwhile.
func BenchmarkTable_Push(b *testing.B) {
	h := newHouse(b)
	h.forwarder.Client.Transport = &http.Transport{MaxIdleConnsPerHost: 8}
	for i := 0; i < b.N; i++ {
		person, _ := hq.Invent(i)
		h.hq.Put(person)
	}
	h.forwarder.Workers = 8
	b.ResetTimer()
	if sent := h.forwarder.Step(); sent.Delivered != b.N {
		b.Errorf("%+v", sent)
	}
}

// vaccinate pushes 50 people a second, each with a dose, and returns how long each
// waited for the certificate, in order.
func (h *house) vaccinate(seconds int) []time.Duration {
	h.t.Helper()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		took []time.Duration
	)
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for range 50 * seconds {
		<-every.C
		h.pushes++
		i := h.pushes
		wg.Go(func() {
			if d, ok := h.pushed(i, time.Now()); ok {
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(took) != 50*seconds {
		h.t.Fatalf("%d of %d pushes became certificates", len(took), 50*seconds)
	}
	slices.Sort(took)
	return took
}

// pushed pushes a person and their first dose, and waits for its certificate.
func (h *house) pushed(i int, began time.Time) (time.Duration, bool) {
	person, doses := hq.Invent(1000 + i)
	reference := ""
	for _, c := range []hq.Case{person, doses[0]} {
		body, err := json.Marshal(map[string]any{
			"case_id": c.ID, "server_date_modified": "2026-11-22T11:00:00Z", "properties": properties(c),
			"indices": map[string]any{"parent": map[string]string{"case_id": c.Parent, "case_type": c.ParentType}},
		})
		if err != nil {
			h.t.Error(err)
			return 0, false
		}
		request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url, strings.NewReader(string(body)))
		if err != nil {
			h.t.Error(err)
			return 0, false
		}
		h.forwarder.Authorize(request)
		answer, err := h.forwarder.Client.Do(request)
		if err != nil {
			h.t.Error(err)
			return 0, false
		}
		var v struct{ Reference string }
		err = json.NewDecoder(answer.Body).Decode(&v)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusAccepted {
			h.t.Errorf("%d, %v", answer.StatusCode, err)
			return 0, false
		}
		reference = v.Reference
	}
	for time.Since(began) < time.Minute {
		items, err := h.intake.Outcomes(h.t.Context(), source, reference)
		if err != nil {
			h.t.Error(err)
			return 0, false
		}
		if len(items) == 1 && items[0].State == intake.Issued {
			return time.Since(began), true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return 0, false
}

func properties(c hq.Case) map[string]string {
	out := map[string]string{"case_type": c.Type, "case_name": c.Name}
	for k, v := range c.Properties {
		out[k] = v
	}
	return out
}
