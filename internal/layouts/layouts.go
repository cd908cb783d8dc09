// Package layouts keeps the versions of how certificates are printed. The first
// is the profile's file. Others are begun from an earlier one, changed and tried
// with invented people, asked for, and approved by somebody else; the one that was
// approved last is in force, and every certificate prints with it. What was in
// force before is kept and brought back in the same way.
package layouts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what the service needs; all of them are required.
type Options struct {
	Store   *registry.Store
	Profile *profile.Profile
	Printer *printer.Printer // prints with what is in force
	Now     func() time.Time
	Log     *slog.Logger
}

// Service keeps layouts. It is safe for concurrent use.
type Service struct{ Options }

// New returns a Service. Its printer prints with the profile's files until
// [Service.Refresh].
func New(o Options) *Service { return &Service{o} }

// State is where a version stands.
type State string

// The states.
const (
	Draft   State = "draft"    // it can be changed
	Asked   State = "asked"    // it waits for somebody else
	InForce State = "in-force" // certificates print with it
	Earlier State = "earlier"  // they did
	Refused State = "refused"  // it came to nothing
)

// First is the number of the profile's file.
const First = 1

// Version is one version of a layout. Of the profile's file nobody is known who
// made it.
type Version struct {
	Name    string
	Number  int
	Origin  int // the version it was begun from, 0 for the profile's file
	Layout  render.Layout
	Why     string
	State   State
	By      string // who changed it last
	At      time.Time
	AskedBy string
	AskedAt time.Time
	Decider string
	Decided time.Time
	Hash    string // of what it says
}

// Content is what can be changed of a draft.
type Content struct {
	Layout render.Layout
	Why    string
}

// Names are the layouts of the profile that its programmes print with, sorted.
func (s *Service) Names() []string {
	names := map[string]bool{}
	for _, pr := range s.Profile.Programmes {
		names[pr.Layout] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func errNone() error { return vaccination.Errorf(vaccination.NotFound, "there is no such layout") }

// maxVersions bounds a list.
const maxVersions = 200

// List returns the versions of a layout, the newest first, the profile's file last.
// Unknown is [vaccination.NotFound].
func (s *Service) List(ctx context.Context, by access.Caller, name string) ([]Version, error) {
	first, err := s.first(by, name)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().LayoutVersions(ctx, query.LayoutVersionsParams{Name: name, MaxRows: maxVersions})
	if err != nil {
		return nil, err
	}
	out := make([]Version, 0, len(rows)+1)
	for _, row := range rows {
		v, err := versionOf(row)
		if err != nil {
			return nil, err
		}
		if v.State == InForce {
			first.State = Earlier
		}
		out = append(out, v)
	}
	return append(out, first), nil
}

// Get returns one version.
func (s *Service) Get(ctx context.Context, by access.Caller, name string, number int) (Version, error) {
	list, err := s.List(ctx, by, name)
	if err != nil {
		return Version{}, err
	}
	for _, v := range list {
		if v.Number == number {
			return v, nil
		}
	}
	return Version{}, errNone()
}

// Current is the version in force.
func Current(list []Version) Version {
	for _, v := range list {
		if v.State == InForce {
			return v
		}
	}
	return Version{}
}

// first is the profile's file as a version, in force where no other is.
func (s *Service) first(by access.Caller, name string) (Version, error) {
	if err := by.Can(access.ManageProgrammes); err != nil {
		return Version{}, err
	}
	if !slices.Contains(s.Names(), name) {
		return Version{}, errNone()
	}
	l, ok := s.Printer.File(name)
	if !ok {
		return Version{}, errNone()
	}
	text, err := l.YAML()
	return Version{Name: name, Number: First, Layout: l, State: InForce, Hash: hash(text)}, err
}

// hash names what a layout says: what was approved is what was seen.
func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

func versionOf(row query.LayoutVersion) (Version, error) {
	l, err := render.ParseLayout([]byte(row.Body))
	if err != nil {
		return Version{}, fmt.Errorf("reading version %d of the layout %s: %w", row.Number, row.Name, err)
	}
	v := Version{
		Name: row.Name, Number: int(row.Number), Origin: int(row.Origin), Layout: l, Why: row.Why, State: State(row.State), By: row.MadeBy, At: row.MadeAt,
		AskedBy: row.AskedBy, Decider: row.DecidedBy, Hash: hash([]byte(row.Body)),
	}
	if row.AskedAt != nil {
		v.AskedAt = *row.AskedAt
	}
	if row.DecidedAt != nil {
		v.Decided = *row.DecidedAt
	}
	return v, nil
}

// Begin makes a draft that says what an earlier version says, and returns its
// number.
func (s *Service) Begin(ctx context.Context, by access.Caller, name string, origin int) (int, error) {
	from, err := s.Get(ctx, by, name, origin)
	if err != nil {
		return 0, err
	}
	text, err := from.Layout.YAML()
	if err != nil {
		return 0, err
	}
	var number int32
	err = s.again(ctx, func(q *query.Queries) (err error) {
		number, err = q.InsertLayoutVersion(ctx, query.InsertLayoutVersionParams{Name: name, Origin: int32(origin), Body: string(text), MadeBy: by.Actor, At: s.Now().UTC()})
		if err != nil {
			return err
		}
		return s.audit(ctx, q, by, "layout.draft", name, int(number), "from "+strconv.Itoa(origin))
	})
	return int(number), err
}

// again is a transaction that is begun again when another was first.
func (s *Service) again(ctx context.Context, f func(*query.Queries) error) (err error) {
	for range tries {
		if err = s.Store.Tx(ctx, f); !registry.IsRace(err) {
			return err
		}
	}
	return vaccination.Errorf(vaccination.Conflict, "somebody else decides about this layout just now: try again")
}

// Change writes a draft. seen is the hash of what it said when somebody began to
// change it: of another nothing is written.
func (s *Service) Change(ctx context.Context, by access.Caller, name string, number int, seen string, c Content) error {
	if err := s.check(c); err != nil {
		return err
	}
	text, err := c.Layout.YAML()
	if err != nil {
		return err
	}
	return s.locked(ctx, by, name, number, func(q *query.Queries, v Version) error {
		if v.State != Draft {
			return errState(v)
		}
		if v.Hash != seen && v.Hash != hash(text) {
			return vaccination.Errorf(vaccination.Conflict, "somebody changed this draft meanwhile: look at it again")
		}
		err := q.ChangeLayoutDraft(ctx, query.ChangeLayoutDraftParams{Body: string(text), Why: c.Why, MadeBy: by.Actor, At: s.Now().UTC(), Name: name, Number: int32(number)})
		if err != nil {
			return err
		}
		return s.audit(ctx, q, by, "layout.change", name, number, hash(text))
	})
}

// maxWhy bounds the reason of a version, in characters.
const maxWhy = 200

// check says what is wrong with a draft, by the fields of its form.
func (s *Service) check(c Content) error {
	e := vaccination.Errorf(vaccination.Invalid, "")
	fault := func(path, format string, args ...any) {
		e.Faults = append(e.Faults, vaccination.Fault{Path: path, Code: vaccination.FaultFormat, Message: fmt.Sprintf(format, args...)})
	}
	text, err := c.Layout.YAML()
	if err != nil {
		return err
	}
	l, err := render.ParseLayout(text)
	var wrong *vaccination.Error
	switch {
	case errors.As(err, &wrong):
		fault("", "%s", strings.TrimPrefix(wrong.Message, "layout: "))
	case err != nil:
		return err
	case profile.ContrastWithWhite(l.Accent) < 4.5:
		fault("accent", "choose a darker colour: on white paper it cannot be read well (contrast 4.5:1)")
	}
	for i, lang := range c.Layout.Languages {
		if !slices.Contains(s.Profile.Languages, lang) || slices.Contains(c.Layout.Languages[:i], lang) {
			fault("languages", "write languages of the profile (%s), each once", strings.Join(s.Profile.Languages, ", "))
			break
		}
	}
	for _, lang := range s.Profile.Languages {
		if len(c.Layout.Note) > 0 && c.Layout.Note[lang] == "" {
			fault("note-"+lang, "write the note in every language, or in none")
		}
	}
	if len([]rune(c.Why)) > maxWhy || strings.ContainsAny(c.Why, "\r\n") {
		fault("why", "one line of at most %d characters", maxWhy)
	}
	if len(e.Faults) > 0 {
		return e
	}
	return nil
}

// Refresh has the printer print with what is in force. A version that cannot be
// read, because a later program wrote it, leaves the profile's file.
func (s *Service) Refresh(ctx context.Context) error {
	rows, err := s.Store.Read().LayoutsInForce(ctx)
	if err != nil {
		return err
	}
	now := map[string]render.Layout{}
	for _, row := range rows {
		l, err := render.ParseLayout([]byte(row.Body))
		if err != nil {
			s.Log.Error("a layout in force cannot be read: the profile's file is used", slog.String("layout", row.Name), slog.Int("version", int(row.Number)), slog.String("error", err.Error()))
			continue
		}
		now[row.Name] = l
	}
	s.Printer.Arrange(now)
	return nil
}

// refreshEvery is how soon a server prints with what was approved at another.
const refreshEvery = 5 * time.Second

// Run keeps to what is in force until ctx ends.
func (s *Service) Run(ctx context.Context) {
	every := time.NewTicker(refreshEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			_ = s.Refresh(ctx) // what was in force before goes on until the database answers
		}
	}
}
