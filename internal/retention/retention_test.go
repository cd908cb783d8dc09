package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/retention"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// heap is a class of data: when each thing of it came.
type heap struct {
	at   []time.Time
	fail error
}

func (h *heap) class(name string, keep time.Duration) retention.Class {
	old := func(before time.Time) (n int64) {
		for _, at := range h.at {
			if at.Before(before) {
				n++
			}
		}
		return n
	}
	return retention.Class{
		Name: name, Keep: keep,
		Due: func(_ context.Context, before time.Time) (int64, error) { return old(before), nil },
		Remove: func(_ context.Context, before time.Time) (int64, error) {
			if h.fail != nil {
				return 0, h.fail
			}
			n := old(before)
			var left []time.Time
			for _, at := range h.at {
				if !at.Before(before) {
					left = append(left, at)
				}
			}
			h.at = left
			return n, nil
		},
	}
}

func TestWhatIsPastItsTimeGoes(t *testing.T) {
	const day = 24 * time.Hour
	h := issuancetest.New(t, "jamaica")
	now := h.Now()
	messages := &heap{at: []time.Time{now.Add(-11 * day), now.Add(-10*day - time.Second), now.Add(-10 * day), now}}
	broken := &heap{at: []time.Time{now.Add(-99 * day)}, fail: errors.New("as the test wants it")}
	var log bytes.Buffer
	s := &retention.Service{
		Store: h.Store, Now: h.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Classes: []retention.Class{broken.class("broken", day), messages.class("messages", 10*day)},
	}
	report := func(want ...retention.Line) {
		t.Helper()
		got, err := s.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Millisecond).Equal(b.Truncate(time.Millisecond)) })); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
	report(retention.Line{Class: "broken", Keep: day, Due: 1}, retention.Line{Class: "messages", Keep: 10 * day, Due: 2})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("what failed is not told: %v", err)
	}
	if !strings.Contains(log.String(), "class=broken") || strings.Contains(log.String(), "class=messages") {
		t.Errorf("log: %s", log.String())
	}
	// One that fails held up no other; what is as old as its time is kept.
	report(retention.Line{Class: "broken", Keep: day, Ran: now, Due: 1}, retention.Line{Class: "messages", Keep: 10 * day, Ran: now, Removed: 2})
	if len(messages.at) != 2 {
		t.Errorf("%d are left", len(messages.at))
	}
	broken.fail = nil
	h.Pass(day)
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	report(retention.Line{Class: "broken", Keep: day, Ran: now.Add(day), Removed: 1}, retention.Line{Class: "messages", Keep: 10 * day, Ran: now.Add(day), Removed: 1})
}

// TestNothingGoesAfterARestore keeps everything until it is known what was
// published after the backup.
func TestNothingGoesAfterARestore(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	all := &heap{at: []time.Time{h.Now().Add(-99 * time.Hour)}}
	s := &retention.Service{Store: h.Store, Now: h.Now, Log: h.Log, Classes: []retention.Class{all.class("messages", time.Hour)}}
	if err := h.Store.Read().PutSetting(t.Context(), query.PutSettingParams{Name: registry.SettingHold, Value: "{}"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(all.at) != 1 {
		t.Error("it was removed")
	}
}

func TestStepwise(t *testing.T) {
	left := int64(12_345)
	steps := 0
	n, err := retention.Stepwise(func(max int32) (int64, error) {
		steps++
		done := min(left, int64(max))
		left -= done
		return done, nil
	})
	if n != 12_345 || err != nil || steps != 3 {
		t.Errorf("%d in %d steps, %v", n, steps, err)
	}
	fails := errors.New("as the test wants it")
	if n, err := retention.Stepwise(func(int32) (int64, error) { return 7, fails }); n != 7 || !errors.Is(err, fails) {
		t.Errorf("%d, %v", n, err)
	}
}
