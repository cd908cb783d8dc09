package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// sources adds the pages of the systems that deliver.
func (h *handler) sources(mux door.Mux) {
	may := access.ManageSources
	h.page(mux, "GET /sources", may, h.listSources)
	h.page(mux, "GET /sources/{source}", may, func(a *asked) (*body, error) { return h.showSource(a, nil) })
	h.page(mux, "POST /sources/{source}/{act}", may, h.actOnSource)
	h.page(mux, "GET /sources/{source}/mapping", may, h.showMapping)
	h.page(mux, "POST /sources/{source}/mapping", may, h.setMapping)
}

func (h *handler) listSources(a *asked) (*body, error) {
	list, err := h.Intake.List(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.sources"), Empty: a.v.T("admin.sources.none"), CSV: a.fileURL(), Numbers: 5,
		Head: []string{a.v.T("admin.source"), a.v.T("admin.kind"), a.v.T("admin.state"), a.v.T("admin.problem"), a.v.T("admin.contact.last"), a.v.T("admin.lag"), a.v.T("admin.count.in"), a.v.T("admin.count.issued"), a.v.T("admin.count.held"), a.v.T("admin.count.rejected")}}
	for _, s := range list {
		t.Rows = append(t.Rows, []cell{
			to(s.Name, Path+"/sources/"+s.Name), text(string(s.Kind)), a.tag("admin.source.", string(s.State)), text(s.Problem), text(a.when(s.LastContact)), text(a.span(s.LagSeconds)),
			number(s.Counts.In), number(s.Counts.Issued), number(s.Counts.Held), number(s.Counts.Rejected),
		})
	}
	if a.wantsFile() {
		return a.file("sources", t)
	}
	return &body{Title: a.v.T("admin.menu.sources"), Blocks: []block{{Table: t}}}, nil
}

// span is a time in words, "" for none.
func (a *asked) span(seconds int64) string {
	if seconds <= 0 {
		return ""
	}
	return (time.Duration(seconds) * time.Second).String()
}

func (h *handler) showSource(a *asked, faults []page.Fault) (*body, error) {
	s, err := h.Intake.Get(a.Context(), a.by, a.PathValue("source"))
	if err != nil {
		return nil, err
	}
	path := Path + "/sources/" + s.Name
	b := &body{Title: s.Name, Caption: a.v.T("admin.source"), Back: &link{a.v.T("admin.menu.sources"), Path + "/sources"}, Done: a.done(), Faults: faults}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	lines := []line{
		{a.v.T("admin.kind"), text(string(s.Kind))},
		{a.v.T("admin.state"), a.tag("admin.source.", string(s.State))},
		{a.v.T("admin.programme"), text(s.Programme)},
		{a.v.T("admin.contact.last"), text(a.when(s.LastContact))},
		{a.v.T("admin.contact.ok"), text(a.when(s.LastOK))},
		{a.v.T("admin.lag"), text(a.span(s.LagSeconds))},
		{a.v.T("admin.problem"), text(s.Problem)},
		{a.v.T("admin.scope"), text(strings.Join(s.Scope, ", "))},
		{a.v.T("admin.limit"), text(limit(s.Hour, s.HourlyLimit))},
	}
	for _, c := range []struct {
		key string
		n   int64
	}{{"in", s.Counts.In}, {"waiting", s.Counts.Waiting}, {"issued", s.Counts.Issued}, {"unchanged", s.Counts.Unchanged}, {"held", s.Counts.Held}, {"rejected", s.Counts.Rejected}} {
		lines = append(lines, line{a.v.T("admin.count." + c.key), number(c.n)})
	}
	for i, l := range lines {
		if l.Cell.Text == "" {
			lines[i].Cell.Text = a.v.T("admin.none")
		}
	}
	if s.Breaker {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.source.breaker"), Inset: true})
	}
	b.Blocks = append(b.Blocks, block{Lines: lines}, block{Links: []link{
		{a.v.T("admin.mapping"), path + "/mapping"}, {a.v.T("admin.source.holds"), Path + "/holds?source=" + s.Name},
	}})
	if s.Kind == intake.API {
		return b, nil
	}
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.source.test"), Text: a.v.T("admin.source.test.text"), Form: &formBlock{Action: path + "/test", Submit: a.v.T("admin.source.test"), Inline: true}})
	if s.State == intake.Active {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.source.pause"), Text: a.v.T("admin.source.pause.text"), Form: &formBlock{Action: path + "/pause", Submit: a.v.T("admin.source.pause"), Inline: true, Fields: []field{a.textField("reason", "reason", "")}}})
	} else {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.source.resume"), Text: a.v.T("admin.source.resume.text"), Form: &formBlock{Action: path + "/resume", Submit: a.v.T("admin.source.resume"), Inline: true}})
	}
	return b, nil
}

func limit(hour, most int) string {
	if most == 0 {
		return ""
	}
	return strconv.Itoa(hour) + " / " + strconv.Itoa(most)
}

func (h *handler) actOnSource(a *asked) (*body, error) {
	name, act := a.PathValue("source"), a.PathValue("act")
	var err error
	switch act {
	case "test":
		var t intake.Tested
		if t, err = h.Intake.Test(a.Context(), a.by, name); err == nil {
			b, err := h.showSource(a, nil)
			if err != nil {
				return nil, err
			}
			b.Done = a.v.T("admin.done.test")
			if found, err := json.MarshalIndent(t.Check, "", "  "); err == nil && string(found) != "{}" {
				b.Blocks = append([]block{{Heading: a.v.T("admin.source.tested"), Pre: string(found)}}, b.Blocks...)
			}
			return b, nil
		}
	case "pause":
		reason := strings.TrimSpace(a.PostForm.Get("reason"))
		if reason == "" {
			return h.showSource(a, []page.Fault{{Field: "reason", Message: a.v.T("admin.reason.missing")}})
		}
		err = h.Intake.Pause(a.detached(), a.by, name, reason)
	case "resume":
		err = h.Intake.Resume(a.detached(), a.by, name)
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.tested(err)
		if err != nil {
			return nil, err
		}
		return h.showSource(a, faults)
	}
	return a.see("/sources/"+name, "done", act)
}

// tested is [handler.faults], and a source that does not answer is a fault too:
// it is not ours.
func (h *handler) tested(err error) ([]page.Fault, error) {
	if e, _ := door.Public(h.Log, err); e.Code == vaccination.Unavailable || e.Code == vaccination.Unauthorized {
		return []page.Fault{{Message: e.Message}}, nil
	}
	return h.faults(err)
}

func (h *handler) showMapping(a *asked) (*body, error) {
	mapping, err := h.Intake.MappingText(a.Context(), a.by, a.PathValue("source"))
	if err != nil {
		return nil, err
	}
	return h.mappingPage(a, mapping, nil, nil)
}

// mappingPage is the mapping with what it makes of deliveries that are stored.
func (h *handler) mappingPage(a *asked, mapping string, sample []intake.Sample, faults []page.Fault) (*body, error) {
	name := a.PathValue("source")
	area := a.textField("mapping", "mapping", mapping)
	area.Kind, area.Rows = "area", 24
	b := &body{Title: a.v.T("admin.mapping"), Caption: name, Faults: faults, Back: &link{name, Path + "/sources/" + name}, Lead: a.v.T("admin.mapping.lead")}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	for _, s := range sample {
		t := &table{Caption: a.v.T("admin.mapping.of", "reference", s.Reference), Head: []string{a.v.T("admin.field"), a.v.T("admin.value")}, Empty: a.v.T("admin.mapping.nothing")}
		for _, f := range s.Fields {
			t.Rows = append(t.Rows, []cell{text(f.Path), text(f.Value)})
		}
		for _, p := range s.Problems {
			t.Rows = append(t.Rows, []cell{text(p.Path), {Text: p.Message, Tag: "red"}})
		}
		b.Blocks = append(b.Blocks, block{Table: t})
	}
	b.Blocks = append(b.Blocks, block{Form: &formBlock{Action: Path + "/sources/" + name + "/mapping", Submit: a.v.T("admin.mapping.try"), Hidden: [][2]string{{"step", "try"}}, Fields: []field{area}}})
	if len(faults) == 0 && a.Method == http.MethodPost {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.mapping.save.text"), Form: &formBlock{Action: Path + "/sources/" + name + "/mapping", Submit: a.v.T("admin.mapping.save"), Hidden: [][2]string{{"mapping", mapping}}}})
	}
	return b, nil
}

// setMapping tries a mapping on what is stored, and makes it the source's when that
// was seen.
func (h *handler) setMapping(a *asked) (*body, error) {
	name := a.PathValue("source")
	mapping := strings.ReplaceAll(a.PostForm.Get("mapping"), "\r\n", "\n")
	if a.PostForm.Get("step") == "try" {
		sample, err := h.Intake.TryMapping(a.Context(), a.by, name, mapping, 5)
		if err != nil {
			faults, err := h.tested(err)
			if err != nil {
				return nil, err
			}
			for i := range faults {
				faults[i].Field = "mapping"
			}
			return h.mappingPage(a, mapping, nil, faults)
		}
		return h.mappingPage(a, mapping, sample, nil)
	}
	if _, err := h.Intake.SetMapping(a.detached(), a.by, name, mapping); err != nil {
		faults, err := h.tested(err)
		if err != nil {
			return nil, err
		}
		return h.mappingPage(a, mapping, nil, faults)
	}
	return a.see("/sources/"+name, "done", "mapping")
}
