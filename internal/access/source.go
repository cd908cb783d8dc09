package access

import (
	"context"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Sources are the systems that report events. One is made with its first token.
type Sources struct {
	Store *registry.Store
	Now   func() time.Time
}

// SourceInfo is what is known of a source.
type SourceInfo struct {
	Name string `json:"name"`
	// Authoritative: what it sends again with other content is a correction.
	Authoritative bool      `json:"authoritative"`
	Created       time.Time `json:"created"`
}

// List returns every source, by name.
func (s Sources) List(ctx context.Context) ([]SourceInfo, error) {
	rows, err := s.Store.Read().Sources(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]SourceInfo, len(rows))
	for i, r := range rows {
		out[i] = SourceInfo{Name: r.Name, Authoritative: r.Authoritative, Created: r.CreatedAt}
	}
	return out, nil
}

// SetAuthoritative declares a source authoritative, or no longer. It is written
// with its entry in the audit. An unknown source is [vaccination.NotFound].
func (s Sources) SetAuthoritative(ctx context.Context, by Caller, name string, authoritative bool) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.SetAuthoritative(ctx, query.SetAuthoritativeParams{Name: name, Authoritative: authoritative})
		if err != nil {
			return err
		}
		if n == 0 {
			_, err := q.SourceByName(ctx, name)
			if registry.IsNone(err) {
				return vaccination.Errorf(vaccination.NotFound, "there is no such source: `divoc source list` shows them, and `divoc token create --role source --source NAME` makes one")
			}
			return err // it is so already
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: registry.ActSource, Object: name, Detail: fmt.Sprintf("authoritative %t", authoritative),
		})
	})
}
