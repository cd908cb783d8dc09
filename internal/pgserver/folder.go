package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A folder holds
//
//	lock      held while a divoc has the folder; its text is the process id
//	pgpass    the passwords, in the form libpq and pgx read
//	socket    the path of the folder the unix socket of this start lies in
//	cluster/  PostgreSQL's own, the only thing here that its identity owns
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) cluster() string { return f.path("cluster") }

// major returns the version of PostgreSQL that made the cluster, "" where there
// is none yet.
func (f folder) major() (string, error) {
	b, err := os.ReadFile(filepath.Join(f.cluster(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(f.cluster()); err == nil {
			return "", fmt.Errorf("%s holds no PostgreSQL cluster (no PG_VERSION): restore it or remove it", f.cluster())
		}
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// Locks of an open file, not of a process: two opens in one process exclude one
// another too, and asking who holds one does not take it.
const (
	ofdGetLock = 36 // F_OFD_GETLK
	ofdSetLock = 37 // F_OFD_SETLK
)

func (f folder) lock() (*os.File, error) {
	file, err := os.OpenFile(f.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.FcntlFlock(file.Fd(), ofdSetLock, &syscall.Flock_t{Type: syscall.F_WRLCK})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		_ = file.Close()
		pid, _, _ := f.holder()
		return nil, fmt.Errorf("%w: process %s has %s", ErrInUse, pid, f)
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("locking %s: %w", f, err)
	}
	return file, nil
}

// holder tells whether a divoc has the folder, and the id of its process.
func (f folder) holder() (pid string, held bool, err error) {
	file, err := os.OpenFile(f.path("lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	} else if err != nil {
		return "", false, err
	}
	defer func() { _ = file.Close() }()
	l := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(file.Fd(), ofdGetLock, &l); err != nil {
		return "", false, err
	}
	b := make([]byte, 20)
	n, _ := file.ReadAt(b, 0) // for the message only
	return string(b[:n]), l.Type != syscall.F_UNLCK, nil
}

// awaitOrphans waits for the processes of an earlier PostgreSQL on this cluster
// to end, and removes what its killing left behind. PostgreSQL's own check of
// postmaster.pid takes any process that got the same id for its predecessor,
// which after the restart of a container is likely; we hold the lock and know
// better.
func (f folder) awaitOrphans(ctx context.Context) error {
	cluster, err := os.Stat(f.cluster())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		pid := inFolder(cluster)
		if pid == "" {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("a PostgreSQL (process %s) that divoc did not start is using %s: end it first", pid, f.cluster())
		}
		time.Sleep(20 * time.Millisecond)
	}
	err = os.Remove(filepath.Join(f.cluster(), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// inFolder returns the id of a process whose working folder is this one, as it
// is for every process of a PostgreSQL.
func inFolder(dir fs.FileInfo) (pid string) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // fails for a bad pattern only
	for _, link := range links {
		if at, err := os.Stat(link); err == nil && os.SameFile(dir, at) {
			return filepath.Base(filepath.Dir(link))
		}
	}
	return ""
}

// A unix socket's path has at most 107 bytes on Linux, and the data folder may
// lie anywhere: the socket gets a short folder of its own.
const (
	socketPrefix  = "divoc-pg-"
	socketPathMax = 107 - len("/.s.PGSQL.5432.lock")
)

// socket returns the folder of the socket of the latest start.
func (f folder) socket() (string, error) {
	b, err := os.ReadFile(f.path("socket"))
	return string(b), err
}

func (f folder) removeSocketDir() {
	dir, err := f.socket()
	// The file is ours, but what it names is removed with all that is in it.
	if err != nil || !strings.HasPrefix(filepath.Base(dir), socketPrefix) {
		return
	}
	_ = os.RemoveAll(dir)
	_ = os.Remove(f.path("socket"))
}

func (f folder) makeSocketDir(id identity) (string, error) {
	f.removeSocketDir() // of a start that was killed
	parents := []string{"/run", "/tmp"}
	if !id.other() {
		parents = []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"}
	}
	var errs error
	for _, parent := range parents {
		if parent == "" || len(parent)+len(socketPrefix)+12 > socketPathMax {
			continue
		}
		dir, err := os.MkdirTemp(parent, socketPrefix)
		if err == nil {
			if err = id.give(dir); err == nil {
				err = os.WriteFile(f.path("socket"), []byte(dir), 0o600)
			}
			if err == nil {
				return dir, nil
			}
			_ = os.Remove(dir)
		}
		errs = errors.Join(errs, err)
	}
	return "", fmt.Errorf("no place for PostgreSQL's socket: %w", errs)
}

// The two roles of the cluster: the owner of the database, which divoc is
// connected as, and the one that may do everything, used at the first start.
const (
	roleOwner = "divoc"
	roleSuper = "postgres"
)

// makePasswords writes new passwords and returns that of each role.
func (f folder) makePasswords() (owner, super string, err error) {
	owner, super = rand.Text(), rand.Text()
	text := fmt.Sprintf("*:*:*:%s:%s\n*:*:*:%s:%s\n", roleOwner, owner, roleSuper, super)
	return owner, super, os.WriteFile(f.path("pgpass"), []byte(text), 0o600)
}

// password reads the password of a role.
func (f folder) password(role string) (string, error) {
	b, err := os.ReadFile(f.path("pgpass"))
	if err != nil {
		return "", fmt.Errorf("the password of PostgreSQL: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "*:*:*:"+role+":"); ok {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s holds no password of %s", f.path("pgpass"), role)
}

// url names the password's file rather than the password, so that it may be
// logged.
func (f folder) url(socket string) (string, error) {
	if _, err := f.password(roleOwner); err != nil {
		return "", err
	}
	passfile, err := filepath.Abs(f.path("pgpass"))
	if err != nil {
		return "", err
	}
	q := url.Values{"host": {socket}, "user": {roleOwner}, "passfile": {passfile}, "sslmode": {"disable"}}
	// As libpq does, pgx takes a plus for a plus.
	return "postgres:///divoc?" + strings.ReplaceAll(q.Encode(), "+", "%20"), nil
}
