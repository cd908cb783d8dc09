package deliver

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// How messages are handed over.
const (
	handOver     = 30 * time.Second // one attempt, at most
	claimLife    = 2 * time.Minute  // after which whoever claimed it has ended
	maxAttempts  = 6                // of one message that is refused for now
	silence      = 72 * time.Hour   // after which no receipt will come
	unknownPause = 30 * time.Minute // after which a notice nobody knows of goes once more
)

// lane is the sending of one class in this process: one worker at a time.
type lane struct {
	mu      sync.Mutex
	working bool
	again   bool // somebody asked meanwhile
	wake    chan struct{}
}

// enter reports whether the caller is to work; if not, who works looks again.
func (l *lane) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again = true
	if l.working {
		return false
	}
	l.working = true
	return true
}

// leave reports whether the worker may end: nobody asked since it looked.
func (l *lane) leave() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.again {
		l.again = false
		return false
	}
	l.working = false
	return true
}

// Send hands over what is due of a class until nothing is, or all gateways wait.
// It returns when the next attempt makes sense, zero where nobody knows. Only one
// worker of a process sends a class; others return at once.
func (s *Service) Send(ctx context.Context, class Class) (next time.Time, err error) {
	l := s.lanes[class]
	if !l.enter() {
		return time.Time{}, nil
	}
	for !l.leave() {
		if err == nil && ctx.Err() == nil {
			next, err = s.sendAll(ctx, class)
		}
	}
	return next, err
}

func (s *Service) sendAll(ctx context.Context, class Class) (next time.Time, err error) {
	if held, err := s.held(ctx); err != nil || held && class == Notice {
		return time.Time{}, err
	}
	if err := s.tidy(ctx); err != nil {
		return next, err
	}
	rows, err := s.queries().Gateways(ctx)
	if err != nil {
		return next, err
	}
	seen := map[string]bool{}
	for _, row := range rows {
		g, err := s.openGateway(row)
		if err != nil {
			s.Log.Error("a gateway cannot be used", slog.String("gateway", row.Name), slog.String("error", err.Error()))
			continue
		}
		if seen[row.Channel] || !g.settings.Serves(string(class)) {
			continue // the first by name carries a channel
		}
		seen[row.Channel] = true
		at, err := s.sendThrough(ctx, g, class)
		if err != nil {
			return next, err
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

// held reports whether the database was restored and waits to be reconciled: what
// it has as queued was sent before, or is about what became otherwise since. Codes
// are waited for and go.
func (s *Service) held(ctx context.Context) (bool, error) {
	hold, err := registry.ReadHold(ctx, s.queries())
	return hold != nil, err
}

// sendThrough hands over what is due for one gateway. next is when to come back,
// zero when nothing is due.
func (s *Service) sendThrough(ctx context.Context, g gateway, class Class) (next time.Time, err error) {
	for {
		if ctx.Err() != nil || s.stopped() {
			return time.Time{}, nil //nolint:nilerr // the server ends
		}
		if until, quiet := s.Profile.Quiet(s.Now()); quiet && class == Notice && g.settings.Channel() == SMS {
			return until, nil
		}
		claimed, at, err := s.claim(ctx, g, class)
		if err != nil {
			return time.Time{}, err
		}
		if wait := at.Sub(s.Now()); len(claimed) == 0 && !at.IsZero() {
			if wait >= time.Second {
				return at, nil // it is left alone for a while
			}
			s.Sleep(ctx, wait)
			continue
		}
		if len(claimed) == 0 {
			return time.Time{}, nil
		}
		var work sync.WaitGroup
		errs := make([]error, len(claimed))
		for i, m := range claimed {
			work.Go(func() { errs[i] = s.attempt(ctx, g, m) })
		}
		work.Wait()
		if err := errors.Join(errs...); err != nil {
			return time.Time{}, err
		}
	}
}

func (s *Service) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *Service) sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-s.stop:
	case <-time.After(max(d, time.Millisecond)):
	}
}

// claim takes the next messages within the gateway's rate, durably, before
// anything is handed over. When it takes none, at is when the gateway may be
// asked again, zero where nothing is due.
func (s *Service) claim(ctx context.Context, g gateway, class Class) (claimed []query.ClaimMessagesRow, at time.Time, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		row, err := q.LockGateway(ctx, g.name)
		if registry.IsNone(err) {
			return nil // it was taken away
		}
		if err != nil {
			return err
		}
		// What is farther off was written while the clock was ahead.
		for wait, most := range map[time.Time]time.Duration{row.NextAt: g.step(g.settings.AtOnce()) + time.Second, row.DownUntil: time.Hour} {
			if wait.After(now) && wait.After(at) && wait.Sub(now) <= most {
				at = wait
			}
		}
		if row.Paused {
			at = now.Add(time.Minute)
		}
		if !at.IsZero() {
			return nil
		}
		n := g.settings.AtOnce()
		if row.Failures > 0 {
			n = 1 // one finds out whether it is back
		}
		claimed, err = q.ClaimMessages(ctx, query.ClaimMessagesParams{Until: now.Add(claimLife), Gateway: g.name, Channel: g.settings.Channel(), Class: string(class), Now: now, MaxRows: int32(n)})
		if err != nil || len(claimed) == 0 {
			return err
		}
		slices.SortFunc(claimed, func(a, b query.ClaimMessagesRow) int {
			if c := a.DueAt.Compare(b.DueAt); c != 0 {
				return c
			}
			return int(a.ID - b.ID)
		})
		return q.MoveGateway(ctx, query.MoveGatewayParams{Name: g.name, NextAt: now.Add(g.step(len(claimed)))})
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return claimed, at, nil
}

// step is how long n messages take at the gateway's rate.
func (g *gateway) step(n int) time.Duration {
	return time.Duration(float64(time.Second) * float64(n) / g.settings.Rate())
}

// attempt hands one message over and writes down what came of it.
func (s *Service) attempt(ctx context.Context, g gateway, m query.ClaimMessagesRow) error {
	out, parts, err := s.compose(ctx, g, m)
	if err != nil {
		return s.record(ctx, m, transport.Failed, err.Error(), "", parts)
	}
	sending, cancel := context.WithTimeout(ctx, handOver)
	sent, err := g.transport.Send(sending, out)
	cancel()
	// What is known now is written down also while the program ends.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		if _, err := s.queries().GatewayUp(ctx, g.name); err != nil {
			return err
		}
		state := transport.Accepted
		if sent.Final {
			state = transport.Delivered
		}
		return s.record(ctx, m, state, "", sent.ProviderID, parts)
	}
	return s.failed(ctx, g, m, transport.AsError(err), parts)
}

// failed decides by its class what becomes of a message.
func (s *Service) failed(ctx context.Context, g gateway, m query.ClaimMessagesRow, e *transport.Error, parts int16) error {
	now := s.Now().UTC()
	switch e.Class {
	case transport.Permanent:
		if e.Suppress != "" {
			_, err := s.queries().PutSuppression(ctx, query.PutSuppressionParams{Recipient: m.Recipient, Reason: e.Suppress, At: now, MadeBy: "gateway:" + g.name})
			if err != nil {
				return err
			}
		}
		return s.record(ctx, m, transport.Failed, e.Code, "", parts)
	case transport.Unknown:
		if g.transport.Again() {
			return s.release(ctx, m, now.Add(backoff(int(m.Attempts))), e.Code, true, parts)
		}
		return s.record(ctx, m, transport.Uncertain, e.Code, "", parts)
	case transport.Throttled, transport.Down:
		// Not the message's fault: it keeps its place, and everything waits.
		failures, err := s.leaveAlone(ctx, g, e, now)
		if err != nil {
			return err
		}
		if e.Credentials || failures == alarmFailures {
			s.Log.Error("a gateway takes no messages", slog.String("gateway", g.name), slog.String("class", string(e.Class)), slog.String("code", e.Code), slog.Bool("credentials", e.Credentials))
		}
		return s.release(ctx, m, m.DueAt, e.Code, false, parts)
	default:
		return s.release(ctx, m, now.Add(max(e.After, backoff(int(m.Attempts)))), e.Code, true, parts)
	}
}

// alarmFailures is after how many failures in a row somebody is to look.
const alarmFailures = 5

// leaveAlone lets a gateway rest, longer each time.
func (s *Service) leaveAlone(ctx context.Context, g gateway, e *transport.Error, now time.Time) (int, error) {
	row, err := s.queries().GatewayByName(ctx, g.name)
	if registry.IsNone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	rest := min(time.Second<<min(row.Failures, 6), time.Minute)
	if e.Credentials {
		rest = 5 * time.Minute // hammering locks accounts
	}
	if e.After > 0 {
		rest = min(e.After, time.Hour)
	}
	failures, err := s.queries().GatewayDown(ctx, query.GatewayDownParams{Name: g.name, Until: now.Add(rest), Reason: e.Code})
	return int(failures), err
}

// backoff is how long a message waits after its n-th attempt.
func backoff(n int) time.Duration { return min(15*time.Second<<min(max(n-1, 0), 8), time.Hour) }

// release has a message tried again. One that was tried often enough has failed.
func (s *Service) release(ctx context.Context, m query.ClaimMessagesRow, due time.Time, code string, counts bool, parts int16) error {
	if counts && m.Attempts >= maxAttempts {
		return s.record(ctx, m, transport.Failed, code, "", parts)
	}
	_, err := s.queries().ReleaseMessage(ctx, query.ReleaseMessageParams{Bucket: m.Bucket, ID: m.ID, Attempts: m.Attempts, DueAt: due.UTC(), Code: bounded(code), Counts: counts})
	return err
}

// record writes down what came of an attempt, and goes forward only.
func (s *Service) record(ctx context.Context, m query.ClaimMessagesRow, state transport.State, code, providerID string, parts int16) error {
	p := query.RecordMessageParams{
		Bucket: m.Bucket, ID: m.ID, Attempts: m.Attempts, State: int16(state), Code: bounded(code), Parts: parts, At: s.Now().UTC(),
		DropSealed: Class(m.Class) == Code && !s.Demo,
	}
	if providerID != "" {
		id := bounded(providerID)
		p.ProviderID = &id
	}
	if state != transport.Failed {
		_, err := s.queries().RecordMessage(ctx, p)
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.RecordMessage(ctx, p)
		if err != nil {
			return err
		}
		return countSettled(ctx, q, p.At, state, n)
	})
}

// bounded keeps what others call things short and printable.
func bounded(code string) string {
	out := make([]rune, 0, len(code))
	for _, r := range code {
		if r > ' ' && r <= '~' && len(out) < 128 {
			out = append(out, r)
		}
	}
	return string(out)
}
