// Package run starts demonstrations as make run does, with the systems beside them
// that records come from, and ends them as a person does.
package run

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// checkout is a folder that looks like a clone of the project with its program
// built, and holds nothing else.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "bin" && name != "demo-data" {
			if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil { //nolint:gosec // as make does
		t.Fatal(err)
	}
	if err := os.Symlink(program.Path(), filepath.Join(dir, "bin", "divoc")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write keeps what was said.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// TestDemonstrations starts each country's, waits for what a newcomer is to see, and
// ends it: by Ctrl-C, which the whole group of processes gets, and by ending the
// script alone. Nothing may be left.
func TestDemonstrations(t *testing.T) {
	for name, tt := range map[string]struct {
		profile string
		sees    string
		hangUp  bool
		end     func(group int) error
	}{
		"Jamaica, Ctrl-C":         {"jamaica", "    certificate ", false, func(group int) error { return syscall.Kill(-group, syscall.SIGINT) }},
		"Jamaica, the script":     {"jamaica", "    certificate ", false, func(group int) error { return syscall.Kill(group, syscall.SIGTERM) }},
		"Sri Lanka, the terminal": {"sri-lanka", "On demand ", true, func(group int) error { return syscall.Kill(group, syscall.SIGHUP) }},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.hangUp && signal.Ignored(syscall.SIGHUP) {
				t.Skip("a hang-up is ignored here (nohup), and so by all that is started")
			}
			dir, said := checkout(t), &words{}
			cmd := exec.CommandContext(t.Context(), "bash", "scripts/run", tt.profile, free(t))
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
			cmd.Env = append(os.Environ(), "COMMCARE_LISTEN="+free(t), "DHIS2_LISTEN="+free(t))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.WaitDelay = time.Minute
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			group := cmd.Process.Pid
			t.Cleanup(func() { _ = syscall.Kill(-group, syscall.SIGKILL) }) // what a failed test leaves
			for began := time.Now(); !strings.Contains(said.String(), tt.sees); time.Sleep(100 * time.Millisecond) {
				if time.Since(began) > 2*time.Minute {
					t.Fatalf("%q is not to be seen:\n%s", tt.sees, said)
				}
			}
			if err := tt.end(group); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // however it says that it was ended
			if err := syscall.Kill(-group, 0); err == nil {
				t.Errorf("processes of the group are left:\n%s", said)
			}
			if left := program.Processes(dir); len(left) > 0 {
				t.Errorf("processes of the folder are left: %q", left)
			}
		})
	}
}
