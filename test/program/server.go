package program

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running `divoc serve`.
type Server struct {
	URL  string // scheme and address
	Data string

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	out    *output
	log    *output
	client *http.Client
}

// Start starts a server on a data folder and returns when it is ready. The
// arguments follow `serve --data FOLDER`; without --listen among them it takes
// a free port. It is stopped at the end of the test, which fails when a process
// is left over.
func Start(t testing.TB, data string, args ...string) *Server {
	t.Helper()
	s, err := TryStart(t, data, args...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartOther is [Start] for another divoc than the one under test.
func StartOther(t testing.TB, other, data string, args ...string) *Server {
	t.Helper()
	s, err := start(t, other, data, args)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TryStart is [Start] for a server that may not start.
func TryStart(t testing.TB, data string, args ...string) (*Server, error) {
	t.Helper()
	return start(t, binary, data, args)
}

func start(t testing.TB, program, data string, args []string) (*Server, error) {
	t.Helper()
	all := append([]string{"serve", "--data", data}, args...)
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		all = append(all, "--listen", "127.0.0.1:0")
	}
	s := &Server{Data: data, t: t, out: &output{}, log: &output{}, exited: make(chan struct{})}
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 16, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own certificate
	}}
	s.cmd = command(context.Background(), Options{}, all)
	s.cmd.Path, s.cmd.Args[0] = program, program
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.cmd.Wait(); close(s.exited) }() // how it ended is in ProcessState
	t.Cleanup(func() {
		s.Stop()
		s.client.CloseIdleConnections()
		AwaitNone(t, data)
	})
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		select {
		case <-s.exited:
			return nil, fmt.Errorf("divoc %s: exit %d\n%s", strings.Join(all, " "), s.cmd.ProcessState.ExitCode(), s.log)
		case <-time.After(10 * time.Millisecond):
		}
		if address := s.listening(); address != "" {
			s.URL = "http://" + address
			if strings.Contains(strings.Join(args, " "), "--tls-cert") {
				s.URL = "https://" + address
			}
			return s, s.awaitReady(deadline)
		}
	}
	return nil, fmt.Errorf("divoc %s: not listening after %v\n%s", strings.Join(all, " "), patience, s.log)
}

// listening returns the address that the log says the server listens on.
func (s *Server) listening() string {
	for line := range strings.Lines(s.log.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.Address
		}
	}
	return ""
}

func (s *Server) awaitReady(deadline time.Time) error {
	for {
		status, body, err := s.Do(http.MethodGet, "/readyz", "", "")
		if err == nil && status == http.StatusOK {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready: %d %s %w\n%s", status, body, err, s.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// AwaitReady waits until the server can do its work again.
func (s *Server) AwaitReady() {
	s.t.Helper()
	if err := s.awaitReady(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
}

// Out is what the server printed, Log what it logged.
func (s *Server) Out() string { return s.out.String() }

// Log is what the server logged.
func (s *Server) Log() string { return s.log.String() }

// Kill ends the server as a power cut would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
}

// Stop tells the server to stop and returns its exit code.
func (s *Server) Stop() int {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.Kill()
		s.t.Errorf("divoc did not stop within %v:\n%s", patience, s.log)
	}
	return s.cmd.ProcessState.ExitCode()
}

// Token makes a token for a source, while the server runs.
func (s *Server) Token(source string) string {
	s.t.Helper()
	return strings.TrimSpace(Must(s.t, "token", "create", "--data", s.Data, "--role", "source", "--source", source))
}

// Postmaster is the process id of the server's PostgreSQL, 0 when there is none.
func (s *Server) Postmaster() int { return Postmaster(filepath.Join(s.Data, "postgres")) }

// Postmaster is the process id of the PostgreSQL on a folder of package
// pgserver, 0 when there is none.
func Postmaster(dir string) int {
	data, err := os.ReadFile(filepath.Join(dir, "cluster", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}

// Backends are the process ids of what serves divoc's connections to its
// PostgreSQL.
func (s *Server) Backends() []int {
	postmaster := strconv.Itoa(s.Postmaster())
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // fails for a bad pattern only
	var out []int
	for _, path := range lines {
		line, _ := os.ReadFile(path) // it may have ended just now
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if len(fields) < 2 || fields[1] != postmaster || !strings.HasPrefix(string(line), "postgres: divoc divoc ") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// Do sends a request and returns status and body. token and body may be empty.
// An error means that no whole answer came.
func (s *Server) Do(method, path, token, body string) (int, string, error) {
	return s.DoAs(method, path, token, "application/json", body)
}

// DoAs is [Server.Do] with a content type.
func (s *Server) DoAs(method, path, token, contentType, body string) (int, string, error) {
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(data), err
}

// Client is how [Server.Do] asks.
func (s *Server) Client() *http.Client { return s.client }

// AwaitNone fails the test when processes on a data folder do not end by
// themselves soon: a PostgreSQL whose divoc was killed needs a moment.
func AwaitNone(t testing.TB, data string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		left := Processes(data)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left over on %s:\n%s", data, strings.Join(left, "\n"))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// output gathers what a process writes, to be read while it still does.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
