package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/commcare/hq"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/test/program"
)

// intakeKills is how often each of the two is killed.
func intakeKills() int {
	if os.Getenv("DIVOC_SOAK") != "" {
		return 50
	}
	return 3
}

// acknowledged keeps the references that divoc answered deliveries with.
type acknowledged struct {
	next http.RoundTripper
	mu   sync.Mutex
	refs map[string]bool
}

// RoundTrip sends, and keeps the reference of a whole answer.
func (a *acknowledged) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	var v struct{ Reference string }
	if answer.StatusCode/100 == 2 && json.Unmarshal(body, &v) == nil && v.Reference != "" {
		a.mu.Lock()
		a.refs[v.Reference] = true
		a.mu.Unlock()
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// TestNothingDeliveredIsLost forwards cases as CommCare does and has a replay of
// DHIS2 polled, while divoc and its PostgreSQL are killed. Afterwards every
// delivery that was acknowledged is in the ledger, what came in is the sum of its
// states, every dose was certified once, and fsck finds nothing.
func TestNothingDeliveredIsLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
	dir := t.TempDir()
	data, listen := filepath.Join(dir, "data"), freeAddress(t)
	start := func() *program.Server {
		return program.Start(t, data, "--profile", "jamaica", "--demo", "--listen", listen)
	}
	var current atomic.Pointer[program.Server]
	current.Store(start())
	dhis2, err := replay.New(replay.Options{Token: "d2pat_test", People: 300})
	if err != nil {
		t.Fatal(err)
	}
	polled := httptest.NewServer(dhis2)
	defer polled.Close()
	createSources(t, dir, data, polled.URL)

	// Time passes quickly for the forwarder, which tries again after an hour.
	var ahead atomic.Int64
	var up atomic.Bool
	up.Store(true)
	project := hq.New(hq.Options{Domain: "jamaica", User: "reader", APIKey: "key", Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	token := current.Load().Token("commcare")
	acked := &acknowledged{next: http.DefaultTransport, refs: map[string]bool{}}
	forwarder := &hq.Forwarder{
		Server: project, URL: "http://" + listen + "/api/v1/intake/commcare", Client: &http.Client{Transport: acked, Timeout: 20 * time.Second},
		Workers: 4, Twice: 0.1, Random: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // not a secret
		Authorize: func(r *http.Request) { r.SetBasicAuth("commcare", token) },
	}
	people := 0
	stop, forwarding := make(chan struct{}), sync.WaitGroup{}
	forwarding.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			person, doses := hq.Invent(people)
			people++
			for _, c := range append(doses, person) {
				project.Put(c)
			}
			// While nobody answers, time stands still for it: it gives up a case
			// after five days, of which a start on a busy machine would be many.
			if up.Load() {
				ahead.Add(int64(10 * time.Minute))
			}
			forwarder.Step()
		}
	})
	for round := range intakeKills() {
		loadFor(random)
		up.Store(false)
		current.Load().Kill()
		current.Store(start())
		up.Store(true)
		loadFor(random)
		up.Store(false)
		killPostgres(t, current.Load(), random, round%2 == 0)
		current.Load().AwaitReady()
		up.Store(true)
	}
	loadFor(random)
	close(stop)
	forwarding.Wait()
	for n, next := due(project, forwarder); n > 0; n, next = due(project, forwarder) {
		ahead.Add(int64(max(0, next)))
		forwarder.Step()
	}

	s := current.Load()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if open := unsettled(s, token, acked.refs); open == 0 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d of %d deliveries that were acknowledged are not in the ledger", open, len(acked.refs))
		}
	}
	doses := 0
	for i := range people {
		person, some := hq.Invent(i)
		doses += len(some)
		if got := certifiedDoses(t, s, token, "commcare:"+person.ID); got != len(some) {
			t.Errorf("%d certificates of %d doses of person %d", got, len(some), i)
		}
	}
	events := 0
	for _, p := range dhis2.People() {
		events += len(p.Events)
	}
	for deadline := time.Now().Add(2 * time.Minute); ledger(t, data)["dhis2"] != [2]int{events, 0}; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Errorf("dhis2 has %d doses; certified or held, and waiting: %v", events, ledger(t, data)["dhis2"])
			break
		}
	}
	if got := ledger(t, data)["commcare"]; got != [2]int{doses, 0} {
		t.Errorf("commcare has %d doses; certified or held, and waiting: %v", doses, got)
	}
	t.Logf("%d kills of each, %d people with %d doses, %d deliveries acknowledged; %d doses in DHIS2", intakeKills(), people, doses, len(acked.refs), events)
	running := fsck(t, data)
	t.Log(strings.TrimSpace(running))
	if code := s.Stop(); code != 0 {
		t.Errorf("divoc stopped with exit %d:\n%s", code, s.Log())
	}
	program.AwaitNone(t, data)
	fsck(t, data)
}

// createSources makes a source that is pushed to, and one that is polled.
func createSources(t *testing.T, dir, data, polled string) {
	t.Helper()
	covac, err := profiles.FS.ReadFile("sri-lanka/sources/dhis2-covac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"dhis2.yaml": string(covac), "commcare.yaml": hq.Mapping(), "commcare.json": "{}",
		"dhis2.json": fmt.Sprintf(`{"url":%q,"token":"d2pat_test","program":%q,"every":"30s"}`, polled, replay.Program),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"commcare", "dhis2"} {
		program.Must(t, "source", "create", kind, "--data", data, "--kind", kind, "--config", filepath.Join(dir, kind+".json"), "--mapping", filepath.Join(dir, kind+".yaml"))
	}
}

// due is what still waits to be forwarded, and how long until it is due.
func due(project *hq.Server, f *hq.Forwarder) (int, time.Duration) {
	n, next := f.Waiting()
	return n, next.Sub(project.Now())
}

// unsettled counts deliveries without an outcome.
func unsettled(s *program.Server, token string, refs map[string]bool) (open int) {
	for ref := range refs {
		status, body, err := s.Do(http.MethodGet, "/api/v1/intake/commcare/"+ref, token, "")
		var v struct {
			Doses []struct{ State, Class string }
		}
		waits := err != nil || status != http.StatusOK || json.Unmarshal([]byte(body), &v) != nil || len(v.Doses) == 0
		for _, d := range v.Doses {
			waits = waits || d.State == "held"
		}
		if waits {
			open++
		}
	}
	return open
}

// certifiedDoses counts certificates of a person, of which each stands and is the
// only version of its dose.
func certifiedDoses(t *testing.T, s *program.Server, token, code string) int {
	t.Helper()
	status, answer, err := s.Do(http.MethodPost, "/api/v1/certificates/search", token, encode(map[string]string{"enrolmentCode": code}))
	var found struct {
		Certificates []struct {
			Status string
			Dose   int
		}
	}
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(answer), &found) != nil {
		t.Errorf("searching %s: %d %s %v", code, status, answer, err)
	}
	of := map[int]int{}
	for _, c := range found.Certificates {
		if of[c.Dose]++; of[c.Dose] > 1 || c.Status != "valid" {
			t.Errorf("dose %d of %s is certified %d times, %s", c.Dose, code, of[c.Dose], c.Status)
		}
	}
	return len(of)
}

// ledger is, by source, how many doses were certified or are held, and how many
// deliveries wait; what came in must be the sum of the states.
func ledger(t *testing.T, data string) map[string][2]int {
	t.Helper()
	out := map[string][2]int{}
	for line := range strings.Lines(program.Must(t, "source", "counts", "--data", data)) {
		var name string
		var in, waiting, issued, unchanged, held, rejected int
		if n, _ := fmt.Sscan(line, &name, &in, &waiting, &issued, &unchanged, &held, &rejected); n != 7 {
			continue // the heading
		}
		if in != waiting+issued+unchanged+held+rejected {
			t.Errorf("the ledger does not add up: %s", line)
		}
		out[name] = [2]int{issued + held, waiting}
	}
	return out
}
