// Package oidc runs an OpenID Connect provider that others wrote (npm:
// oidc-provider) beside a test: staff sign in there by a secret, citizens as
// eSignet has it (private_key_jwt, signed and encrypted claims).
//
// It is not eSignet or Keycloak, which cannot be had for tests: it speaks their
// protocol.
package oidc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/staff"
)

// Options say for whom a provider works.
type Options struct {
	// Site is the public URL of the service that uses it.
	Site string
	// Host is by which name browsers reach the provider; "127.0.0.1" where empty.
	// By "localhost" it is another site to them than a service on 127.0.0.1.
	Host string
	// Asks says that it shows a page at which somebody signs in or goes back.
	// Otherwise whoever comes is signed in at once.
	Asks bool
}

// Provider is a provider that runs.
type Provider struct {
	// Issuer is its name.
	Issuer string

	t testing.TB
}

// Claims are what a provider says of somebody, and what it is told.
type Claims = map[string]any

// secret is what this service is known by there, for staff.
const secret = "a secret of the tests only"

// Secret is the same, for tests that look whether somebody tells it.
func Secret() string { return secret }

// Start runs a provider until the test ends. Without node the test is skipped.
func Start(t testing.TB, o Options) *Provider {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: no independent OpenID Connect provider was asked", tool)
		}
	}
	dir := home()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	setup, err := json.Marshal(map[string]any{
		"host": o.Host, "asks": o.Asks,
		"redirect": o.Site + staff.ReturnPath, "ended": o.Site + staff.EndedPath, "out": o.Site + staff.OutPath,
		"citizens": map[string]string{
			"redirect": o.Site + citizen.ReturnPath, "ended": o.Site + citizen.EndedPath, "out": o.Site + citizen.OutPath, "keys": o.Site + citizen.KeysPath,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "provider.mjs", string(setup))
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var wrong strings.Builder
	cmd.Stderr = &wrong
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider: %s", wrong.String())
		}
	})
	for heard := bufio.NewScanner(out); heard.Scan(); {
		var said struct{ Issuer string }
		if json.Unmarshal(heard.Bytes(), &said) == nil && said.Issuer != "" {
			return &Provider{Issuer: said.Issuer, t: t}
		}
	}
	t.Fatalf("the provider does not start: %s", wrong.String())
	return nil
}

// home is the folder of this package, where the provider's program is.
func home() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Tell changes the provider: see provider.mjs for what it can be told.
func (p *Provider) Tell(what Claims) {
	p.t.Helper()
	body, err := json.Marshal(what)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.Post(p.Issuer+"/tell", "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.t.Fatalf("the provider does not do as it is told: %s", r.Status)
	}
}

// Staff changes who signs in to a member of staff with a role and, where it is not
// "", a facility.
func (p *Provider) Staff(subject, name, role, facility string) {
	p.t.Helper()
	a := Claims{"sub": subject, "name": name, "realm_access": Claims{"roles": []string{"offline_access", role}}}
	if facility != "" {
		a["facility_code"] = facility
	}
	p.Tell(Claims{"account": a})
}

// StaffFile writes the file of --staff-provider for this provider into a folder: the
// role "boss" is a system administrator's, "desk" that of facility staff.
func (p *Provider) StaffFile(dir string) string {
	p.t.Helper()
	file := filepath.Join(dir, "staff-provider.yaml")
	text := fmt.Sprintf("issuer: %s\nname: {en: the ministry}\nclientID: divoc\nclientSecretFile: client.secret\nrolesClaim: realm_access.roles\nroles: {boss: system-admin, desk: facility-staff}\n", p.Issuer)
	for name, data := range map[string]string{filepath.Join(dir, "client.secret"): secret + "\n", file: text} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return file
}

// CitizenIdentity is the part of a profile by which citizens sign in at this
// provider, called eSignet.
func (p *Provider) CitizenIdentity() string {
	return fmt.Sprintf("\ncitizenIdentity:\n  issuer: %s\n  clientID: divoc-citizens\n  name: {si: eSignet, ta: eSignet, en: eSignet}\n  claims: {identity: individual_id, kind: national-id, phone: phone_number, birthDate: birthdate}\n", p.Issuer)
}
