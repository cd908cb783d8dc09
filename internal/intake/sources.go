package intake

import (
	"context"
	"fmt"
	"sync"

	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// opened is a source as it is worked with.
type opened struct {
	Source
	row  query.Source
	kind Kind
}

// mappings keeps the mappings that were read last: reading one takes longer than
// settling a record.
type mappings struct {
	mu   sync.Mutex
	read map[string]*versioned // by source
}

type versioned struct {
	version int32
	mapping *mapping.Mapping
}

// Source opens a source with its settings and mapping, for its kind. Unknown is
// [vaccination.NotFound].
func (s *Service) Source(ctx context.Context, name string) (Source, error) {
	o, err := s.openSource(ctx, name)
	return o.Source, err
}

// OfKind opens every active source of a kind.
func (s *Service) OfKind(ctx context.Context, kind SourceKind) ([]Source, error) {
	rows, err := s.Store.Read().IntakeSources(ctx)
	if err != nil {
		return nil, err
	}
	var out []Source
	for _, row := range rows {
		if row.Kind != string(kind) || row.State != string(Active) {
			continue
		}
		o, err := s.opened(ctx, row)
		if err != nil {
			return nil, err
		}
		out = append(out, o.Source)
	}
	return out, nil
}

func errNoSource() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such source: `divoc source list` shows them")
}

func (s *Service) openSource(ctx context.Context, name string) (opened, error) {
	row, err := s.Store.Read().IntakeSource(ctx, name)
	if registry.IsNone(err) {
		return opened{}, errNoSource()
	}
	if err != nil {
		return opened{}, err
	}
	return s.opened(ctx, row)
}

func (s *Service) opened(ctx context.Context, row query.Source) (opened, error) {
	o := opened{row: row, Source: Source{
		Name: row.Name, Kind: SourceKind(row.Kind), Programme: row.Programme, State: State(row.State), Problem: row.Problem,
		Cursor: row.Position, HourlyLimit: int(row.HourlyLimit), Scope: row.Scope,
	}}
	o.kind = s.Kinds[o.Kind]
	if len(row.Config) > 0 {
		config, err := s.Box.Unseal(row.Config, configAAD(row.Name))
		if err != nil {
			return o, fmt.Errorf("opening the settings of source %s: %w", row.Name, err)
		}
		o.Config = config
	}
	var err error
	o.Mapping, err = s.mapping(ctx, row.Name, row.MappingVersion, o.kind)
	return o, err
}

// mapping reads a version of a source's mapping; version 0 is that of the kind.
func (s *Service) mapping(ctx context.Context, source string, version int32, kind Kind) (*mapping.Mapping, error) {
	s.mappings.mu.Lock()
	known := s.mappings.read[source]
	s.mappings.mu.Unlock()
	if known != nil && known.version == version {
		return known.mapping, nil
	}
	text := kind.Mapping
	if version > 0 {
		var err error
		if text, err = s.Store.Read().MappingText(ctx, query.MappingTextParams{Source: source, Version: version}); err != nil {
			return nil, err
		}
	}
	if text == "" {
		return nil, nil
	}
	m, err := mapping.Parse("mapping of "+source, []byte(text), s.Profile)
	if err != nil {
		return nil, fmt.Errorf("the mapping of source %s, version %d, cannot be used: %w", source, version, err)
	}
	s.mappings.mu.Lock()
	defer s.mappings.mu.Unlock()
	s.mappings.read[source] = &versioned{version, m}
	return m, nil
}
