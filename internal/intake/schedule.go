package intake

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Schedule asks the sources of a kind for what is new, each when it is due.
type Schedule struct {
	Intake interface {
		OfKind(ctx context.Context, kind SourceKind) ([]Source, error)
		Contact(ctx context.Context, source string, err error, stop bool) error
	}
	Kind SourceKind
	// Every is the time between two polls of a source with these settings; zero
	// for one that is not asked.
	Every func(config json.RawMessage) (time.Duration, error)
	Poll  func(ctx context.Context, source Source) error
	Now   func() time.Time
	Log   *slog.Logger

	mu     sync.Mutex
	polled map[string]time.Time // by source: when it was asked last
}

// tick is how often the schedule looks for sources that are due.
const tick = 5 * time.Second

// Run asks until ctx ends.
func (s *Schedule) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		if err := s.Round(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("polling sources", slog.String("kind", string(s.Kind)), slog.String("error", err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Round asks every active source that is due, one after the other. What fails at
// one is recorded with it and holds up no other.
func (s *Schedule) Round(ctx context.Context) error {
	sources, err := s.Intake.OfKind(ctx, s.Kind)
	if err != nil {
		return err
	}
	for _, src := range sources {
		every, err := s.Every(src.Config)
		if err == nil {
			if every == 0 || !s.due(src.Name, every) {
				continue
			}
			err = s.Poll(ctx, src)
		}
		if ctx.Err() != nil || errors.Is(err, ErrMoved) {
			continue
		}
		if err != nil {
			s.Log.Warn("polling a source failed", slog.String("source", src.Name), slog.String("error", err.Error()))
		}
		// Refused credentials are not tried again by themselves: accounts get locked.
		code := vaccination.ErrorCode(err)
		if err := s.Intake.Contact(ctx, src.Name, err, code == vaccination.Unauthorized || code == vaccination.Invalid); err != nil {
			return err
		}
	}
	return nil
}

// due reports whether a source was not asked for so long, and takes it as asked.
func (s *Schedule) due(source string, every time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if last, ok := s.polled[source]; ok && now.Sub(last) < every {
		return false
	}
	if s.polled == nil {
		s.polled = map[string]time.Time{}
	}
	s.polled[source] = now
	return true
}
