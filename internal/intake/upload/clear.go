package upload

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// DefaultKeep is how long the text of wrong rows is kept where nothing is said:
// long enough to correct a file, and no longer than that.
const DefaultKeep = 90 * 24 * time.Hour

// cleared is the last reason of a row whose text was removed.
func cleared(row int64) vaccination.Fault {
	return vaccination.Fault{Code: "cleared", Message: fmt.Sprintf("the text of this row was removed, as it is kept for a time only: find row %d in your own file", row)}
}

// KeepRows is how long the text of wrong rows is kept.
func (s *Service) KeepRows() time.Duration {
	if s.Keep <= 0 {
		return DefaultKeep
	}
	return s.Keep
}

// Clear removes the text of wrong rows of uploads that ended longer ago than
// Options.Keep, with an entry in the audit for each upload. States and reasons
// stay. It may run anywhere, more than once at a time.
func (s *Service) Clear(ctx context.Context) error {
	for {
		ids, err := s.Store.Read().UploadsToClear(ctx, s.Now().UTC().Add(-s.KeepRows()))
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := s.clear(ctx, id); err != nil {
				return fmt.Errorf("removing the wrong rows of upload %d: %w", id, err)
			}
		}
	}
}

func (s *Service) clear(ctx context.Context, id int64) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		n, err := q.UploadCleared(ctx, query.UploadClearedParams{ID: id, At: now})
		if err != nil || n == 0 { // somebody else did
			return err
		}
		rows, err := q.ClearUploadRows(ctx, id)
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, access.System("uploads").Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "upload.cleared", Object: object(id), Detail: fmt.Sprintf("%d wrong rows", rows),
		})
	})
}

// clearUploads is the job that removes the text of wrong rows.
type clearUploads struct{}

// Kind names the job in the queue.
func (clearUploads) Kind() string { return "clear-uploads" }

type clearWorker struct {
	river.WorkerDefaults[clearUploads]
	s *Service
}

// Timeout is none: there may be very many rows.
func (*clearWorker) Timeout(*river.Job[clearUploads]) time.Duration { return -1 }

// Work clears. What fails is tried again the next day.
func (w *clearWorker) Work(ctx context.Context, _ *river.Job[clearUploads]) error {
	err := w.s.Clear(ctx)
	if err != nil {
		w.s.Log.Warn("wrong rows of uploads wait to be removed", slog.String("error", err.Error()))
	}
	return err
}
