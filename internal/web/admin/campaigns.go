package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

func (h *handler) listCampaigns(a *asked) (*body, error) {
	list, err := h.Messages.Campaigns(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.campaigns"), Empty: a.v.T("admin.campaigns.none"), CSV: a.fileURL(), Numbers: 4,
		Head: []string{a.v.T("admin.campaign"), a.v.T("admin.state"), a.v.T("admin.made"), a.v.T("admin.people"), a.v.T("admin.parts"), a.v.T("admin.cost"), a.v.T("admin.campaign.queued")}}
	for _, c := range list {
		t.Rows = append(t.Rows, []cell{to(c.Name, campaignPath(c.ID)), a.tag("admin.campaignstate.", campaignState(c)), text(a.when(c.MadeAt)), number(int64(c.People)), number(int64(c.Parts)), text(money(c.Cost, c.Currency)), number(int64(c.Queued))})
	}
	if a.wantsFile() {
		return a.file("campaigns", t)
	}
	return &body{Title: a.v.T("admin.campaigns"), Lead: a.v.T("admin.campaigns.lead"), Back: a.toMessages(), Blocks: []block{
		{Links: []link{{a.v.T("admin.campaign.new"), Path + "/messages/campaigns/new"}}}, {Table: t},
	}}, nil
}

// campaignState is a campaign's state as pages say it.
func campaignState(c deliver.Campaign) string {
	if c.Counting {
		return "counting"
	}
	return c.State
}

func campaignPath(id int64) string { return Path + "/messages/campaigns/" + strconv.FormatInt(id, 10) }

func (h *handler) campaignPage(a *asked, faults []page.Fault) *body {
	get, p := a.PostForm.Get, h.Service.Profile
	templates := []option{}
	for _, t := range []string{profile.MessageReady, profile.MessageCorrected, profile.MessageCampaign} {
		templates = append(templates, option{Value: t, Text: a.template(t)})
	}
	programmes := []option{{Text: a.v.T("admin.all")}}
	for _, key := range p.ProgrammeKeys() {
		programmes = append(programmes, option{Value: key, Text: p.ProgrammeName(key, h.lang(a))})
	}
	day := func(id string) field {
		f := a.textField(id, "campaign."+id, "")
		f.Kind, f.Date = "date", page.DateOf(a.PostForm, id)
		return f
	}
	fields := []field{a.textField("name", "campaign.name", get("name")), a.selectField("template", "template", get("template"), templates),
		a.selectField("programme", "programme", get("programme"), programmes), a.textField("source", "campaign.source", get("source")), day("from"), day("to")}
	for _, l := range p.Languages {
		f := a.textField("text-"+l, "campaign.text", get("text-"+l))
		f.Kind, f.Label = "area", a.v.T("admin.campaign.text", "language", l)
		fields = append(fields, f)
	}
	b := &body{Title: a.v.T("admin.campaign.new"), Lead: a.v.T("admin.campaign.new.lead"), Faults: faults, Back: &link{a.v.T("admin.campaigns"), Path + "/messages/campaigns"},
		Blocks: []block{{Form: &formBlock{Action: Path + "/messages/campaigns/new", Submit: a.v.T("admin.campaign.count"), Fields: fields}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b
}

// makeCampaign writes a draft down, which is counted beside; nothing is sent.
func (h *handler) makeCampaign(a *asked) (*body, error) {
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	n := deliver.NewCampaign{Name: get("name"), Template: get("template"), Filter: deliver.Filter{Programme: get("programme"), Source: get("source")}}
	if n.Template == profile.MessageCampaign {
		n.Texts = map[string]string{}
		for _, l := range h.Service.Profile.Languages {
			if t := get("text-" + l); t != "" {
				n.Texts[l] = t
			}
		}
	}
	var faults []page.Fault
	for id, into := range map[string]*time.Time{"from": &n.Filter.From, "to": &n.Filter.To} {
		day := page.DateOf(a.PostForm, id)
		if day == (page.DateParts{}) {
			continue
		}
		at, err := time.ParseInLocation(time.DateOnly, day.String(), h.Statistics.Zone)
		if err != nil {
			faults = append(faults, page.Fault{Field: id, Message: a.v.T("admin.date.wrong")})
		}
		*into = at
	}
	if len(faults) > 0 {
		return h.campaignPage(a, faults), nil
	}
	c, err := h.Messages.CreateCampaign(a.detached(), a.by, n)
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.campaignPage(a, faults), nil
	}
	return a.see("/messages/campaigns/"+strconv.FormatInt(c.ID, 10), "done", "campaign")
}

func (h *handler) campaign(a *asked) (c deliver.Campaign, err error) {
	id, err := a.number("campaign")
	if err != nil {
		return c, err
	}
	list, err := h.Messages.Campaigns(a.Context(), a.by)
	for _, c := range list {
		if c.ID == id {
			return c, nil
		}
	}
	if err == nil {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such campaign")
	}
	return c, err
}

// showCampaign is what a campaign would send to how many, and what it costs.
func (h *handler) showCampaign(a *asked, faults []page.Fault) (*body, error) {
	c, err := h.campaign(a)
	if err != nil {
		return nil, err
	}
	cost := money(c.Cost, c.Currency)
	if cost == "" {
		cost = a.v.T("admin.cost.unknown")
	}
	programme := a.v.T("admin.all")
	if c.Filter.Programme != "" {
		programme = h.Service.Profile.ProgrammeName(c.Filter.Programme, h.lang(a))
	}
	b := &body{Title: c.Name, Caption: a.v.T("admin.campaign"), Back: &link{a.v.T("admin.campaigns"), Path + "/messages/campaigns"}, Done: a.done(), Faults: faults, Blocks: []block{{Lines: []line{
		{a.v.T("admin.state"), a.tag("admin.campaignstate.", campaignState(c))}, {a.v.T("admin.people"), number(int64(c.People))}, {a.v.T("admin.parts"), number(int64(c.Parts))}, {a.v.T("admin.cost"), text(cost)},
		{a.v.T("admin.campaign.queued"), number(int64(c.Queued))}, {a.v.T("admin.template"), text(a.template(c.Template))}, {a.v.T("admin.programme"), text(programme)}, {a.v.T("admin.source"), text(c.Filter.Source)},
		{a.v.T("admin.campaign.from"), text(a.when(c.Filter.From))}, {a.v.T("admin.campaign.to"), text(a.when(c.Filter.To))}, {a.v.T("admin.asker"), text(c.MadeBy)}, {a.v.T("admin.approver"), text(c.Approved)},
	}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	if len(c.Speech) > 0 {
		t := &table{Caption: a.v.T("admin.campaign.languages"), Numbers: 5,
			Head: []string{a.v.T("admin.language"), a.v.T("admin.people"), a.v.T("admin.campaign.email"), a.v.T("admin.campaign.each"), a.v.T("admin.parts"), a.v.T("admin.cost")}}
		for _, s := range c.Speech {
			t.Rows = append(t.Rows, []cell{text(s.Language), number(int64(s.People)), number(int64(s.Email)), number(int64(s.Each.Parts)), number(int64(s.Parts)), text(money(s.Cost, c.Currency))})
		}
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.campaign.languages"), Text: a.v.T("admin.campaign.languages.text"), Table: t})
	}
	for _, l := range h.Service.Profile.Languages {
		t := c.Texts[l]
		if t == "" {
			t = h.Service.Profile.Message(l, c.Template)
		}
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.campaign.text", "language", l), Pre: t})
	}
	b.Blocks = append(b.Blocks, h.campaignActs(a, c)...)
	b.Blocks = append(b.Blocks, block{Links: []link{{a.v.T("admin.campaign.messages"), Path + "/messages?campaign=" + strconv.FormatInt(c.ID, 10)}}})
	return b, nil
}

func (h *handler) campaignActs(a *asked, c deliver.Campaign) []block {
	form := func(act string, danger bool) block {
		return block{Text: a.v.T("admin.campaign." + act + ".text"), Form: &formBlock{Action: campaignPath(c.ID), Submit: a.v.T("admin.campaign." + act), Danger: danger, Hidden: [][2]string{{"act", act}}}}
	}
	switch {
	case c.Counting:
		return []block{{Text: a.v.T("admin.campaign.counting"), Inset: true}, form("stop", true)}
	case c.State == "draft" && c.MadeBy == a.by.Actor:
		return []block{{Text: a.v.T("admin.campaign.other"), Inset: true}, form("stop", true)}
	case c.State == "draft":
		return []block{form("approve", false), form("stop", true)}
	case c.State == "running":
		return []block{form("stop", true)}
	}
	return nil
}

// changeCampaign approves a campaign, or stops it. What a campaign costs is seen
// on the page that the form is on.
func (h *handler) changeCampaign(a *asked) (*body, error) {
	c, err := h.campaign(a)
	if err != nil {
		return nil, err
	}
	act := a.PostForm.Get("act")
	switch act {
	case "approve":
		err = h.Messages.ApproveCampaign(a.detached(), a.by, c.ID)
	case "stop":
		err = h.Messages.StopCampaign(a.detached(), a.by, c.ID)
	default:
		return nil, vaccination.Errorf(vaccination.Invalid, "there is no such act")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.showCampaign(a, faults)
	}
	return a.see("/messages/campaigns/"+strconv.FormatInt(c.ID, 10), "done", "campaign."+act)
}
