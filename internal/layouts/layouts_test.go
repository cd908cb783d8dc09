package layouts_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

const name = "standard"

func anna() access.Caller { return access.Caller{Actor: "staff:1", Role: access.SystemAdmin} }
func ben() access.Caller  { return access.Caller{Actor: "staff:2", Role: access.ProgrammeAdmin} }

type world struct {
	*layouts.Service
	t     *testing.T
	house *issuancetest.House
	doses []*issuance.Record // of somebody, to print
}

func newWorld(t *testing.T) *world {
	t.Helper()
	h := issuancetest.New(t, "sri-lanka")
	w := &world{t: t, house: h}
	w.Service = w.server()
	by := access.System("test")
	results, err := h.Service.Issue(t.Context(), by, issuance.Certify, h.Profile.Samples[:1])
	if err != nil {
		t.Fatal(err)
	}
	if w.doses, _, err = h.Service.Page(t.Context(), by, results[0].ID, "test"); err != nil {
		t.Fatal(err)
	}
	return w
}

// server is another process on the same database.
func (w *world) server() *layouts.Service {
	w.t.Helper()
	p, err := printer.New(w.house.Profile, w.house.PublicURL)
	if err != nil {
		w.t.Skipf("the fonts are not there: %v", err)
	}
	return layouts.New(layouts.Options{Store: w.house.Store, Profile: w.house.Profile, Printer: p, Now: w.house.Now, Log: slog.New(slog.DiscardHandler)})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(number int) layouts.Version {
	w.t.Helper()
	v, err := w.Get(w.t.Context(), anna(), name, number)
	w.must(err)
	return v
}

// draft begins a version and changes its colour and what it shows.
func (w *world) draft(by access.Caller, origin int, change func(*render.Layout)) layouts.Version {
	w.t.Helper()
	n, err := w.Begin(w.t.Context(), by, name, origin)
	w.must(err)
	v := w.get(n)
	c := layouts.Content{Layout: v.Layout, Why: "the ministry's new colours"}
	change(&c.Layout)
	w.must(w.Change(w.t.Context(), by, name, n, v.Hash, c))
	return w.get(n)
}

func green(l *render.Layout) {
	l.Accent, l.Languages = "#00563f", []string{"en", "si"}
	l.Note = map[string]string{"en": "Vaccination is free.", "si": "එන්නත නොමිලේ.", "ta": "தடுப்பூசி இலவசம்."}
}

// page is what is printed now, as a browser shows it.
func page(t *testing.T, s *layouts.Service, doses []*issuance.Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Printer.HTML(&b, doses, 0, nil, render.HTMLOptions{Stylesheet: "/print.css"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (w *world) pdf() []byte {
	w.t.Helper()
	data, err := w.Printer.PDF(w.doses, 0, nil)
	w.must(err)
	return bytes.Clone(data)
}

func is(t *testing.T, err error, code vaccination.Code, says string) {
	t.Helper()
	var e *vaccination.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("%v, want %s", err, code)
	}
	text := e.Message
	for _, f := range e.Faults {
		text += " " + f.Path + ": " + f.Message
	}
	if !strings.Contains(text, says) {
		t.Errorf("%q does not say %q", text, says)
	}
}

func TestEverythingPrintsWithWhatTwoPeopleAnswerFor(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	before, other := w.pdf(), w.server()
	v := w.draft(anna(), layouts.First, green)
	if !strings.Contains(page(t, w.Service, w.doses), "accent=7a1f3d") {
		t.Error("a draft is printed with")
	}
	w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
	for who, by := range map[string]access.Caller{
		"who asked":                           anna(),
		"somebody who came by another door":   {Actor: "token:1 tool", Role: access.SystemAdmin},
		"somebody of an identity provider":    {Actor: "oidc:7", Role: access.SystemAdmin},
		"who asked, with a role of their own": {Actor: "staff:1", Role: access.ProgrammeAdmin},
	} {
		if err := w.Approve(ctx, by, name, v.Number, v.Hash); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("approved by %s: %v", who, err)
		}
	}
	is(t, w.Approve(ctx, ben(), name, v.Number, "another"), vaccination.Conflict, "not what you looked at")
	if !bytes.Equal(before, w.pdf()) {
		t.Error("what is asked for is printed with")
	}
	w.must(w.Approve(ctx, ben(), name, v.Number, v.Hash))
	w.must(w.Approve(ctx, ben(), name, v.Number, v.Hash)) // the form came twice
	if bytes.Equal(before, w.pdf()) {
		t.Error("the PDF is that of before")
	}
	got := page(t, w.Service, w.doses)
	for _, want := range []string{"accent=00563f", `<html lang="en"`, "Vaccination is free."} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, `lang="ta"`) {
		t.Error("the page has a language that the layout leaves out")
	}
	if l := page(t, other, w.doses); strings.Contains(l, "accent=00563f") {
		t.Error("another server knows before it looked")
	}
	w.must(other.Refresh(ctx))
	if l := page(t, other, w.doses); !strings.Contains(l, "accent=00563f") {
		t.Error("another server does not print with it")
	}
	rows, err := w.house.Store.Pool().Query(ctx, "SELECT actor || ' ' || act || ' ' || object || ' ' || regexp_replace(detail, '[0-9a-f]{32}', 'H') FROM audit WHERE act LIKE 'layout.%' ORDER BY seq")
	w.must(err)
	defer rows.Close()
	var said []string
	for rows.Next() {
		var s string
		w.must(rows.Scan(&s))
		said = append(said, s)
	}
	w.must(rows.Err())
	want := []string{"staff:1 layout.draft layout standard 2 from 1", "staff:1 layout.change layout standard 2 H", "staff:1 layout.ask layout standard 2 H", "staff:2 layout.approve layout standard 2 H, asked by staff:1"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
	w.sound()
}

func (w *world) sound(want ...string) {
	w.t.Helper()
	report, err := w.house.Service.Check(w.t.Context())
	w.must(err)
	if diff := cmp.Diff(want, report.Problems); diff != "" {
		w.t.Error(diff)
	}
}

func TestAnEarlierVersionIsBroughtBackInTheSameWay(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	before := w.pdf()
	publish := func(v layouts.Version) {
		t.Helper()
		w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
		w.must(w.Approve(ctx, ben(), name, v.Number, v.Hash))
	}
	publish(w.draft(anna(), layouts.First, green))
	publish(w.draft(anna(), layouts.First, func(*render.Layout) {}))
	if !bytes.Equal(before, w.pdf()) {
		t.Error("the profile's file, brought back, prints otherwise")
	}
	publish(w.draft(ben(), 2, func(*render.Layout) {}))
	if !strings.Contains(page(t, w.Service, w.doses), "accent=00563f") {
		t.Error("the second version is not back")
	}
	list, err := w.List(ctx, anna(), name)
	w.must(err)
	var states []layouts.State
	for _, v := range list {
		states = append(states, v.State)
	}
	if diff := cmp.Diff([]layouts.State{layouts.InForce, layouts.Earlier, layouts.Earlier, layouts.Earlier}, states); diff != "" {
		t.Error(diff)
	}
	w.sound()
}

func TestWhatIsAskedForDoesNotChange(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	v := w.draft(anna(), layouts.First, green)
	other := layouts.Content{Layout: v.Layout, Why: "mine"}
	other.Layout.Accent = "#112233"
	is(t, w.Change(ctx, ben(), name, v.Number, "what it said before", other), vaccination.Conflict, "meanwhile")
	is(t, w.Ask(ctx, ben(), name, v.Number, "what it said before"), vaccination.Conflict, "meanwhile")
	is(t, w.Approve(ctx, ben(), name, v.Number, v.Hash), vaccination.Conflict, "draft")
	w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
	is(t, w.Change(ctx, anna(), name, v.Number, v.Hash, other), vaccination.Conflict, "asked")
	w.must(w.Refuse(ctx, ben(), name, v.Number))
	is(t, w.Approve(ctx, ben(), name, v.Number, v.Hash), vaccination.Conflict, "refused")
	n, err := w.Begin(ctx, anna(), name, layouts.First)
	w.must(err)
	is(t, w.Ask(ctx, anna(), name, n, w.get(n).Hash), vaccination.Invalid, "why")
	w.sound()
}

func TestTwoWhoApproveAtOncePutOneInForce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var all []layouts.Version
	for range 4 {
		v := w.draft(anna(), layouts.First, green)
		w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
		all = append(all, v)
	}
	var wait sync.WaitGroup
	for _, v := range all {
		wait.Go(func() {
			if err := w.Approve(ctx, ben(), name, v.Number, v.Hash); err != nil && vaccination.ErrorCode(err) != vaccination.Conflict {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	list, err := w.List(ctx, anna(), name)
	w.must(err)
	n := 0
	for _, v := range list {
		if v.State == layouts.InForce {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d versions are in force", n)
	}
	w.sound()
}

func TestWhatIsWrongWithALayout(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	n, err := w.Begin(ctx, anna(), name, layouts.First)
	w.must(err)
	v := w.get(n)
	for says, change := range map[string]func(*layouts.Content){
		"accent: choose a darker colour":   func(c *layouts.Content) { c.Layout.Accent = "#ffcc00" },
		"accent must be a colour":          func(c *layouts.Content) { c.Layout.Accent = "red" },
		"margin must be":                   func(c *layouts.Content) { c.Layout.Margin = 3 },
		"qr must be":                       func(c *layouts.Content) { c.Layout.QR = 20 },
		"margin must be 10 to 25":          func(c *layouts.Content) { c.Layout.Margin = math.NaN() }, // neither below nor above anything
		"qr must be 50 to 80":              func(c *layouts.Content) { c.Layout.QR = math.NaN() },
		"languages: write languages of":    func(c *layouts.Content) { c.Layout.Languages = []string{"fr"} },
		"each once":                        func(c *layouts.Content) { c.Layout.Languages = []string{"en", "en"} },
		"note-si: write the note in every": func(c *layouts.Content) { c.Layout.Note = map[string]string{"en": "Free."} },
		"one line of at most 160":          func(c *layouts.Content) { c.Layout.Note = map[string]string{"en": strings.Repeat("x", 161)} },
		"the note in \"ta\" is one line":   func(c *layouts.Content) { c.Layout.Note = map[string]string{"ta": "a\u202eb"} },
		"why: one line":                    func(c *layouts.Content) { c.Why = "a\nb" },
		"block \"barcode\" is missing":     func(c *layouts.Content) { c.Layout.Blocks = slices.Delete(slices.Clone(c.Layout.Blocks), 5, 6) },
		"block \"person\" must show \"name\"": func(c *layouts.Content) {
			c.Layout.Blocks = slices.Clone(c.Layout.Blocks)
			c.Layout.Blocks[2].Fields = []string{"birthDate"}
		},
	} {
		c := layouts.Content{Layout: v.Layout}
		change(&c)
		is(t, w.Change(ctx, anna(), name, n, v.Hash, c), vaccination.Invalid, says)
	}
	if w.get(n).Hash != v.Hash {
		t.Error("something wrong was written")
	}
}

func TestWhoMayNotChangeLayouts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	v := w.draft(anna(), layouts.First, green)
	for _, role := range []access.Role{access.FacilityAdmin, access.FacilityStaff, access.Auditor, access.SourceRole, access.Citizen} {
		by := access.Caller{Actor: "staff:9", Role: role}
		_, list := w.List(ctx, by, name)
		_, begin := w.Begin(ctx, by, name, layouts.First)
		for act, err := range map[string]error{
			"list": list, "begin": begin, "change": w.Change(ctx, by, name, v.Number, v.Hash, layouts.Content{Layout: v.Layout}),
			"ask": w.Ask(ctx, by, name, v.Number, v.Hash), "approve": w.Approve(ctx, by, name, v.Number, v.Hash), "refuse": w.Refuse(ctx, by, name, v.Number),
		} {
			if vaccination.ErrorCode(err) != vaccination.Forbidden {
				t.Errorf("%s by %s: %v", act, role, err)
			}
		}
	}
	_, err := w.List(ctx, anna(), "none")
	is(t, err, vaccination.NotFound, "no such layout")
}

func TestWhatNobodyApprovedIsFound(t *testing.T) {
	for what, x := range map[string]struct{ sql, want string }{
		"another text":    {"UPDATE layout_version SET body = replace(body, '00563f', '112233')", "layout standard 2: it is not what was approved"},
		"another person":  {"UPDATE layout_version SET decided_by = 'staff:3'", "layout standard 2: others asked for it and approved it, the audit says"},
		"made to nothing": {"UPDATE layout_version SET state = 'refused'", "layout standard 2: it is refused, and that it was approved is not what the audit says"},
		"gone":            {"DELETE FROM layout_version", "layout standard 2: the audit knows it, and it is missing"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			ctx := t.Context()
			v := w.draft(anna(), layouts.First, green)
			w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
			w.must(w.Approve(ctx, ben(), name, v.Number, v.Hash))
			_, err := w.house.Store.Pool().Exec(ctx, x.sql)
			w.must(err)
			w.sound(x.want)
		})
	}
}

// TestAVersionOfALaterProgram leaves the profile's file: a certificate can always
// be printed.
func TestAVersionOfALaterProgram(t *testing.T) {
	w := newWorld(t)
	ctx := context.WithoutCancel(t.Context())
	v := w.draft(anna(), layouts.First, green)
	w.must(w.Ask(ctx, anna(), name, v.Number, v.Hash))
	w.must(w.Approve(ctx, ben(), name, v.Number, v.Hash))
	_, err := w.house.Store.Pool().Exec(ctx, "UPDATE layout_version SET body = body || 'hologram: true'")
	w.must(err)
	w.must(w.Refresh(ctx))
	if !strings.Contains(page(t, w.Service, w.doses), "accent=7a1f3d") {
		t.Error("the profile's file is not printed with")
	}
}
