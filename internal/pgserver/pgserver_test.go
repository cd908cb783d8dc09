package pgserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/pgserver"
)

func TestStartMakesTheDatabaseAndKeepsIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	s := start(t, pgserver.Options{Dir: dir})
	mustRun(t, s.URL(), "CREATE TABLE kept (n int)")
	stop(t, s)
	stop(t, s) // a second time does nothing
	if postmaster(dir) != 0 {
		t.Error("postmaster.pid is left after Stop")
	}
	began := time.Now()
	s = start(t, pgserver.Options{Dir: dir})
	t.Logf("second start: %v", time.Since(began))
	mustRun(t, s.URL(), "SELECT * FROM kept")
	if pgid, _ := syscall.Getpgid(postmaster(dir)); pgid == syscall.Getpgrp() {
		t.Error("PostgreSQL is in our process group: ^C would end it before us")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{Dir: clusterDir(t)})
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, want := range []struct{ name, value string }{
		{"listen_addresses", ""}, {"fsync", "on"}, {"full_page_writes", "on"}, {"synchronous_commit", "on"}, {"data_checksums", "on"},
		{"server_encoding", "UTF8"}, {"lc_collate", "C"}, {"jit", "off"}, {"is_superuser", "off"}, {"TimeZone", "UTC"},
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", want.name).Scan(&got); err != nil || got != want.value {
			t.Errorf("%s = %q, %v; want %q", want.name, got, err, want.value)
		}
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	_, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir})
	if !errors.Is(err, pgserver.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("in the same process: %v; want ErrInUse and the process id", err)
	}
	if _, said := helper(t, dir, nil); !strings.Contains(said, pgserver.ErrInUse.Error()) {
		t.Errorf("another process says %q; want %q", said, pgserver.ErrInUse)
	}
	mustRun(t, s.URL(), "SELECT 1")
}

func TestAttachAndOpen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	if _, err := pgserver.Attach(t.Context(), dir); !errors.Is(err, pgserver.ErrNotRunning) {
		t.Errorf("no folder: %v; want ErrNotRunning", err)
	}
	s := start(t, pgserver.Options{Dir: dir})
	url, err := pgserver.Attach(t.Context(), dir)
	if err != nil || url != s.URL() {
		t.Errorf("running: %q, %v; want %q", url, err, s.URL())
	}
	found, err := pgserver.Open(t.Context(), pgserver.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, found)
	mustRun(t, s.URL(), "SELECT 1") // it was only found
	stop(t, s)
	if _, err := pgserver.Attach(t.Context(), dir); !errors.Is(err, pgserver.ErrNotRunning) {
		t.Errorf("stopped: %v; want ErrNotRunning", err)
	}
	began, err := pgserver.Open(t.Context(), pgserver.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mustRun(t, began.URL(), "SELECT 1")
	stop(t, began)
	if postmaster(dir) != 0 {
		t.Error("Open started PostgreSQL and its Stop left it running")
	}
}

func TestRootRunsItAsAnotherBelowAFolderOfRootOnly(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := filepath.Join(tempDir(t), strings.Repeat("a long name ", 10), "postgres") // MkdirTemp made it 0700
	s := start(t, pgserver.Options{Dir: dir})
	mustRun(t, s.URL(), "SELECT 1")
	pid := postmaster(dir)
	if uid := status(t, pid, "Uid"); strings.HasPrefix(uid, "0 ") {
		t.Errorf("PostgreSQL runs as user %s", uid)
	}
	for _, set := range []string{"CapPrm", "CapEff", "CapAmb"} {
		if caps := status(t, pid, set); strings.Trim(caps, "0") != "" {
			t.Errorf("PostgreSQL has capabilities, %s = %s", set, caps)
		}
	}
	if groups := status(t, pid, "Groups"); groups != "" {
		t.Errorf("PostgreSQL kept root's groups %s", groups)
	}
}

func TestACopyOwnedByRootIsGivenBack(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	stop(t, s)
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error { return errors.Join(err, os.Lchown(path, 0, 0)) })
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, pgserver.Options{Dir: dir})
	mustRun(t, s.URL(), "SELECT 1")
}

func TestStartsWithoutRoot(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := tempDir(t)
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	_, said := helper(t, dir, &syscall.Credential{Uid: nobody, Gid: nobody})
	mustRun(t, said, "SELECT 1")
	if uid := status(t, postmaster(dir), "Uid"); !strings.HasPrefix(uid, "65534 ") {
		t.Errorf("PostgreSQL runs as %s, not as the user who started divoc", uid)
	}
}

func TestOnlyWeMayConnect(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	s := start(t, pgserver.Options{Dir: dir})
	socket, err := os.ReadFile(filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{string(socket): 0o700, filepath.Join(dir, "pgpass"): 0o600, filepath.Join(dir, "cluster"): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
	for _, user := range []string{"divoc", "postgres"} {
		url := fmt.Sprintf("postgres:///divoc?host=%s&user=%s&password=guess&sslmode=disable", socket, user)
		if err := run(t, url, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "28P01") {
			t.Errorf("%s with a wrong password: %v", user, err)
		}
	}
	if password, _ := os.ReadFile(filepath.Join(dir, "pgpass")); strings.Contains(string(password), s.URL()) || strings.Contains(s.URL(), "password=") {
		t.Error("the URL holds a password")
	}
	stop(t, s)
	if _, err := os.Stat(string(socket)); !os.IsNotExist(err) {
		t.Errorf("the socket's folder is left: %v", err)
	}
}

func TestAnUnfinishedInitdbIsDoneAgain(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "unfinished", "cluster", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, start(t, pgserver.Options{Dir: dir}).URL(), "SELECT 1")
}

func TestTheLogHoldsNoStatementAndNoValue(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, pgserver.Options{Dir: clusterDir(t), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	mustRun(t, s.URL(), "CREATE TABLE person (name text UNIQUE)")
	for _, statement := range []string{
		"INSERT INTO person VALUES ('Zerafina'), ('Zerafina')",
		"SELECT 'Zerafina'::date", "SELECT Zerafina",
		"DO $$ BEGIN RAISE WARNING 'Zerafina'; RAISE LOG 'heard'; RAISE EXCEPTION 'Zerafina'; END $$",
	} {
		if err := run(t, s.URL(), statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	waitFor(t, "the log", func() bool { return strings.Contains(log.String(), "heard") })
	if strings.Contains(strings.ToLower(log.String()), "zerafina") {
		t.Errorf("a value is in the log:\n%s", log.String())
	}
}

var _ io.Writer = (*lockedBuffer)(nil)
