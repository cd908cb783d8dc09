package issuance

import (
	"context"
	"time"
)

// Backlog is the work that waits in the queue.
type Backlog struct {
	Waiting  int           // jobs whose time has come and that have not begun
	Retrying int           // jobs that failed and are tried again
	Oldest   time.Duration // how long the oldest of those waiting has waited
}

// Backlog asks what waits in the queue, of all processes together.
func (q *Queue) Backlog(ctx context.Context) (b Backlog, err error) {
	var seconds float64
	err = q.pool.QueryRow(ctx, `-- name: Backlog
SELECT count(*) FILTER (WHERE state = 'available'), count(*) FILTER (WHERE state = 'retryable'),
  coalesce(extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE state = 'available')), 0)::float8
FROM river_job WHERE state IN ('available', 'retryable')`).Scan(&b.Waiting, &b.Retrying, &seconds)
	b.Oldest = time.Duration(max(seconds, 0) * float64(time.Second))
	return b, err
}
