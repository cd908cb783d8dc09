package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// initialise makes the cluster, in a folder that gets its name only when it is
// complete.
func (s *Server) initialise(ctx context.Context) error {
	_, super, err := s.folder.makePasswords()
	if err != nil {
		return err
	}
	half := folder(s.folder.path("unfinished"))
	if err := os.RemoveAll(string(half)); err != nil {
		return err
	}
	if err := os.MkdirAll(half.cluster(), 0o700); err != nil {
		return err
	}
	if err := s.identity.give(half.cluster()); err != nil {
		return err
	}
	passwordFile := filepath.Join(s.socket, "password") // where initdb may go, and nobody else
	if err := os.WriteFile(passwordFile, []byte(super), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(passwordFile) }()
	if err := s.identity.give(passwordFile); err != nil {
		return err
	}
	if err := s.initdb(ctx, half.cluster(), passwordFile); err != nil {
		return err
	}
	if err := os.Rename(half.cluster(), s.folder.cluster()); err != nil {
		return err
	}
	return errors.Join(os.Remove(string(half)), syncDir(string(s.folder)))
}

// initdb fills the folder. The locale is C: its order never changes under an
// index, as that of the operating system's library does with its updates.
func (s *Server) initdb(ctx context.Context, cluster, passwordFile string) error {
	args := []string{
		"--username=" + roleSuper, "--pwfile=" + passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--no-locale", "--data-checksums",
	}
	if s.noSync {
		args = append(args, "--no-sync")
	}
	cmd, err := s.command(ctx, "initdb", cluster, args...)
	if err != nil {
		return err
	}
	defer closeFiles(cmd)
	var says bytes.Buffer
	cmd.Stderr = &says
	runtime.LockOSThread() // as in supervise
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		text := strings.Join(strings.Fields(says.String()), " ")
		return fmt.Errorf("initdb as user %d: %w: %s", s.uid(), err, text)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// awaitReady waits until the database answers, however long recovery takes, and
// makes it where it is missing.
func (s *Server) awaitReady(ctx context.Context) error {
	made := false
	for {
		err := ping(ctx, s.url)
		switch {
		case err == nil:
			s.mu.Lock()
			s.ready = true
			s.mu.Unlock()
			return nil
		case made || isStarting(err):
		case hasCode(err, "3D000", "28P01"): // no such database; no such role or another password
			if err := s.makeDatabase(ctx); err != nil {
				return fmt.Errorf("making the database: %w", err)
			}
			made = true
			continue
		default:
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		select {
		case <-s.done:
			return s.Err()
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL was not ready in time: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// makeDatabase makes the role and the database, or what of them is missing.
func (s *Server) makeDatabase(ctx context.Context) error {
	password, err := s.folder.password(roleOwner)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(strings.Replace(s.url, "user="+roleOwner, "user="+roleSuper, 1))
	if err != nil {
		return err
	}
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, object := range []struct{ exists, make string }{
		{"SELECT FROM pg_roles WHERE rolname = '" + roleOwner + "'", "CREATE ROLE " + roleOwner + " LOGIN PASSWORD '" + password + "'"},
		{"SELECT FROM pg_database WHERE datname = 'divoc'", "CREATE DATABASE divoc OWNER " + roleOwner},
	} {
		tag, err := conn.Exec(ctx, object.exists)
		if err == nil && tag.RowsAffected() == 0 {
			_, err = conn.Exec(ctx, object.make)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// isStarting tells an error of a PostgreSQL that does not listen yet, or is
// recovering, from others.
func isStarting(err error) bool {
	var pg *pgconn.PgError
	return !errors.As(err, &pg) || hasCode(err, "57P03") // cannot_connect_now
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}
