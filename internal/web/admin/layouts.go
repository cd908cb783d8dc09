package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// layouts adds the pages of how certificates print.
func (h *handler) layouts(mux door.Mux) {
	may := access.ManageProgrammes
	h.page(mux, "GET /layouts", may, h.listLayouts)
	h.page(mux, "GET /layouts/{name}", may, h.listVersions)
	h.page(mux, "POST /layouts/{name}", may, h.beginLayout)
	h.page(mux, "GET /layouts/{name}/{version}", may, h.showLayout)
	h.page(mux, "POST /layouts/{name}/{version}", may, h.changeLayout)
	h.page(mux, "POST /layouts/{name}/{version}/{act}", may, h.fresh(h.decideLayout))
	h.page(mux, "GET /layouts/{name}/{version}/sample/{sample}", may, h.previewLayout)
}

func layoutPath(name string) string { return Path + "/layouts/" + pathOf(name) }

func versionPath(v layouts.Version) string {
	return layoutPath(v.Name) + "/" + strconv.Itoa(v.Number)
}

func (h *handler) listLayouts(a *asked) (*body, error) {
	p, lang := h.Service.Profile, h.lang(a)
	t := &table{Caption: a.v.T("admin.menu.layouts"), CSV: a.fileURL(), Head: []string{a.v.T("admin.layout"), a.v.T("admin.menu.programmes"), a.v.T("admin.layoutstate.in-force"), a.v.T("admin.when"), a.v.T("admin.layouts.open")}, Numbers: 1}
	for _, name := range h.Layouts.Names() {
		list, err := h.Layouts.List(a.Context(), a.by, name)
		if err != nil {
			return nil, err
		}
		var programmes []string
		for _, key := range p.ProgrammeKeys() {
			if p.Programmes[key].Layout == name {
				programmes = append(programmes, p.ProgrammeName(key, lang))
			}
		}
		open := int64(0)
		for _, v := range list {
			if v.State == layouts.Draft || v.State == layouts.Asked {
				open++
			}
		}
		now := layouts.Current(list)
		t.Rows = append(t.Rows, []cell{to(name, layoutPath(name)), text(strings.Join(programmes, ", ")), to(a.version(now), versionPath(now)), text(a.since(now)), number(open)})
	}
	if a.wantsFile() {
		return a.file("layouts", t)
	}
	return &body{Title: a.v.T("admin.menu.layouts"), Lead: a.v.T("admin.layouts.lead"), Blocks: []block{{Table: t}}}, nil
}

// version names a version.
func (a *asked) version(v layouts.Version) string {
	if v.Number == layouts.First {
		return a.v.T("admin.layouts.first")
	}
	return a.v.T("admin.layouts.version", "n", strconv.Itoa(v.Number))
}

// since is when a version was decided about, or else written.
func (a *asked) since(v layouts.Version) string {
	if !v.Decided.IsZero() {
		return a.when(v.Decided)
	}
	return a.when(v.At)
}

// listVersions lists what was printed with, is, and may be.
func (h *handler) listVersions(a *asked) (*body, error) {
	name := a.PathValue("name")
	list, err := h.Layouts.List(a.Context(), a.by, name)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.versions"), CSV: a.fileURL(), Head: []string{a.v.T("admin.version"), a.v.T("admin.state"), a.v.T("admin.layouts.why"), a.v.T("admin.layouts.by"), a.v.T("admin.asker"), a.v.T("admin.approver"), a.v.T("admin.when")}}
	var from []option
	for _, v := range list {
		approver := ""
		if v.State == layouts.InForce || v.State == layouts.Earlier {
			approver = v.Decider
		}
		t.Rows = append(t.Rows, []cell{to(a.version(v), versionPath(v)), a.tag("admin.layoutstate.", string(v.State)), text(v.Why), text(v.By), text(v.AskedBy), text(approver), text(a.since(v))})
		if v.State == layouts.InForce { // the usual one to begin from
			from = append([]option{{Value: strconv.Itoa(v.Number), Text: a.version(v) + ", " + a.v.T("admin.layoutstate.in-force")}}, from...)
		} else {
			from = append(from, option{Value: strconv.Itoa(v.Number), Text: a.version(v) + ", " + a.v.T("admin.layoutstate."+string(v.State))})
		}
	}
	if a.wantsFile() {
		return a.file("layout-"+name, t)
	}
	return &body{Title: a.v.T("admin.layouts.one", "name", name), Done: a.done(), Lead: a.v.T("admin.layouts.one.lead"), Back: &link{a.v.T("admin.menu.layouts"), Path + "/layouts"}, Blocks: []block{
		{Table: t},
		{Heading: a.v.T("admin.layouts.begin"), Text: a.v.T("admin.layouts.begin.text"), Form: &formBlock{Action: layoutPath(name), Submit: a.v.T("admin.layouts.begin"), Fields: []field{a.selectField("from", "layouts.from", "", from)}}},
	}}, nil
}

func (h *handler) beginLayout(a *asked) (*body, error) {
	name := a.PathValue("name")
	from, err := strconv.Atoi(a.PostForm.Get("from"))
	if err != nil {
		return nil, noLayout()
	}
	number, err := h.Layouts.Begin(a.detached(), a.by, name, from)
	if err != nil {
		return nil, err
	}
	return a.see("/layouts/" + pathOf(name) + "/" + strconv.Itoa(number))
}

func noLayout() error { return vaccination.Errorf(vaccination.NotFound, "there is no such layout") }

// layoutOf is the version that a page is about, and what is in force.
func (h *handler) layoutOf(a *asked) (v, now layouts.Version, err error) {
	n, err := strconv.Atoi(a.PathValue("version"))
	if err != nil {
		return v, now, noLayout()
	}
	list, err := h.Layouts.List(a.Context(), a.by, a.PathValue("name"))
	if err != nil {
		return v, now, err
	}
	for _, v := range list {
		if v.Number == n {
			return v, layouts.Current(list), nil
		}
	}
	return v, now, noLayout()
}

func (h *handler) showLayout(a *asked) (*body, error) {
	v, now, err := h.layoutOf(a)
	if err != nil {
		return nil, err
	}
	return h.layoutPage(a, v, now, layouts.Content{Layout: v.Layout, Why: v.Why}, nil), nil
}

// layoutPage is one version: what it says, how it looks, what it would change, and
// what can be done with it.
func (h *handler) layoutPage(a *asked, v, now layouts.Version, c layouts.Content, faults []page.Fault) *body {
	b := &body{Title: a.version(v), Caption: a.v.T("admin.layouts.one", "name", v.Name), Done: a.done(), Faults: faults, Back: &link{a.v.T("admin.layouts.one", "name", v.Name), layoutPath(v.Name)}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	lines := []line{{a.v.T("admin.state"), a.tag("admin.layoutstate.", string(v.State))}}
	add := func(key, value string) {
		if value != "" {
			lines = append(lines, line{a.v.T(key), text(value)})
		}
	}
	by := func(who, at string) string {
		if who == "" {
			return ""
		}
		return who + ", " + at
	}
	add("admin.layouts.why", v.Why)
	add("admin.layouts.by", by(v.By, a.when(v.At)))
	add("admin.asker", by(v.AskedBy, a.when(v.AskedAt)))
	switch v.State {
	case layouts.Refused:
		add("admin.decider", by(v.Decider, a.when(v.Decided)))
	default:
		add("admin.approver", by(v.Decider, a.when(v.Decided)))
	}
	b.Blocks = append(b.Blocks, block{Lines: lines})
	if v.State != layouts.InForce {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.layouts.differs"), Table: h.layoutDiffers(a, v, now)})
	}
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.layouts.look"), Text: a.v.T("admin.layouts.look.text"), Table: h.layoutSamples(a, v)})
	if v.State == layouts.Asked {
		b.Blocks = append(b.Blocks, h.approving(a, v)...)
	}
	if v.State == layouts.Draft {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.layouts.change"), Form: h.layoutForm(a, v, c)})
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.layouts.ask"), Text: a.v.T("admin.layouts.ask.text"), Form: &formBlock{Action: versionPath(v) + "/ask", Submit: a.v.T("admin.layouts.ask"), Hidden: [][2]string{{"seen", v.Hash}}}}, h.refusing(a, v))
		return b
	}
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.layouts.says"), Table: h.layoutTable(a, v)})
	return b
}

// approving is what somebody else decides.
func (h *handler) approving(a *asked, v layouts.Version) []block {
	if !a.by.Second(v.AskedBy) {
		return []block{{Text: a.v.T("admin.layouts.wait"), Inset: true}, h.refusing(a, v)}
	}
	return []block{
		{Text: a.v.T("admin.layouts.approve.text"), Inset: true},
		{Form: &formBlock{Action: versionPath(v) + "/approve", Submit: a.v.T("admin.layouts.approve"), Hidden: [][2]string{{"seen", v.Hash}}}}, h.refusing(a, v),
	}
}

func (h *handler) refusing(a *asked, v layouts.Version) block {
	return block{Form: &formBlock{Action: versionPath(v) + "/refuse", Submit: a.v.T("admin.layouts.refuse"), Inline: true}}
}

// said is what a layout says, in words, in the order of the form.
func (h *handler) layoutSaid(a *asked, l render.Layout) [][2]string {
	p := h.Service.Profile
	languages := l.Languages
	if len(languages) == 0 {
		languages = p.Languages
	}
	var names, blocks []string
	for _, lang := range languages {
		names = append(names, h.Frame.LanguageName(lang))
	}
	for _, x := range l.Blocks {
		blocks = append(blocks, a.v.T("admin.layoutblock."+x.Kind))
	}
	out := [][2]string{
		{a.v.T("admin.layouts.accent"), l.Accent}, {a.v.T("admin.layouts.languages"), strings.Join(names, ", ")},
		{a.v.T("admin.layouts.blocks"), strings.Join(blocks, ", ")},
		{a.v.T("admin.layouts.margin"), strconv.FormatFloat(l.Margin, 'f', -1, 64)}, {a.v.T("admin.layouts.qr"), strconv.FormatFloat(l.QR, 'f', -1, 64)},
	}
	for _, kind := range render.BlockKinds() {
		shown := l.Shown(kind)
		for _, f := range render.Optional(kind) {
			yes := a.v.T("admin.no")
			if slices.Contains(shown, f) {
				yes = a.v.T("admin.yes")
			}
			out = append(out, [2]string{a.v.T("admin.layoutfield." + f), yes})
		}
	}
	for _, lang := range p.Languages {
		out = append(out, [2]string{a.v.T("admin.layouts.note", "language", h.Frame.LanguageName(lang)), l.Note[lang]})
	}
	return out
}

func (h *handler) layoutTable(a *asked, v layouts.Version) *table {
	t := &table{Caption: a.v.T("admin.layouts.says"), Head: []string{a.v.T("admin.setting"), a.v.T("admin.value")}}
	for _, x := range h.layoutSaid(a, v.Layout) {
		t.Rows = append(t.Rows, []cell{text(x[0]), text(x[1])})
	}
	return t
}

func (h *handler) layoutDiffers(a *asked, v, now layouts.Version) *table {
	t := &table{Caption: a.v.T("admin.layouts.differs"), Empty: a.v.T("admin.layouts.same"), Head: []string{a.v.T("admin.setting"), a.v.T("admin.layoutstate.in-force"), a.version(v)}}
	was := h.layoutSaid(a, now.Layout)
	for i, x := range h.layoutSaid(a, v.Layout) {
		if was[i] != x {
			t.Rows = append(t.Rows, []cell{text(x[0]), text(was[i][1]), text(x[1])})
		}
	}
	return t
}

// layoutSamples leads to the invented people of the programmes that print with the
// layout, in each language.
func (h *handler) layoutSamples(a *asked, v layouts.Version) *table {
	p := h.Service.Profile
	t := &table{Caption: a.v.T("admin.samples"), Empty: a.v.T("admin.samples.none"), Head: []string{a.v.T("admin.name"), a.v.T("admin.programme"), a.v.T("admin.dose"), a.v.T("admin.layouts.usual")}}
	languages := p.Languages
	if len(languages) < 2 {
		languages = nil // the usual ones are that one
	}
	for _, l := range languages {
		t.Head = append(t.Head, h.Frame.LanguageName(l))
	}
	t.Head = append(t.Head, a.v.T("admin.layouts.page"))
	for i, e := range p.Samples {
		pr, ok := p.Programme(e.Programme, "")
		if !ok || pr.Layout != v.Name {
			continue
		}
		url := versionPath(v) + "/sample/" + strconv.Itoa(i)
		row := []cell{text(e.Person.Name), text(p.ProgrammeName(pr.Key, h.lang(a))), number(int64(e.Vaccination.Number)), to("PDF", url)}
		for _, l := range languages {
			row = append(row, to("PDF "+strings.ToUpper(l), url+"?language="+l))
		}
		t.Rows = append(t.Rows, append(row, to(a.v.T("admin.layouts.page"), url+"?form=page")))
	}
	return t
}

// decideLayout asks for a version, approves or refuses it.
func (h *handler) decideLayout(a *asked) (*body, error) {
	v, now, err := h.layoutOf(a)
	if err != nil {
		return nil, err
	}
	act, seen := a.PathValue("act"), a.PostForm.Get("seen")
	switch act {
	case "ask":
		err = h.Layouts.Ask(a.detached(), a.by, v.Name, v.Number, seen)
	case "approve":
		err = h.Layouts.Approve(a.detached(), a.by, v.Name, v.Number, seen)
	case "refuse":
		err = h.Layouts.Refuse(a.detached(), a.by, v.Name, v.Number)
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.layoutPage(a, v, now, layouts.Content{Layout: v.Layout, Why: v.Why}, faults), nil
	}
	return a.see("/layouts/"+pathOf(v.Name)+"/"+strconv.Itoa(v.Number), "done", "layout."+act)
}
