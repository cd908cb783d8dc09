package admin

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// holds adds the queue of what waits for a person.
func (h *handler) holds(mux door.Mux) {
	may := access.DecideHolds
	h.page(mux, "GET /holds", may, func(a *asked) (*body, error) { return h.listHolds(a, nil) })
	h.page(mux, "GET /holds/report", may, h.ageing)
	h.page(mux, "POST /holds/decisions", may, h.decideHolds)
	h.page(mux, "GET /holds/{item}", may, func(a *asked) (*body, error) { return h.showHold(a, nil) })
	h.page(mux, "POST /holds/{item}/{act}", may, h.mendHold)
}

const holdsPage = 100

func (h *handler) listHolds(a *asked, faults []page.Fault) (*body, error) {
	q := a.URL.Query()
	days, _ := strconv.Atoi(q.Get("days"))
	after, _ := strconv.ParseInt(q.Get("after"), 10, 64)
	f := intake.HoldFilter{Source: q.Get("source"), Class: intake.HoldClass(q.Get("class")), Older: time.Duration(min(max(days, 0), 3650)) * 24 * time.Hour, After: after, Max: holdsPage}
	list, err := h.Intake.Holds(a.Context(), a.by, f)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.holds"), Empty: a.v.T("admin.holds.none"), CSV: a.fileURL(), Select: "item",
		Head: []string{a.v.T("admin.number"), a.v.T("admin.why"), a.v.T("admin.source"), a.v.T("admin.field"), a.v.T("admin.helps"), a.v.T("admin.facility"), a.v.T("admin.received")}}
	for _, i := range list {
		id := strconv.FormatInt(i.ID, 10)
		first := to(id, Path+"/holds/"+id)
		first.ID = id
		t.Rows = append(t.Rows, []cell{first, text(a.v.T("admin.hold." + string(i.Class))), text(i.Source), text(i.Field), text(problems(i.Problems)), text(i.Facility), text(a.when(i.Received))})
	}
	if len(list) == holdsPage {
		next := a.URL.Query()
		next.Set("after", strconv.FormatInt(list[len(list)-1].ID, 10))
		t.Next = Path + "/holds?" + next.Encode()
	}
	if a.wantsFile() {
		return a.file("held", t)
	}
	b := &body{Title: a.v.T("admin.menu.holds"), Lead: a.v.T("admin.holds.lead"), Done: a.done(), Faults: faults, Blocks: []block{
		{Links: []link{{a.v.T("admin.ageing"), Path + "/holds/report"}, {a.v.T("admin.likenesses"), Path + "/likenesses"}}}, {Form: h.holdFilter(a)},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	if len(list) == 0 {
		t.Select = ""
		b.Blocks = append(b.Blocks, block{Table: t})
		return b, nil
	}
	b.Blocks = append(b.Blocks, block{Form: &formBlock{Action: Path + "/holds/decisions", Submit: a.v.T("admin.decide"), Table: t, Hidden: [][2]string{{"back", q.Encode()}}, Fields: h.decisionFields(a)}})
	return b, nil
}

func problems(faults []vaccination.Fault) string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Message)
	}
	return strings.Join(out, "; ")
}

func (h *handler) holdFilter(a *asked) *formBlock {
	q := a.URL.Query()
	classes := []option{{Text: a.v.T("admin.all")}}
	for _, c := range holdClasses() {
		classes = append(classes, option{Value: string(c), Text: a.v.T("admin.hold." + string(c))})
	}
	return &formBlock{Action: Path + "/holds", Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{
		a.textField("source", "source", q.Get("source")), a.selectField("class", "why", q.Get("class"), classes), a.textField("days", "holds.days", q.Get("days")),
	}}
}

// holdClasses are the reasons why something is held, in the order of the filter.
func holdClasses() []intake.HoldClass {
	return []intake.HoldClass{
		intake.UnmappedCode, intake.MissingField, intake.InvalidValue, intake.Unreadable, intake.WaitingForPerson, intake.WaitingForRecord, intake.OutOfScope, intake.OverLimit,
		intake.InConflict, intake.WasRevoked, intake.NotIssued, intake.Deleted, intake.Moved, intake.SameDose, intake.PossibleDuplicate, intake.SecondDose,
	}
}

func (h *handler) decisionFields(a *asked) []field {
	action := a.textField("action", "decision", a.PostForm.Get("action"))
	action.Kind = "radios"
	for _, x := range []intake.Action{intake.Retry, intake.Release, intake.Merge, intake.Reject, intake.Revoke, intake.Keep} {
		action.Options = append(action.Options, option{Value: string(x), Text: a.v.T("admin.decision." + string(x))})
	}
	return []field{action, a.textField("reason", "reason", a.PostForm.Get("reason"))}
}

// decideHolds decides the items that were ticked, or one.
func (h *handler) decideHolds(a *asked) (*body, error) {
	var ids []int64
	for _, text := range a.PostForm["item"] {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && len(ids) < 1000 {
			ids = append(ids, id)
		}
	}
	one := a.PostForm.Get("one") != ""
	back := func(faults []page.Fault) (*body, error) {
		if one && len(ids) == 1 {
			a.SetPathValue("item", strconv.FormatInt(ids[0], 10))
			return h.showHold(a, faults)
		}
		a.URL.RawQuery = a.PostForm.Get("back")
		return h.listHolds(a, faults)
	}
	d := intake.Decision{Action: intake.Action(a.PostForm.Get("action")), Reason: strings.TrimSpace(a.PostForm.Get("reason"))}
	var faults []page.Fault
	if len(ids) == 0 {
		faults = append(faults, page.Fault{Message: a.v.T("admin.select.none")})
	}
	if d.Action == "" {
		faults = append(faults, page.Fault{Field: "action", Message: a.v.T("admin.decision.none")})
	}
	if as := strings.TrimSpace(a.PostForm.Get("as")); as != "" {
		id, err := vaccination.ParseCertificateID(as)
		if err != nil {
			faults = append(faults, page.Fault{Field: "as", Message: a.v.T("admin.certificate.wrong")})
		}
		d.As = id
	}
	if len(faults) > 0 {
		return back(faults)
	}
	done, err := h.Intake.Decide(a.detached(), a.by, intake.HoldFilter{IDs: ids}, d)
	if err != nil {
		if faults, err = h.faults(err); err != nil {
			return nil, err
		}
		return back(faults)
	}
	a.URL.RawQuery = a.PostForm.Get("back")
	b, err := h.listHolds(a, nil)
	if b != nil {
		b.Done = a.v.T("admin.decided", "items", strconv.Itoa(done.Items), "issued", strconv.Itoa(done.Issued), "closed", strconv.Itoa(done.Closed), "held", strconv.Itoa(done.Held))
	}
	return b, err
}

func (a *asked) item() (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("item"), 10, 64)
	if err != nil {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such item")
	}
	return id, err
}

// showHold opens what is held; the look is recorded.
func (h *handler) showHold(a *asked, faults []page.Fault) (*body, error) {
	id, err := a.item()
	if err != nil {
		return nil, err
	}
	s, err := h.Intake.Show(a.Context(), a.by, id)
	if err != nil {
		return nil, err
	}
	number := strconv.FormatInt(id, 10)
	b := &body{Title: a.v.T("admin.hold." + string(s.Item.Class)), Caption: a.v.T("admin.item", "n", number), Faults: faults, Done: a.done(), Back: &link{a.v.T("admin.menu.holds"), Path + "/holds"}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	b.Blocks = append(b.Blocks, block{Lines: []line{
		{a.v.T("admin.state"), a.tag("admin.item.", string(s.Item.State))}, {a.v.T("admin.source"), text(s.Item.Source)}, {a.v.T("admin.reference"), text(s.Item.Reference)},
		{a.v.T("admin.received"), text(a.when(s.Item.Received))}, {a.v.T("admin.helps"), text(problems(s.Item.Problems))}, {a.v.T("admin.certificate"), certificate(s.Item.Certificate)},
	}})
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.event"), Table: h.eventTable(a, s)})
	if s.Raw != "" {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.raw"), Pre: cut(s.Raw, 20_000)})
	}
	if s.Item.State != intake.Held {
		b.Title = a.v.T("admin.item", "n", number)
		b.Caption = ""
		return b, nil
	}
	path := Path + "/holds/" + number
	if len(s.Codes) > 0 {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.hold.code"), Text: a.v.T("admin.hold.code.text", "rule", s.Codes[0].Rule, "code", s.Codes[0].Code), Form: &formBlock{Action: path + "/mapping", Submit: a.v.T("admin.hold.code.add"), Fields: []field{a.textField("value", "value", "")}}})
	}
	decide := &formBlock{Action: Path + "/holds/decisions", Submit: a.v.T("admin.decide"), Hidden: [][2]string{{"item", number}, {"one", "1"}}, Fields: h.decisionFields(a)}
	if s.Item.Class == intake.PossibleDuplicate {
		decide.Fields = append(decide.Fields, a.textField("as", "as", ""))
	}
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.decision"), Form: decide})
	if s.Raw == "" {
		var fields []option
		for _, f := range editableFields() {
			fields = append(fields, option{Value: f, Text: f})
		}
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.hold.edit"), Text: a.v.T("admin.hold.edit.text"), Form: &formBlock{Action: path + "/edits", Submit: a.v.T("admin.hold.edit.do"),
			Fields: []field{a.selectField("field", "field", s.Item.Field, fields), a.textField("value", "value", ""), a.textField("reason", "reason", "")}}})
	}
	return b, nil
}

// editableFields are the fields of one value that can be corrected in what is
// held.
func editableFields() []string {
	return []string{"person.name", "person.birthDate", "person.sex", "person.nationality", "vaccination.product", "vaccination.lot", "vaccination.date", "vaccination.dose", "vaccination.totalDoses", "vaccination.centre"}
}

// eventTable says what was mapped beside what the source said.
func (h *handler) eventTable(a *asked, s intake.Shown) *table {
	t := &table{Caption: a.v.T("admin.event"), Head: []string{a.v.T("admin.field"), a.v.T("admin.value")}, Empty: a.v.T("admin.mapping.nothing")}
	for _, f := range intake.Flat(s.Event) {
		t.Rows = append(t.Rows, []cell{text(f.Path), text(f.Value)})
	}
	for _, part := range []struct {
		key    string
		fields map[string]string
	}{{"admin.said.person", s.Person}, {"admin.said.dose", s.Dose}} {
		for _, name := range slices.Sorted(maps.Keys(part.fields)) {
			t.Rows = append(t.Rows, []cell{text(a.v.T(part.key, "field", name)), text(part.fields[name])})
		}
	}
	return t
}

// mendHold adds a code to the mapping, or corrects a field.
func (h *handler) mendHold(a *asked) (*body, error) {
	id, err := a.item()
	if err != nil {
		return nil, err
	}
	value := strings.TrimSpace(a.PostForm.Get("value"))
	switch a.PathValue("act") {
	case "mapping":
		_, err = h.Intake.Map(a.detached(), a.by, id, value)
	case "edits":
		path := a.PostForm.Get("field")
		var data []byte
		if n, convert := strconv.Atoi(value); convert == nil && (path == "vaccination.dose" || path == "vaccination.totalDoses") {
			data, err = json.Marshal(n)
		} else {
			data, err = json.Marshal(value)
		}
		if err == nil {
			_, err = h.Intake.Edit(a.detached(), a.by, id, path, data, strings.TrimSpace(a.PostForm.Get("reason")))
		}
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.tested(err)
		if err != nil {
			return nil, err
		}
		return h.showHold(a, faults)
	}
	return a.see("/holds", "done", "mended")
}

// ageing is the report of what is held for how long.
func (h *handler) ageing(a *asked) (*body, error) {
	list, err := h.Intake.Report(a.Context(), a.by, a.URL.Query().Get("source"))
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.ageing"), Empty: a.v.T("admin.holds.none"), CSV: a.fileURL(), Numbers: 5,
		Head: []string{a.v.T("admin.source"), a.v.T("admin.why"), a.v.T("admin.facility"), a.v.T("admin.oldest"), a.v.T("admin.count.held"), a.v.T("admin.age.1"), a.v.T("admin.age.3"), a.v.T("admin.age.7"), a.v.T("admin.age.30")}}
	for _, r := range list {
		name := r.Name
		if name == "" {
			name = r.Facility
		}
		t.Rows = append(t.Rows, []cell{text(r.Source), text(a.v.T("admin.hold." + string(r.Class))), text(name), text(a.when(r.Oldest)), number(r.Items), number(r.Day1), number(r.Day3), number(r.Day7), number(r.Day30)})
	}
	if a.wantsFile() {
		return a.file("ageing", t)
	}
	return &body{Title: a.v.T("admin.ageing"), Back: &link{a.v.T("admin.menu.holds"), Path + "/holds"}, Blocks: []block{{Table: t}}}, nil
}
