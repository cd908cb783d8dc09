package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running PostgreSQL. Its methods may be called from several
// goroutines.
type Server struct {
	folder   folder
	lock     *os.File // nil: found by Attach, not ours
	programs programs
	identity identity
	socket   string
	url      string
	noSync   bool
	log      *slog.Logger

	running bool               // supervise was begun
	ctx     context.Context    // ends with Stop
	stop    context.CancelFunc // ends ctx
	once    sync.Once          // of Stop
	exited  chan struct{}      // closed when supervise ended
	done    chan struct{}      // closed when PostgreSQL ended for good by itself

	mu      sync.Mutex
	process *os.Process // the postmaster, nil between two
	ready   bool        // it has answered once
	said    []string    // the latest lines that may tell why it ended
	err     error
}

// URL is the connection URL of the database "divoc". It holds no secret: the
// password lies in a file that it names.
func (s *Server) URL() string { return s.url }

// Done is closed when PostgreSQL ended without being told to and could not be
// started again; [Server.Err] then tells why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is the reason why Done was closed.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop ends PostgreSQL: open transactions are rolled back, what was committed
// is written out. When the context ends first, PostgreSQL is ended at once and
// will recover at its next start. A second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.lock == nil {
		return nil
	}
	var err error
	s.once.Do(func() {
		s.mu.Lock() // not between run's look at the context and its start
		s.stop()
		s.mu.Unlock()
		if s.running {
			err = s.end(ctx)
		}
		s.folder.removeSocketDir()
		err = errors.Join(err, s.lock.Close())
	})
	return err
}

// end asks ever less politely, as PostgreSQL's manual ranks its signals.
func (s *Server) end(ctx context.Context) error {
	s.signal(syscall.SIGINT) // fast shutdown
	select {
	case <-s.exited:
		return nil
	case <-ctx.Done():
	}
	s.signal(syscall.SIGQUIT) // immediate shutdown
	select {
	case <-s.exited:
	case <-time.After(6 * time.Second): // it gives its children 5
		s.signal(syscall.SIGKILL)
		<-s.exited
	}
	return fmt.Errorf("PostgreSQL was ended before it had finished: %w", ctx.Err())
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Signal(sig) // it may have ended just now
	}
}

// How often PostgreSQL is started again when it keeps ending: the pauses double
// from the first to the longest, and a run of good length makes all well.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = 2 * time.Second
	goodRun      = 10 * time.Second
	attempts     = 8
)

// supervise runs PostgreSQL until Stop, or until it cannot be started again.
//
// The kernel ends PostgreSQL when the thread that started it ends, not the
// process: this goroutine keeps one thread to itself.
func (s *Server) supervise() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(s.exited)
	pause, failed := firstPause, 0
	for {
		began := time.Now()
		err := s.run()
		if s.ctx.Err() != nil {
			return
		}
		if time.Since(began) >= goodRun {
			pause, failed = firstPause, 0
		}
		if failed++; !s.isReady() || failed > attempts {
			s.giveUp(err)
			return
		}
		s.log.Warn("PostgreSQL ended by itself and is started again", slog.Any("reason", err), slog.Duration("pause", pause))
		if err := s.folder.awaitOrphans(s.ctx); err != nil {
			s.log.Warn("PostgreSQL is started again beside the rest of the old", slog.Any("reason", err))
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

func (s *Server) giveUp(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.log.Error("PostgreSQL cannot be kept running", slog.Any("reason", err))
	close(s.done)
}

// run starts the postmaster and waits for its end.
func (s *Server) run() error {
	stderr, into, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd, err := s.command(context.Background(), "postgres", s.folder.cluster(), s.settings()...)
	if err != nil {
		_ = stderr.Close()
		_ = into.Close()
		return err
	}
	cmd.Stderr = into
	s.mu.Lock()
	s.said = nil
	if err = s.ctx.Err(); err == nil {
		if err = cmd.Start(); err == nil {
			s.process = cmd.Process
		}
	}
	s.mu.Unlock()
	closeFiles(cmd)
	_ = into.Close()
	if err != nil {
		_ = stderr.Close()
		return fmt.Errorf("starting PostgreSQL as user %d: %w", s.uid(), err)
	}
	read := make(chan struct{})
	go func() { defer close(read); s.readLog(stderr) }()
	_ = cmd.Wait() // cmd.ProcessState tells how it ended
	s.mu.Lock()
	s.process = nil
	s.mu.Unlock()
	select { // what it said last; children left over may keep the pipe open
	case <-read:
	case <-time.After(200 * time.Millisecond):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cmd.ProcessState.Exited() && len(s.said) > 0 {
		return fmt.Errorf("PostgreSQL ended: %s", strings.Join(s.said, " "))
	}
	return fmt.Errorf("PostgreSQL ended: %s", cmd.ProcessState)
}

func (s *Server) uid() int {
	if s.identity.other() {
		return int(s.identity.Uid)
	}
	return os.Geteuid()
}

func (s *Server) isReady() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.ready }

// settings are what PostgreSQL runs with, whatever its configuration files say.
// Together with divoc it is to stay below 500 MB. Its log never holds a
// statement or a value: an error goes to the client that caused it, and is not
// logged here.
func (s *Server) settings() []string {
	sync := "on"
	if s.noSync {
		sync = "off"
	}
	var args []string
	for _, set := range append(memorySettings(memory(os.DirFS("/"))), []string{
		"listen_addresses=", "unix_socket_directories=" + s.socket, "unix_socket_permissions=0700", "port=5432",
		"password_encryption=scram-sha-256", "max_connections=100",
		"fsync=" + sync, "full_page_writes=" + sync, "synchronous_commit=" + sync,
		"wal_buffers=16MB", "max_wal_size=1GB", "random_page_cost=1.1",
		"jit=off", "max_parallel_workers_per_gather=0", "autovacuum_max_workers=2",
		"timezone=UTC", "log_timezone=UTC", "log_destination=stderr", "logging_collector=off", "log_line_prefix=",
		"log_min_messages=log", "log_min_error_statement=panic", "log_error_verbosity=terse", "log_statement=none",
		"log_checkpoints=off", "log_connections=off", "log_min_duration_statement=-1", "log_lock_waits=off",
	}...) {
		args = append(args, "-c", set)
	}
	return args
}

// command prepares one of PostgreSQL's programs on the cluster, to be started
// from a goroutine that keeps its thread. The cluster is handed over as an open
// descriptor, the child's third, as our own Dir would be entered only after the
// identity was given up. The child is in a session of its own, so that ^C in a
// terminal leaves it to us to end it.
func (s *Server) command(ctx context.Context, name, cluster string, args ...string) (*exec.Cmd, error) {
	dir, err := os.Open(cluster)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.programs.path(name), append([]string{"-D", "/proc/self/fd/3"}, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.ExtraFiles = []*os.File{dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: s.identity.Credential,
		Setsid:     true,
		Pdeathsig:  syscall.SIGQUIT, // for PostgreSQL: end at once, recover later
	}
	return cmd, nil
}

func closeFiles(cmd *exec.Cmd) {
	for _, f := range cmd.ExtraFiles {
		_ = f.Close()
	}
}

// readLog passes on what PostgreSQL says about itself.
func (s *Server) readLog(f *os.File) {
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		s.log.Debug("PostgreSQL says", slog.String("line", line))
		if strings.HasPrefix(line, "LOG:") || strings.HasPrefix(line, "WARNING:") {
			continue
		}
		s.mu.Lock()
		s.said = append(s.said[max(0, len(s.said)-2):], strings.TrimSpace(line)) // the last three
		s.mu.Unlock()
	}
}
