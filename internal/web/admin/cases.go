package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// cases adds the queue of what citizens and facilities ask for.
func (h *handler) cases(mux door.Mux) {
	may := access.DecideCases
	h.page(mux, "GET /cases", may, h.listCases)
	h.page(mux, "GET /cases/{ticket}", may, func(a *asked) (*body, error) { return h.showCase(a, nil) })
	h.page(mux, "POST /cases/{ticket}/{decision}", may, h.decideCase)
	h.page(mux, "GET /cases/{ticket}/evidence/{n}", may, h.evidence)
}

const casesPage = 100

func (h *handler) listCases(a *asked) (*body, error) {
	q := a.URL.Query()
	f := casework.Filter{Kind: casework.Kind(q.Get("kind")), Overdue: q.Get("overdue") != "", Max: casesPage}
	if s := q.Get("state"); s != "" {
		f.States = []casework.State{casework.State(s)}
	}
	if after := q.Get("after"); after != "" {
		t, err := casework.ParseTicket(after)
		if err != nil {
			return nil, err
		}
		f.After = t
	}
	list, err := h.Cases.List(a.Context(), a.by, f)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.cases"), Empty: a.v.T("admin.cases.none"), CSV: a.fileURL(),
		Head: []string{a.v.T("admin.ticket"), a.v.T("admin.kind"), a.v.T("admin.state"), a.v.T("admin.deadline"), a.v.T("admin.facility"), a.v.T("admin.evidence"), a.v.T("admin.taken")}}
	for _, c := range list {
		due := text(a.when(c.Deadline))
		if c.Overdue {
			due = cell{Text: a.v.T("admin.overdue", "time", due.Text), Tag: "red"}
		}
		t.Rows = append(t.Rows, []cell{to(c.Ticket.String(), Path+"/cases/"+c.Ticket.String()), text(a.v.T("admin.case." + string(c.Kind))), a.tag("admin.casestate.", string(c.State)), due, text(c.Facility), number(int64(c.Evidence)), text(c.TakenBy)})
	}
	if len(list) == casesPage {
		next := a.URL.Query()
		next.Set("after", list[len(list)-1].Ticket.String())
		t.Next = a.URL.Path + "?" + next.Encode()
	}
	if a.wantsFile() {
		return a.file("cases", t)
	}
	kinds, states := []option{{Text: a.v.T("admin.all")}}, []option{{Text: a.v.T("admin.cases.open")}}
	for _, k := range casework.Kinds() {
		kinds = append(kinds, option{Value: string(k), Text: a.v.T("admin.case." + string(k))})
	}
	for _, s := range []casework.State{casework.Open, casework.Waiting, casework.SecondApproval, casework.Approved, casework.Refused, casework.Withdrawn} {
		states = append(states, option{Value: string(s), Text: a.v.T("admin.casestate." + string(s))})
	}
	return &body{Title: a.v.T("admin.menu.cases"), Lead: a.v.T("admin.cases.lead"), Blocks: []block{
		{Form: &formBlock{Action: a.URL.Path, Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{a.selectField("kind", "kind", q.Get("kind"), kinds), a.selectField("state", "state", q.Get("state"), states)}}},
		{Table: t},
	}}, nil
}

func (h *handler) showCase(a *asked, faults []page.Fault) (*body, error) {
	ticket, err := casework.ParseTicket(a.PathValue("ticket"))
	if err != nil {
		return nil, err
	}
	c, err := h.Cases.Get(a.Context(), a.by, ticket)
	if err != nil {
		return nil, err
	}
	b := &body{Title: a.v.T("admin.case." + string(c.Kind)), Caption: ticket.String(), Done: a.done(), Faults: faults, Back: &link{a.v.T("admin.menu.cases"), Path + "/cases"}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	lines := []line{{a.v.T("admin.state"), a.tag("admin.casestate.", string(c.State))}, {a.v.T("admin.deadline"), text(a.when(c.Deadline))}, {a.v.T("admin.certificate"), certificate(c.Certificate)}}
	for _, l := range []line{{a.v.T("admin.result"), certificate(c.Result)}, {a.v.T("admin.facility"), text(c.Facility)}, {a.v.T("admin.taken"), text(c.TakenBy)}, {a.v.T("admin.message"), text(c.Asked.Message)}, {a.v.T("admin.contact"), text(c.Asked.Contact)}, {a.v.T("admin.name"), text(c.Asked.Name)}} {
		if l.Cell.Text != "" {
			lines = append(lines, l)
		}
	}
	b.Blocks = append(b.Blocks, block{Lines: lines})
	version := ""
	if !c.State.Final() && (c.Kind == casework.Correction || c.Kind == casework.DoseAbroad) {
		preview, err := h.Cases.Preview(a.Context(), a.by, ticket, nil)
		switch {
		case preview != nil:
			version = preview.Version.String()
			b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.differs"), Table: h.caseTable(a, c, preview)})
			if preview.TwoNeed {
				b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.case.two"), Inset: true})
			}
			if err != nil {
				b.Blocks = append(b.Blocks, block{Text: err.Error(), Inset: true})
			}
		case err != nil:
			why, err := h.faults(err)
			if err != nil {
				return nil, err
			}
			for _, f := range why {
				b.Blocks = append(b.Blocks, block{Text: f.Message, Inset: true})
			}
		}
	}
	if len(c.Files) > 0 {
		var files []link
		for _, f := range c.Files {
			if !f.Gone {
				files = append(files, link{a.v.T("admin.evidence.n", "n", strconv.Itoa(f.Number), "time", a.when(f.Added)), Path + "/cases/" + ticket.String() + "/evidence/" + strconv.Itoa(f.Number)})
			}
		}
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.evidence"), Text: a.v.T("admin.evidence.text"), Links: files})
	}
	if !c.State.Final() {
		b.Blocks = append(b.Blocks, h.caseForms(a, ticket, version)...)
	}
	t := &table{Caption: a.v.T("admin.timeline"), Head: []string{a.v.T("admin.when"), a.v.T("admin.what"), a.v.T("admin.who"), a.v.T("admin.note")}}
	for _, e := range c.Timeline {
		t.Rows = append(t.Rows, []cell{text(a.when(e.At)), text(a.v.T("admin.caseact." + string(e.Act))), text(e.By), text(e.Note)})
	}
	b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.timeline"), Table: t})
	return b, nil
}

// caseForms are the decisions. What approving does was seen in this version.
func (h *handler) caseForms(a *asked, ticket casework.Ticket, version string) []block {
	form := func(decision string, danger bool) block {
		f := a.textField("note-"+decision, "note", "")
		f.Max = 500
		return block{Form: &formBlock{Action: Path + "/cases/" + ticket.String() + "/" + decision, Submit: a.v.T("admin.case." + decision), Danger: danger, Hidden: [][2]string{{"version", version}}, Fields: []field{f}}}
	}
	out := []block{form("approve", false), form("refuse", true), form("ask", false)}
	out[0].Heading = a.v.T("admin.case.decide")
	out[0].Text = a.v.T("admin.case.note")
	return append(out, block{Form: &formBlock{Action: Path + "/cases/" + ticket.String() + "/take", Submit: a.v.T("admin.case.take"), Inline: true}})
}

// caseTable says field by field what is so and what is asked for.
func (h *handler) caseTable(a *asked, c *casework.Case, p *casework.Preview) *table {
	t := &table{Caption: a.v.T("admin.differs"), Head: []string{a.v.T("admin.field"), a.v.T("admin.before"), a.v.T("admin.after")}, Empty: a.v.T("admin.differs.none")}
	was, now := correctionOf(p.Before), correctionOf(p.After)
	for _, f := range corrected() {
		if was[f.id] != now[f.id] {
			t.Rows = append(t.Rows, []cell{text(a.v.T("admin." + f.key)), text(was[f.id]), text(now[f.id])})
		}
	}
	for _, ch := range c.Asked.Changes { // of which they do not know what is right
		if strings.TrimSpace(ch.Value) == "" {
			t.Rows = append(t.Rows, []cell{text(ch.Field), text(""), text(a.v.T("admin.unknown"))})
		}
	}
	return t
}

func (h *handler) decideCase(a *asked) (*body, error) {
	ticket, err := casework.ParseTicket(a.PathValue("ticket"))
	if err != nil {
		return nil, err
	}
	decision := a.PathValue("decision")
	note := strings.TrimSpace(a.PostForm.Get("note-" + decision))
	ctx := a.detached()
	switch decision {
	case "approve":
		approval := casework.Approval{Note: note}
		if v := a.PostForm.Get("version"); v != "" {
			if approval.Version, err = vaccination.ParseCertificateID(v); err != nil {
				return nil, vaccination.Errorf(vaccination.Invalid, "this form is not ours")
			}
		}
		var state casework.State
		if state, err = h.Cases.Approve(ctx, a.by, ticket, approval); state == casework.SecondApproval {
			decision = "first"
		}
	case "refuse":
		err = h.Cases.Refuse(ctx, a.by, ticket, note)
	case "ask":
		err = h.Cases.Ask(ctx, a.by, ticket, note)
	case "take":
		err = h.Cases.Take(ctx, a.by, ticket)
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		for i := range faults {
			if faults[i].Field == "note" {
				faults[i].Field = "note-" + decision
			}
		}
		return h.showCase(a, faults)
	}
	return a.see("/cases/"+ticket.String(), "done", "case-"+decision)
}

// evidence hands out a photograph as a file: it is never part of a page.
func (h *handler) evidence(a *asked) (*body, error) {
	ticket, err := casework.ParseTicket(a.PathValue("ticket"))
	if err != nil {
		return nil, err
	}
	n, _ := strconv.Atoi(a.PathValue("n"))
	data, err := h.Cases.Photo(a.Context(), a.by, ticket, n)
	if err != nil {
		return nil, err
	}
	head := a.w.Header()
	head.Set("Content-Type", "image/jpeg")
	head.Set("Content-Disposition", `attachment; filename="`+ticket.String()+"-"+strconv.Itoa(n)+`.jpg"`)
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	head.Set("Cache-Control", "no-store")
	_, _ = a.w.Write(data) // the client went away
	return nil, nil
}
