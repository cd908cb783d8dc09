package deliver

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// tidy ends what waited too long, and settles what nobody ended.
func (s *Service) tidy(ctx context.Context) error {
	now := s.Now().UTC()
	q := s.queries()
	if _, err := q.ExpireMessages(ctx, now); err != nil {
		return err
	}
	if err := s.abandoned(ctx, q, now); err != nil {
		return err
	}
	if _, err := q.RetryUnknownMessages(ctx, query.RetryUnknownMessagesParams{Now: now, Before: now.Add(-unknownPause)}); err != nil {
		return err
	}
	if _, err := q.SilentMessages(ctx, query.SilentMessagesParams{Now: now, Before: now.Add(-silence)}); err != nil {
		return err
	}
	return s.settleReceipts(ctx)
}

// abandoned settles messages that somebody was handing over who ended before
// they knew: nobody does now. Where the gateway delivers a message once however
// often it gets it, it goes again; else it waits for a receipt.
func (s *Service) abandoned(ctx context.Context, q *query.Queries, now time.Time) error {
	rows, err := q.AbandonedMessages(ctx, query.AbandonedMessagesParams{Now: now, MaxRows: 500})
	if err != nil {
		return err
	}
	for _, row := range rows {
		m := query.ClaimMessagesRow{Bucket: row.Bucket, ID: row.ID, Attempts: row.Attempts, Class: row.Class}
		stored, err := q.GatewayByName(ctx, row.Gateway)
		if err == nil {
			if g, openErr := s.openGateway(stored); openErr == nil && g.transport.Again() {
				if err := s.release(ctx, m, now, "interrupted", true, 0); err != nil {
					return err
				}
				continue
			}
		} else if !registry.IsNone(err) {
			return err
		}
		if err := s.record(ctx, m, transport.Uncertain, "interrupted", "", 0); err != nil {
			return err
		}
	}
	return nil
}
