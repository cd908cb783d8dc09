// Package pgserver starts and supervises a private PostgreSQL from the
// programs installed on the machine, for a divoc that was given no database.
//
// The PostgreSQL listens on a unix socket in a folder only it may enter, wants
// a password that lies beside the cluster, and never runs as root: started by
// root it takes the identity that owns the cluster. It reaches its files
// through an open descriptor of the cluster's folder, so that the folders above
// may be closed to it and it needs no capability.
//
// One divoc at a time has the folder, held by a lock the kernel frees when the
// process dies. PostgreSQL dies with it, however it dies, and the next start
// recovers. A PostgreSQL that dies alone is started again.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// ErrNotRunning is returned by [Attach] when no divoc has the folder.
var ErrNotRunning = errors.New("no divoc is running on this folder")

// ErrInUse is wrapped by the error of [Start] when another divoc has the
// folder.
var ErrInUse = errors.New("another divoc is running on this folder")

// Options of [Start] and [Open].
type Options struct {
	// Dir is a folder of PostgreSQL's own, usually "postgres" in the data
	// folder of divoc. It is made if absent.
	Dir string
	// Logger gets what PostgreSQL says about itself, never a statement or a
	// value of one. Nil: silent.
	Logger *slog.Logger
	// Search lists the folders looked into for the programs postgres and
	// initdb. Nil: those of PATH, of pg_config and of the usual packages.
	Search []string
	// NoSync leaves out every fsync. For tests only: a power cut would destroy
	// the cluster.
	NoSync bool
}

// Open returns the PostgreSQL that a running divoc has on the folder, or else
// starts one. Stop of a server that was only found leaves it running.
func Open(ctx context.Context, o Options) (*Server, error) {
	for {
		url, err := Attach(ctx, o.Dir)
		if err == nil {
			return &Server{url: url}, nil
		} else if !errors.Is(err, ErrNotRunning) {
			return nil, err
		}
		s, err := Start(ctx, o)
		if err == nil || !errors.Is(err, ErrInUse) {
			return s, err
		}
	}
}

// Attach returns the connection URL of the PostgreSQL that a running divoc has
// on the folder, or ErrNotRunning. While that one is still starting, Attach
// waits.
func Attach(ctx context.Context, dir string) (url string, err error) {
	f := folder(dir)
	for {
		if _, held, err := f.holder(); err != nil {
			return "", err
		} else if !held {
			return "", ErrNotRunning
		}
		if socket, err := f.socket(); err == nil {
			url, err = f.url(socket)
			if err != nil {
				return "", err
			}
			if ping(ctx, url) == nil {
				return url, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the PostgreSQL of the running divoc does not answer: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Start starts PostgreSQL on the folder, making the cluster and the database
// "divoc" first where there is none, and returns when it answers. The context
// bounds the start alone. An error says in one line what to do, for instance
// which package to install; it wraps ErrInUse when another divoc has the
// folder.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	f := folder(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := f.lock()
	if err != nil {
		return nil, err
	}
	s := &Server{
		folder: f, lock: lock, noSync: o.NoSync, log: o.Logger,
		exited: make(chan struct{}), done: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.start(ctx, o.Search); err != nil {
		_ = s.Stop(ctx)
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, search []string) error {
	major, err := s.folder.major()
	if err != nil {
		return err
	}
	if s.programs, err = find(search, major); err != nil {
		return err
	}
	if s.identity, err = s.folder.identity(); err != nil {
		return err
	}
	if err := s.folder.awaitOrphans(ctx); err != nil {
		return err
	}
	if s.socket, err = s.folder.makeSocketDir(s.identity); err != nil {
		return err
	}
	if major == "" {
		if err := s.initialise(ctx); err != nil {
			return err
		}
	}
	if s.url, err = s.folder.url(s.socket); err != nil {
		return err
	}
	s.running = true
	go s.supervise()
	return s.awaitReady(ctx)
}
