package trustlist

import (
	"context"
	"log/slog"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Refresh asks the sources that are due, and applies what came where somebody
// whom the administrator pinned signed it. Everything else waits for a person.
func (s *Service) Refresh(ctx context.Context) error {
	rows, err := s.Store.Read().TrustSources(ctx)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	for _, row := range rows {
		if row.EveryHours == 0 || row.Url == "" || row.AskedAt != nil && now.Sub(*row.AskedAt) < time.Duration(row.EveryHours)*time.Hour {
			continue
		}
		fault := ""
		if err := s.refresh(ctx, row); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fault = line(err.Error(), 300)
			s.Log.Warn("a trust list was not taken; the one before stays", slog.String("source", row.Name), slog.String("error", fault))
		}
		if err := s.Store.Read().SawTrustSource(ctx, query.SawTrustSourceParams{Name: row.Name, At: &now, Fault: fault}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) refresh(ctx context.Context, row query.TrustSource) error {
	data, err := s.Fetch(ctx, row.Url)
	if err != nil {
		return err
	}
	by := access.System("trust")
	p, err := s.propose(ctx, by, row, data)
	if err != nil || p.Unchanged {
		return err
	}
	// The first list is for a person to apply, whoever signed it.
	if p.Signed && row.Version != nil {
		return s.Apply(ctx, by, p.Version)
	}
	s.Log.Warn("a trust list waits for somebody to look at it", slog.String("source", row.Name), slog.Int64("version", p.Version))
	return nil
}
