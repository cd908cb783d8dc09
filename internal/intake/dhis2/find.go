package dhis2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/intake"
)

// Find looks for people by a number: of one of the profile's kinds of identity
// documents, in the attributes that the mapping has for it, or, for "system-id",
// in those of the settings. Attributes that the server does not have are left
// out. Somebody who waits asked: nothing is asked twice.
func (s *Service) Find(ctx context.Context, src intake.Source, kind string, forms []string) ([]intake.Arrival, error) {
	o, err := s.open(src)
	if err != nil {
		return nil, err
	}
	names := o.config.SystemID
	if kind != "system-id" {
		names = src.Mapping.Person.Identifiers[kind].From
	}
	info, has, err := s.described(ctx, o)
	if err != nil {
		return nil, err
	}
	// Some servers compare letters as they are.
	values := slices.Clone(forms)
	for _, f := range forms {
		if lower := strings.ToLower(f); lower != f {
			values = append(values, lower)
		}
	}
	found := map[string]intake.Arrival{}
	for _, name := range names {
		if !has[name] {
			continue
		}
		people, err := o.demand.Find(ctx, name, values)
		if err != nil {
			return nil, err
		}
		for id, raw := range people {
			found[id] = s.arrival(o, info, intake.Demand, raw)
		}
	}
	var out []intake.Arrival
	for _, id := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[id])
	}
	return out, nil
}

// described is the server's zone and which attributes it has, asked for once.
func (s *Service) described(ctx context.Context, o *opened) (Info, map[string]bool, error) {
	s.mu.Lock()
	info, has := o.info, o.attributes
	s.mu.Unlock()
	if has != nil {
		return info, has, nil
	}
	info, err := o.demand.Info(ctx)
	if err != nil {
		return Info{}, nil, err
	}
	meta, err := o.demand.Metadata(ctx)
	if err != nil {
		return Info{}, nil, err
	}
	has = map[string]bool{}
	for _, f := range meta.Person {
		has[f.ID] = true
	}
	s.mu.Lock()
	o.info, o.attributes = info, has
	s.mu.Unlock()
	return info, has, nil
}
