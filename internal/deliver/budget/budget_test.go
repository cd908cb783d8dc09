package budget

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

func newBudget(t *testing.T, alarm, stop int) (*Budget, *time.Time, *bytes.Buffer) {
	t.Helper()
	store, err := registry.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	return New(Options{
		Hash: func(v string) []byte { h := sha256.Sum256([]byte(v)); return h[:16] }, Store: store, Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(&log, nil)), Alarm: alarm, Stop: stop,
	}), &now, &log
}

func TestANumber(t *testing.T) {
	b, now, _ := newBudget(t, 1000, 1000)
	take := func(after time.Duration, to string, want vaccination.Code) {
		t.Helper()
		*now = now.Add(after)
		if _, err := b.Take(t.Context(), Ask{To: to}); vaccination.ErrorCode(err) != want {
			t.Errorf("at %s: %v, want %q", now.Format(time.TimeOnly), err, want)
		}
	}
	const a = "+18765550142"
	take(0, a, "")
	take(59*time.Second, a, vaccination.TooMany)
	take(0, "+18765550143", "") // somebody else's
	take(time.Second, a, "")
	take(time.Minute, a, "")
	take(time.Minute, a, vaccination.TooMany) // three in fifteen minutes
	take(12*time.Minute-time.Second, a, vaccination.TooMany)
	take(time.Second, a, "") // what was refused was not counted
	for range 6 {
		take(15*time.Minute, a, "")
	}
	take(15*time.Minute, a, vaccination.TooMany) // ten in a day
	take(24*time.Hour, a, "")
}

// TestNoWindowHoldsMore draws times to ask at and looks at every window.
func TestNoWindowHoldsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []time.Time
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 200).Draw(t, "asks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)
			if wait(sent, now) == 0 {
				sent = append(sent, now)
			}
		}
		for i, first := range sent {
			for _, bound := range []struct {
				n    int
				time time.Duration
			}{{1, Gap}, {3, 15 * time.Minute}, {10, 24 * time.Hour}} {
				if j := i + bound.n; j < len(sent) && sent[j].Sub(first) < bound.time {
					t.Fatalf("%d codes within %s", bound.n+1, sent[j].Sub(first))
				}
			}
		}
	})
}

func TestANumberAskedForByManyAtOnceGetsOne(t *testing.T) {
	b, _, _ := newBudget(t, 1000, 1000)
	var sent atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := b.Take(t.Context(), Ask{To: "+18765550142"}); err == nil {
				sent.Add(1)
			} else if vaccination.ErrorCode(err) != vaccination.TooMany {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if sent.Load() != 1 {
		t.Errorf("%d codes", sent.Load())
	}
}

func TestANetworkIsSlowedDownAndNeverLockedOut(t *testing.T) {
	b, now, _ := newBudget(t, 10000, 10000)
	var last time.Duration
	for i := range 200 {
		a := Ask{To: fmt.Sprintf("+1876555%04d", i), Network: netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i))}
		delay, err := b.Take(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if delay < last || i < networkFree && delay != 0 || delay > networkMost {
			t.Fatalf("code %d waits %s after one that waits %s", i, delay, last)
		}
		last = delay
	}
	if last != networkMost {
		t.Errorf("the last one waits %s", last)
	}
	for what, n := range map[string]string{"another network": "203.0.113.7", "one of IPv6": "2001:db8::1"} {
		if delay, err := b.Take(t.Context(), Ask{To: "+1876556" + fmt.Sprint(len(what)+1000), Network: netip.MustParseAddr(n)}); err != nil || delay != 0 {
			t.Errorf("%s: %s, %v", what, delay, err)
		}
	}
	*now = now.Add(networkTime)
	if delay, err := b.Take(t.Context(), Ask{To: "+18765569999", Network: netip.MustParseAddr("198.51.100.1")}); err != nil || delay != 0 {
		t.Errorf("later: %s, %v", delay, err)
	}
	for in, want := range map[string]string{"198.51.100.77": "198.51.100.0/24", "::ffff:198.51.100.77": "198.51.100.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64"} {
		if got := Network(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s is of %s", in, got)
		}
	}
}

func TestEverybodyTogether(t *testing.T) {
	b, now, log := newBudget(t, 3, 5)
	for i := range 7 {
		_, err := b.Take(t.Context(), Ask{To: fmt.Sprintf("+1876555%04d", i)})
		want := vaccination.Code("")
		if i >= 5 {
			want = vaccination.Unavailable
		}
		if vaccination.ErrorCode(err) != want {
			t.Errorf("code %d: %v", i+1, err)
		}
	}
	if n := strings.Count(log.String(), "more codes are asked for than usual"); n != 1 || strings.Contains(log.String(), "1876") {
		t.Errorf("the log says:\n%s", log)
	}
	if n, err := b.LastHour(t.Context()); err != nil || n != 5 {
		t.Errorf("counted %d, %v", n, err)
	}
	*now = now.Add(time.Hour)
	if _, err := b.Take(t.Context(), Ask{To: "+18765550001"}); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	*now = now.Add(25 * time.Hour)
	if err := b.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := b.Store.Pool().QueryRow(t.Context(), "SELECT (SELECT count(*) FROM send_number) + (SELECT count(*) FROM send_count)").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}
