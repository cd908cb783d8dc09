package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/test/program"
)

var template = regexp.MustCompile(`(?s)<template.*?</template>|<script.*?</script>|="[^"]*&#34;[^"]*"`)

// TestProduction sets a real folder up as its operator does, from the sealing
// key to a certificate that verifies anywhere; nothing says SPECIMEN.
func TestProduction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, sealKey := filepath.Join(dir, "data"), filepath.Join(dir, "seal.key")
	program.Must(t, "keys", "seal-key", "-o", sealKey)
	if info, err := os.Stat(sealKey); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the sealing key: %v %v", info, err)
	}
	const address = "https://certificates.example.org"
	s := program.Start(t, data, "--profile", "jamaica", "--public-url", address+"/", "--seal-key", sealKey)
	if s.Out() != "" {
		t.Errorf("it prints\n%s", s.Out())
	}
	token := s.Token("commcare")
	c := certify(t, s, token, "P-1")

	said := verify(t, s, c.code)
	if said.Verdict != "valid" || said.Specimen || said.Issuer.ID != "did:web:certificates.example.org" {
		t.Errorf("the server says %+v", said)
	}
	if r, said := verifyOffline(t, c.code, bundle(t, data, "--seal-key", sealKey)); r.Code != 0 || said.Specimen {
		t.Errorf("offline: exit %d, %+v", r.Code, said)
	}
	credential := ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id+"/credential", token, nil, http.StatusOK, nil)
	if !strings.Contains(credential, address+"/status/revocation/") {
		t.Errorf("the credential points to no status list of %s: %s", address, credential)
	}
	var did struct{ ID string }
	shown := map[string]string{"credential": credential, "keys list": program.Must(t, "keys", "list", "--data", data, "--seal-key", sealKey)}
	for _, path := range []string{
		"/", "/verify", "/.well-known/did.json", "/trust/bundle.json", "/openapi.json", "/divoc/api/v1/ping",
		"/api/v1/certificates/" + c.id, "/api/v1/certificates/" + c.id + "/qr.svg", "/divoc/api/v1/certificates/P-1",
	} {
		shown[path] = ask(t, s, http.MethodGet, path, token, nil, http.StatusOK, nil)
	}
	if err := json.Unmarshal([]byte(shown["/.well-known/did.json"]), &did); err != nil || did.ID != "did:web:certificates.example.org" {
		t.Errorf("did.json is of %q, %v", did.ID, err)
	}
	pdf := ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id+"/pdf", token, nil, http.StatusOK, nil)
	shown["page"] = pdfText(t, pdf)
	if !strings.Contains(shown["page"], "Kemar Brown") {
		t.Errorf("the page says\n%s", shown["page"])
	}
	shown["log"] = s.Log()
	shown["/verify"] = template.ReplaceAllString(shown["/verify"], "") // what it can say of others' codes
	for what, text := range shown {
		if strings.Contains(strings.ToUpper(text), "SPECIMEN") && what != "/openapi.json" {
			t.Errorf("%s says SPECIMEN", what)
		}
	}
	for _, path := range []string{"/demo/certificates/" + c.id + "/pdf", "/demo/certificates/" + c.id + "/print", "/issue"} {
		ask(t, s, http.MethodGet, path, "", nil, http.StatusNotFound, nil)
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.Log())
	}

	// What was decided is remembered; the key is given each time.
	again := program.Start(t, data, "--seal-key", sealKey)
	if said := verify(t, again, c.code); said.Verdict != "valid" {
		t.Errorf("after another start: %+v", said)
	}
	again.Stop()

	// A thief has the folder and everything but the key.
	stolen := copied(t, data)
	for _, args := range [][]string{{"fsck"}, {"trust", "export"}, {"keys", "list"}, {"keys", "csr"}, {"serve"}, {"serve", "--demo"}, {"issue", "-o", dir, write(t, "r.json", encode(t, []any{event("P-1", "PF1")}))}} {
		if r := program.Run(t, append(args, "--data", stolen)...); r.Code != failed || r.Out != "" {
			t.Errorf("a copy without the key: divoc %v: exit %d %s", args, r.Code, r.Out)
		}
	}
	found := false
	err := filepath.Walk(stolen, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found = found || bytes.Contains(text, []byte("covid-19"))
		for _, secret := range []string{"Kemar", "1990-02-03", "PRIVATE KEY", token} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
		return err
	})
	if err != nil || !found {
		t.Errorf("the copy was not read: %v", err)
	}
}

// TestADemonstrationSaysSo is the same the other way round.
func TestADemonstrationSaysSo(t *testing.T) {
	t.Parallel()
	s := demo(t)
	token := s.Token("check")
	c := certify(t, s, token, "D-1")
	if said := verify(t, s, c.code); !said.Specimen {
		t.Errorf("the statement: %+v", said)
	}
	if r, said := verifyOffline(t, c.code, bundle(t, s.Data)); r.Code != 0 || !said.Specimen {
		t.Errorf("offline: exit %d, %+v", r.Code, said)
	}
	for what, text := range map[string]string{
		"keys list":  program.Must(t, "keys", "list", "--data", s.Data),
		"page":       pdfText(t, ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id+"/pdf", token, nil, http.StatusOK, nil)),
		"print page": ask(t, s, http.MethodGet, "/demo/certificates/"+c.id+"/print", "", nil, http.StatusOK, nil),
		"start":      ask(t, s, http.MethodGet, "/", "", nil, http.StatusOK, nil),
		"verifier":   ask(t, s, http.MethodGet, "/verify", "", nil, http.StatusOK, nil),
		"bundle":     ask(t, s, http.MethodGet, "/trust/bundle.json", "", nil, http.StatusOK, nil),
		"credential": ask(t, s, http.MethodGet, "/api/v1/certificates/"+c.id+"/credential", token, nil, http.StatusOK, nil),
		"output":     s.Out(),
	} {
		if !strings.Contains(strings.ToUpper(text), "SPECIMEN") {
			t.Errorf("%s does not say SPECIMEN", what)
		}
	}
}

// pdfText is what a page says.
func pdfText(t *testing.T, pdf string) string {
	t.Helper()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("no pdftotext on this machine (package poppler-utils)")
	}
	cmd := exec.Command("pdftotext", "-", "-")
	cmd.Stdin = strings.NewReader(pdf)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pdftotext: %v", err)
	}
	return string(out)
}
