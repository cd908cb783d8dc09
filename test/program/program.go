// Package program runs the real divoc for tests: its commands as a user types
// them, and its server as a process that can be asked, stopped and killed.
//
// A package uses it so:
//
//	func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
//
// The binary is built once per package; the variable DIVOC_BIN names one that
// is there already.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the path of the program under test. TestMain hands nothing to the
// tests but package variables.
var binary string

// patience bounds every wait for the program; it is long, as machines that run
// tests are busy.
const patience = 2 * time.Minute

// Main builds the program, runs the tests and returns the code for os.Exit.
func Main(m *testing.M) int {
	binary = os.Getenv("DIVOC_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "divoc-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "divoc")
		build := exec.Command("go", "build", "-o", binary, "github.com/opendivoc/divoc/cmd/divoc")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building divoc: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// Path is the program's file, for a test that starts it in its own way.
func Path() string { return binary }

// Result is how a command ended.
type Result struct {
	Code     int
	Out, Err string
}

// Options are what a command gets besides its arguments.
type Options struct {
	In  string   // standard input
	Env []string // NAME=VALUE; nothing of DIVOC_* comes from the test's own
	Dir string   // where it is started
	// StopAfter tells it to stop (SIGTERM) after this time; 0 does not.
	StopAfter time.Duration
	// KillAfter kills it (SIGKILL) after this time; 0 does not.
	KillAfter time.Duration
}

// Run runs a command to its end.
func Run(t testing.TB, args ...string) Result {
	t.Helper()
	return RunWith(t, Options{}, args...)
}

// RunWith is [Run] with options.
func RunWith(t testing.TB, o Options, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := command(ctx, o, args)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Start()
	if err == nil {
		if o.StopAfter > 0 {
			defer time.AfterFunc(o.StopAfter, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }).Stop()
		}
		if o.KillAfter > 0 {
			defer time.AfterFunc(o.KillAfter, func() { _ = cmd.Process.Kill() }).Stop()
		}
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("divoc %s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		t.Fatalf("divoc %s: not done after %v\n%s", strings.Join(args, " "), patience, errs.String())
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Must is [Run] for a command that has to succeed; it returns what it printed.
func Must(t testing.TB, args ...string) string {
	t.Helper()
	r := Run(t, args...)
	if r.Code != 0 {
		t.Fatalf("divoc %s: exit %d\n%s", strings.Join(args, " "), r.Code, r.Err)
	}
	return r.Out
}

func command(ctx context.Context, o Options, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DIVOC_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.Stdin, cmd.Dir = strings.NewReader(o.In), o.Dir
	return cmd
}

// Processes returns the processes that work in a data folder or were started
// with its name: after a test there is none.
func Processes(dir string) []string {
	var out []string
	entries, _ := filepath.Glob("/proc/[0-9]*") // fails for a bad pattern only
	for _, p := range entries {
		if filepath.Base(p) == fmt.Sprint(os.Getpid()) {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))      // it may have ended just now
		line, _ := os.ReadFile(filepath.Join(p, "cmdline")) // the same
		text := strings.ReplaceAll(string(line), "\x00", " ")
		if within(cwd, dir) || strings.Contains(text, dir) {
			out = append(out, filepath.Base(p)+" "+text)
		}
	}
	return out
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
}
