package web

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opendivoc/divoc/trust"
)

// trusted is our own keys and those that count beside them, as one list. Making it
// of thousands of keys takes a while, so it is kept until either changes.
type trusted struct {
	mu   sync.Mutex
	of   string
	list *trust.List
}

// trustTime bounds the look whether other keys count by now.
const trustTime = 5 * time.Second

// list returns whose signatures count. Where it is not known whose count beside
// ours, ours alone do: everybody else is an unknown issuer, never a valid one.
func (s *server) list(own trust.Issuer) *trust.List {
	var of strings.Builder
	for _, k := range own.Keys {
		of.WriteString(trust.Fingerprint(k.Public) + k.Retired.String() + " ")
	}
	bundles := []*trust.Bundle{{Issuers: []trust.Issuer{own}}}
	if s.Trust != nil {
		ctx, cancel := context.WithTimeout(context.Background(), trustTime)
		defer cancel()
		others, err := s.Trust.Current(ctx)
		if err != nil {
			s.Log.Warn("whom to trust beside our own keys could not be read", slog.String("error", err.Error()))
		} else {
			of.WriteString(others.Stamp)
			bundles = append(bundles, others.Bundle)
		}
	}
	s.trusts.mu.Lock()
	defer s.trusts.mu.Unlock()
	if s.trusts.list == nil || s.trusts.of != of.String() {
		s.trusts.list, s.trusts.of = trust.New(bundles...), of.String()
	}
	return s.trusts.list
}

// The measures of trust sources.
func trustDescs() (age, keys, waiting, fault *prometheus.Desc) {
	return newDesc("divoc_trust_age_seconds", "How long ago the list of a trust source was last found to be so.", "source"),
		newDesc("divoc_trust_keys", "Keys of a trust source that count.", "source"),
		newDesc("divoc_trust_waiting", "1 while a list of a trust source waits for somebody to look at it.", "source"),
		newDesc("divoc_trust_fault", "1 while a trust source did not give a good list when it was asked last.", "source")
}

func (m measures) trust(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	list, err := m.Trust.Measure(ctx)
	if err != nil {
		return
	}
	number := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	age, keys, waiting, fault := trustDescs()
	for _, x := range list {
		gauge(age, x.Age.Seconds(), x.Source)
		gauge(keys, float64(x.Keys), x.Source)
		gauge(waiting, number(x.Waiting), x.Source)
		gauge(fault, number(x.Fault), x.Source)
	}
}
