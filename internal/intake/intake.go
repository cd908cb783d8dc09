package intake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

	mappings mappings
	packer   packer
	turns    turns
	drains   drains
	stop     chan struct{}
	stopOnce sync.Once
	keeping  sync.WaitGroup
}

// New returns a Service. It starts nothing.
func New(o Options) *Service {
	return &Service{Options: o, mappings: mappings{read: map[string]*versioned{}}, turns: newTurns(), drains: drains{running: map[string]bool{}}, stop: make(chan struct{})}
}

// ErrStopped says that processing was stopped between two batches, and goes on
// later.
var ErrStopped = errors.New("intake: stopped; it goes on later")

// errElsewhere says that somebody else changed what is known of a source's
// records since it was read: nothing was written.
var errElsewhere = errors.New("intake: somebody else works on this source")

// index is a keyed hash for a purpose. Parts are told apart by a zero byte,
// which no id of a source may hold.
func (s *Service) index(purpose string, parts ...string) []byte {
	return s.Box.Index(seal.Content, "intake "+purpose+"\x00"+strings.Join(parts, "\x00"))
}

// What a sealed value is bound to, so that none opens in another's place.

func arrivalAAD(source string, hash []byte) []byte {
	return fmt.Appendf(nil, "arrival %s %s", source, hex.EncodeToString(hash))
}
func fragmentAAD(key []byte) []byte  { return fmt.Appendf(nil, "fragment %s", hex.EncodeToString(key)) }
func codeAAD(index []byte) []byte    { return fmt.Appendf(nil, "item code %s", hex.EncodeToString(index)) }
func configAAD(source string) []byte { return fmt.Appendf(nil, "source %s config", source) }

// object names a source in the audit.
func object(source string) string { return "source " + source }
