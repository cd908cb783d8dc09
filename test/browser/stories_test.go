package browser

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"image"
	"image/png"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/commcare/hq"
	"github.com/opendivoc/divoc/test/dhis2/replay"
)

// story is what the script of a story is told beside its setup.
type story struct {
	setup
	Binary   string            `json:"binary"`
	Data     string            `json:"data"`
	SealKey  string            `json:"sealKey"`
	Peer     string            `json:"peer"`     // where a message that arrived is asked for
	Links    map[string]string `json:"links"`    // by which staff sign in first, by role
	Zbarimg  bool              `json:"zbarimg"`  // whether there is one
	Phone    string            `json:"phone"`    // of the register of Sri Lanka
	Register string            `json:"register"` // where the register of Sri Lanka is told to go away
}

// TestStories runs a country from its first start to the end of a person's way,
// with nothing that a demonstration would make easier: real accounts, codes that
// arrive by SMS, https.
func TestStories(t *testing.T) {
	chromium, binary := needs(t)
	t.Run("jamaica", func(t *testing.T) {
		phones := newPhones(t)
		s := launch(t, binary, "jamaica")
		s.gateway(t, phones)
		c := s.story(t, chromium, phones)
		today := time.Now().In(time.FixedZone("Jamaica", -5*60*60))
		project := hq.New(hq.Options{Domain: "jamaica", User: "reader@moh", APIKey: "key", Now: time.Now})
		forwarder := &hq.Forwarder{
			Server: project, URL: s.base + "/api/v1/intake/commcare", Client: s.client, Random: mathrand.New(mathrand.NewPCG(1, 2)), //nolint:gosec // a game of chance
		}
		api, stop := project.Start()
		t.Cleanup(stop)
		dir := t.TempDir()
		config := filepath.Join(dir, "commcare.json")
		write(t, config, fmt.Sprintf(`{"url":%q,"domain":"jamaica","user":"reader@moh","apiKey":"key"}`, api))
		s.divoc(t, "source", "create", "commcare", "--kind", "commcare", "--mapping", filepath.Join(s.profile, "sources", "commcare.yaml"), "--config", config)
		token := s.divoc(t, "token", "create", "--role", "source", "--source", "commcare")
		forwarder.Authorize = func(r *http.Request) { r.SetBasicAuth("commcare", token) }
		person, doses := hq.Invent(142)
		dose := doses[0]
		dose.Properties["date_given"], dose.Properties["batch_number"] = today.AddDate(0, 0, -2).Format(time.DateOnly), "JM0001"
		project.Put(person)
		project.Put(dose)
		if sent := forwarder.Step(); sent.Delivered != 2 {
			t.Fatalf("CommCare's forwarder says %+v", sent)
		}
		born := strings.Split(person.Properties["dob"], "-")
		c.Citizen = citizen{Number: person.Properties["mobile_number"], Year: born[0], Month: born[1], Day: born[2], Name: person.Name}
		tell(t, s.server, c, "jamaica")
	})
	t.Run("sri-lanka", func(t *testing.T) {
		phones := newPhones(t)
		register, err := replay.New(replay.Options{Now: time.Now, Token: "d2pat_replay", People: 20})
		if err != nil {
			t.Fatal(err)
		}
		var away atomic.Bool
		mux := http.NewServeMux()
		mux.HandleFunc("POST /away", func(http.ResponseWriter, *http.Request) { away.Store(true) })
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			if away.Load() {
				http.Error(w, "", http.StatusServiceUnavailable)
				return
			}
			register.ServeHTTP(w, r)
		})
		dhis2 := httptest.NewServer(mux)
		t.Cleanup(dhis2.Close)
		s := launch(t, binary, "sri-lanka")
		s.gateway(t, phones)
		c := s.story(t, chromium, phones)
		config := filepath.Join(t.TempDir(), "dhis2.json")
		write(t, config, fmt.Sprintf(`{"url":%q,"token":"d2pat_replay","program":"yDuAzyqYABS","systemId":["KSr2yTdu1AI"],"onDemand":true}`, dhis2.URL))
		s.divoc(t, "source", "create", "covac", "--kind", "dhis2", "--mapping", filepath.Join(s.profile, "sources", "dhis2-covac.yaml"), "--config", config)
		c.Citizen = citizen{Number: "871120015V", Day: "16", Month: "6", Year: "2021", Name: "නිමල් පෙරේරා"}
		c.Phone, c.Register = "94700000001", dhis2.URL+"/away"
		tell(t, s.server, c, "srilanka")
	})
}

// country is a server without anything of a demonstration.
type country struct {
	*server
	binary, profile, sealKey string
	client                   *http.Client
}

// launch starts a country for the first time: a sealing key outside its folder,
// https under the address that its certificates name, its shipped profile, in
// which people are told at any hour.
func launch(t *testing.T, binary, name string) *country {
	t.Helper()
	dir := t.TempDir()
	s := &country{binary: binary, profile: filepath.Join(dir, name), sealKey: filepath.Join(dir, "seal.key")}
	if err := os.CopyFS(dir, profiles.FS); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.profile, "profile.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, regexp.MustCompile(`quietHours: \S+`).ReplaceAllString(string(text), "quietHours: none"))
	cert, key, pool := authority(t, dir)
	s.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
	if out, err := exec.Command(binary, "keys", "seal-key", "-o", s.sealKey).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	var log bytes.Buffer
	s.server = &server{base: "https://" + address, data: filepath.Join(dir, "data"), done: make(chan error, 1)}
	s.cmd = exec.Command(binary, "serve", "--profile", s.profile, "--data", s.data, "--listen", address, "--public-url", s.base, "--seal-key", s.sealKey, "--tls-cert", cert, "--tls-key", key)
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.stop()
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, `"level":"ERROR"`) || t.Failed() && !strings.Contains(line, `"level":"INFO"`) {
				t.Log(strings.TrimSpace(line))
			}
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("the server ended: %v\n%s", err, log.String())
		default:
		}
		if r, err := s.client.Get(s.base + "/readyz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready after two minutes")
		}
	}
}

// divoc runs a command beside the server and returns what it printed.
func (s *country) divoc(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.binary, append(args, "--data", s.data, "--seal-key", s.sealKey)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("divoc %s: %v\n%s", strings.Join(args, " "), err, problems.String())
	}
	return strings.TrimSpace(string(out))
}

// gateway has the country's messages go to the telephones.
func (s *country) gateway(t *testing.T, p *phones) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, fmt.Sprintf("preset: kannel\nperSecond: 20\nfrom: MOH\ncredentials: {user: divoc, password: secret}\nrequest: {url: %q}\n", p.gateway))
	s.divoc(t, "message", "gateway", "set", "sms", file)
}

// story is what a script is told of the country.
func (s *country) story(t *testing.T, chromium string, p *phones) story {
	t.Helper()
	c := story{Binary: s.binary, Data: s.data, SealKey: s.sealKey, Peer: p.peer, Links: map[string]string{}}
	c.Base, c.Chromium, c.Out = s.base, chromium, os.Getenv("DIVOC_SCREENSHOTS")
	c.Links["system-admin"] = s.divoc(t, "staff", "invite", "--role", "system-admin", "--login", "a.brown")
	c.Links["facility-staff"] = s.divoc(t, "staff", "invite", "--role", "facility-staff", "--login", "d.grant", "--facility", "KGN01")
	_, err := exec.LookPath("zbarimg")
	c.Zbarimg = err == nil
	return c
}

// tell runs the script of a story.
func tell(t *testing.T, s *server, c story, script string) {
	t.Helper()
	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 640, 480))); err != nil {
		t.Fatal(err)
	}
	c.Empty = filepath.Join(t.TempDir(), "photo.png")
	write(t, c.Empty, photo.String())
	run(t, s, c, script)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// authority makes a certificate for https on this machine.
func authority(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	like := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, like, like, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, pool = filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key"), x509.NewCertPool()
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	write(t, cert, string(chain))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool.AppendCertsFromPEM(chain)
	return cert, key, pool
}

// die ends a process with the test.
func die(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
