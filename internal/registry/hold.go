package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// Hold says that a database was restored and does not know yet what was
// published after its backup: nothing is issued and nothing published until
// that is reconciled. A database is restored once, before anything works on it:
// whoever has seen it without a hold need not look again, unless connections
// broke and another database stands in its place.
type Hold struct {
	Backup   string    `json:"backup"`   // hash of the backup's manifest
	Made     time.Time `json:"made"`     // when the backup was made
	Restored time.Time `json:"restored"` // when it was restored
}

// SettingHold is the setting that holds the [Hold].
const SettingHold = "hold"

// ReadHold returns the hold of a database, nil when there is none.
func ReadHold(ctx context.Context, q *query.Queries) (*Hold, error) {
	text, err := q.GetSetting(ctx, SettingHold)
	if IsNone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h := &Hold{}
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return nil, fmt.Errorf("reading the setting %q: %w", SettingHold, err)
	}
	return h, nil
}
