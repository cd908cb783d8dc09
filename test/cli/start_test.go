package cli

import (
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/test/program"
)

// TestHelp asks every command what it does.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"", "serve", "issue", "verify", "keys", "keys seal-key", "keys init", "keys csr", "keys import", "keys list", "keys rotate", "keys retire", "keys export-public",
		"token", "token create", "token list", "token revoke", "trust", "trust export", "fsck", "version",
	} {
		t.Run(command, func(t *testing.T) {
			r := program.Run(t, append(strings.Fields(command), "--help")...)
			if r.Code != 0 || r.Err != "" || !strings.HasPrefix(r.Out, "Usage: divoc "+command) || strings.Contains(r.Out, "=STRING") {
				t.Errorf("exit %d\n%s%s", r.Code, r.Out, r.Err)
			}
		})
	}
	if r := program.Run(t); r.Code != 0 || !strings.Contains(r.Out, "To look around: divoc serve --profile jamaica --data demo --demo") {
		t.Errorf("divoc alone: exit %d %s%s", r.Code, r.Out, r.Err)
	}
	if r := program.Run(t, "version"); r.Code != 0 || !strings.HasPrefix(r.Out, "divoc ") {
		t.Errorf("version: exit %d %s", r.Code, r.Out)
	}
}

// TestSettingsFromTheEnvironment starts by variables alone.
func TestSettingsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	env := []string{"DIVOC_DATA=" + data, "DIVOC_PROFILE=sri-lanka", "DIVOC_DEMO=true"}
	if r := program.RunWith(t, program.Options{Env: env}, "keys", "init"); r.Code != 0 || !strings.Contains(r.Out, "SPECIMEN") {
		t.Errorf("exit %d %s%s", r.Code, r.Out, r.Err)
	}
	if r := program.RunWith(t, program.Options{Env: env}, "fsck"); r.Code != 0 || !strings.Contains(r.Out, "0 problems") {
		t.Errorf("exit %d %s%s", r.Code, r.Out, r.Err)
	}
	r := program.RunWith(t, program.Options{Env: append(env, "DIVOC_LISTEN=nowhere")}, "serve")
	if r.Code != failed || !strings.Contains(r.Err, "nowhere") {
		t.Errorf("exit %d %s", r.Code, r.Err)
	}
}

// TestCheckFindsNothingWrong checks flags that are good and starts nothing.
func TestCheckFindsNothingWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, sealKey := filepath.Join(dir, "data"), filepath.Join(dir, "seal.key")
	program.Must(t, "keys", "seal-key", "-o", sealKey)
	for _, args := range [][]string{
		{"--profile", "jamaica", "--demo"}, {"--profile", "../../profiles/sri-lanka", "--public-url", "https://example.org", "--seal-key", sealKey},
	} {
		if out := program.Must(t, append([]string{"serve", "--check", "--data", data}, args...)...); !strings.Contains(out, "are good") {
			t.Errorf("it says %q", out)
		}
		if left, _ := filepath.Glob(data); left != nil {
			t.Error("it made the data folder")
		}
	}
}

// TestStoppingWhileStarting stops a first start at every stage. The next one
// finds nothing in its way.
func TestStoppingWhileStarting(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for _, after := range []time.Duration{20, 200, 600, 1200, 1800, 2500} {
		r := program.RunWith(t, program.Options{StopAfter: after * time.Millisecond}, "serve", "--data", data, "--profile", "jamaica", "--demo", "--listen", "127.0.0.1:0")
		if r.Code != 0 && r.Code != failed && r.Code != -1 {
			t.Errorf("stopped after %d ms: exit %d\n%s", after, r.Code, r.Err)
		}
		if strings.Contains(r.Err, "context canceled") {
			t.Errorf("stopped after %d ms it says\n%s", after, r.Err)
		}
		if left := program.Processes(data); left != nil {
			t.Errorf("stopped after %d ms: left over %v", after, left)
		}
	}
	s := program.Start(t, data, "--profile", "jamaica", "--demo")
	certify(t, s, s.Token("check"), "S-1")
	program.Must(t, "fsck", "--data", data)
}

// TestADatabaseOfItsOwn serves from a PostgreSQL that is not divoc's to start,
// and lives through its end.
func TestADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	var server *pgserver.Server
	start := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var err error
		if server, err = pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(dir, "its-own")}); err != nil {
			t.Fatal(err)
		}
	}
	stop := func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	start()
	t.Cleanup(func() { stop() })
	database := server.URL()
	s := program.Start(t, data, "--profile", "jamaica", "--demo", "--database", database)
	if s.Postmaster() != 0 {
		t.Error("it started a PostgreSQL besides")
	}
	token := strings.TrimSpace(program.Must(t, "token", "create", "--data", data, "--database", database, "--role", "source", "--source", "check"))
	c := certify(t, s, token, "O-1")
	if strings.Contains(s.Log(), "password") {
		t.Errorf("the log:\n%s", s.Log())
	}

	signal := func(sig syscall.Signal) {
		for _, p := range program.Processes(filepath.Join(dir, "its-own")) {
			pid, err := strconv.Atoi(strings.Fields(p)[0])
			if err == nil && !strings.Contains(p, "divoc serve") {
				err = syscall.Kill(pid, sig)
			}
			if err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	if status, _, _ := s.Do(http.MethodGet, "/readyz", "", ""); status != http.StatusServiceUnavailable {
		t.Errorf("ready although the database hangs: %d", status)
	}
	ask(t, s, http.MethodGet, "/healthz", "", nil, http.StatusOK, nil)
	signal(syscall.SIGCONT)
	s.AwaitReady()
	before := program.Postmaster(filepath.Join(dir, "its-own"))
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL to be back", func() bool {
		now := program.Postmaster(filepath.Join(dir, "its-own"))
		status, _, err := s.Do(http.MethodGet, "/readyz", "", "")
		return now != 0 && now != before && err == nil && status == http.StatusOK
	})
	if said := verify(t, s, c.code); said.Verdict != "valid" {
		t.Errorf("after it: %+v", said)
	}
	program.Must(t, "fsck", "--data", data, "--database", database)
}
