package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

func demo(t *testing.T, args ...string) *program.Server {
	t.Helper()
	return program.Start(t, filepath.Join(t.TempDir(), "data"), append([]string{"--profile", "jamaica", "--demo"}, args...)...)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := demo(t)
	printed := program.Must(t, "token", "create", "--data", s.Data, "--role", "source", "--source", "commcare")
	if !regexp.MustCompile(`^divoc_[a-z2-7]{32}\n$`).MatchString(printed) {
		t.Errorf("token create prints %q, want the token alone", printed)
	}
	token := strings.TrimSpace(printed)
	c := certify(t, s, token, "T-1")
	ask(t, s, http.MethodGet, "/sign-in", "", nil, http.StatusOK, nil) // which makes a demonstration's staff
	own := strings.TrimSpace(program.Must(t, "token", "create", "--data", s.Data, "--role", "system-admin", "--as", "1"))
	if me := ask(t, s, http.MethodGet, "/divoc/api/v1/users/me", own, nil, http.StatusOK, nil); !strings.Contains(me, "/staff:1 ") {
		t.Errorf("a token of somebody's own is %s", me)
	}
	short := strings.TrimSpace(program.Must(t, "token", "create", "--data", s.Data, "--role", "auditor", "--for", "1s"))
	other := s.Token("other")
	ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id, other, nil, http.StatusNotFound, nil)
	for name, wrong := range map[string]string{"none": "", "made up": "divoc_" + strings.Repeat("a", 32), "cut off": token[:30], "not ours": "hello"} {
		t.Run(name, func(t *testing.T) {
			ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id, wrong, nil, http.StatusUnauthorized, nil)
		})
	}
	time.Sleep(1100 * time.Millisecond)
	ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id, short, nil, http.StatusUnauthorized, nil)

	line := func(name string) []string {
		for line := range strings.Lines(program.Must(t, "token", "list", "--data", s.Data)) {
			if strings.Contains(line, token) {
				t.Error("the list shows the token")
			}
			if f := strings.Fields(line); len(f) > 1 && f[1] == name {
				return f
			}
		}
		t.Fatalf("the list does not name %s", name)
		return nil
	}
	if f := line("auditor"); f[len(f)-2] != "expired" {
		t.Errorf("list: %v, want it expired", f)
	}
	program.Must(t, "token", "revoke", "--data", s.Data, line("commcare")[0])
	ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id, token, nil, http.StatusUnauthorized, nil)
	if f := line("commcare"); f[len(f)-2] != "revoked" {
		t.Errorf("list: %v, want it revoked", f)
	}
	if r := program.Run(t, "token", "revoke", "--data", s.Data, line("commcare")[0]); r.Code != failed {
		t.Errorf("revoking it again: exit %d %s", r.Code, r.Err)
	}
}

func TestOneServerPerFolderAndAddress(t *testing.T) {
	t.Parallel()
	s := demo(t)
	address := strings.TrimPrefix(s.URL, "http://")
	if !strings.Contains(s.Out(), s.URL+"/verify") {
		t.Errorf("it does not print where it is:\n%s", s.Out())
	}
	refusal{[]string{"serve", "--data", s.Data, "--demo", "--listen", "127.0.0.1:0"}, failed, []string{"another divoc is running on this folder"}}.check(t)
	refusal{[]string{"serve", "--data", t.TempDir(), "--demo", "--profile", "jamaica", "--listen", address}, failed, []string{address, "--listen HOST:PORT"}}.check(t)
	ask(t, s, http.MethodGet, "/readyz", "", nil, http.StatusOK, nil)
}

func TestStopping(t *testing.T) {
	t.Parallel()
	s := demo(t)
	pid := s.Postmaster()
	if pid == 0 {
		t.Fatal("no PostgreSQL")
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.Log())
	}
	if left := program.Processes(s.Data); len(left) > 0 {
		t.Errorf("left over when divoc had ended: %v", left)
	}
	for _, level := range []string{`"ERROR"`, `"WARN"`, "panic"} {
		if strings.Contains(s.Log(), level) {
			t.Errorf("a start and a stop log %s:\n%s", level, s.Log())
		}
	}
	again := program.Start(t, s.Data, "--demo")
	if again.Stop() != 0 {
		t.Errorf("the second stop:\n%s", again.Log())
	}
}

func TestIssueWithoutAndWithAServer(t *testing.T) {
	t.Parallel()
	records := filepath.Join(fixtures(t), "dhis2-covac", "divoc-certify-request-sample.json")
	data, out := filepath.Join(t.TempDir(), "data"), t.TempDir()
	first := program.Must(t, "issue", "--data", data, "--profile", "jamaica", "--demo", "-o", out, records)
	pdf := regexp.MustCompile(`record 1: issued (\S+)\.pdf\n`).FindStringSubmatch(first)
	if pdf == nil {
		t.Fatalf("it printed %q", first)
	}
	trust := bundle(t, data)
	for _, file := range []string{".txt", ".json", ".pdf"} {
		if r := program.Run(t, "verify", "--trust", trust, pdf[1]+file); r.Code != 0 {
			t.Errorf("verify %s: exit %d %s%s", file, r.Code, r.Out, r.Err)
		}
		if r := program.Run(t, "verify", pdf[1]+file); r.Code != 2 {
			t.Errorf("verify %s without a list: exit %d, want 2: %s", file, r.Code, r.Out)
		}
		if r := program.Run(t, "verify", "--trust", trust, "--at", "2099-01-01", pdf[1]+file); r.Code != 1 {
			t.Errorf("verify %s when it has ended: exit %d, want 1: %s", file, r.Code, r.Out)
		}
	}
	s := program.Start(t, data, "--demo")
	if again := program.Must(t, "issue", "--data", data, "-o", out, records); !strings.Contains(again, "record 1: unchanged "+pdf[1]) {
		t.Errorf("the same beside a server: %q", again)
	}
	code, err := os.ReadFile(pdf[1] + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	if said := verify(t, s, string(code)); said.Verdict != "valid" {
		t.Errorf("the server says %+v", said)
	}
	list := statusList(t, pdf[1]+".json")
	before := ask(t, s, http.MethodGet, list, "", nil, http.StatusOK, nil)
	text, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	corrected := write(t, "corrected.json", strings.Replace(string(text), "MB3428BX", "MB3428BY", 1))
	refusal{[]string{"issue", "--data", data, "-o", out, corrected}, failed, []string{"record 1", "vaccination.lot", "--correct"}}.check(t)
	if r := program.Must(t, "issue", "--correct", "--data", data, "-o", out, corrected); !strings.Contains(r, "record 1: corrected ") {
		t.Errorf("a correction: %q", r)
	}
	if said := verify(t, s, string(code)); said.Status != "superseded" || said.Verdict != "not-valid" {
		t.Errorf("the server says of the old one %+v", said)
	}
	eventually(t, "the published status list to change", func() bool {
		return ask(t, s, http.MethodGet, list, "", nil, http.StatusOK, nil) != before
	})
	program.Must(t, "fsck", "--data", data)
}

// statusList is the path of the revocation list that a credential names.
func statusList(t *testing.T, credential string) string {
	t.Helper()
	data, err := os.ReadFile(credential)
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile(`/status/revocation/\d+`).Find(data)
	if path == nil {
		t.Fatalf("%s names no status list", credential)
	}
	return string(path)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 300 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("waited in vain for %s", what)
}

func TestRotatedKeysStillVerify(t *testing.T) {
	t.Parallel()
	s := demo(t)
	token := s.Token("check")
	old := certify(t, s, token, "K-1")
	before := verify(t, s, old.code)
	if before.Verdict != "valid" {
		t.Fatalf("before: %+v", before)
	}
	listed := program.Must(t, "keys", "list", "--data", s.Data)
	program.Must(t, "keys", "rotate", "--data", s.Data, "--set", "signing")
	if now := program.Must(t, "keys", "list", "--data", s.Data); strings.Count(now, "\n") <= strings.Count(listed, "\n") || !strings.Contains(now, "retired") {
		t.Errorf("keys after it:\n%s", now)
	}
	var fresh certified
	eventually(t, "the running server to sign with the new key", func() bool {
		fresh = certify(t, s, token, "K-"+rand.Text())
		return verify(t, s, fresh.code).Issuer.Key != before.Issuer.Key
	})
	check := func(when string) {
		t.Helper()
		exported, public := bundle(t, s.Data), t.TempDir()
		program.Must(t, "keys", "export-public", "--data", s.Data, "-o", public)
		for name, c := range map[string]certified{"old": old, "new": fresh} {
			if said := verify(t, s, c.code); said.Verdict != "valid" {
				t.Errorf("%s: the server says of the %s one: %+v", when, name, said)
			}
			for _, file := range []string{exported, filepath.Join(public, "signers.pem")} {
				if r, said := verifyOffline(t, c.code, file); r.Code != 0 && (file == exported || said.Verdict == "not-valid") {
					t.Errorf("%s: with %s the %s one is %+v", when, filepath.Base(file), name, said)
				}
			}
		}
		if text, err := os.ReadFile(filepath.Join(public, "did.json")); err != nil || !strings.Contains(string(text), "assertionMethod") {
			t.Errorf("did.json: %s %v", text, err)
		}
	}
	check("after a rotation")

	// The country's own authority signs a request.
	authority, key := newAuthority(t)
	csr := program.Must(t, "keys", "csr", "--data", s.Data)
	program.Must(t, "keys", "import", "--data", s.Data, write(t, "signer.pem", signed(t, csr, authority, key)))
	var third certified
	eventually(t, "the running server to sign under the imported certificate", func() bool {
		third = certify(t, s, token, "K-"+rand.Text())
		return verify(t, s, third.code).Issuer.Key != verify(t, s, fresh.code).Issuer.Key
	})
	if r, said := verifyOffline(t, third.code, bundle(t, s.Data)); r.Code != 0 {
		t.Errorf("under the imported certificate: %+v", said)
	}
	check("after an import")

	for line := range strings.Lines(program.Must(t, "keys", "list", "--data", s.Data)) {
		if f := strings.Fields(line); f[1] == "document" && f[2] == "current" {
			program.Must(t, "keys", "retire", "--data", s.Data, f[0])
		}
	}
	check("after a key was retired")
	ask(t, s, http.MethodGet, "/readyz", "", nil, http.StatusOK, nil)
	program.Must(t, "fsck", "--data", s.Data)
}

func newAuthority(t *testing.T) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"JM"}, CommonName: "SPECIMEN authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(8, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// signed answers a certificate request, with the authority below it.
func signed(t *testing.T, csr string, authority *x509.Certificate, key *ecdsa.PrivateKey) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Fatalf("keys csr printed %q", csr)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: request.Subject, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(4, 0, 0),
	}, authority, request.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der) + pemText("CERTIFICATE", authority.Raw)
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestTLSAndAProxyInFront(t *testing.T) {
	t.Parallel()
	authority, key := newAuthority(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := demo(t, "--tls-cert", write(t, "tls.pem", pemText("CERTIFICATE", authority.Raw)), "--tls-key", write(t, "tls.key", pemText("PRIVATE KEY", der)))
	if !strings.HasPrefix(s.URL, "https://") || !strings.Contains(s.Out(), s.URL+"/verify") {
		t.Errorf("it runs at %s and prints\n%s", s.URL, s.Out())
	}
	ask(t, s, http.MethodGet, "/readyz", "", nil, http.StatusOK, nil)

	for name, test := range map[string]struct {
		flags []string
		hsts  bool
	}{
		"a trusted proxy": {[]string{"--trusted-proxy", "127.0.0.0/8"}, true},
		"another proxy":   {[]string{"--trusted-proxy", "10.0.0.0/8"}, false},
		"no proxy":        {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := demo(t, test.flags...)
			r, err := http.NewRequest(http.MethodGet, s.URL+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("X-Forwarded-For", "203.0.113.7")
			answer, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = answer.Body.Close() }()
			_, _ = io.Copy(io.Discard, answer.Body)
			if got := answer.Header.Get("Strict-Transport-Security") != ""; got != test.hsts {
				t.Errorf("Strict-Transport-Security is sent: %t, want %t", got, test.hsts)
			}
		})
	}
}
