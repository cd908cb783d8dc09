package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// messages adds the pages of what people are told.
func (h *handler) messages(mux door.Mux) {
	if h.Messages == nil {
		return
	}
	may := access.ManageMessages
	h.page(mux, "GET /messages", may, h.listMessages)
	h.page(mux, "GET /messages/templates", may, h.listTemplates)
	h.page(mux, "GET /messages/stopped", may, func(a *asked) (*body, error) { return h.listStopped(a, nil) })
	h.page(mux, "POST /messages/stopped", may, h.stopNumber)
	h.page(mux, "GET /messages/{id}", may, func(a *asked) (*body, error) { return h.showMessage(a, nil) })
	h.page(mux, "POST /messages/{id}", may, h.resend)
	h.page(mux, "GET /messages/campaigns", may, h.listCampaigns)
	h.page(mux, "GET /messages/campaigns/new", may, func(a *asked) (*body, error) { return h.campaignPage(a, nil), nil })
	h.page(mux, "POST /messages/campaigns/new", may, h.makeCampaign)
	h.page(mux, "GET /messages/campaigns/{id}", may, func(a *asked) (*body, error) { return h.showCampaign(a, nil) })
	h.page(mux, "POST /messages/campaigns/{id}", may, h.changeCampaign)
}

const messagesPage = 100

// toMessages leads back to the outbox.
func (a *asked) toMessages() *link { return &link{a.v.T("admin.menu.messages"), Path + "/messages"} }

// template is what a message is about, in words.
func (a *asked) template(key string) string {
	if word := "admin.template." + key; a.v.Has(word) {
		return a.v.T(word)
	}
	return key
}

func messageStates() []string {
	return []string{"queued", "accepted", "unknown", "expired", "failed", "delivered"}
}

func (h *handler) listMessages(a *asked) (*body, error) {
	q := a.URL.Query()
	f := deliver.Query{Template: q.Get("template"), Max: messagesPage}
	f.Before, _ = strconv.ParseInt(q.Get("before"), 10, 64)
	f.Campaign, _ = strconv.ParseInt(q.Get("campaign"), 10, 64)
	if s := q.Get("state"); s != "" {
		f.States = []string{s}
	}
	if a.wantsFile() {
		f.Max = 1000
	}
	list, err := h.Messages.List(a.Context(), a.by, f)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.outbox"), Empty: a.v.T("admin.messages.none"), CSV: a.fileURL(), Numbers: 2,
		Head: []string{a.v.T("admin.message.number"), a.v.T("admin.when"), a.v.T("admin.template"), a.v.T("admin.class"), a.v.T("admin.state"), a.v.T("admin.why"), a.v.T("admin.gateway"), a.v.T("admin.certificate"), a.v.T("admin.attempts"), a.v.T("admin.parts")}}
	for _, m := range list {
		n := strconv.FormatInt(m.ID, 10)
		t.Rows = append(t.Rows, []cell{to(n, Path+"/messages/"+n), text(a.when(m.Created)), text(a.template(m.Template)), text(a.v.T("admin.class." + m.Class)), a.tag("admin.messagestate.", m.State), text(m.Code), text(m.Gateway), certificate(m.Certificate), number(int64(m.Attempts)), number(int64(m.Parts))})
	}
	if a.wantsFile() {
		return a.file("messages", t)
	}
	if len(list) == messagesPage {
		next := a.URL.Query()
		next.Set("before", strconv.FormatInt(list[len(list)-1].ID, 10))
		t.Next = Path + "/messages?" + next.Encode()
	}
	counts, err := h.messageCounts(a)
	if err != nil {
		return nil, err
	}
	gateways, err := h.gatewayTable(a)
	if err != nil {
		return nil, err
	}
	return &body{Title: a.v.T("admin.menu.messages"), Lead: a.v.T("admin.messages.lead"), Done: a.done(), Blocks: []block{
		{Links: []link{{a.v.T("admin.templates"), Path + "/messages/templates"}, {a.v.T("admin.campaigns"), Path + "/messages/campaigns"}, {a.v.T("admin.stopped"), Path + "/messages/stopped"}}},
		{Heading: a.v.T("admin.messages.counts"), Table: counts},
		{Heading: a.v.T("admin.gateways"), Table: gateways},
		{Heading: a.v.T("admin.outbox"), Form: h.messageFilter(a)},
		{Table: t},
	}}, nil
}

func (h *handler) messageFilter(a *asked) *formBlock {
	q := a.URL.Query()
	states, templates := []option{{Text: a.v.T("admin.all")}}, []option{{Text: a.v.T("admin.all")}}
	for _, s := range messageStates() {
		states = append(states, option{Value: s, Text: a.v.T("admin.messagestate." + s)})
	}
	for _, t := range profile.Templates() {
		templates = append(templates, option{Value: t, Text: a.template(t)})
	}
	return &formBlock{Action: Path + "/messages", Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{a.selectField("state", "state", q.Get("state"), states), a.selectField("template", "template", q.Get("template"), templates)}}
}

// messageCounts is how many messages of each class are in each state.
func (h *handler) messageCounts(a *asked) (*table, error) {
	m, err := h.Messages.Measure(a.Context())
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.messages.counts"), Head: []string{a.v.T("admin.class")}, Empty: a.v.T("admin.messages.none"), Numbers: len(messageStates())}
	for _, s := range messageStates() {
		t.Head = append(t.Head, a.v.T("admin.messagestate."+s))
	}
	for _, kind := range []struct{ class, channel string }{{"notice", deliver.SMS}, {"notice", deliver.Email}, {"code", deliver.SMS}, {"code", deliver.Email}} {
		row, sum := []cell{text(a.v.T("admin.class."+kind.class) + ", " + a.v.T("admin.channel."+kind.channel))}, 0
		for _, s := range messageStates() {
			n := 0
			for _, c := range m.Messages {
				if c.Class == kind.class && c.Channel == kind.channel && c.State == s {
					n += c.N
				}
			}
			sum += n
			row = append(row, number(int64(n)))
		}
		if sum > 0 {
			t.Rows = append(t.Rows, row)
		}
	}
	return t, nil
}

func (h *handler) gatewayTable(a *asked) (*table, error) {
	list, err := h.Messages.Gateways(a.Context(), a.by)
	t := &table{Caption: a.v.T("admin.gateways"), Empty: a.v.T("admin.gateways.none"), Numbers: 1,
		Head: []string{a.v.T("admin.gateway"), a.v.T("admin.channel"), a.v.T("admin.state"), a.v.T("admin.why"), a.v.T("admin.changed"), a.v.T("admin.failures")}}
	for _, g := range list {
		state := "active"
		switch {
		case g.Paused:
			state = "paused"
		case g.Down:
			state = "failed"
		}
		t.Rows = append(t.Rows, []cell{text(g.Name), text(a.v.T("admin.channel." + g.Channel)), a.tag("admin.gatewaystate.", state), text(g.Reason), text(a.when(g.Changed)), number(int64(g.Failures))})
	}
	return t, err
}

func (a *asked) number(what string) (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("id"), 10, 64)
	if err != nil {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such %s", what)
	}
	return id, err
}

// showMessage opens one message; the look is recorded.
func (h *handler) showMessage(a *asked, faults []page.Fault) (*body, error) {
	id, err := a.number("message")
	if err != nil {
		return nil, err
	}
	m, err := h.Messages.Show(a.Context(), a.by, id)
	if err != nil {
		return nil, err
	}
	b := &body{Title: a.template(m.Template), Caption: a.v.T("admin.message.n", "n", strconv.FormatInt(id, 10)), Back: a.toMessages(), Done: a.done(), Faults: faults, Blocks: []block{{Lines: []line{
		{a.v.T("admin.state"), a.tag("admin.messagestate.", m.State)}, {a.v.T("admin.why"), text(m.Code)}, {a.v.T("admin.to"), text(m.To)}, {a.v.T("admin.channel"), text(a.v.T("admin.channel." + m.Channel))},
		{a.v.T("admin.class"), text(a.v.T("admin.class." + m.Class))}, {a.v.T("admin.language"), text(m.Language)}, {a.v.T("admin.gateway"), text(m.Gateway)}, {a.v.T("admin.certificate"), certificate(m.Certificate)},
		{a.v.T("admin.attempts"), number(int64(m.Attempts))}, {a.v.T("admin.parts"), number(int64(m.Parts))}, {a.v.T("admin.made"), text(a.when(m.Created))}, {a.v.T("admin.changed"), text(a.when(m.StateAt))}, {a.v.T("admin.message.expires"), text(a.when(m.Expires))},
	}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	if m.Text == "" {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.message.gone")})
	} else {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.message.text"), Pre: m.Text})
	}
	if dead := m.State == "unknown" || m.State == "expired" || m.State == "failed"; dead && m.Class == string(deliver.Notice) && m.Text != "" {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.resend"), Text: a.v.T("admin.resend.text"), Form: &formBlock{Action: a.URL.Path, Submit: a.v.T("admin.resend")}})
	}
	return b, nil
}

func (h *handler) resend(a *asked) (*body, error) {
	id, err := a.number("message")
	if err == nil {
		err = h.Messages.Resend(a.detached(), a.by, id)
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.showMessage(a, faults)
	}
	return a.see("/messages/"+strconv.FormatInt(id, 10), "done", "resend")
}

// listTemplates shows the profile's texts with example values, and what one costs.
func (h *handler) listTemplates(a *asked) (*body, error) {
	list, err := h.Messages.Previews(a.by)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.templates"), CSV: a.fileURL(), Numbers: 3,
		Head: []string{a.v.T("admin.template"), a.v.T("admin.language"), a.v.T("admin.message.text"), a.v.T("admin.alphabet"), a.v.T("admin.units"), a.v.T("admin.parts"), a.v.T("admin.cost")}}
	b := &body{Title: a.v.T("admin.templates"), Lead: a.v.T("admin.templates.lead"), Back: a.toMessages()}
	m := h.Service.Profile.Messaging
	for _, p := range list {
		t.Rows = append(t.Rows, []cell{text(a.template(p.Template)), text(p.Language), text(p.Text), text(string(p.Size.Alphabet)), number(int64(p.Size.Units)), number(int64(p.Size.Parts)), text(money(float64(p.Size.Parts)*m.PricePerPart, m.Currency))})
	}
	if a.wantsFile() {
		return a.file("templates", t)
	}
	b.Blocks = append(b.Blocks, block{Table: t})
	return b, nil
}

// money is an amount, "" where the profile names no price.
func money(amount float64, currency string) string {
	if amount == 0 {
		return ""
	}
	return strings.TrimSpace(strconv.FormatFloat(amount, 'f', 2, 64) + " " + currency)
}

func stopReasons() []deliver.Reason {
	return []deliver.Reason{deliver.OptedOut, deliver.WrongNumber, deliver.Died, deliver.Unreachable}
}

// listStopped counts who gets no messages. Their numbers are kept as keyed hashes
// and cannot be listed.
func (h *handler) listStopped(a *asked, faults []page.Fault) (*body, error) {
	counts, err := h.Messages.Suppressed(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.stopped"), Head: []string{a.v.T("admin.why"), a.v.T("admin.stopped.count")}, Numbers: 1}
	var reasons []option
	for _, r := range stopReasons() {
		name := a.v.T("admin.stopped." + string(r))
		t.Rows = append(t.Rows, []cell{text(name), number(int64(counts[r]))})
		reasons = append(reasons, option{Value: string(r), Text: name})
	}
	act := a.textField("act", "stopped.act", a.PostForm.Get("act"))
	if act.Value == "" {
		act.Value = "stop"
	}
	act.Kind, act.Options = "radios", []option{{Value: "stop", Text: a.v.T("admin.stopped.stop")}, {Value: "lift", Text: a.v.T("admin.stopped.lift")}}
	b := &body{Title: a.v.T("admin.stopped"), Lead: a.v.T("admin.stopped.lead"), Back: a.toMessages(), Done: a.done(), Faults: faults, Blocks: []block{
		{Table: t},
		{Heading: a.v.T("admin.stopped.change"), Form: &formBlock{Action: Path + "/messages/stopped", Submit: a.v.T("admin.save"), Fields: []field{
			a.textField("to", "stopped.to", a.PostForm.Get("to")), act, a.selectField("reason", "why", a.PostForm.Get("reason"), reasons),
		}}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

func (h *handler) stopNumber(a *asked) (*body, error) {
	number, lift := strings.TrimSpace(a.PostForm.Get("to")), a.PostForm.Get("act") == "lift"
	err := error(vaccination.Errorf(vaccination.Invalid, "%s", a.v.T("admin.stopped.missing")))
	if number != "" {
		err = h.Messages.SuppressNumber(a.detached(), a.by, number, deliver.Reason(a.PostForm.Get("reason")), lift)
	}
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		return h.listStopped(a, []page.Fault{{Field: "to", Message: a.v.T("admin.stopped.not")}})
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		for i := range faults {
			faults[i].Field = "to"
		}
		return h.listStopped(a, faults)
	}
	done := "stopped"
	if lift {
		done = "unstopped"
	}
	return a.see("/messages/stopped", "done", done)
}
