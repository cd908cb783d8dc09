package browser

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/oidc"
)

// elsewhere is what the scripts of [TestSignInElsewhere] are told beside the setup.
type elsewhere struct {
	setup
	Issuer string `json:"issuer"`
}

// TestSignInElsewhere is a country in which citizens and staff sign in at an OpenID
// Connect provider that others wrote, which to the browser is another site.
func TestSignInElsewhere(t *testing.T) {
	chromium, binary := needs(t)
	address := freeAddress(t)
	site := "http://" + address
	provider := oidc.Start(t, oidc.Options{Site: site, Host: "localhost", Asks: true})
	dir := t.TempDir()
	country := filepath.Join(dir, "sri-lanka")
	shipped, err := fs.Sub(profiles.FS, "sri-lanka")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(country, shipped); err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(country, "profile.yaml")
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, profile, string(text)+provider.CitizenIdentity())
	s := startAt(t, address, binary, country, "--public-url", site, "--staff-provider", provider.StaffFile(dir))
	token, err := exec.Command(binary, "token", "create", "--role", "source", "--source", "clinic", "--data", s.data).Output()
	if err != nil {
		t.Fatal(err)
	}
	for code, person := range map[string]map[string]any{
		"MINE":   {"name": "Nimali Perera", "birthDate": "1987-04-21", "sex": "female", "identifier": map[string]any{"type": "national-id", "value": "871120015V"}},
		"FAMILY": {"name": "Kamal Perera", "birthDate": "2015-09-02", "sex": "male"},
	} {
		s.report(t, strings.TrimSpace(string(token)), code, "tel:0712345678", person)
	}
	c := elsewhere{s.sample(t), provider.Issuer}
	c.Chromium, c.Languages = chromium, []string{"si", "ta", "en"}
	for _, script := range []string{"identity", "provider"} {
		t.Run(script, func(t *testing.T) { run(t, s, c, script) })
	}
}
