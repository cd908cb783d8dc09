package pgserver_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opendivoc/divoc/internal/pgserver"
)

func TestKillOfDivocEndsPostgresAndTheNextStartRecovers(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	for round := range 3 {
		divoc, url := helper(t, dir, nil)
		pid := postmaster(dir)
		if round == 0 {
			mustRun(t, url, "CREATE TABLE kept (n int)")
		}
		mustRun(t, url, "INSERT INTO kept VALUES (1)")
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO kept VALUES (2)"); err != nil { // never committed
			t.Fatal(err)
		}
		if err := divoc.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = divoc.Wait()
		waitFor(t, "PostgreSQL to end with divoc", func() bool { return !running(pid) })
		s := start(t, pgserver.Options{Dir: dir})
		var ones, others int
		err = newPool(t, s.URL()).QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE n=1), count(*) FILTER (WHERE n<>1) FROM kept").Scan(&ones, &others)
		if err != nil || ones != round+1 || others != 0 {
			t.Errorf("round %d: %d kept and %d not committed, %v", round, ones, others, err)
		}
		stop(t, s)
	}
}

// A kill that also takes the time between: PostgreSQL may still be ending when
// the next divoc starts.
func TestStartRightAfterAKill(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	divoc, _ := helper(t, dir, nil)
	pid := postmaster(dir)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // it does not even notice
		t.Fatal(err)
	}
	_ = divoc.Process.Kill()
	_ = divoc.Wait()
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	mustRun(t, start(t, pgserver.Options{Dir: dir}).URL(), "SELECT 1")
	if running(pid) {
		t.Error("the earlier PostgreSQL still runs")
	}
}

func TestKillOfPostgresIsMended(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	pool := newPool(t, s.URL())
	if _, err := pool.Exec(t.Context(), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		pid := postmaster(dir)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		waitFor(t, "PostgreSQL to be back", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := pool.Exec(ctx, "INSERT INTO kept VALUES (1)")
			return err == nil && postmaster(dir) != pid
		})
		t.Logf("round %d: back after %v", round, time.Since(began))
	}
	select {
	case <-s.Done():
		t.Errorf("given up: %v", s.Err())
	default:
	}
}

func TestAKilledBackendIsMended(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{Dir: clusterDir(t)})
	pool := newPool(t, s.URL())
	var pid int
	if err := pool.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "PostgreSQL to be back", func() bool { _, err := pool.Exec(t.Context(), "SELECT 1"); return err == nil })
}

func TestDoneWhenItCannotBeStartedAgain(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	if err := os.Remove(filepath.Join(dir, "cluster", "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster(dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("Done is not closed")
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("Err = %v; want PostgreSQL's own reason", err)
	}
	began := time.Now()
	stop(t, s)
	if time.Since(began) > time.Second {
		t.Error("Stop waited for a PostgreSQL that had ended")
	}
	if _, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Errorf("a start that fails: %v; want PostgreSQL's own reason", err)
	}
}

func TestAPidThatAnotherProcessHasNowIsNoHindrance(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	pid := postmaster(dir)
	uid, err := strconv.Atoi(strings.Fields(status(t, pid, "Uid"))[0])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cluster", "postmaster.pid")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	other := exec.Command("sleep", "60")
	other.Dir = "/"
	if os.Geteuid() == 0 {
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	_, rest, _ := strings.Cut(string(content), "\n")
	if err := os.WriteFile(file, []byte(strconv.Itoa(other.Process.Pid)+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, start(t, pgserver.Options{Dir: dir}).URL(), "SELECT 1")
}

func TestAPostgresThatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	foreign := exec.Command("sleep", "60") // all PostgreSQL processes have their cluster as working folder
	foreign.Dir = filepath.Join(dir, "cluster")
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = foreign.Process.Kill(); _ = foreign.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := pgserver.Start(ctx, pgserver.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(foreign.Process.Pid)) {
		t.Errorf("%v; want an error that names process %d", err, foreign.Process.Pid)
	}
	if !running(foreign.Process.Pid) {
		t.Error("it was ended")
	}
}

func newPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
