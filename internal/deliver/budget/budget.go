// Package budget bounds how many codes are sent, by number, by network and
// altogether: every code costs money, and a stranger may ask for one to anybody's
// number.
//
// Numbers are counted whether or not anybody known has them, so that an answer
// tells nothing. A network is slowed down and never locked out: thousands share
// one address. What all ask for together raises an alarm long before it ends.
package budget

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// The bounds of one number, and of one network before it is slowed down.
const (
	Gap         = time.Minute // between two codes to one number
	Short       = 15 * time.Minute
	perShort    = 3
	Long        = 24 * time.Hour
	perLong     = 10
	networkTime = 10 * time.Minute
	networkFree = 30          // codes of one network in networkTime that go at once
	networkStep = time.Second // each one more waits so much longer
	networkMost = time.Minute
)

// Options are what a Budget needs.
type Options struct {
	Hash  func(string) []byte // keyed
	Store *registry.Store
	Now   func() time.Time
	Log   *slog.Logger
	// Alarm and Stop are how many codes in an hour raise an alarm, and how many are
	// the end.
	Alarm, Stop int
}

// Budget counts codes in the database, for all servers together. It is safe for
// concurrent use.
type Budget struct {
	Options
	alarmed atomic.Int64 // Unix time of the hour whose alarm was raised
}

// New returns a Budget.
func New(o Options) *Budget { return &Budget{Options: o} }

// Ask is a code that somebody asks for.
type Ask struct {
	To      string     // number or address
	Network netip.Addr // of who asks; the zero value is not counted
}

// Network is what is counted as one: an IPv4 /24 or an IPv6 /64.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// Take counts a code and says how long to wait with sending it, which is not for
// the person to be told. The error is [vaccination.TooMany] for a number that
// codes were asked for too often, and says when to ask again;
// [vaccination.Unavailable] when everybody together asked too often. A code that
// is refused is not counted.
func (b *Budget) Take(ctx context.Context, a Ask) (delay time.Duration, err error) {
	now := b.Now().UTC()
	total := int32(0)
	err = b.Store.Tx(ctx, func(q *query.Queries) error {
		if err := b.number(ctx, q, a.To, now); err != nil {
			return err
		}
		if a.Network.IsValid() {
			n, err := q.CountSend(ctx, query.CountSendParams{Key: b.Hash("network " + Network(a.Network).String()), At: now, Begin: now.Add(-networkTime)})
			if err != nil {
				return err
			}
			delay = min(time.Duration(max(int(n)-networkFree, 0))*networkStep, networkMost)
		}
		// Last, as everybody's row is one.
		total, err = q.CountSend(ctx, query.CountSendParams{Key: b.everybody(), At: now, Begin: now.Add(-time.Hour)})
		if err == nil && int(total) > b.Stop {
			err = vaccination.Errorf(vaccination.Unavailable, "no codes can be sent at the moment: try again in an hour, or go to the place where you were vaccinated")
		}
		return err
	})
	b.alarm(int(total), now)
	return delay, err
}

func (b *Budget) everybody() []byte { return b.Hash("everybody") }

// number applies the bounds of one number.
func (b *Budget) number(ctx context.Context, q *query.Queries, to string, now time.Time) error {
	key := b.Hash("number " + to)
	recent, err := q.LockSendNumber(ctx, query.LockSendNumberParams{Key: key, At: now})
	if err != nil {
		return err
	}
	if wait := wait(recent, now); wait > 0 {
		return TooMany(wait)
	}
	if len(recent) >= perLong {
		recent = recent[len(recent)-perLong+1:]
	}
	return q.PutSendNumber(ctx, query.PutSendNumberParams{Key: key, Recent: append(recent, now)})
}

// Often is a [vaccination.TooMany] error that says how long to wait.
type Often struct {
	error
	Wait time.Duration
}

// Unwrap returns the error without the time.
func (o *Often) Unwrap() error { return o.error }

// TooMany is the error for whoever is to wait.
func TooMany(wait time.Duration) error { return &Often{tooMany(wait), wait} }

func tooMany(wait time.Duration) error {
	if wait <= 2*time.Minute {
		return vaccination.Errorf(vaccination.TooMany, "a code was sent a moment ago: it can take a while to arrive. You can ask for another in %d seconds", int(math.Ceil(wait.Seconds())))
	}
	return vaccination.Errorf(vaccination.TooMany, "several codes were sent to this number already. You can ask for another in %d minutes", int(math.Ceil(wait.Minutes())))
}

// wait is how long the next code after recent ones has to wait.
func wait(recent []time.Time, now time.Time) time.Duration {
	var until time.Time
	for _, bound := range []struct {
		n    int
		time time.Duration
	}{{1, Gap}, {perShort, Short}, {perLong, Long}} {
		if len(recent) < bound.n {
			continue
		}
		if t := recent[len(recent)-bound.n].Add(bound.time); t.After(until) {
			until = t
		}
	}
	return max(until.Sub(now), 0)
}

// alarm says once in an hour that more codes are asked for than usual.
func (b *Budget) alarm(total int, now time.Time) {
	if total < b.Alarm {
		return
	}
	last := b.alarmed.Load()
	if now.Unix()-last >= 3600 && b.alarmed.CompareAndSwap(last, now.Unix()) {
		b.Log.Warn("more codes are asked for than usual", slog.Int("hour", total), slog.Int("alarm", b.Alarm), slog.Int("stop", b.Stop))
	}
}

// LastHour is how many codes were asked for in the hour that runs.
func (b *Budget) LastHour(ctx context.Context) (int, error) {
	n, err := b.Store.Read().SendCount(ctx, query.SendCountParams{Key: b.everybody(), Begin: b.Now().UTC().Add(-time.Hour)})
	if registry.IsNone(err) {
		return 0, nil
	}
	return int(n), err
}

// Forget drops what does not count any more.
func (b *Budget) Forget(ctx context.Context) error {
	return b.Store.Read().ForgetSends(ctx, b.Now().UTC().Add(-Long))
}
