// Package places keeps the country's places of vaccination: the facilities that
// staff work at and sources name. None is ever removed; one that is closed is not
// active any more, and what was certified there stands.
package places

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Service keeps places. It is safe for concurrent use.
type Service struct {
	Store *registry.Store
	Now   func() time.Time
}

// Place is one place of vaccination. Code is what staff and sources name it by,
// Name what certificates say.
type Place struct {
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Address  string    `json:"address,omitempty"`
	District string    `json:"district,omitempty"`
	Region   string    `json:"region,omitempty"`
	Active   bool      `json:"active"`
	Changed  time.Time `json:"changed,omitzero"`
	By       string    `json:"by,omitempty"`
}

// Status is the word for whether it is active.
func (p Place) Status() string {
	if p.Active {
		return "active"
	}
	return "inactive"
}

// Filter narrows a list.
type Filter struct {
	Search string // in the name, or the code or district
	All    bool   // also those that are not active
	After  string // behind the place of this code
	Max    int    // 100 when 0
}

const (
	// MaxPlaces bounds a list and a table.
	MaxPlaces = 20_000
	maxText   = 200
	maxCode   = 60
)

// List returns places by name.
func (s Service) List(ctx context.Context, by access.Caller, f Filter) ([]Place, error) {
	if err := by.Can(access.ManageProgrammes); err != nil {
		return nil, err
	}
	if f.Max <= 0 {
		f.Max = 100
	}
	p := query.PlacesParams{Search: f.Search, AllStates: f.All, MaxRows: int32(min(f.Max, MaxPlaces))}
	if f.After != "" {
		last, err := s.Get(ctx, by, f.After)
		if err != nil {
			return nil, err
		}
		p.AfterName, p.After = last.Name, last.Code
	}
	rows, err := s.Store.Read().Places(ctx, p)
	out := make([]Place, len(rows))
	for i, r := range rows {
		out[i] = placeOf(r)
	}
	return out, err
}

func placeOf(r query.Place) Place {
	return Place{r.Code, r.Name, r.Address, r.District, r.Region, r.Active, r.ChangedAt, r.ChangedBy}
}

// Get returns one place; unknown is [vaccination.NotFound].
func (s Service) Get(ctx context.Context, by access.Caller, code string) (Place, error) {
	if err := by.Can(access.ManageProgrammes); err != nil {
		return Place{}, err
	}
	r, err := s.Store.Read().PlaceByCode(ctx, code)
	if registry.IsNone(err) {
		return Place{}, vaccination.Errorf(vaccination.NotFound, "there is no place of this code")
	}
	return placeOf(r), err
}

// Put writes places, new and known by their codes, all or none, and returns how
// many changed. Each change is in the audit.
func (s Service) Put(ctx context.Context, by access.Caller, list []Place) (changed int, err error) {
	if err := by.Can(access.ManageProgrammes); err != nil {
		return 0, err
	}
	if err := check(list); err != nil {
		return 0, err
	}
	now := s.Now().UTC()
	p := query.PutPlacesParams{At: now, By: by.Actor}
	for _, x := range list {
		p.Codes, p.Names, p.Addresses, p.Districts = append(p.Codes, x.Code), append(p.Names, x.Name), append(p.Addresses, x.Address), append(p.Districts, x.District)
		p.Regions, p.Actives = append(p.Regions, x.Region), append(p.Actives, x.Active)
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		codes, err := q.PutPlaces(ctx, p)
		if err != nil || len(codes) == 0 {
			return err
		}
		changed = len(codes)
		var entries []registry.Entry
		for _, code := range codes {
			i := slices.IndexFunc(list, func(x Place) bool { return x.Code == code })
			entries = append(entries, registry.Entry{Chain: registry.AdminChain, Act: "place", Object: code, Detail: list[i].Status()})
		}
		return registry.Audit(ctx, q, now, by.Actor, entries...)
	})
	return changed, err
}

func check(list []Place) error {
	e := vaccination.Errorf(vaccination.Invalid, "")
	seen := map[string]bool{}
	fault := func(i int, path, message string) {
		if len(list) > 1 {
			message = fmt.Sprintf("row %d: %s", i+1, message)
		}
		if len(e.Faults) < 20 {
			e.Faults = append(e.Faults, vaccination.Fault{Path: path, Code: vaccination.FaultFormat, Message: message})
		}
	}
	for i, p := range list {
		if p.Code == "" || utf8.RuneCountInString(p.Code) > maxCode || !line(p.Code) || strings.ContainsAny(p.Code, "/?#%\\") {
			fault(i, "code", fmt.Sprintf("a place has a code of at most %d letters, digits and hyphens", maxCode))
		}
		if seen[p.Code] {
			fault(i, "code", "this code is there twice")
		}
		seen[p.Code] = true
		if p.Name == "" {
			fault(i, "name", "a place has a name")
		}
		for _, f := range []struct{ path, value string }{{"name", p.Name}, {"address", p.Address}, {"district", p.District}, {"region", p.Region}} {
			if !line(f.value) || utf8.RuneCountInString(f.value) > maxText {
				fault(i, f.path, fmt.Sprintf("at most %d characters on one line", maxText))
			}
		}
	}
	if len(list) > MaxPlaces {
		return vaccination.Errorf(vaccination.TooLarge, "a table has at most %d places", MaxPlaces)
	}
	if len(e.Faults) > 0 {
		return e
	}
	return nil
}

func line(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Columns are those of a table of places. DIVOC's names for the first two are
// read too.
func Columns() []string {
	return []string{"facilityCode", "facilityName", "address", "district", "state", "status"}
}

// Read reads a table of places: a CSV whose header has the [Columns], in any
// order, with others beside them that are not read.
func Read(data []byte) ([]Place, error) {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	in.FieldsPerRecord = -1
	wrong := func(row int, message string) error {
		e := vaccination.Errorf(vaccination.Invalid, "")
		e.Faults = []vaccination.Fault{{Path: "file", Code: vaccination.FaultFormat, Message: fmt.Sprintf("row %d: %s", row, message)}}
		return e
	}
	header, err := in.Read()
	if err != nil {
		return nil, wrong(0, "there is no header: the columns are "+strings.Join(Columns(), ", "))
	}
	at := map[string]int{}
	for i, name := range header {
		at[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, need := range Columns()[:2] {
		if _, ok := at[strings.ToLower(need)]; !ok {
			return nil, wrong(0, "the column "+need+" is missing")
		}
	}
	var out []Place
	for n := 1; ; n++ {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, wrong(n, "this is no row of a CSV")
		}
		if len(out) >= MaxPlaces {
			return nil, vaccination.Errorf(vaccination.TooLarge, "a table has at most %d places", MaxPlaces)
		}
		get := func(name string) string {
			i, ok := at[strings.ToLower(name)]
			if !ok || i >= len(row) {
				return ""
			}
			value := strings.TrimSpace(row[i])
			// As it was written here: with ' before what could be a formula.
			if rest := strings.TrimLeft(value, "' "); len(value) > 1 && value[0] == '\'' && rest != "" && strings.ContainsRune("=+-@", rune(rest[0])) {
				value = value[1:]
			}
			return value
		}
		p := Place{Code: get("facilityCode"), Name: get("facilityName"), Address: get("address"), District: get("district"), Region: get("state")}
		if p.Address == "" {
			p.Address = strings.Trim(get("addressLine1")+", "+get("addressLine2"), ", ")
		}
		switch strings.ToLower(get("status")) {
		case "", "active":
			p.Active = true
		case "inactive", "blocked":
		default:
			return nil, wrong(n, "the status is active or inactive")
		}
		out = append(out, p)
	}
}
