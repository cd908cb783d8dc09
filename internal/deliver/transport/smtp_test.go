package transport

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mailServer is a mail server that answers as a test says.
type mailServer struct {
	port     int
	replies  map[string]string // by verb: "RCPT" → "550 5.1.1 nobody"
	starttls bool

	mu     sync.Mutex
	heard  []string // commands
	bodies []string
}

func (s *mailServer) said(verb, usual string) string {
	if r, ok := s.replies[verb]; ok {
		return r
	}
	return usual
}

// serve answers one connection.
func (s *mailServer) serve(c net.Conn, secure *tls.Config) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	answer := func(text string) { fmt.Fprintf(c, "%s\r\n", text) }
	answer("220 test")
	inTLS := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.heard = append(s.heard, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		switch verb {
		case "EHLO":
			if s.starttls && !inTLS {
				answer("250-test\r\n250 STARTTLS")
			} else {
				answer("250-test\r\n250 AUTH PLAIN")
			}
		case "STARTTLS":
			answer("220 go on")
			t := tls.Server(c, secure)
			if t.Handshake() != nil {
				return
			}
			c, r, inTLS = t, bufio.NewReader(t), true
		case "AUTH":
			answer(s.said(verb, "235 fine"))
		case "DATA":
			if reply := s.said(verb, "354 go on"); !strings.HasPrefix(reply, "3") {
				answer(reply)
				continue
			} else {
				answer(reply)
			}
			var b strings.Builder
			for {
				text, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if text == ".\r\n" {
					break
				}
				b.WriteString(text)
			}
			s.mu.Lock()
			s.bodies = append(s.bodies, b.String())
			s.mu.Unlock()
			reply := s.said("BODY", "250 taken")
			if reply == "" {
				return // it breaks off
			}
			answer(reply)
		case "QUIT":
			answer("221 bye")
			return
		default:
			answer(s.said(verb, "250 fine"))
		}
	}
}

func newMailServer(t *testing.T, replies map[string]string, starttls bool) (*mailServer, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &mailServer{port: l.Addr().(*net.TCPAddr).Port, replies: replies, starttls: starttls} //nolint:forcetypeassert // of a TCP listener
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
		}
	}()
	return s, pool
}

func mailTo(t *testing.T, port int, secure string, pool *x509.CertPool) *Mail {
	t.Helper()
	s, err := Parse("mail", fmt.Appendf(nil, `
kind: smtp
perSecond: 10
from: "Ministry of Health <no-reply@certificates.example>"
credentials: {pass: s3cret}
smtp: {host: localhost, port: %d, tls: %s, user: ministry, password: "{pass}"}
`, port, secure))
	if err != nil {
		t.Fatal(err)
	}
	m := NewSMTP(s, Options{Now: now})
	m.roots.RootCAs = pool
	return m
}

func letter() Message {
	return Message{Ref: "0007000000000000002a", To: "marcia@example.org", Subject: "සෞඛ්‍ය අමාත්‍යාංශය වෙතින් පණිවිඩයක්", Text: "ඔබගේ සහතිකය සූදානම්: https://c.example/my", Expires: now().Add(time.Hour)}
}

func TestMail(t *testing.T) {
	server, pool := newMailServer(t, nil, true)
	m := mailTo(t, server.port, "starttls", pool)
	sent, err := m.Send(t.Context(), letter())
	if err != nil || sent.ProviderID != "<0007000000000000002a@certificates.example>" {
		t.Fatalf("%+v, %v", sent, err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	checkLetter(t, server.bodies[0])
	if said := strings.Join(server.heard, "\n"); !strings.Contains(said, "STARTTLS\nEHLO localhost\nAUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00ministry\x00s3cret"))) {
		t.Errorf("it said\n%s", said)
	}
}

// checkLetter reads what arrived.
func checkLetter(t *testing.T, text string) {
	t.Helper()
	got, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != letter().Subject {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, got.Body))
	if err != nil || strings.TrimSpace(string(body)) != letter().Text {
		t.Errorf("the text is %q, %v", body, err)
	}
	if to := got.Header.Get("To"); to != "<marcia@example.org>" {
		t.Errorf("it goes to %s", to)
	}
}

func TestWhatAMailServerSays(t *testing.T) {
	for name, tt := range map[string]struct {
		replies map[string]string
		want    string
	}{
		"nobody has the address":      {map[string]string{"RCPT": "550 5.1.1 no such user"}, "permanent 550 unreachable false"},
		"it refuses the recipient":    {map[string]string{"RCPT": "554 5.7.1 blocked"}, "permanent 554  false"},
		"the mailbox is full":         {map[string]string{"RCPT": "452 4.2.2 full"}, "temporary 452  false"},
		"greylisted":                  {map[string]string{"RCPT": "451 4.2.0 later"}, "temporary 451  false"},
		"too many at once":            {map[string]string{"RCPT": "451 4.7.1 slower"}, "throttled 451  false"},
		"it closes":                   {map[string]string{"MAIL": "421 4.3.2 closing"}, "down 421  false"},
		"it does not know the sender": {map[string]string{"MAIL": "550 5.7.1 not yours"}, "down 550  true"},
		"a wrong password":            {map[string]string{"AUTH": "535 5.7.8 no"}, "down auth  true"},
		"it refuses the text":         {map[string]string{"BODY": "554 5.6.0 spam"}, "permanent 554  false"},
		"it breaks off after it":      {map[string]string{"BODY": ""}, "unknown no-answer  false"},
	} {
		server, pool := newMailServer(t, tt.replies, true)
		_, err := mailTo(t, server.port, "starttls", pool).Send(t.Context(), letter())
		e := AsError(err)
		if e == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if got := fmt.Sprint(e.Class, " ", e.Code, " ", e.Suppress, " ", e.Credentials); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if strings.Contains(err.Error(), "marcia") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error says too much: %v", name, err)
		}
	}
}

// TestMailNeverGoesInClear has a server without STARTTLS, and one whose
// certificate nobody we trust signed.
func TestMailNeverGoesInClear(t *testing.T) {
	plain, pool := newMailServer(t, nil, false)
	if _, err := mailTo(t, plain.port, "starttls", pool).Send(t.Context(), letter()); AsError(err).Code != "no-starttls" {
		t.Errorf("without STARTTLS: %v", err)
	}
	other, _ := newMailServer(t, nil, true)
	if _, err := mailTo(t, other.port, "starttls", pool).Send(t.Context(), letter()); AsError(err).Code != "no-tls" {
		t.Errorf("another's certificate: %v", err)
	}
	for _, s := range []*mailServer{plain, other} {
		s.mu.Lock()
		for _, line := range s.heard {
			if strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "RCPT") {
				t.Errorf("it said %s", line)
			}
		}
		s.mu.Unlock()
	}
}

func TestAHeaderIsNotMadeFromValues(t *testing.T) {
	server, pool := newMailServer(t, nil, true)
	m := mailTo(t, server.port, "starttls", pool)
	for name, change := range map[string]func(*Message){
		"a recipient with another header": func(x *Message) { x.To = "a@example.org\r\nBcc: b@example.org" },
		"two recipients":                  func(x *Message) { x.To = "a@example.org, b@example.org" },
		"a subject of two lines":          func(x *Message) { x.Subject = "a\r\nBcc: b@example.org" },
		"a reference of two lines":        func(x *Message) { x.Ref = "1\r\nBcc: b@example.org" },
	} {
		x := letter()
		change(&x)
		if _, err := m.Send(t.Context(), x); AsError(err) == nil || AsError(err).Class != Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := letter()
	x.Text = "one\r\n.\r\nMAIL FROM:<x@example.org>"
	if _, err := m.Send(t.Context(), x); err != nil {
		t.Error(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.bodies) != 1 {
		t.Errorf("%d letters arrived", len(server.bodies))
	}
}

// TestMailToAnIndependentServer sends to aiosmtpd, which prints what it got.
func TestMailToAnIndependentServer(t *testing.T) {
	path, err := exec.LookPath("aiosmtpd")
	if err != nil {
		t.Skip("aiosmtpd is not installed: scripts/setup aiosmtpd")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c := exec.Command(path, "-n", "-l", address, "-c", "aiosmtpd.handlers.Debugging", "stdout")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Env = append(c.Environ(), "PYTHONUNBUFFERED=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			break
		} else if time.Now().After(end) {
			t.Fatal("aiosmtpd did not start")
		}
	}
	s, err := Parse("mail", fmt.Appendf(nil, "kind: smtp\nperSecond: 10\nfrom: no-reply@certificates.example\nsmtp: {host: 127.0.0.1, port: %s, tls: none}\n", address[strings.LastIndex(address, ":")+1:]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSMTP(s, Options{Now: now}).Send(t.Context(), letter()); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "------------ END MESSAGE") {
			break
		}
		if !strings.HasPrefix(line, "---------- MESSAGE") && !strings.HasPrefix(line, "X-Peer") && !strings.HasPrefix(line, "mail options") {
			b.WriteString(line + "\r\n")
		}
	}
	checkLetter(t, strings.TrimLeft(b.String(), "\r\n"))
}
