package pgserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/pgserver"
)

// helperDir names the folder on which the test program, started again as a
// process of its own, runs a PostgreSQL until it is killed.
const helperDir = "DIVOC_TEST_PGSERVER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		s, err := pgserver.Start(context.Background(), pgserver.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URL())
		select {}
	}
	code := m.Run()
	_ = os.RemoveAll(prepared.dir)
	os.Exit(code)
}

// prepared is a stopped cluster that tests copy, which is quicker than initdb.
var prepared struct {
	once sync.Once
	dir  string
	err  error
}

// clusterDir returns a folder with a cluster that was started once before.
func clusterDir(t *testing.T) string {
	t.Helper()
	prepared.once.Do(func() {
		if prepared.dir, prepared.err = os.MkdirTemp("", "pgs"); prepared.err != nil {
			return
		}
		s, err := pgserver.Start(t.Context(), pgserver.Options{Dir: prepared.dir, NoSync: true})
		if prepared.err = err; err == nil {
			stop(t, s)
		}
	})
	if prepared.err != nil {
		t.Fatal(prepared.err)
	}
	dir := tempDir(t)
	if out, err := exec.Command("cp", "-a", prepared.dir+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// helper starts the other process, as a user where one is given, and returns it
// with the first line it said.
func helper(t *testing.T, dir string, as *syscall.Credential) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(open(t, tempDir(t)), "helper") // go test's own folder is closed to others
	// A child that a test beside this one starts would hold the file open for
	// writing for a moment, and what is open for writing cannot be run.
	syscall.ForkLock.RLock()
	err = os.WriteFile(program, self, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
}

// tempDir is short, as the socket must not depend on it, and closed to others.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if socket, err := os.ReadFile(filepath.Join(dir, "socket")); err == nil {
			_ = os.RemoveAll(string(socket)) // a killed divoc leaves it to the next
		}
		waitFor(t, "the end of PostgreSQL", func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}

func open(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, o pgserver.Options) *pgserver.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := pgserver.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *pgserver.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, url, statement string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

func mustRun(t *testing.T, url, statement string) {
	t.Helper()
	if err := run(t, url, statement); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// postmaster returns the process id that PostgreSQL wrote down, 0 if none.
func postmaster(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "cluster", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// running tells whether the process is there and not only waits to be buried.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// status returns a line of /proc/PID/status.
func status(t *testing.T, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(v), " ")
		}
	}
	t.Fatalf("no %s of process %d", name, pid)
	return ""
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
