package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// reserved are names of doors of ours, which are no sources.
func reserved() []string { return []string{"admin", "cli"} }

const (
	maxScope  = 1000
	maxConfig = 64 << 10
)

// may refuses who does not run sources.
func may(by access.Caller) error { return by.Can(access.ManageSources) }

// Create makes a source. Its settings and its mapping are checked as far as that
// goes without asking it; [Service.Test] asks. A source that only posted events
// before, by its tokens, may become one of a kind.
func (s *Service) Create(ctx context.Context, by access.Caller, n NewSource) error {
	if err := may(by); err != nil {
		return err
	}
	if !sourceName.MatchString(n.Name) || slices.Contains(reserved(), n.Name) {
		return vaccination.Errorf(vaccination.Invalid, "a source's name has 1 to 40 small letters, digits and hyphens, and is not one of %s", strings.Join(reserved(), ", "))
	}
	kind, ok := s.Kinds[n.Kind]
	if !ok {
		return vaccination.Errorf(vaccination.Invalid, "there is no such kind of source: use one of %s", s.kindNames())
	}
	config, err := s.checkSettings(n.Name, kind, n.Config, n.Programme, n.HourlyLimit, n.Scope)
	if err != nil {
		return err
	}
	version := int32(0)
	if n.Mapping != "" {
		version = 1
		if err := s.checkMapping(n.Name, kind, n.Mapping); err != nil {
			return err
		}
	} else if kind.Mapping == "" {
		return vaccination.Errorf(vaccination.Invalid, "a source of kind %q needs a mapping: which of its fields is which of a vaccination event", n.Kind)
	}
	now := s.Now().UTC()
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		made, err := q.CreateSource(ctx, query.CreateSourceParams{
			Name: n.Name, Programme: n.Programme, At: now, Kind: string(n.Kind), Config: config, MappingVersion: version, HourlyLimit: int32(n.HourlyLimit), Scope: list(n.Scope),
		})
		if err == nil && made != 1 {
			return vaccination.Errorf(vaccination.Conflict, "there is a source of this name already: choose another, or change that one")
		}
		if err == nil && version > 0 {
			err = q.InsertMapping(ctx, query.InsertMappingParams{Source: n.Name, Version: version, Text: n.Mapping, MadeAt: now, MadeBy: by.Actor})
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor,
			registry.Entry{Chain: registry.AdminChain, Act: "source.create", Object: n.Name, Detail: string(n.Kind)},
			registry.Entry{Chain: registry.AdminChain, Act: registry.ActSource, Object: n.Name, Detail: "authoritative true"})
	})
}

func list(scope []string) []string {
	if scope == nil {
		return []string{}
	}
	return scope
}

func (s *Service) kindNames() string {
	var names []string
	for k := range s.Kinds {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// checkSettings refuses what no source may have, and seals the rest.
func (s *Service) checkSettings(name string, kind Kind, config json.RawMessage, programme string, limit int, scope []string) ([]byte, error) {
	if programme != "" {
		if _, ok := s.Profile.Programme(programme, ""); !ok {
			return nil, vaccination.Errorf(vaccination.Invalid, "there is no such programme: use one of %s", strings.Join(s.Profile.ProgrammeKeys(), ", "))
		}
	}
	if limit < 0 || limit > 1_000_000 {
		return nil, vaccination.Errorf(vaccination.Invalid, "the hourly limit is a number of certificates from 1 to 1000000, or 0 for none")
	}
	if kind.Files && (limit > 0 || len(scope) > 0) {
		return nil, vaccination.Errorf(vaccination.Invalid, "rows of files are not held: a source of files has no hourly limit and no scope")
	}
	if len(scope) > maxScope || slices.ContainsFunc(scope, func(p string) bool { return p == "" || len(p) > maxID || !printable(p) }) {
		return nil, vaccination.Errorf(vaccination.Invalid, "the scope is a list of at most %d facility ids or beginnings of their paths", maxScope)
	}
	if len(config) > maxConfig {
		return nil, vaccination.Errorf(vaccination.TooLarge, "the settings of a source have at most %d kB", maxConfig>>10)
	}
	empty := len(config) == 0 || string(config) == "{}" || string(config) == "null"
	switch {
	case kind.CheckConfig != nil:
		if err := kind.CheckConfig(config); err != nil {
			return nil, err
		}
	case !empty:
		return nil, vaccination.Errorf(vaccination.Invalid, "a source of this kind has no settings")
	}
	if empty {
		return []byte{}, nil
	}
	return s.Box.Seal(config, configAAD(name))
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (s *Service) checkMapping(source string, kind Kind, text string) error {
	m, err := mapping.Parse("mapping of "+source, []byte(text), s.Profile)
	if err != nil {
		return vaccination.Errorf(vaccination.Invalid, "%s", err)
	}
	if kind.CheckMapping == nil {
		return nil
	}
	return kind.CheckMapping(m)
}

// Tested is what asking a source found.
type Tested struct {
	Check mapping.Check `json:"check"`
}

// Test asks a source whether it answers and holds what its mapping names. The
// error says what is wrong. It is recorded as a contact with the source.
func (s *Service) Test(ctx context.Context, by access.Caller, name string) (Tested, error) {
	if err := may(by); err != nil {
		return Tested{}, err
	}
	src, err := s.openSource(ctx, name)
	if err != nil {
		return Tested{}, err
	}
	if src.kind.Tester == nil {
		return Tested{}, nil
	}
	meta, err := src.kind.Tester.Test(ctx, src.Source)
	var t Tested
	if err == nil && src.Mapping != nil && (len(meta.Person) > 0 || len(meta.Stages) > 0) {
		t.Check = src.Mapping.Against(meta)
		err = t.Check.Err()
	}
	if record := s.Contact(ctx, name, err, false); record != nil {
		return t, record
	}
	return t, err
}

// Pause stops asking a source and settling what it sends, until it is resumed.
func (s *Service) Pause(ctx context.Context, by access.Caller, name, reason string) error {
	if reason == "" {
		return vaccination.Errorf(vaccination.Invalid, "say why it is paused")
	}
	return s.setState(ctx, by, name, Paused, reason)
}

// Resume has a source asked and settled again; it also closes the breaker.
// Before, a source of a kind that can be asked must answer ([Service.Test]).
func (s *Service) Resume(ctx context.Context, by access.Caller, name string) error {
	if _, err := s.Test(ctx, by, name); err != nil {
		return err
	}
	return s.setState(ctx, by, name, Active, "")
}

func (s *Service) setState(ctx context.Context, by access.Caller, name string, state State, problem string) error {
	if err := may(by); err != nil {
		return err
	}
	if err := checkNote(problem); err != nil {
		return err
	}
	return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		n, err := q.SetSourceState(ctx, query.SetSourceStateParams{Name: name, State: string(state), Problem: problem})
		if err == nil && n != 1 {
			return errNoSource()
		}
		if err == nil && state == Active && s.later != nil {
			err = s.later(ctx, tx, name)
		}
		if err != nil {
			return err
		}
		act := map[State]string{Active: "source.resume", Paused: "source.pause"}[state]
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: name, Detail: problem})
	})
}

// maxNote bounds what a person says of a decision, in characters.
const maxNote = 200

// checkNote refuses what could not be kept on one line of the audit.
func checkNote(note string) error {
	if utf8.RuneCountInString(note) > maxNote || !printable(note) {
		return vaccination.Errorf(vaccination.Invalid, "a reason is one line of at most %d characters, and says nothing of a person", maxNote)
	}
	return nil
}

// Settings are what of a source can be changed.
type Settings struct {
	Programme   string          `json:"programme,omitempty"`
	Config      json.RawMessage `json:"config,omitempty"`
	HourlyLimit int             `json:"hourlyLimit,omitempty"`
	Scope       []string        `json:"scope,omitempty"`
}

// Set replaces the settings of a source.
func (s *Service) Set(ctx context.Context, by access.Caller, name string, n Settings) error {
	if err := may(by); err != nil {
		return err
	}
	src, err := s.openSource(ctx, name)
	if err != nil {
		return err
	}
	config, err := s.checkSettings(name, src.kind, n.Config, n.Programme, n.HourlyLimit, n.Scope)
	if err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		changed, err := q.SetSourceConfig(ctx, query.SetSourceConfigParams{Name: name, Config: config, HourlyLimit: int32(n.HourlyLimit), Scope: list(n.Scope), Programme: n.Programme})
		if err == nil && changed != 1 {
			return vaccination.Errorf(vaccination.Conflict, "this source posts events by its tokens: it has no settings")
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "source.settings", Object: name})
	})
}

// SetMapping gives a source a new version of its mapping, after checking it and,
// where the source can be asked, comparing it with what it says of itself. What
// is held is looked at again by [Service.Decide] with [Retry].
func (s *Service) SetMapping(ctx context.Context, by access.Caller, name, text string) (version int, err error) {
	if err := may(by); err != nil {
		return 0, err
	}
	src, err := s.openSource(ctx, name)
	if err != nil {
		return 0, err
	}
	if err := s.checkMapping(name, src.kind, text); err != nil {
		return 0, err
	}
	if src.row.Kind == string(API) {
		return 0, vaccination.Errorf(vaccination.Conflict, "this source posts events by its tokens: it has no mapping")
	}
	if src.kind.Tester != nil {
		meta, err := src.kind.Tester.Test(ctx, src.Source)
		if err != nil {
			return 0, err
		}
		m, err := mapping.Parse("mapping of "+name, []byte(text), s.Profile)
		if err != nil {
			return 0, err
		}
		if len(meta.Person) > 0 || len(meta.Stages) > 0 {
			if err := m.Against(meta).Err(); err != nil {
				return 0, err
			}
		}
	}
	return s.putMapping(ctx, by, src.row, text, "")
}

func (s *Service) putMapping(ctx context.Context, by access.Caller, row query.Source, text, why string) (int, error) {
	version := row.MappingVersion + 1
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		n, err := q.SetMappingVersion(ctx, query.SetMappingVersionParams{Name: row.Name, Version: version, Before: row.MappingVersion})
		if err == nil && n != 1 {
			return vaccination.Errorf(vaccination.Conflict, "somebody else changed this mapping just now: look at it again")
		}
		if err == nil {
			err = q.InsertMapping(ctx, query.InsertMappingParams{Source: row.Name, Version: version, Text: text, MadeAt: now, MadeBy: by.Actor})
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "source.mapping", Object: row.Name, Detail: strings.TrimSpace(fmt.Sprintf("version %d %s", version, why)),
		})
	})
	return int(version), err
}

// MappingText is the text of a source's mapping as it is used.
func (s *Service) MappingText(ctx context.Context, by access.Caller, name string) (string, error) {
	if err := may(by); err != nil {
		return "", err
	}
	src, err := s.openSource(ctx, name)
	if err != nil || src.row.MappingVersion == 0 {
		return src.kind.Mapping, err
	}
	return s.Store.Read().MappingText(ctx, query.MappingTextParams{Source: name, Version: src.row.MappingVersion})
}

// List returns every source with its state and its ledger, by name.
func (s *Service) List(ctx context.Context, by access.Caller) ([]SourceInfo, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	q := s.Store.Read()
	rows, err := q.IntakeSources(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := s.Counts(ctx)
	if err != nil {
		return nil, err
	}
	latest, err := q.LatestArrivals(ctx)
	if err != nil {
		return nil, err
	}
	arrived := map[string]time.Time{}
	for _, l := range latest {
		arrived[l.Name] = l.At
	}
	out := make([]SourceInfo, len(rows))
	for i, r := range rows {
		out[i] = s.info(r, counts[r.Name], arrived[r.Name])
	}
	return out, nil
}

// Get returns one source; unknown is [vaccination.NotFound].
func (s *Service) Get(ctx context.Context, by access.Caller, name string) (SourceInfo, error) {
	all, err := s.List(ctx, by)
	if err != nil {
		return SourceInfo{}, err
	}
	i := slices.IndexFunc(all, func(i SourceInfo) bool { return i.Name == name })
	if i < 0 {
		return SourceInfo{}, errNoSource()
	}
	return all[i], nil
}

func (s *Service) info(r query.Source, c Counts, arrived time.Time) SourceInfo {
	i := SourceInfo{
		Name: r.Name, Kind: SourceKind(r.Kind), Programme: r.Programme, State: State(r.State), Problem: r.Problem, MappingVersion: int(r.MappingVersion),
		HourlyLimit: int(r.HourlyLimit), Scope: r.Scope, Created: r.CreatedAt, LagSeconds: r.LagSeconds, Breaker: r.Breaker, Counts: c,
	}
	for at, to := range map[time.Time]*time.Time{r.ContactAt: &i.LastContact, r.OkAt: &i.LastOK} {
		if at.Unix() != 0 {
			*to = at
		}
	}
	if arrived.After(i.LastContact) {
		i.LastContact, i.LastOK = arrived, arrived
	}
	if r.HourAt.Equal(s.Now().UTC().Truncate(time.Hour)) {
		i.Hour = int(r.HourIssued)
	}
	return i
}
