// Package sms_test sends messages the way a country does: our outbox, Kannel, SMPP,
// an operator's SMSC, receipts back. Kannel and the SMSC are third-party software.
package sms_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/web/receipts"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// got is a message, or a part of one, as the SMSC got it.
type got struct {
	To, From, Text, Part string
	Coding               int
	Port                 int
	Bound, Throttled     bool
}

// smsc is an operator.
type smsc struct {
	port int
	in   io.Writer
	mu   sync.Mutex
	all  []got
}

func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/" + name, name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("%s is not installed: scripts/setup bearerbox", name)
	return ""
}

// start runs a program until the test ends.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}

func newSMSC(t *testing.T) *smsc {
	t.Helper()
	if _, err := os.Stat("node_modules/smpp"); err != nil {
		t.Skip("test/interop/sms/node_modules is not there: make test installs it")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	c := exec.Command(node, "smsc.mjs")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &smsc{}
	if s.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	ready := make(chan int, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var g got
			if json.Unmarshal(lines.Bytes(), &g) != nil {
				continue
			}
			if g.Port != 0 {
				ready <- g.Port
			}
			s.mu.Lock()
			s.all = append(s.all, g)
			s.mu.Unlock()
		}
	}()
	select {
	case s.port = <-ready:
	case <-time.After(20 * time.Second):
		t.Fatal("the SMSC did not start")
	}
	return s
}

func (s *smsc) tell(line string) { fmt.Fprintln(s.in, line) }

func (s *smsc) count(is func(got) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.all {
		if is(g) {
			n++
		}
	}
	return n
}

// text joins the parts of the messages to a number, in the order of their headers.
func (s *smsc) text(to string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []got
	for _, g := range s.all {
		if g.To == to {
			parts = append(parts, g)
		}
	}
	slices.SortFunc(parts, func(a, b got) int { return strings.Compare(a.Part, b.Part) })
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// kannel runs bearerbox and smsbox before an SMSC and returns where messages go.
func kannel(t *testing.T, s *smsc) (port int) {
	t.Helper()
	bearer, sms := program(t, "bearerbox"), program(t, "smsbox")
	dir := t.TempDir()
	port = free(t)
	admin, box := free(t), free(t)
	conf := filepath.Join(dir, "kannel.conf")
	text := fmt.Sprintf(`group = core
admin-port = %d
admin-interface = "127.0.0.1"
admin-password = secret
smsbox-port = %d
sms-resend-freq = 2
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = "%s/bearerbox.log"
log-level = 1

group = smsc
smsc = smpp
smsc-id = operator
host = 127.0.0.1
port = %d
transceiver-mode = true
smsc-username = divoc
smsc-password = secret
system-type = ""
reconnect-delay = 1
enquire-link-interval = 2

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = "127.0.0.1"
global-sender = MOH
log-file = "%s/smsbox.log"
log-level = 1

group = sendsms-user
username = divoc
password = secret
max-messages = 6
concatenation = true

group = sms-service
keyword = default
max-messages = 0
text = "no"
`, admin, box, dir, s.port, port, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(bearer, "-v", "4", conf))
	wait(t, "bearerbox", func() bool { return dials(box) })
	start(t, exec.Command(sms, "-v", "4", conf))
	wait(t, "smsbox", func() bool { return dials(port) })
	wait(t, "the link to the operator", func() bool { return s.count(func(g got) bool { return g.Bound }) > 0 })
	return port
}

func dials(port int) bool {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// country is an outbox with a door for receipts.
type country struct {
	*deliver.Service
	house *issuancetest.House
	t     *testing.T
	log   bytes.Buffer
	mu    sync.Mutex
}

func (c *country) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

func newCountry(t *testing.T, name string, gatewayPort int) *country {
	t.Helper()
	h := issuancetest.New(t, name)
	h.Profile.Messaging.QuietFrom, h.Profile.Messaging.QuietTo = 0, 0 // it may be night
	c := &country{house: h, t: t}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	log := slog.New(slog.NewTextHandler(c, nil))
	c.Service = deliver.New(deliver.Options{
		Store: h.Store, Box: h.Box, Profile: h.Profile, PublicURL: server.URL, Now: time.Now, Random: rand.Reader, Log: log, Contacts: h.Service.ContactsOf,
	})
	receipts.Register(mux, receipts.Options{Messages: c.Service, Log: log})
	_, err := c.SetGateway(t.Context(), h.Admin, "sms", fmt.Sprintf("preset: kannel\nperSecond: 20\nfrom: MOH\ncredentials: {user: divoc, password: secret}\nrequest: {url: \"http://127.0.0.1:%d/cgi-bin/sendsms\"}\n", gatewayPort))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *country) queue(to, language, reference string) {
	c.t.Helper()
	err := c.house.Store.Tx(c.t.Context(), func(q *query.Queries) error {
		return c.Queue(c.t.Context(), q, deliver.Message{
			Template: "case-decided", Class: deliver.Notice, To: to, Language: language, Once: reference + to, Values: map[string]string{"reference": reference, "link": c.PublicURL + "/my"},
		})
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// states sends what is due and returns the states of all messages.
func (c *country) states() map[string]int {
	c.t.Helper()
	if _, err := c.Send(c.t.Context(), deliver.Notice); err != nil {
		c.t.Fatal(err)
	}
	list, err := c.List(c.t.Context(), c.house.Admin, deliver.Query{Max: 1000})
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string]int{}
	for _, m := range list {
		out[m.State]++
	}
	return out
}

// TestKannel sends Sinhala, Tamil and English through Kannel and SMPP: each
// arrives whole, and its receipt comes back.
func TestKannel(t *testing.T) {
	s := newSMSC(t)
	c := newCountry(t, "sri-lanka", kannel(t, s))
	link := c.PublicURL + "/my"
	want := map[string]string{}
	for i, language := range []string{"si", "ta", "en"} {
		to := fmt.Sprintf("+9471234567%d", i)
		c.queue(to, language, "K7M2-9QXD")
		want[to] = strings.NewReplacer("{reference}", "K7M2-9QXD", "{link}", link).Replace(c.Profile.Message(language, "case-decided"))
	}
	wait(t, "three receipts", func() bool { return c.states()["delivered"] == 3 })
	for to, text := range want {
		if got := s.text(strings.TrimPrefix(to, "+")); got != text {
			t.Errorf("%s got\n%q, want\n%q", to, got, text)
		}
	}

	// The operator wants less for a moment: Kannel waits 15 seconds, nothing is lost.
	s.tell("throttle 1")
	for i := range 4 {
		c.queue("+94712345680", "en", fmt.Sprint("T-", i))
	}
	wait(t, "receipts after throttling", func() bool { return c.states()["delivered"] == 7 })
	if n := s.count(func(g got) bool { return g.Throttled }); n != 1 {
		t.Errorf("the operator refused %d", n)
	}

	// One that the operator cannot deliver.
	s.tell("fail")
	c.queue("+94712345681", "en", "F-1")
	wait(t, "a receipt of failure", func() bool { return c.states()["failed"] == 1 })

	// The link ends and comes back.
	bound := s.count(func(g got) bool { return g.Bound })
	s.tell("drop")
	for i := range 5 {
		c.queue("+94712345682", "en", fmt.Sprint("D-", i))
	}
	wait(t, "receipts after a link that dropped", func() bool { return c.states()["delivered"] == 12 })
	if n := s.count(func(g got) bool { return g.Bound }); n <= bound {
		t.Error("the link did not drop")
	}
	if n := s.count(func(g got) bool { return g.To == "94712345682" }); n != 5 {
		t.Errorf("%d of 5 messages arrived", n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range []string{"secret", "94712345", "K7M2"} {
		if strings.Contains(c.log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, c.log.String())
		}
	}
}

// TestKannelIsGone has nobody there, and then somebody.
func TestKannelIsGone(t *testing.T) {
	c := newCountry(t, "jamaica", free(t))
	c.queue("+18765550142", "en", "K-1")
	if states := c.states(); states["queued"] != 1 {
		t.Errorf("%v", states)
	}
	list, err := c.Gateways(context.Background(), c.house.Admin)
	if err != nil || len(list) != 1 || list[0].Failures < 1 || list[0].Reason != "no-connection" {
		t.Errorf("%+v, %v", list, err)
	}
}
