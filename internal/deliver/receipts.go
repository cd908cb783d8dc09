package deliver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// maxReceipts bounds the receipts of one request.
const maxReceipts = 1000

// errReceipts is the answer to whoever may not send receipts, whatever is wrong.
func errReceipts() error {
	return vaccination.Errorf(vaccination.NotFound, "nothing is here")
}

// Receive stores what a gateway's provider says of messages. Whoever calls proves
// to be it by secret, the last part of the address, and by signature and network
// where the gateway's file asks for them. Receipts are looked at later: those of
// messages that nobody knows are forgotten, and none proves who anybody is.
func (s *Service) Receive(ctx context.Context, name, secret string, r *http.Request, body []byte) error {
	row, err := s.queries().GatewayByName(ctx, name)
	if registry.IsNone(err) {
		s.secretFits(query.Gateway{Secret: make([]byte, 16)}, secret) // as long as for one that is there
		return errReceipts()
	}
	if err != nil {
		return err
	}
	if !s.secretFits(row, secret) {
		return errReceipts()
	}
	g, err := s.openGateway(row)
	if err != nil {
		return err
	}
	receipts, err := g.settings.Receipts(r, body, g.receipts)
	if err != nil {
		return err
	}
	if len(receipts) > maxReceipts {
		return vaccination.Errorf(vaccination.TooLarge, "at most %d receipts at once", maxReceipts)
	}
	p := query.InsertReceiptsParams{Gateway: name, At: s.Now().UTC()}
	for _, x := range receipts {
		id := bounded(x.ProviderID)
		if x.Ref != "" {
			id = ownRef + bounded(x.Ref)
		}
		if id == "" || x.State < transport.Accepted {
			continue
		}
		p.ProviderIds, p.States, p.Codes = append(p.ProviderIds, id), append(p.States, int16(x.State)), append(p.Codes, bounded(x.Code))
	}
	if len(p.ProviderIds) == 0 {
		return nil
	}
	if err := s.queries().InsertReceipts(ctx, p); err != nil {
		return err
	}
	s.Wake(Notice)
	return nil
}

// ownRef stands before our own name of a message in place of its provider's.
const ownRef = "ref:"

// keepReceipts is how long a receipt waits for its message to be known.
const keepReceipts = 10 * time.Minute

// settleReceipts moves messages by the receipts that came. One that came before
// what the provider answered was written down waits until it is.
func (s *Service) settleReceipts(ctx context.Context) error {
	q := s.queries()
	now := s.Now().UTC()
	if _, err := q.ForgetReceipts(ctx, now.Add(-keepReceipts)); err != nil {
		return err
	}
	after := query.PendingReceiptsParams{MaxRows: 500}
	for {
		rows, err := q.PendingReceipts(ctx, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := s.settleReceipt(ctx, row, now); err != nil {
				return err
			}
		}
		last := rows[len(rows)-1]
		after.ReceivedAt, after.Gateway, after.ProviderID, after.State = last.ReceivedAt, last.Gateway, last.ProviderID, last.State
	}
}

func (s *Service) settleReceipt(ctx context.Context, row query.MessageReceipt, now time.Time) error {
	return s.Store.Tx(ctx, func(q *query.Queries) (err error) {
		known, moved := false, int64(0)
		if own, ok := cutPrefix(row.ProviderID, ownRef); ok {
			bucket, id, ok := parseRef(own)
			if ok {
				moved, err = q.ForwardMessageByID(ctx, query.ForwardMessageByIDParams{State: row.State, Code: row.Code, At: now, Keep: s.Demo, Gateway: row.Gateway, Bucket: bucket, ID: id})
			}
			known = true // the row was there before anybody had its name
		} else {
			moved, err = q.ForwardMessageByProvider(ctx, query.ForwardMessageByProviderParams{State: row.State, Code: row.Code, At: now, Keep: s.Demo, Gateway: row.Gateway, ProviderID: row.ProviderID})
			if err == nil && moved == 0 {
				known, err = q.KnownProviderMessage(ctx, query.KnownProviderMessageParams{Gateway: row.Gateway, ProviderID: row.ProviderID})
			} else {
				known = true
			}
		}
		if err != nil || !known {
			return err
		}
		if err := countSettled(ctx, q, now, transport.State(row.State), moved); err != nil {
			return err
		}
		return q.DeleteReceipt(ctx, query.DeleteReceiptParams{Gateway: row.Gateway, ProviderID: row.ProviderID, State: row.State})
	})
}

// countSettled counts messages that arrived, or did not. One that failed and
// arrived after all, or after it was sent again, is counted as both.
func countSettled(ctx context.Context, q *query.Queries, at time.Time, state transport.State, n int64) error {
	kind := map[transport.State]string{transport.Delivered: registry.CountDelivered, transport.Failed: registry.CountFailed}[state]
	if kind == "" || n == 0 {
		return nil
	}
	return registry.Count(ctx, q, at, registry.Counted{Kind: kind, N: n})
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return s, false
	}
	return s[len(prefix):], true
}

// logSettling says that receipts were not looked at.
func (s *Service) logSettling(err error) {
	s.Log.Warn("sending messages waits to be tried again", slog.String("error", err.Error()))
}
