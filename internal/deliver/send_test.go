package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
)

// first answers so once, and takes everything after.
func first(answer func(int, transport.Message) (transport.Sent, error)) func(int, transport.Message) (transport.Sent, error) {
	return func(n int, m transport.Message) (transport.Sent, error) {
		if n == 1 {
			return answer(n, m)
		}
		return transport.Sent{ProviderID: "p-" + m.Ref}, nil
	}
}

// TestAnOutageDrainsInOrder has a gateway gone for an hour, during which messages
// are queued: none is lost, none goes twice, and they go in order.
func TestAnOutageDrainsInOrder(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	down := true
	w.carrier.answer = func(_ int, m transport.Message) (transport.Sent, error) {
		if down {
			return transport.Sent{}, &transport.Error{Class: transport.Down, Code: "no-connection"}
		}
		return transport.Sent{ProviderID: "p-" + m.Ref}, nil
	}
	for i := range 60 {
		w.notice(fmt.Sprintf("K%02d", i))
		w.send(deliver.Notice)
		w.Pass(time.Minute)
	}
	tries := len(w.carrier.got)
	if tries > 70 {
		t.Errorf("a gateway that is gone was asked %d times in an hour", tries)
	}
	down = false
	w.Pass(time.Minute)
	w.send(deliver.Notice)
	for i, m := range w.carrier.got[tries:] {
		if want := fmt.Sprintf("K%02d", i); !strings.Contains(m.Text, want) {
			t.Fatalf("message %d is %q, not %s", i, m.Text, want)
		}
	}
	if n := len(w.carrier.got) - tries; n != 60 {
		t.Errorf("%d messages went", n)
	}
	if !strings.Contains(w.log.String(), "a gateway takes no messages") {
		t.Error("nobody was told")
	}
}

func TestTheRateIsKept(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(strings.Replace(gatewayFile, "perSecond: 1000", "perSecond: 0.5", 1)) // one in two seconds
	for i := range 5 {
		w.notice(fmt.Sprint("K", i))
	}
	for i := range 5 {
		next := w.send(deliver.Notice)
		if got := len(w.carrier.got); got != i+1 {
			t.Fatalf("after %d seconds %d messages went", i*2, got)
		}
		if want := w.now().Add(2 * time.Second); i < 4 && !next.Equal(want) {
			t.Errorf("the next one goes at %s, not %s", next, want)
		}
		w.Pass(2 * time.Second)
	}
}

func TestQuietHours(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.House.Set(time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC)) // half past nine in the evening in Kingston
	w.notice("K1")
	w.code("c1", "123456", 5*time.Minute)
	next := w.send(deliver.Notice)
	if want := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC); !next.Equal(want) {
		t.Errorf("notices go on at %s, not %s", next, want)
	}
	w.send(deliver.Code)
	w.want("case-received queued", "code accepted")
	w.House.Set(next)
	w.send(deliver.Notice)
	w.want("case-received accepted", "code accepted")
}

func TestExpiry(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.code("c1", "123456", 5*time.Minute)
	w.notice("K1")
	w.Pass(5 * time.Minute)
	w.send(deliver.Code)
	w.want("code expired expired", "case-received queued")
	w.Pass(73 * time.Hour)
	w.send(deliver.Notice)
	w.want("code expired expired", "case-received expired expired")
	if len(w.carrier.got) != 0 {
		t.Error("something was sent")
	}
}

func TestCodesDoNotWaitForNotices(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(strings.Replace(gatewayFile, "perSecond: 1000", "perSecond: 0.1", 1))
	for i := range 3 {
		w.notice(fmt.Sprint("K", i))
	}
	w.send(deliver.Notice)
	w.code("c1", "482913", 5*time.Minute)
	w.Pass(10 * time.Second)
	w.send(deliver.Code)
	w.send(deliver.Notice)
	if got := w.carrier.texts(); len(got) != 2 || !strings.Contains(got[1], "482913") {
		t.Errorf("sent %q", got)
	}
}
