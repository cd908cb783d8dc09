// Package pgserver starts and supervises a private PostgreSQL where none is
// configured.
package pgserver

import (
	"context"
	"errors"
	"log/slog"
)

// ErrNotRunning is returned by [Attach] when no divoc runs PostgreSQL on the
// folder.
var ErrNotRunning = errors.New("no divoc is running on this folder")

// Options of [Start] and [Open].
type Options struct {
	// Dir is a folder of PostgreSQL's own, usually "postgres" in the data
	// folder of divoc. It is made if it is absent.
	Dir    string
	Logger *slog.Logger // nil: silent
}

// Server is a running PostgreSQL.
type Server struct{}

// Start starts PostgreSQL on the folder, creating the cluster and the database
// "divoc" first if there is none. The context bounds the start alone.
func Start(ctx context.Context, o Options) (*Server, error) {
	return nil, errors.New("pgserver: not there yet")
}

// Open returns the PostgreSQL that a running divoc has on the folder, or starts
// one. Stop of a server that was only found leaves it running.
func Open(ctx context.Context, o Options) (*Server, error) { return Start(ctx, o) }

// Attach returns the connection URL of the PostgreSQL that a running divoc has
// on the folder, or ErrNotRunning.
func Attach(ctx context.Context, dir string) (url string, err error) { return "", ErrNotRunning }

// URL is the connection URL of the database "divoc". It holds no secret.
func (s *Server) URL() string { return "" }

// Done is closed when PostgreSQL ended for good without being told to. Err then
// tells why.
func (s *Server) Done() <-chan struct{} { return nil }

// Err is the reason why Done was closed.
func (s *Server) Err() error { return nil }

// Stop ends PostgreSQL: open transactions are rolled back, what was committed
// is written. When the context ends first, PostgreSQL is ended at once and
// recovers at its next start.
func (s *Server) Stop(ctx context.Context) error { return nil }
