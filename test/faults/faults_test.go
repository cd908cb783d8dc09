// Package faults kills divoc and its PostgreSQL under load and then looks for
// everything that was acknowledged.
package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// rounds is how often each of the two is killed.
func rounds() int {
	if os.Getenv("DIVOC_SOAK") != "" {
		return 50
	}
	return 5
}

// TestNothingAcknowledgedIsLost certifies, corrects and revokes by several
// clients while divoc and PostgreSQL are killed. Afterwards every acknowledged
// certificate is there once, verifies as what it is, and has its audit entry;
// what was not answered and sent again was issued once.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
	data := filepath.Join(t.TempDir(), "data")
	listen := freeAddress(t)
	start := func() *program.Server {
		return program.Start(t, data, "--profile", "jamaica", "--demo", "--listen", listen)
	}
	var current atomic.Pointer[program.Server]
	current.Store(start())

	var clients []*client
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprintf("source-%d", i)
		c := &client{
			t: t, name: strings.ToUpper(name), server: current.Load, native: i%2 == 1, token: current.Load().Token(name),
			random: rand.New(rand.NewPCG(seed, uint64(i+1))), //nolint:gosec // not a secret
		}
		clients = append(clients, c)
		working.Go(func() { c.run(stop) })
	}

	began := time.Now()
	for round := range rounds() {
		loadFor(random)
		current.Load().Kill()
		current.Store(start())
		loadFor(random)
		killPostgres(t, current.Load(), random, round%2 == 0)
		current.Load().AwaitReady()
	}
	loadFor(random)
	close(stop)
	working.Wait()
	t.Logf("%d kills of each in %v", rounds(), time.Since(began).Round(time.Millisecond))

	s := current.Load()
	certificates := 0
	for _, c := range clients {
		t.Logf("%s: %d answers, %d requests lost, of which %d had been done", c.name, c.acked, c.lost, c.repeats)
		for _, r := range c.records {
			certificates += 1 + len(r.old)
		}
		working.Go(func() { c.check(s) })
	}
	working.Wait()
	t.Logf("%d certificates acknowledged", certificates)

	running := fsck(t, data)
	if code := s.Stop(); code != 0 {
		t.Errorf("divoc stopped with exit %d:\n%s", code, s.Log())
	}
	program.AwaitNone(t, data)
	if stopped := fsck(t, data); stopped != running {
		t.Errorf("fsck while divoc ran: %safter it stopped: %s", running, stopped)
	}
	var found int
	if _, err := fmt.Sscanf(running, "%d certificates", &found); err != nil || found < certificates {
		t.Errorf("fsck found %q; %d certificates were acknowledged", running, certificates)
	}
}

// check looks for everything the client was told.
func (c *client) check(s *program.Server) {
	newest := map[string]int{}
	for _, r := range c.records {
		newest[r.code] = max(newest[r.code], r.dose)
		if !r.revoked {
			c.again(r)
		}
		want := "valid"
		if r.revoked {
			want = "revoked"
		}
		c.verified(s, r.id, want)
		for _, id := range r.old {
			if got := c.verified(s, id, "superseded", "revoked"); got == "valid" {
				c.t.Errorf("%s dose %d: version %s before the current one is valid", r.code, r.dose, id)
			}
		}
		versions := c.versions(s, r)
		if len(versions) != 1+len(r.old) {
			c.t.Errorf("%s dose %d has %d versions, %d were acknowledged", r.code, r.dose, len(versions), 1+len(r.old))
		}
	}
}

// verified fetches the code of a certificate and verifies it.
func (c *client) verified(s *program.Server, id string, want ...string) string {
	status, code, err := s.Do(http.MethodGet, "/api/v1/certificates/"+id+"/code", c.token, "")
	if err != nil || status != http.StatusOK {
		c.t.Errorf("code of %s: %d %s %v", id, status, code, err)
		return ""
	}
	_, answer, err := s.Do(http.MethodPost, "/api/v1/verify", "", encode(map[string]string{"data": code}))
	var said struct{ Verdict, Status string }
	if err != nil || json.Unmarshal([]byte(answer), &said) != nil {
		c.t.Errorf("verifying %s: %s %v", id, answer, err)
		return ""
	}
	for _, w := range want {
		if said.Status == w && (said.Verdict == "valid") == (w == "valid") {
			return said.Status
		}
	}
	c.t.Errorf("certificate %s is %s, %s; want %s", id, said.Verdict, said.Status, strings.Join(want, " or "))
	return said.Status
}

// versions are the ids of all versions of a record; exactly those that should
// stand do.
func (c *client) versions(s *program.Server, r *record) []string {
	status, answer, err := s.Do(http.MethodPost, "/api/v1/certificates/search", c.token, encode(map[string]string{"enrolmentCode": r.code}))
	var found struct {
		Certificates []struct {
			ID, Status string
			Dose       int
		}
	}
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(answer), &found) != nil {
		c.t.Errorf("searching %s: %d %s %v", r.code, status, answer, err)
		return nil
	}
	var ids, stand []string
	for _, x := range found.Certificates {
		if x.Dose != r.dose {
			continue
		}
		ids = append(ids, x.ID)
		if x.Status == "valid" {
			stand = append(stand, x.ID)
		}
	}
	if r.revoked && len(stand) != 0 || !r.revoked && (len(stand) != 1 || stand[0] != r.id) {
		c.t.Errorf("%s dose %d: %v stand, acknowledged is %s, revoked %t", r.code, r.dose, stand, r.id, r.revoked)
	}
	return ids
}

func fsck(t *testing.T, data string) string {
	t.Helper()
	r := program.Run(t, "fsck", "--data", data)
	if r.Code != 0 {
		t.Errorf("fsck: exit %d\n%s%s", r.Code, r.Out, r.Err)
	}
	return r.Out
}

// loadFor lets the clients work for a moment of random length.
func loadFor(random *rand.Rand) { time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond) }

// killPostgres kills the postmaster, or one of its backends, upon which
// PostgreSQL ends all others and recovers.
func killPostgres(t *testing.T, s *program.Server, random *rand.Rand, postmaster bool) {
	t.Helper()
	pid := s.Postmaster()
	if pid == 0 {
		t.Fatal("there is no PostgreSQL to kill")
	}
	if !postmaster {
		backends := s.Backends()
		if len(backends) == 0 {
			t.Fatal("PostgreSQL has no backend to kill")
		}
		pid = backends[random.IntN(len(backends))]
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("killing %d: %v", pid, err)
	}
}

// freeAddress is an address that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
