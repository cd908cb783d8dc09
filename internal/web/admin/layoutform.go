package admin

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// layoutForm is what can be changed of a draft.
func (h *handler) layoutForm(a *asked, v layouts.Version, c layouts.Content) *formBlock {
	l := c.Layout
	short := func(id, value, width string) field {
		f := a.textField(id, "layouts."+id, value)
		f.Width = width
		return f
	}
	var kinds []string
	for _, x := range l.Blocks {
		kinds = append(kinds, x.Kind)
	}
	shown := field{Kind: "checks", Input: page.Input{ID: "show", Label: a.v.T("admin.layouts.show"), Hint: a.v.T("admin.layouts.show.hint")}}
	for _, kind := range render.BlockKinds() {
		for _, f := range render.Optional(kind) {
			shown.Options = append(shown.Options, option{Value: f, Text: a.v.T("admin.layoutfield." + f), Checked: slices.Contains(l.Shown(kind), f)})
		}
	}
	out := &formBlock{Action: versionPath(v), Submit: a.v.T("admin.layouts.save"), Hidden: [][2]string{{"seen", v.Hash}}, Fields: []field{
		a.textField("why", "layouts.why", c.Why), short("accent", l.Accent, "govuk-input--width-10"),
		short("languages", strings.Join(l.Languages, ", "), "govuk-input--width-20"), shown,
		short("blocks", strings.Join(kinds, ", "), ""),
		short("margin", strconv.FormatFloat(l.Margin, 'f', -1, 64), "govuk-input--width-4"), short("qr", strconv.FormatFloat(l.QR, 'f', -1, 64), "govuk-input--width-4"),
	}}
	for _, lang := range h.Service.Profile.Languages {
		f := a.textField("note-"+lang, "layouts.note", l.Note[lang])
		f.Label, f.Hint, f.Max = a.v.T("admin.layouts.note", "language", h.Frame.LanguageName(lang)), "", render.MaxNote
		out.Fields = append(out.Fields, f)
	}
	return out
}

// changeLayout writes a draft.
func (h *handler) changeLayout(a *asked) (*body, error) {
	v, now, err := h.layoutOf(a)
	if err != nil {
		return nil, err
	}
	c, faults := h.layoutFrom(a, v.Layout)
	if len(faults) == 0 {
		err = h.Layouts.Change(a.detached(), a.by, v.Name, v.Number, a.PostForm.Get("seen"), c)
		if err == nil {
			return a.see("/layouts/"+pathOf(v.Name)+"/"+strconv.Itoa(v.Number), "done", "layout.save")
		}
		if faults, err = h.faults(err); err != nil {
			return nil, err
		}
	}
	return h.layoutPage(a, v, now, c, faults), nil
}

// separated is what stands between commas and spaces.
func separated(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// layoutFrom reads the form of a draft. Where a block shows its fields in an order
// of its own, those that stay keep it.
func (h *handler) layoutFrom(a *asked, was render.Layout) (layouts.Content, []page.Fault) {
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	l := render.Layout{Accent: strings.ToLower(get("accent")), Languages: separated(get("languages"))}
	var faults []page.Fault
	for id, to := range map[string]*float64{"margin": &l.Margin, "qr": &l.QR} {
		n, err := strconv.ParseFloat(strings.ReplaceAll(get(id), ",", "."), 64)
		if err != nil || n <= 0 {
			faults = append(faults, page.Fault{Field: id, Message: a.v.T("admin.value.wrong")})
		}
		*to = n
	}
	if l.Accent == "" {
		faults = append(faults, page.Fault{Field: "accent", Message: a.v.T("admin.value.wrong")})
	}
	kinds := separated(get("blocks"))
	if usual := render.BlockKinds(); len(kinds) != len(usual) || slices.ContainsFunc(usual, func(k string) bool { return !slices.Contains(kinds, k) }) {
		faults = append(faults, page.Fault{Field: "blocks", Message: a.v.T("admin.layouts.blocks.wrong")})
	}
	for _, kind := range kinds {
		x := render.Block{Kind: kind}
		optional := render.Optional(kind)
		left := slices.DeleteFunc(was.Shown(kind), func(f string) bool {
			return slices.Contains(optional, f) && !slices.Contains(a.PostForm["show"], f)
		})
		for _, f := range optional {
			if slices.Contains(a.PostForm["show"], f) && !slices.Contains(left, f) {
				left = append(left, f)
			}
		}
		x.Fields = left
		l.Blocks = append(l.Blocks, x)
	}
	for _, lang := range h.Service.Profile.Languages {
		if note := get("note-" + lang); note != "" {
			if l.Note == nil {
				l.Note = map[string]string{}
			}
			l.Note[lang] = note
		}
	}
	slices.SortFunc(faults, func(a, b page.Fault) int { return strings.Compare(a.Field, b.Field) })
	return layouts.Content{Layout: l, Why: get("why")}, faults
}

// previewLayout prints an invented person as their certificate would be. Its code
// is none: nothing is signed.
func (h *handler) previewLayout(a *asked) (*body, error) {
	v, _, err := h.layoutOf(a)
	if err != nil {
		return nil, err
	}
	p, q := h.Service.Profile, a.URL.Query()
	i, err := strconv.Atoi(a.PathValue("sample"))
	if err != nil || i < 0 || i >= len(p.Samples) {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such sample")
	}
	pr, _ := p.Programme(p.Samples[i].Programme, "")
	doses := []*issuance.Record{h.sample(pr, p.Samples[i])}
	var languages []string
	if l := q.Get("language"); slices.Contains(p.Languages, l) {
		languages = []string{l}
	}
	var b bytes.Buffer
	head := a.w.Header()
	if q.Get("form") == "page" {
		err = h.Layouts.Printer.TryHTML(&b, v.Layout, doses, 0, languages, render.HTMLOptions{Stylesheet: h.Print})
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
	} else {
		err = h.Layouts.Printer.TryPDF(&b, v.Layout, doses, 0, languages)
		head.Set("Content-Type", "application/pdf")
		head.Set("Content-Disposition", `inline; filename="preview.pdf"`)
	}
	if err != nil {
		head.Del("Content-Security-Policy")
		head.Del("Content-Disposition")
		return nil, err
	}
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	_, _ = a.w.Write(b.Bytes()) // the client went away
	return nil, nil
}
