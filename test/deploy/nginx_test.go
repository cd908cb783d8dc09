package deploy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// proxy is nginx with the configuration of deploy/, in front of backend.
type proxy struct {
	t           *testing.T
	plain, host string // addresses of http and https
	log         string // file
}

// newProxy changes of the configuration what its first lines tell to change, and
// the ports.
func newProxy(t *testing.T, backend string) *proxy {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // not in everybody's PATH
		if _, err := os.Stat(nginx); err != nil {
			t.Skip("no nginx: scripts/setup nginx installs it")
		}
	}
	dir := t.TempDir()
	p := &proxy{t: t, plain: freeAddress(t), host: freeAddress(t), log: filepath.Join(dir, "divoc.log")}
	writeCertificate(t, dir)
	text, err := os.ReadFile("../../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	for _, change := range [][2]string{
		{"listen 80;", "listen " + p.plain + ";"}, {"listen [::]:80;", ""},
		{"listen 443 ssl http2;", "listen " + p.host + " ssl http2;"}, {"listen [::]:443 ssl http2;", ""},
		{"server 127.0.0.1:8080;", "server " + backend + ";"},
		{"/etc/ssl/divoc/chain.pem", dir + "/chain.pem"}, {"/etc/ssl/divoc/key.pem", dir + "/key.pem"},
		{"/var/log/nginx/divoc.log", p.log},
	} {
		if !strings.Contains(conf, change[0]) {
			t.Fatalf("deploy/nginx.conf has no %q", change[0])
		}
		conf = strings.ReplaceAll(conf, change[0], change[1])
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n" // of a folder that only this test may enter
	}
	around := fmt.Sprintf("%sdaemon off;\npid %s/pid;\nerror_log %[2]s/error.log;\nevents {}\nhttp {\n"+
		"client_body_temp_path %[2]s/body;\nproxy_temp_path %[2]s/proxy;\nfastcgi_temp_path %[2]s/f;\nuwsgi_temp_path %[2]s/u;\nscgi_temp_path %[2]s/s;\naccess_log off;\n%[3]s}\n", user, dir, conf)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(around), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(nginx, "-t", "-c", file, "-e", dir+"/error.log").CombinedOutput(); err != nil {
		t.Fatalf("nginx refuses the configuration: %v\n%s", err, out)
	}
	cmd := exec.Command(nginx, "-c", file, "-e", dir+"/error.log")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for range 200 {
		if c, err := net.Dial("tcp", p.host); err == nil {
			c.Close()
			return p
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nginx does not listen")
	return nil
}

// client asks the proxy from an address of this machine.
func (p *proxy) client(from string) *http.Client {
	dial := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial.DialContext(ctx, "tcp", p.host) },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own certificate
		ForceAttemptHTTP2: true,
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is what came back.
type reply struct {
	StatusCode, ProtoMajor int
	Header                 http.Header
}

// get asks for a path and returns what came back, and its body.
func get(t *testing.T, c *http.Client, path string, header ...string) (reply, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://certificates.example.org"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{a.StatusCode, a.ProtoMajor, a.Header}, string(body)
}

// TestTheProxyTellsWhoAsks puts nginx before what divoc puts before its pages.
func TestTheProxyTellsWhoAsks(t *testing.T) {
	said := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %q", r.RemoteAddr, r.URL.Scheme, r.Host, r.Header.Get("Forwarded"))
	})
	mux.HandleFunc("/api/progress", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: one\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-said:
			fmt.Fprint(w, "event: two\n\n")
		case <-time.After(20 * time.Second):
		}
	})
	mux.HandleFunc("/api/upload", func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		if _, err := io.ReadFull(r.Body, first); err != nil {
			t.Errorf("the beginning of a file: %v", err)
		}
		said <- struct{}{}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	backend := httptest.NewServer(door.TrustProxy([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, mux))
	defer backend.Close()
	p := newProxy(t, backend.Listener.Addr().String())
	away := p.client("127.0.0.2")

	// A client's own headers are hearsay.
	for range 2 { // over one connection too
		a, body := get(t, away, "/", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "http", "Forwarded", "for=198.51.100.1;proto=http")
		if body != `127.0.0.2:0 https certificates.example.org ""` || a.ProtoMajor != 2 {
			t.Errorf("HTTP/%d, divoc hears %s", a.ProtoMajor, body)
		}
		if a.Header.Get("Strict-Transport-Security") == "" || strings.Contains(a.Header.Get("Server"), "1.") {
			t.Errorf("headers %v", a.Header)
		}
	}
	// Progress is told while it is made.
	r, err := away.Get("https://certificates.example.org/api/progress")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	if !lines.Scan() || lines.Text() != "event: one" {
		t.Fatalf("progress begins with %q", lines.Text())
	}
	said <- struct{}{}
	if lines.Scan() && lines.Text() == "" { // between two events
		lines.Scan()
	}
	if lines.Text() != "event: two" {
		t.Errorf("progress goes on with %q", lines.Text())
	}
	// A large file arrives while it is sent.
	body, send := io.Pipe()
	go func() {
		fmt.Fprint(send, "first")
		select {
		case <-said:
			_, _ = io.Copy(send, io.LimitReader(zeros{}, 20<<20))
			_ = send.Close()
		case <-time.After(20 * time.Second):
			_ = send.CloseWithError(fmt.Errorf("nothing arrived while it was sent"))
		}
	}()
	if r, err = away.Post("https://certificates.example.org/api/upload", "text/csv", body); err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if answer, err := io.ReadAll(r.Body); err != nil || string(answer) != "20971520 <nil>" {
		t.Errorf("a large file: %s %v", answer, err)
	}
	// Figures are for those who run it.
	if a, _ := get(t, away, "/metrics"); a.StatusCode != http.StatusForbidden {
		t.Errorf("metrics for anybody: %d", a.StatusCode)
	}
	if a, _ := get(t, p.client("127.0.0.1"), "/metrics"); a.StatusCode != http.StatusOK {
		t.Errorf("metrics: %d", a.StatusCode)
	}
	// Whoever asks for pages too often waits; whoever delivers does not.
	pages, deliveries := map[int]int{}, map[int]int{}
	for range 400 {
		a, _ := get(t, away, "/divoc/api/v1/certify?code=MARKED")
		deliveries[a.StatusCode]++
	}
	for i := range 800 {
		a, _ := get(t, away, []string{"/verify?MARKED", "/api/v1/verify"}[i%2])
		pages[a.StatusCode]++
	}
	if deliveries[http.StatusOK] != 400 || pages[http.StatusTooManyRequests] == 0 || pages[http.StatusOK] < 200 {
		t.Errorf("deliveries %v, pages %v", deliveries, pages)
	}
	// From http the way leads to https.
	plain, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get("http://" + p.plain + "/verify")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if to := plain.Header.Get("Location"); plain.StatusCode != http.StatusPermanentRedirect || !strings.HasPrefix(to, "https://") || !strings.HasSuffix(to, "/verify") {
		t.Errorf("http: %d to %q", plain.StatusCode, to)
	}
	if log, err := os.ReadFile(p.log); err != nil || len(log) == 0 || strings.Contains(string(log), "MARKED") || strings.Contains(string(log), "/verify") {
		t.Errorf("the proxy's log: %v %.200s", err, log)
	}
}

// TestDivocBehindTheProxy certifies and verifies through nginx.
func TestDivocBehindTheProxy(t *testing.T) {
	t.Parallel()
	s := program.Start(t, filepath.Join(t.TempDir(), "data"), "--profile", "jamaica", "--demo", "--trusted-proxy", "127.0.0.1/32")
	p := newProxy(t, strings.TrimPrefix(s.URL, "http://"))
	c := p.client("127.0.0.1")
	for _, path := range []string{"/", "/verify", "/openapi.json", "/readyz", "/trust/bundle.json"} {
		if a, body := get(t, c, path); a.StatusCode != http.StatusOK || a.Header.Get("Strict-Transport-Security") == "" || len(body) == 0 {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
	}
	r, err := http.NewRequest(http.MethodPost, "https://certificates.example.org/api/v1/uploads?filename=people.json", strings.NewReader(`[{"enrolmentCode": "P-1",
		"person": {"name": "Marcia Campbell", "birthDate": "1987-04-21"}, "vaccination": {"product": "Comirnaty", "lot": "PF1", "date": "2021-11-30", "dose": 1, "totalDoses": 2}}]`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.Token("commcare"))
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if body, err := io.ReadAll(a.Body); err != nil || a.StatusCode/100 != 2 {
		t.Errorf("an upload: %d %s %v", a.StatusCode, body, err)
	}
}

type zeros struct{}

// Read fills p with zeros.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"certificates.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"chain.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
