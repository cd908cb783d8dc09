package door

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Limiter lets each network ask so often and no more: Burst times at once, then
// once in Every. Many people can share one address (a mobile network, an office),
// so that it must not be tight: what counts against guessing is counted per
// record. It is safe for concurrent use.
type Limiter struct {
	Every time.Duration
	Burst int
	Now   func() time.Time

	mu   sync.Mutex
	free map[netip.Prefix]time.Time // when a network's last place is free again
}

// maxNetworks bounds the networks that are remembered.
const maxNetworks = 100_000

// Take counts one request. The error is [vaccination.TooMany].
func (l *Limiter) Take(r *http.Request) error {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil // a unix socket: whoever has it is trusted
	}
	ip, bits := at.Addr().Unmap(), 32
	if ip.Is6() {
		bits = 56 // what one household gets
	}
	network := netip.PrefixFrom(ip, bits).Masked()
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == nil {
		l.free = map[netip.Prefix]time.Time{}
	}
	if len(l.free) >= maxNetworks {
		for n, free := range l.free {
			if free.Before(now) {
				delete(l.free, n)
			}
		}
		if len(l.free) >= maxNetworks {
			return errTooOften()
		}
	}
	free := l.free[network]
	if free.Before(now) {
		free = now
	}
	if free = free.Add(l.Every); free.Sub(now) > time.Duration(l.Burst)*l.Every {
		return errTooOften()
	}
	l.free[network] = free
	return nil
}

func errTooOften() error {
	return vaccination.Errorf(vaccination.TooMany, "too many questions came from your network just now: try again in a minute")
}
