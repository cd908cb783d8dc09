package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/web/door"
)

// settings adds the page of what holds for the whole system.
func (h *handler) settings(mux door.Mux) {
	h.page(mux, "GET /settings", access.ManageSettings, h.showSettings)
}

// changesShown is how many changes of settings the page lists.
const changesShown = 100

// showSettings says what the profile says, what was decided for this database,
// and who changed what. The profile is a file: it is changed there.
func (h *handler) showSettings(a *asked) (*body, error) {
	p := h.Service.Profile
	said := &table{Caption: a.v.T("admin.settings.profile"), Head: []string{a.v.T("admin.setting"), a.v.T("admin.value")}, CSV: a.fileURL("of", "profile")}
	add := func(key, value string) {
		if value == "" {
			value = a.v.T("admin.none")
		}
		said.Rows = append(said.Rows, []cell{text(a.v.T("admin.set." + key)), text(value)})
	}
	add("country", p.Country.Name+" ("+p.Country.Alpha3+")")
	add("issuer", p.IssuerName(h.lang(a)))
	add("languages", strings.Join(p.Languages, ", "))
	add("zone", p.TimeZone.String())
	add("programmes", strconv.Itoa(len(p.Programmes)))
	add("default", p.DefaultProgramme)
	age := p.MaxStatusAge.String()
	if days := p.MaxStatusAge / (24 * time.Hour); days > 1 && p.MaxStatusAge%(24*time.Hour) == 0 {
		age = a.v.T("admin.days", "count", strconv.Itoa(int(days)))
	}
	add("age", age)
	add("identity", strconv.FormatBool(p.IdentityInQR))
	add("divoc", p.DIVOCKey)
	q := h.Service.Store.Read()
	rows, err := q.Settings(a.Context())
	if err != nil {
		return nil, err
	}
	decided := &table{Caption: a.v.T("admin.settings.decided"), Head: []string{a.v.T("admin.setting"), a.v.T("admin.value")}, CSV: a.fileURL("of", "decided")}
	for _, r := range rows {
		decided.Rows = append(decided.Rows, []cell{text(r.Name), text(r.Value)})
	}
	acts, err := q.LatestActs(a.Context(), query.LatestActsParams{Acts: []string{registry.ActSetting, registry.ActSource, "source.settings", "source.mapping", "source.create", "keys.rotate", "keys.retire", "keys.import", "place", "layout.ask", "layout.approve", "layout.refuse"}, MaxRows: changesShown})
	if err != nil {
		return nil, err
	}
	changes := &table{Caption: a.v.T("admin.settings.changes"), Empty: a.v.T("admin.none"), Head: []string{a.v.T("admin.when"), a.v.T("admin.who"), a.v.T("admin.what"), a.v.T("admin.setting"), a.v.T("admin.value")}, CSV: a.fileURL("of", "changes")}
	for _, e := range acts {
		changes.Rows = append(changes.Rows, []cell{text(a.v.Time(e.At)), text(e.Actor), text(e.Act), text(e.Object), text(e.Detail)})
	}
	if a.wantsFile() {
		for name, t := range map[string]*table{"profile": said, "decided": decided, "changes": changes} {
			if a.URL.Query().Get("of") == name {
				return a.file(name, t)
			}
		}
	}
	return &body{Title: a.v.T("admin.menu.settings"), Lead: a.v.T("admin.settings.lead"), Blocks: []block{
		{Heading: a.v.T("admin.settings.profile"), Table: said}, {Heading: a.v.T("admin.settings.decided"), Table: decided}, {Heading: a.v.T("admin.settings.changes"), Table: changes},
	}}, nil
}
