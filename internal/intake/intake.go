package intake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
)

// Options are what a Service needs; all are required except Matcher.
type Options struct {
	Store    *registry.Store
	Box      *seal.Box
	Issuance *issuance.Service
	Profile  *profile.Profile
	Kinds    map[SourceKind]Kind
	Matcher  Matcher // nil matches nobody
	Now      func() time.Time
	Log      *slog.Logger
}

// Service takes, keeps and settles what sources deliver. It is safe for
// concurrent use.
type Service struct {
	Options
	// later puts the job that processes a source into the transaction that
	// stored an arrival; nil where the caller processes it itself.
	later func(ctx context.Context, tx pgx.Tx, source string) error

	stop     chan struct{}
	stopOnce sync.Once
	keeping  sync.WaitGroup
}

// New returns a Service. It starts nothing.
func New(o Options) *Service { return &Service{Options: o, stop: make(chan struct{})} }

// ErrStopped says that processing was stopped between two batches, and goes on
// later.
var ErrStopped = errors.New("intake: stopped; it goes on later")
