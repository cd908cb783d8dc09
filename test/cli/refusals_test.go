// Package cli meets divoc as its users do: every command and its errors, a
// production folder from its first start, keys that rotate, tokens that end,
// and what never stands in a log.
package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// The exit codes of commands.
const (
	failed = 3
	usage  = 64
)

// folders are a demonstration and a production that were set up once.
type folders struct {
	dir, demo, production, sealKey string
}

func newFolders(t *testing.T) folders {
	t.Helper()
	dir := t.TempDir()
	f := folders{dir, filepath.Join(dir, "demo"), filepath.Join(dir, "production"), filepath.Join(dir, "seal.key")}
	program.Must(t, "keys", "init", "--data", f.demo, "--profile", "jamaica", "--demo")
	program.Must(t, "keys", "seal-key", "-o", f.sealKey)
	program.Must(t, "keys", "init", "--data", f.production, "--profile", "jamaica", "--public-url", "https://certificates.example.org", "--seal-key", f.sealKey)
	return f
}

// copied is a copy of a folder, to be damaged.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copying: %v %s", err, out)
	}
	return to
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

// refusal is a command that must fail, and what it must say.
type refusal struct {
	args []string
	code int
	says []string
}

// check runs the command and reads its error as a newcomer would: one line, in
// words, that says what to do.
func (r refusal) check(t *testing.T) {
	t.Helper()
	got := program.Run(t, r.args...)
	text := strings.TrimSpace(got.Err)
	t.Logf("divoc %s\n%s", strings.Join(r.args, " "), text)
	if got.Code != r.code {
		t.Errorf("exit %d, want %d", got.Code, r.code)
	}
	for _, s := range r.says {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q", s)
		}
	}
	if got.Out != "" {
		t.Errorf("it printed %q", got.Out)
	}
	said := 0
	for line := range strings.Lines(text) {
		// Each record, and each fault of a profile, has a line of its own.
		if !strings.HasPrefix(line, "record ") && !strings.Contains(line, "profile.yaml:") {
			said++
		}
	}
	if said > map[int]int{failed: 1, usage: 2}[r.code] {
		t.Errorf("it says it in %d lines", said)
	}
	for _, internal := range []string{"SQLSTATE", "goroutine", "pgconn", "errno", "%!", "context canceled"} {
		if strings.Contains(text, internal) {
			t.Errorf("it says %q, which is nothing to a user", internal)
		}
	}
}

// TestCommandLinesThatAreWrong need no folder.
func TestCommandLinesThatAreWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	record := write(t, "records.json", "[]")
	text := write(t, "some.txt", "hello")
	for name, r := range map[string]refusal{
		"unknown command":            {[]string{"server"}, usage, []string{"server", "--help"}},
		"serve without a folder":     {[]string{"serve"}, usage, []string{"--data", "divoc serve --help"}},
		"unknown flag":               {[]string{"serve", "--data", none, "--prot", "1"}, usage, []string{"--prot"}},
		"unknown level":              {[]string{"serve", "--data", none, "--log-level", "loud"}, usage, []string{"--log-level"}},
		"a proxy that is no network": {[]string{"serve", "--data", none, "--trusted-proxy", "proxy.local"}, usage, []string{"--trusted-proxy"}},
		"verify without a file":      {[]string{"verify"}, usage, []string{"<file>"}},
		"verify a missing file":      {[]string{"verify", none}, failed, []string{none, "no such file"}},
		"verify a folder":            {[]string{"verify", dir}, failed, []string{dir, "directory"}},
		"verify at no time":          {[]string{"verify", "--at", "yesterday", text}, usage, []string{"--at", "2026-01-31"}},
		"verify with a missing list": {[]string{"verify", "--trust", none, text}, usage, []string{"--trust", none}},
		"verify with a wrong list":   {[]string{"verify", "--trust", text, text}, failed, []string{text, "trust"}},
		"verify in no language":      {[]string{"verify", "--lang", "xx", text}, usage, []string{"--lang", `"en","si","ta"`}},
		"issue without an output":    {[]string{"issue", "--data", none, record}, usage, []string{"--out"}},
		"issue of a missing file":    {[]string{"issue", "--data", none, "-o", none, none}, usage, []string{none}},
		"issue without a profile":    {[]string{"issue", "--data", none, "-o", none, record}, failed, []string{"--profile jamaica"}},
		"rotate nothing":             {[]string{"keys", "rotate", "--data", none}, usage, []string{"--set"}},
		"rotate something else":      {[]string{"keys", "rotate", "--data", none, "--set", "all"}, usage, []string{"--set", "signing"}},
		"a seal key over another":    {[]string{"keys", "seal-key", "-o", text}, failed, []string{text, "never overwritten"}},
		"a seal key to nowhere":      {[]string{"keys", "seal-key", "-o", filepath.Join(none, "k")}, failed, []string{none}},
		"a token without a role":     {[]string{"token", "create", "--data", none}, usage, []string{"--role"}},
		"a token without a folder":   {[]string{"token", "create", "--data", none, "--role", "source", "--source", "x"}, failed, []string{none, "divoc serve"}},
		"tokens without a folder":    {[]string{"token", "list", "--data", none}, failed, []string{none, "divoc serve"}},
		"revoke without a folder":    {[]string{"token", "revoke", "--data", none, "1"}, failed, []string{none, "divoc serve"}},
		"trust without a folder":     {[]string{"trust", "export", "--data", none}, failed, []string{none, "divoc serve"}},
		"fsck without a folder":      {[]string{"fsck", "--data", none}, failed, []string{none, "divoc serve"}},
		"keys without a folder":      {[]string{"keys", "list", "--data", none}, failed, []string{none, "divoc serve"}},
		"keys init without country":  {[]string{"keys", "init", "--data", none}, failed, []string{"--profile jamaica"}},
		"serve without a country":    {[]string{"serve", "--data", none}, failed, []string{"--profile jamaica", "--profile FOLDER"}},
		"serve an unknown country":   {[]string{"serve", "--data", none, "--profile", "atlantis"}, failed, []string{"atlantis", "jamaica", "sri-lanka"}},
		"serve without an address":   {[]string{"serve", "--data", none, "--profile", "jamaica"}, failed, []string{"--public-url https://"}},
		"serve under plain http":     {[]string{"serve", "--data", none, "--profile", "jamaica", "--public-url", "http://example.org", "--seal-key", text}, failed, []string{"--public-url", "https"}},
		"serve without a seal key":   {[]string{"serve", "--data", none, "--profile", "jamaica", "--public-url", "https://example.org"}, failed, []string{"--seal-key FILE", "divoc keys seal-key -o FILE"}},
		"serve with no seal key":     {[]string{"serve", "--data", none, "--profile", "jamaica", "--public-url", "https://example.org", "--seal-key", none + ".key"}, failed, []string{none + ".key", "divoc keys seal-key -o"}},
		"serve with no seal-key file": {[]string{"serve", "--data", none, "--profile", "jamaica", "--public-url", "https://example.org", "--seal-key", text}, failed,
			[]string{"not a seal-key file"}},
		"serve with half of TLS":   {[]string{"serve", "--data", none, "--profile", "jamaica", "--demo", "--tls-cert", text}, failed, []string{"--tls-cert and --tls-key"}},
		"serve with wrong TLS":     {[]string{"serve", "--data", none, "--profile", "jamaica", "--demo", "--tls-cert", text, "--tls-key", text}, failed, []string{"TLS", text}},
		"serve at no address":      {[]string{"serve", "--data", none, "--profile", "jamaica", "--demo", "--listen", "here"}, failed, []string{"--listen", "here"}},
		"check without a country":  {[]string{"serve", "--check", "--data", none}, failed, []string{"--profile"}},
		"check without an address": {[]string{"serve", "--check", "--data", none, "--profile", "jamaica"}, failed, []string{"--public-url"}},
		"check without a seal key": {[]string{"serve", "--check", "--data", none, "--profile", "jamaica", "--public-url", "https://example.org"}, failed, []string{"--seal-key"}},
		"check with no seal-key file": {[]string{"serve", "--check", "--data", none, "--profile", "jamaica", "--public-url", "https://example.org", "--seal-key", text}, failed,
			[]string{"not a seal-key file"}},
	} {
		t.Run(name, func(t *testing.T) {
			r.check(t)
			if _, err := os.Stat(none); err == nil {
				t.Errorf("it made %s", none)
				_ = os.RemoveAll(none) // for the next
			}
		})
	}
}

// TestAProfileThatIsWrong names the file, the line and what was meant.
func TestAProfileThatIsWrong(t *testing.T) {
	dir := copied(t, "../../profiles/jamaica")
	path := filepath.Join(dir, "profile.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "languages:", "languagse:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	for _, command := range [][]string{{"serve", "--check"}, {"serve"}} {
		refusal{append(command, "--data", data, "--demo", "--profile", dir), failed, []string{"profile.yaml:", "languagse", `did you mean "languages"?`}}.check(t)
	}
}

// TestFoldersThatAreNotWhatTheyShouldBe start on folders that were set up.
func TestFoldersThatAreNotWhatTheyShouldBe(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	other := filepath.Join(f.dir, "other.key")
	program.Must(t, "keys", "seal-key", "-o", other)
	serve := func(data string, args ...string) []string {
		return append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)
	}
	t.Run("", func(t *testing.T) { // so that all are done before the folders go
		for name, make := range map[string]func(t *testing.T) refusal{
			"a demonstration without --demo": func(*testing.T) refusal {
				return refusal{serve(f.demo), failed, []string{"demonstration", "add --demo"}}
			},
			"a production with --demo": func(*testing.T) refusal {
				return refusal{serve(f.production, "--demo"), failed, []string{"real certificates", "leave out --demo"}}
			},
			"another address": func(*testing.T) refusal {
				return refusal{serve(f.production, "--seal-key", f.sealKey, "--public-url", "https://other.example.org"), failed, []string{"https://certificates.example.org", "never change"}}
			},
			"another country": func(*testing.T) refusal {
				return refusal{serve(f.demo, "--demo", "--profile", "sri-lanka"), failed, []string{"JAM", "LKA", "another folder"}}
			},
			"a production without its seal key": func(*testing.T) refusal {
				return refusal{serve(f.production), failed, []string{"--seal-key FILE"}}
			},
			"a production with another seal key": func(*testing.T) refusal {
				return refusal{serve(f.production, "--seal-key", other), failed, []string{"not the seal key of this data folder"}}
			},
			"a seal key inside the folder": func(t *testing.T) refusal {
				data := copied(t, f.production)
				inside := filepath.Join(data, "seal.key")
				if err := os.Link(f.sealKey, inside); err != nil {
					t.Fatal(err)
				}
				return refusal{serve(data, "--seal-key", inside), failed, []string{"inside the data folder", "elsewhere"}}
			},
			"a copy without the seal key, by any command": func(t *testing.T) refusal {
				return refusal{[]string{"fsck", "--data", copied(t, f.production)}, failed, []string{"--seal-key FILE"}}
			},
			"a lost keyset": func(t *testing.T) refusal {
				data := copied(t, f.production)
				remove(t, data, "keys", "keyset.sealed")
				return refusal{serve(data, "--seal-key", f.sealKey), failed, []string{"keyset.sealed", "backup"}}
			},
			"a lost keyset, initialised again": func(t *testing.T) refusal {
				data := copied(t, f.production)
				remove(t, data, "keys", "keyset.sealed")
				return refusal{[]string{"keys", "init", "--data", data, "--seal-key", f.sealKey}, failed, []string{"keyset.sealed", "backup"}}
			},
			"lost signing keys": func(t *testing.T) refusal {
				data := copied(t, f.demo)
				remove(t, data, "keys", "keyring.sealed")
				return refusal{serve(data, "--demo"), failed, []string{"keyring.sealed", "backup"}}
			},
			"a demonstration's lost seal key": func(t *testing.T) refusal {
				data := copied(t, f.demo)
				remove(t, data, "seal.key")
				return refusal{serve(data, "--demo"), failed, []string{"seal.key", "backup"}}
			},
			"records of nothing": func(t *testing.T) refusal {
				return refusal{[]string{"issue", "--data", copied(t, f.demo), "-o", t.TempDir(), write(t, "r.json", "hello")}, failed, []string{"not a JSON array of events"}}
			},
			"no records": func(t *testing.T) refusal {
				return refusal{[]string{"issue", "--data", copied(t, f.demo), "-o", t.TempDir(), write(t, "r.json", "[]")}, failed, []string{"no record"}}
			},
			"a record that is wrong": func(t *testing.T) refusal {
				return refusal{[]string{"issue", "--data", copied(t, f.demo), "-o", t.TempDir(), write(t, "r.json", `[{"enrolmentCode": "A"}]`)}, failed, []string{"record 1", "person.name", "vaccination.dose", "1 of 1 records were not issued"}}
			},
			"a token for an unknown role": func(t *testing.T) refusal {
				return refusal{[]string{"token", "create", "--data", copied(t, f.demo), "--role", "king"}, failed, []string{"system-admin", "source"}}
			},
			"a source's token without source": func(t *testing.T) refusal {
				return refusal{[]string{"token", "create", "--data", copied(t, f.demo), "--role", "source"}, failed, []string{"--source NAME"}}
			},
			"a source with a name of its own": func(t *testing.T) refusal {
				return refusal{[]string{"token", "create", "--data", copied(t, f.demo), "--role", "source", "--source", "Comm Care"}, failed, []string{"small letters"}}
			},
			"a token without end": func(t *testing.T) refusal {
				return refusal{[]string{"token", "create", "--data", copied(t, f.demo), "--role", "auditor", "--for", "0s"}, failed, []string{"must expire"}}
			},
			"a token of nobody's": func(t *testing.T) refusal {
				return refusal{[]string{"token", "create", "--data", copied(t, f.demo), "--role", "system-admin", "--as", "99"}, failed, []string{"99", "divoc staff list"}}
			},
			"an unknown token": func(t *testing.T) refusal {
				return refusal{[]string{"token", "revoke", "--data", copied(t, f.demo), "99"}, failed, []string{"99", "divoc token list"}}
			},
			"an unknown key": func(t *testing.T) refusal {
				return refusal{[]string{"keys", "retire", "--data", copied(t, f.demo), "abcdef"}, failed, []string{"divoc keys list"}}
			},
			"a certificate that is none": func(t *testing.T) refusal {
				return refusal{[]string{"keys", "import", "--data", copied(t, f.demo), write(t, "c.pem", "hello")}, failed, []string{"signer certificate"}}
			},
			"a database that is not there": func(t *testing.T) refusal {
				return refusal{[]string{"fsck", "--data", f.demo, "--database", "postgres://nobody@127.0.0.1:1/none"}, failed, []string{"database"}}
			},
			"a database URL that is none": func(t *testing.T) refusal {
				return refusal{[]string{"fsck", "--data", f.demo, "--database", "mysql://x"}, failed, []string{"postgres://"}}
			},
		} {
			t.Run(name, func(t *testing.T) { make(t).check(t) })
		}
	})
	program.AwaitNone(t, f.dir)
}
