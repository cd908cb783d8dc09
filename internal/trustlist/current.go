package trustlist

import (
	"context"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/trust"
)

// Current is what counts now of all sources.
type Current struct {
	// Bundle is for verifiers here.
	Bundle *trust.Bundle
	// Public is what may go into trust bundles: without published test keys, which
	// a demonstration may import and no verifier outside takes.
	Public *trust.Bundle
	Stamp  string // changes whenever it does
}

// lookEvery is how often it is looked whether another process changed something.
const lookEvery = time.Second

// Current returns what counts. Where the database does not answer, it is what
// counted last; an error only before anything was read.
func (s *Service) Current(ctx context.Context) (*Current, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if age := now.Sub(s.looked); s.current != nil && age >= 0 && age < lookEvery {
		return s.current, nil
	}
	fresh, err := s.load(ctx)
	if err != nil {
		if s.current != nil {
			return s.current, nil
		}
		return nil, err
	}
	s.current, s.looked = fresh, now
	return fresh, nil
}

// Public is what may go into trust bundles; see [Current].
func (s *Service) Public(ctx context.Context) (*trust.Bundle, error) {
	c, err := s.Current(ctx)
	if err != nil {
		return nil, err
	}
	return c.Public, nil
}

func (s *Service) load(ctx context.Context) (*Current, error) {
	stamp, err := s.Store.Read().TrustStamp(ctx)
	if err != nil {
		return nil, err
	}
	if s.current != nil && s.current.Stamp == stamp {
		return s.current, nil
	}
	rows, err := s.Store.Read().CurrentTrust(ctx)
	if err != nil {
		return nil, err
	}
	out := &Current{Bundle: &trust.Bundle{}, Public: &trust.Bundle{}, Stamp: stamp}
	for _, r := range rows {
		c, err := unpack(r.List)
		if err != nil {
			return nil, fmt.Errorf("trust source %s: %w", r.Name, err)
		}
		lists, err := c.crls()
		if err != nil {
			return nil, fmt.Errorf("trust source %s: %w", r.Name, err)
		}
		out.Bundle.Issuers = append(out.Bundle.Issuers, c.Issuers...)
		out.Bundle.Status = append(out.Bundle.Status, c.Status...)
		out.Bundle.Cards = append(out.Bundle.Cards, lists...)
		for _, iss := range c.Issuers {
			keys := iss.Keys
			iss.Keys = nil
			for _, k := range keys {
				if _, published := trust.Published(k.Public); !published {
					iss.Keys = append(iss.Keys, k)
				}
			}
			if len(iss.Keys) > 0 {
				out.Public.Issuers = append(out.Public.Issuers, iss)
			}
		}
		out.Public.Status = append(out.Public.Status, c.Status...)
		out.Bundle.HashLists = append(out.Bundle.HashLists, c.HashLists...)
		out.Public.HashLists = append(out.Public.HashLists, c.HashLists...)
	}
	keys := trust.New(out.Public)
	for _, list := range out.Bundle.Cards {
		if len(keys.ByThumbprint(list.KeyID)) > 0 {
			out.Public.Cards = append(out.Public.Cards, list)
		}
	}
	return out, nil
}

// Measure is what the server measures of a source.
type Measure struct {
	Source  string
	Age     time.Duration // of what counts: since it was last found to be so
	Keys    int
	Waiting bool
	Fault   bool
}

// Measure looks all sources up that something counts of.
func (s *Service) Measure(ctx context.Context) ([]Measure, error) {
	list, err := s.Sources(ctx, access.System("measure"))
	if err != nil {
		return nil, err
	}
	var out []Measure
	for _, x := range list {
		if x.Version != 0 {
			out = append(out, Measure{x.Name, x.Age(s.Now()), x.Keys, x.Waiting != 0, x.Fault != ""})
		}
	}
	return out, nil
}
