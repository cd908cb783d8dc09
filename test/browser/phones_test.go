package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
)

// phones are people's telephones: behind an operator's SMSC that speaks SMPP with
// Kannel, or, where Kannel is not installed, behind a gateway that answers as
// Kannel does.
type phones struct {
	gateway string // where divoc hands messages over
	peer    string // GET ?to=NUMBER&n=N waits for the n-th message to a number

	mu  sync.Mutex
	got []part
}

// part is a message, or a part of one, as the operator got it.
type part struct {
	To, Text, Part string
	Port           int
	Bound          bool
}

// newPhones starts them for one test.
func newPhones(t *testing.T) *phones {
	t.Helper()
	p := &phones{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", p.read)
	mux.HandleFunc("/cgi-bin/sendsms", p.take)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.peer, p.gateway = server.URL, server.URL+"/cgi-bin/sendsms"
	bearer, sms := find("bearerbox"), find("smsbox")
	peer := filepath.Join("..", "interop", "sms")
	_, err := os.Stat(filepath.Join(peer, "node_modules", "smpp"))
	if bearer == "" || sms == "" || err != nil {
		t.Log("without Kannel or an SMPP peer (scripts/setup bearerbox, npm ci in test/interop/sms): messages go to a gateway that answers as Kannel does")
		return p
	}
	port := p.operator(t, peer)
	p.gateway = fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms", p.kannel(t, bearer, sms, port))
	return p
}

func find(name string) string {
	for _, path := range []string{"/usr/sbin/" + name, name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// operator starts the SMSC and returns its port.
func (p *phones) operator(t *testing.T, dir string) int {
	t.Helper()
	c := exec.Command("node", "smsc.mjs")
	c.Dir, c.Stderr = dir, os.Stderr
	if _, err := c.StdinPipe(); err != nil { // it ends when this does
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, c)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var g part
			if json.Unmarshal(lines.Bytes(), &g) == nil {
				p.keep(g)
			}
		}
	}()
	port := 0
	until(t, "the SMSC", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.got) > 0 {
			port = p.got[0].Port
		}
		return port != 0
	})
	return port
}

// kannel starts bearerbox and smsbox before the SMSC and returns where smsbox listens.
func (p *phones) kannel(t *testing.T, bearer, sms string, smsc int) int {
	t.Helper()
	dir := t.TempDir()
	admin, box, port := freePort(t), freePort(t), freePort(t)
	conf := filepath.Join(dir, "kannel.conf")
	write(t, conf, fmt.Sprintf(`group = core
admin-port = %d
admin-interface = "127.0.0.1"
admin-password = secret
smsbox-port = %d
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = "%[5]s/bearerbox.log"

group = smsc
smsc = smpp
smsc-id = operator
host = 127.0.0.1
port = %[3]d
transceiver-mode = true
smsc-username = divoc
smsc-password = secret
system-type = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %[4]d
sendsms-interface = "127.0.0.1"
global-sender = MOH
log-file = "%[5]s/smsbox.log"

group = sendsms-user
username = divoc
password = secret
max-messages = 6
concatenation = true

group = sms-service
keyword = default
max-messages = 0
text = "no"
`, admin, box, smsc, port, dir))
	begin(t, exec.Command(bearer, "-v", "4", conf))
	until(t, "bearerbox", func() bool { return answers(box) })
	begin(t, exec.Command(sms, "-v", "4", conf))
	until(t, "smsbox", func() bool { return answers(port) })
	until(t, "the link to the operator", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.ContainsFunc(p.got, func(g part) bool { return g.Bound })
	})
	return port
}

func (p *phones) keep(g part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, g)
}

// messages are the whole ones to a number, in the order they came. A long one comes
// in parts; the user data header (05 00 03, reference, of how many, which) joins them.
func (p *phones) messages(to string) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	long := map[string][]part{}
	for _, g := range p.got {
		switch {
		case g.To != to:
		case len(g.Part) < 12:
			out = append(out, g.Text)
		default:
			reference := g.Part[:10]
			long[reference] = append(long[reference], g)
			if all, _ := strconv.ParseInt(g.Part[8:10], 16, 0); len(long[reference]) == int(all) {
				parts := long[reference]
				slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.Part, b.Part) })
				var b strings.Builder
				for _, one := range parts {
					b.WriteString(one.Text)
				}
				out = append(out, b.String())
			}
		}
	}
	return out
}

// read answers with the n-th message to a number, from 1, once it is there.
func (p *phones) read(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	for range 300 {
		if all := p.messages(r.URL.Query().Get("to")); n > 0 && len(all) >= n {
			fmt.Fprint(w, all[n-1])
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	http.Error(w, fmt.Sprintf("no message %d; there are %q", n, p.messages(r.URL.Query().Get("to"))), http.StatusNotFound)
}

// take is the gateway where there is no Kannel.
func (p *phones) take(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // what is missing is empty
	text := r.Form.Get("text")
	if strings.EqualFold(r.Form.Get("charset"), "UTF-16BE") {
		var units []uint16
		for i := 0; i+1 < len(text); i += 2 {
			units = append(units, uint16(text[i])<<8|uint16(text[i+1]))
		}
		text = string(utf16.Decode(units))
	}
	to, _ := url.QueryUnescape(r.Form.Get("to"))
	p.keep(part{To: strings.TrimLeft(to, "+ "), Text: text})
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, "0: Accepted for delivery")
}

// begin starts a program until the test ends.
func begin(t *testing.T, c *exec.Cmd) {
	t.Helper()
	die(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func freePort(t *testing.T) (port int) {
	t.Helper()
	if _, err := fmt.Sscanf(freeAddress(t), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

func answers(port int) bool {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}
