package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	defaultHolds = 100
	maxHolds     = 1000
)

// Holds lists held items, the oldest first.
func (s *Service) Holds(ctx context.Context, by access.Caller, f HoldFilter) ([]Item, error) {
	if err := by.Can(access.DecideHolds); err != nil {
		return nil, err
	}
	if f.Max <= 0 {
		f.Max = defaultHolds
	}
	f.Max = min(f.Max, maxHolds)
	rows, err := s.held(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]Item, len(rows))
	for i, r := range rows {
		if out[i], err = itemOf(r.Item, r.ArrivalHash); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) held(ctx context.Context, f HoldFilter) ([]query.HeldItemsRow, error) {
	if f.IDs == nil {
		f.IDs = []int64{}
	}
	return s.Store.Read().HeldItems(ctx, query.HeldItemsParams{
		After: f.After, Source: f.Source, Class: string(f.Class), Facility: f.Facility, Field: f.Field, Code: f.code, Before: s.Now().UTC().Add(-f.Older), Ids: f.IDs, MaxRows: int32(f.Max),
	})
}

// Shown is a held item with what the source said: for who may decide it.
type Shown struct {
	Item   Item              `json:"item"`
	Event  vaccination.Event `json:"event" doc:"as far as it could be mapped"`
	Person mapping.Fields    `json:"person,omitempty" doc:"the source's fields of the person"`
	Dose   mapping.Fields    `json:"dose,omitempty" doc:"the source's fields of the dose"`
	Codes  []missingCode     `json:"codes,omitempty" doc:"what the mapping lacks"`
	Edits  map[string]Edited `json:"edits,omitempty" doc:"what people corrected before, by field"`
	Raw    string            `json:"raw,omitempty" doc:"the delivery as it came, where it could not be read"`
}

// Edited is a correction of a field that a person made.
type Edited struct {
	Value  json.RawMessage `json:"value"`
	By     string          `json:"by"`
	Reason string          `json:"reason,omitempty"`
	At     time.Time       `json:"at"`
}

func errNoItem() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such item")
}

// Show opens a held item for somebody who may decide it, and records that.
func (s *Service) Show(ctx context.Context, by access.Caller, id int64) (Shown, error) {
	var out Shown
	if err := by.Can(access.DecideHolds); err != nil {
		return out, err
	}
	row, err := s.Store.Read().ItemByID(ctx, query.ItemByIDParams{Bucket: int16(id & 1023), ID: id})
	if registry.IsNone(err) {
		return out, errNoItem()
	}
	if err != nil {
		return out, err
	}
	r := row.Item
	err = registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(r.Bucket), Act: "hold.read", Object: fmt.Sprintf("item %d", r.ID)})
	if err != nil {
		return out, err
	}
	if out.Item, err = itemOf(r, row.ArrivalHash); err != nil {
		return out, err
	}
	if out.Codes, err = s.codes(r); err != nil {
		return out, err
	}
	b, err := s.newBatch(ctx, r.Source)
	if err != nil {
		return out, err
	}
	if r.Fragment == nil {
		out.Raw, err = s.raw(ctx, r.Arrival)
		return out, err
	}
	if err := b.loadDoses(ctx, [][]byte{r.Fragment}); err != nil {
		return out, err
	}
	if err := b.loadAround(ctx); err != nil {
		return out, err
	}
	f := b.frags[string(r.Fragment)]
	if f == nil {
		return out, errNoItem()
	}
	v := &verdict{dose: f, person: b.frags[string(f.row.Person)]}
	out.Dose, out.Edits = f.state.Fragment.Fields, map[string]Edited{}
	edits := []map[string]edit{f.state.Edits}
	if v.person != nil {
		out.Person = v.person.state.Fragment.Fields
		edits = append(edits, v.person.state.Edits)
	}
	for _, m := range edits {
		for path, e := range m {
			out.Edits[path] = Edited{Value: e.Value, By: e.By, Reason: e.Reason, At: e.At}
		}
	}
	out.Event = whole(b.mapped(v))
	return out, nil
}

// codes opens what a mapping lacks for an item.
func (s *Service) codes(r query.Item) ([]missingCode, error) {
	if r.Sealed == nil {
		return nil, nil
	}
	text, err := s.Box.Unseal(r.Sealed, codeAAD(r.Code))
	if err != nil {
		return nil, fmt.Errorf("opening the codes of item %d: %w", r.ID, err)
	}
	var codes []missingCode
	return codes, json.Unmarshal(text, &codes)
}

// raw opens the body of an arrival.
func (s *Service) raw(ctx context.Context, id int64) (string, error) {
	row, err := s.Store.Read().ArrivalByID(ctx, id)
	if err != nil {
		return "", err
	}
	if row.ClearedAt != nil {
		return "", nil
	}
	small, err := s.Box.Unseal(row.Sealed, arrivalAAD(row.Source, row.Hash))
	if err != nil {
		return "", fmt.Errorf("opening arrival %d: %w", id, err)
	}
	a, err := s.packer.unpack(small)
	return string(a.Body), err
}

// Map adds the code that a held item lacks to the code list of its source's
// mapping, as value, and looks again at everything that lacks the same code.
func (s *Service) Map(ctx context.Context, by access.Caller, id int64, value string) (Decided, error) {
	if err := by.Can(access.DecideHolds); err != nil {
		return Decided{}, err
	}
	row, err := s.Store.Read().ItemByID(ctx, query.ItemByIDParams{Bucket: int16(id & 1023), ID: id})
	if registry.IsNone(err) || err == nil && (row.Item.State != string(Held) || row.Item.Code == nil) {
		return Decided{}, vaccination.Errorf(vaccination.NotFound, "there is no such item that is held for a code")
	}
	if err != nil {
		return Decided{}, err
	}
	codes, err := s.codes(row.Item)
	if err != nil {
		return Decided{}, err
	}
	src, err := s.openSource(ctx, row.Item.Source)
	if err != nil {
		return Decided{}, err
	}
	text := src.kind.Mapping
	if v := src.row.MappingVersion; v > 0 {
		if text, err = s.Store.Read().MappingText(ctx, query.MappingTextParams{Source: src.Name, Version: v}); err != nil {
			return Decided{}, err
		}
	}
	mended, err := mapping.AddCode([]byte(text), codes[0].Rule, codes[0].Code, value)
	if err != nil {
		return Decided{}, err
	}
	if err := s.checkMapping(src.Name, src.kind, string(mended)); err != nil {
		return Decided{}, err
	}
	// What the code is, is not for the audit: anybody may have typed it.
	if _, err := s.putMapping(ctx, by, src.row, string(mended), "a code of "+codes[0].Rule); err != nil {
		return Decided{}, err
	}
	return s.Decide(ctx, by, HoldFilter{Source: src.Name, code: row.Item.Code}, Decision{Action: Retry})
}

// Edit corrects a field of a held event ("vaccination.lot", "person.birthDate")
// and looks at it again. A field of the person counts for all their doses. The
// correction holds for later states too, until the source says something else
// in this field. value is JSON, as an event has it.
func (s *Service) Edit(ctx context.Context, by access.Caller, id int64, path string, value json.RawMessage, reason string) (Decided, error) {
	var done Decided
	if err := by.Can(access.DecideHolds); err != nil {
		return done, err
	}
	if err := checkNote(reason); err != nil {
		return done, err
	}
	row, err := s.Store.Read().ItemByID(ctx, query.ItemByIDParams{Bucket: int16(id & 1023), ID: id})
	if registry.IsNone(err) || err == nil && (row.Item.State != string(Held) || row.Item.Fragment == nil) {
		return done, vaccination.Errorf(vaccination.NotFound, "there is no such item that is held and has an event")
	}
	if err != nil {
		return done, err
	}
	for range attempts {
		err = s.alone(ctx, row.Item.Source, func() error {
			done = Decided{}
			b, err := s.newBatch(ctx, row.Item.Source)
			if err != nil {
				return err
			}
			b.by, b.note = by.Actor, reason
			return b.edit(ctx, by, row.Item, path, value, reason, &done)
		})
		if !isRace(err) {
			break
		}
	}
	return done, err
}

func (b *batch) edit(ctx context.Context, by access.Caller, r query.Item, path string, value json.RawMessage, reason string, done *Decided) error {
	if err := b.loadDoses(ctx, [][]byte{r.Fragment}); err != nil {
		return err
	}
	if err := b.loadAround(ctx); err != nil {
		return err
	}
	ofPerson, ok := editable(path)
	if !ok {
		return vaccination.Errorf(vaccination.Invalid, "this is no field of an event that can be corrected: such as person.name, address.district, contacts, vaccination.lot")
	}
	f := b.frags[string(r.Fragment)]
	open, isOpen := b.open[string(r.Fragment)]
	if f == nil || !isOpen || open.ID != r.ID {
		return vaccination.Errorf(vaccination.NotFound, "somebody else decided this item")
	}
	v := &verdict{dose: f, person: b.frags[string(f.row.Person)]}
	if v.person == nil {
		return vaccination.Errorf(vaccination.Conflict, "the person of this dose has not arrived yet")
	}
	tree, err := treeOf(whole(b.mapped(v)))
	if err != nil {
		return err
	}
	was, err := json.Marshal(at(tree, path))
	if err != nil {
		return err
	}
	var to any
	if err := json.Unmarshal(value, &to); err != nil {
		return vaccination.Errorf(vaccination.Invalid, "the value is not JSON")
	}
	put(tree, path, to)
	if _, err := eventOf(tree); err != nil {
		return err
	}
	of := f
	if ofPerson {
		of = v.person
		b.causes[of] = &arrived{id: of.row.Arrival, at: b.now}
	}
	if of.state.Edits == nil {
		of.state.Edits = map[string]edit{}
	}
	of.state.Edits[path] = edit{Value: value, Was: was, By: by.Actor, Reason: reason, At: b.now}
	of.dirty = true
	b.decided[f] = r
	if err := b.evaluate(ctx); err != nil {
		return err
	}
	done.Items = 1
	return b.writeDecision(ctx, by, *newItems(b.src.Name), nil, Decision{Action: "edit", Reason: path + ": " + reason}, done)
}

// Age says how many items are held for one reason, and since when.
type Age struct {
	Source   string    `json:"source"`
	Class    HoldClass `json:"class"`
	Facility string    `json:"facility,omitempty" doc:"the source's id"`
	Name     string    `json:"name,omitempty" doc:"of the facility"`
	Items    int64     `json:"items"`
	Oldest   time.Time `json:"oldest"`
	Day1     int64     `json:"day1" doc:"of these, held for a day or more"`
	Day3     int64     `json:"day3"`
	Day7     int64     `json:"day7"`
	Day30    int64     `json:"day30"`
}

// Report is the ageing report of what is held, by source ("" for all), reason
// and facility.
func (s *Service) Report(ctx context.Context, by access.Caller, source string) ([]Age, error) {
	if err := by.Can(access.DecideHolds); err != nil {
		return nil, err
	}
	now, day := s.Now().UTC(), 24*time.Hour
	rows, err := s.Store.Read().HeldByAge(ctx, query.HeldByAgeParams{Day1: now.Add(-day), Day3: now.Add(-3 * day), Day7: now.Add(-7 * day), Day30: now.Add(-30 * day), Source: source})
	if err != nil {
		return nil, err
	}
	out := make([]Age, len(rows))
	for i, r := range rows {
		out[i] = Age{Source: r.Source, Class: HoldClass(r.Class), Facility: r.Facility, Name: r.Name, Items: r.N, Oldest: r.Oldest, Day1: r.Day1, Day3: r.Day3, Day7: r.Day7, Day30: r.Day30}
	}
	return out, nil
}

// Trace says which deliveries a certificate comes from, the oldest first. None
// is [vaccination.NotFound]: it did not come through a source of a kind.
func (s *Service) Trace(ctx context.Context, by access.Caller, id vaccination.CertificateID) ([]Item, error) {
	if err := by.Can(access.DecideHolds); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().ItemsOfCertificate(ctx, id[:])
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, vaccination.Errorf(vaccination.NotFound, "no delivery of a source made this certificate")
	}
	out := make([]Item, len(rows))
	for i, r := range rows {
		if out[i], err = itemOf(r.Item, r.ArrivalHash); err != nil {
			return nil, err
		}
	}
	return out, nil
}
