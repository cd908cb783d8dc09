package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/program"
)

// edit changes a file: each text that comes first in a pair to the one after it.
func edit(t *testing.T, file string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExport takes a certificate in DIVOC's own format from a folder that was
// started before its profile asked for it.
func TestExport(t *testing.T) {
	t.Parallel()
	data, all := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if err := os.CopyFS(all, profiles.FS); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(all, "jamaica")
	profile := filepath.Join(folder, "profile.yaml")
	s := program.Start(t, data, "--profile", folder, "--demo")
	c := certify(t, s, s.Token("check"), "E-1")
	refusal{[]string{"export", "--data", data, c.id}, failed, []string{"its profile does not ask for it"}}.check(t)
	refusal{[]string{"keys", "rotate", "--data", data, "--set", "divoc"}, failed, []string{"there is no key for it"}}.check(t)
	edit(t, profile, "payloads: [ddcc]", "payloads: [ddcc, divoc]", "maxStatusAgeHours", "divocKey: rsa\nmaxStatusAgeHours")
	refusal{[]string{"export", "--data", data, c.id}, failed, []string{"start the server again"}}.check(t)
	s.Stop()

	s = program.Start(t, data, "--demo")
	if keys := program.Must(t, "keys", "list", "--data", data); strings.Count(keys, " divoc ") != 1 {
		t.Errorf("keys:\n%s", keys)
	}
	trust := bundle(t, data)
	for _, form := range []string{"json", "png", "code"} {
		file := filepath.Join(t.TempDir(), "certificate."+form)
		program.Must(t, "export", "--data", data, "--form", form, "-o", file, c.id)
		if r := program.Run(t, "verify", "--trust", trust, file); r.Code != 2 || !strings.Contains(r.Out, "signature is genuine") || !strings.Contains(r.Out, "SPECIMEN") {
			t.Errorf("%s: exit %d %s%s", form, r.Code, r.Out, r.Err)
		}
	}
	if drawing := program.Must(t, "export", "--data", data, "--form", "svg", c.id); !strings.HasPrefix(drawing, "<svg") {
		t.Errorf("a drawing: %.60q", drawing)
	}
	out := t.TempDir()
	program.Must(t, "keys", "export-public", "--data", data, "-o", out)
	if text, err := os.ReadFile(filepath.Join(out, "divoc-verifier.txt")); err != nil || !strings.HasPrefix(string(text), "did:web:") || !strings.Contains(string(text), "BEGIN PUBLIC KEY") {
		t.Errorf("for verifiers: %s, %v", text, err)
	}
	program.Must(t, "keys", "rotate", "--data", data, "--set", "divoc")
	refusal{[]string{"export", "--data", data, "not-an-id"}, 64, []string{"not a certificate id"}}.check(t)
	program.Must(t, "fsck", "--data", data)
	s.Stop()

	// Another kind of key would leave every verifier behind.
	edit(t, profile, "divocKey: rsa", "divocKey: ed25519")
	refusal{[]string{"serve", "--data", data, "--demo", "--listen", "127.0.0.1:0"}, failed, []string{"keys rotate --set divoc"}}.check(t)
	program.Must(t, "keys", "rotate", "--data", data, "--set", "divoc")
	program.Start(t, data, "--demo").Stop()
}
