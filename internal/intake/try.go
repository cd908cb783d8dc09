package intake

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Sample is what a mapping makes of one dose that is stored.
type Sample struct {
	Reference string // of the delivery that brought it
	Fields    []FieldValue
	Problems  []vaccination.Fault
	Skip      string // why it is no dose that counts
}

// FieldValue is one field of an event: "vaccination.lot".
type FieldValue struct{ Path, Value string }

// maxSample bounds a sample of a mapping.
const maxSample = 10

// TryMapping says what a mapping makes of doses that the source delivered last, at
// most that many, without using it. What is wrong with the mapping itself is the
// error. The look at the records is in the audit.
func (s *Service) TryMapping(ctx context.Context, by access.Caller, name, text string, most int) ([]Sample, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	if err := by.Can(access.DecideHolds); err != nil { // what it shows is of people
		return nil, err
	}
	b, err := s.newBatch(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.checkMapping(name, b.src.kind, text); err != nil {
		return nil, err
	}
	m, err := mapping.Parse("mapping of "+name, []byte(text), s.Profile)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "%s", err)
	}
	b.src.Mapping = m
	keys, err := s.Store.Read().LatestDoses(ctx, query.LatestDosesParams{Source: name, MaxRows: int32(min(most, maxSample))})
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	err = registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "source.try", Object: name, Detail: fmt.Sprintf("%d records", len(keys))})
	if err != nil {
		return nil, err
	}
	if err := b.loadDoses(ctx, keys); err != nil {
		return nil, err
	}
	if err := b.loadAround(ctx); err != nil {
		return nil, err
	}
	var out []Sample
	for _, key := range keys {
		f := b.frags[string(key)]
		if f == nil {
			continue
		}
		v := &verdict{dose: f, person: b.frags[string(f.row.Person)]}
		if v.person == nil {
			continue // it has not arrived yet
		}
		o := b.mapped(v)
		sample := Sample{Reference: hex.EncodeToString(key[:4]), Fields: Flat(whole(o)), Skip: o.Skip}
		for _, p := range o.Problems {
			sample.Problems = append(sample.Problems, vaccination.Fault{Path: p.Field, Code: string(p.Class), Message: p.Message})
		}
		out = append(out, sample)
	}
	return out, nil
}

// Flat lists what an event says, field by field, in order of the fields' names.
func Flat(e vaccination.Event) []FieldValue {
	tree, err := treeOf(e)
	if err != nil {
		return nil
	}
	var out []FieldValue
	flatten("", tree, &out)
	slices.SortFunc(out, func(a, b FieldValue) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return out
}

func flatten(path string, value any, out *[]FieldValue) {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			at := k
			if path != "" {
				at = path + "." + k
			}
			flatten(at, inner, out)
		}
	case string:
		*out = append(*out, FieldValue{path, v})
	default:
		if b, err := json.Marshal(v); err == nil {
			*out = append(*out, FieldValue{path, string(b)})
		}
	}
}
