package deploy

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

// unit is the lines of deploy/divoc.service, by key.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, line := range lines(t, "../../deploy/divoc.service") {
		if key, value, ok := strings.Cut(line, "="); ok {
			out[key] = append(out[key], value)
		}
	}
	return out
}

// lines are those of a file that are no comment.
func lines(t *testing.T, file string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// TestSystemdKnowsEveryLine has systemd read the unit with the program in place.
func TestSystemdKnowsEveryLine(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on this machine")
	}
	text, err := os.ReadFile("../../deploy/divoc.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "divoc.service")
	if err := os.WriteFile(file, bytes.Replace(text, []byte("/usr/local/bin/divoc"), []byte(program.Path()), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd says %v\n%s", err, out)
	}
}

var listening = regexp.MustCompile(`"listening","address":"([^"]+)"`)

// TestTheServiceStartsAsItsUser runs the unit's start line with its environment,
// by a user that is not root, on folders as systemd makes them.
func TestTheServiceStartsAsItsUser(t *testing.T) {
	t.Parallel()
	u := unit(t)
	root, err := os.MkdirTemp("/tmp", "divoc-service-") // where every user may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	bin, state, run, credentials := root+"/bin", root+"/lib/divoc", root+"/run/divoc", root+"/credentials"
	var as *syscall.Credential
	if os.Geteuid() == 0 {
		as = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	for _, dir := range []string{root, root + "/lib", root + "/run", bin, state, run, credentials} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if as != nil {
			if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	data, err := os.ReadFile(program.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin+"/divoc", data, 0o755); err != nil { //nolint:gosec // a program that another user runs
		t.Fatal(err)
	}
	program.Must(t, "keys", "seal-key", "-o", credentials+"/seal.key")
	if as != nil {
		if err := os.Chown(credentials+"/seal.key", int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if got := u["LoadCredential"]; !slices.Equal(got, []string{"seal.key:/etc/divoc/seal.key"}) || u["StateDirectory"][0] != "divoc" || u["RuntimeDirectory"][0] != "divoc" || u["KillMode"][0] != "mixed" {
		t.Errorf("the unit's folders are %v", u)
	}
	place := strings.NewReplacer("%S", root+"/lib", "%t", root+"/run", "%d", credentials, "/usr/local/bin/divoc", bin+"/divoc", "127.0.0.1:8080", "127.0.0.1:0")
	var env []string
	for _, line := range u["Environment"] {
		env = append(env, strings.Fields(place.Replace(line))...)
	}
	if u["EnvironmentFile"][0] != "/etc/divoc/divoc.env" {
		t.Error("the unit reads another file than deploy/divoc.env")
	}
	for _, line := range lines(t, "../../deploy/divoc.env") {
		env = append(env, place.Replace(line))
	}
	start := strings.Fields(place.Replace(u["ExecStart"][0]))
	cmd := exec.Command(start[0], start[1:]...)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	log, err := os.Create(root + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.AwaitNone(t, root) })
	defer func() { _ = cmd.Process.Kill() }()
	logged := func() string {
		text, _ := os.ReadFile(log.Name()) // a look at it
		return string(text)
	}
	ready := func() bool {
		m := listening.FindStringSubmatch(logged())
		if m == nil {
			return false
		}
		r, err := http.Get("http://" + m[1] + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	}
	for range 1500 {
		if ready() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !ready() {
		t.Fatalf("it is not ready:\n%s", logged())
	}
	if sockets, _ := filepath.Glob(run + "/divoc-pg-*"); len(sockets) != 1 {
		t.Errorf("PostgreSQL's socket is not where commands outside of the unit reach it: %v", sockets)
	}
	// Commands of its operator, beside it and as its user, see it.
	token := exec.Command(bin+"/divoc", "token", "create", "--role", "source", "--source", "commcare")
	token.Env, token.SysProcAttr = append(env, "PATH="+os.Getenv("PATH")), &syscall.SysProcAttr{Credential: as}
	if out, err := token.CombinedOutput(); err != nil || !strings.Contains(string(out), "divoc_") {
		t.Errorf("a token: %v %s", err, out)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // KillMode=mixed: to it alone
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it stops with %v", err)
	}
}
