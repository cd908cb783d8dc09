package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// staff adds the pages of who works here. Whoever runs a facility's desk sees
// those of their facility, and manages who works at the desk. Every change asks
// for a proof of minutes ago.
func (h *handler) staff(mux door.Mux) {
	if h.Staff == nil {
		return
	}
	may := access.ManageStaff
	h.page(mux, "GET /staff", may, h.listStaff)
	h.page(mux, "GET /staff/new", may, h.fresh(func(a *asked) (*body, error) { return h.invitePage(a, nil), nil }))
	h.page(mux, "POST /staff/new", may, h.fresh(h.invite))
	h.page(mux, "GET /staff/{id}", may, func(a *asked) (*body, error) { return h.showStaff(a, "", nil) })
	h.page(mux, "POST /staff/{id}", may, h.fresh(h.changeStaff))
}

func (h *handler) listStaff(a *asked) (*body, error) {
	list, err := h.Staff.List(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	q := a.URL.Query()
	role, state := q.Get("role"), q.Get("state")
	t := &table{Caption: a.v.T("admin.menu.staff"), Empty: a.v.T("admin.staff.none"), CSV: a.fileURL(),
		Head: []string{a.v.T("admin.name"), a.v.T("admin.login"), a.v.T("admin.role"), a.v.T("admin.facility"), a.v.T("admin.state"), a.v.T("admin.seen"), a.v.T("admin.number")}}
	for _, m := range list {
		if role != "" && role != string(m.Role) || state != "" && state != string(m.State) {
			continue
		}
		t.Rows = append(t.Rows, []cell{to(m.Name, memberPath(m.ID)), text(m.Login), text(a.v.T("role." + string(m.Role))), text(m.Facility), a.tag("admin.staff.", string(m.State)), text(a.when(m.Seen)), text(m.Actor())})
	}
	if a.wantsFile() {
		return a.file("staff", t)
	}
	roles := []option{{Text: a.v.T("admin.all")}}
	for _, r := range staff.Roles() {
		roles = append(roles, option{Value: string(r), Text: a.v.T("role." + string(r))})
	}
	states := []option{{Text: a.v.T("admin.all")}}
	for _, s := range []staff.State{staff.Invited, staff.Active, staff.Deactivated} {
		states = append(states, option{Value: string(s), Text: a.v.T("admin.staff." + string(s))})
	}
	return &body{Title: a.v.T("admin.menu.staff"), Lead: a.v.T("admin.staff.lead"), Blocks: []block{
		{Links: []link{{a.v.T("admin.staff.new"), Path + "/staff/new"}}},
		{Form: &formBlock{Action: Path + "/staff", Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{a.selectField("role", "role", role, roles), a.selectField("state", "state", state, states)}}},
		{Table: t},
	}}, nil
}

func memberPath(id int64) string { return Path + "/staff/" + strconv.FormatInt(id, 10) }

// grantable are the roles that somebody may give.
func (a *asked) grantable() []option {
	var out []option
	for _, r := range staff.Roles() {
		if a.by.Role != access.FacilityAdmin || r == access.FacilityStaff {
			out = append(out, option{Value: string(r), Text: a.v.T("role." + string(r))})
		}
	}
	return out
}

// where is the field of a facility; who runs one names no other.
func (a *asked) where(value string) field {
	if a.by.Role == access.FacilityAdmin && value == "" {
		value = a.by.Facility
	}
	return a.textField("facility", "staff.facility", value)
}

func (h *handler) invitePage(a *asked, faults []page.Fault) *body {
	get := a.PostForm.Get
	role := get("role")
	if role == "" {
		role = string(access.FacilityStaff)
	}
	b := &body{Title: a.v.T("admin.staff.new"), Lead: a.v.T("admin.staff.new.lead"), Faults: faults, Back: &link{a.v.T("admin.menu.staff"), Path + "/staff"}, Blocks: []block{
		{Form: &formBlock{Action: Path + "/staff/new", Submit: a.v.T("admin.staff.invite"), Fields: []field{
			a.textField("name", "staff.name", get("name")), a.textField("login", "login", get("login")), a.selectField("role", "role", role, a.grantable()), a.where(get("facility")),
		}}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b
}

// invite makes an account. Its link is in this one answer and nowhere else.
func (h *handler) invite(a *asked) (*body, error) {
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	n := staff.Invitee{Name: get("name"), Login: get("login"), Role: access.Role(get("role")), Facility: get("facility")}
	id, link, err := h.Staff.Invite(a.detached(), a.by, n)
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.invitePage(a, faults), nil
	}
	return h.linkPage(a, id, n.Name, link), nil
}

// linkPage shows a link, once.
func (h *handler) linkPage(a *asked, id int64, name, secret string) *body {
	return &body{Title: name, Caption: staff.Actor(id), Done: a.v.T("admin.staff.link.done"), Back: &link{a.v.T("admin.menu.staff"), Path + "/staff"}, Blocks: []block{
		{Text: a.v.T("admin.staff.link.text", "hours", strconv.Itoa(int(staff.LinkLife.Hours()))), Inset: true},
		{Heading: a.v.T("admin.staff.link"), Pre: h.Staff.LinkURL(secret)},
		{Heading: a.v.T("admin.staff.link.copy"), Pre: a.v.T("admin.staff.link.message", "name", name, "link", h.Staff.LinkURL(secret), "hours", strconv.Itoa(int(staff.LinkLife.Hours())))},
		{Links: []link{{a.v.T("admin.staff.link.on"), memberPath(id)}, {a.v.T("admin.staff.new"), Path + "/staff/new"}}},
	}}
}

func (a *asked) memberID() (int64, error) {
	id, err := strconv.ParseInt(a.PathValue("id"), 10, 64)
	if err != nil {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such member of staff")
	}
	return id, err
}

// showStaff is one member with what can be done about the account. done is what
// just was, where the address does not say it.
func (h *handler) showStaff(a *asked, done string, faults []page.Fault) (*body, error) {
	id, err := a.memberID()
	if err != nil {
		return nil, err
	}
	m, err := h.Staff.Get(a.Context(), a.by, id)
	if err != nil {
		return nil, err
	}
	if done == "" && len(faults) == 0 {
		done = a.done()
	}
	factors := a.v.T("admin.staff.factors", "password", a.v.T("admin.staff.password."+strconv.FormatBool(m.Password)), "passkeys", strconv.Itoa(m.Passkeys))
	b := &body{Title: m.Name, Caption: m.Actor(), Done: done, Faults: faults, Back: &link{a.v.T("admin.menu.staff"), Path + "/staff"}, Blocks: []block{{Lines: []line{
		{a.v.T("admin.login"), text(m.Login)}, {a.v.T("admin.role"), text(a.v.T("role." + string(m.Role)))}, {a.v.T("admin.facility"), text(m.Facility)}, {a.v.T("admin.state"), a.tag("admin.staff.", string(m.State))},
		{a.v.T("admin.staff.origin"), text(a.v.T("admin.staff.origin." + string(m.Origin)))}, {a.v.T("admin.staff.signs"), text(factors)}, {a.v.T("admin.made"), text(a.when(m.Created))}, {a.v.T("admin.changed"), text(a.when(m.Changed))},
	}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	switch {
	case a.by.Actor == m.Actor():
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.staff.self"), Inset: true})
	case a.by.Role == access.FacilityAdmin && m.Role != access.FacilityStaff:
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.staff.equal"), Inset: true})
	default:
		acts, err := h.staffActs(a, m)
		if err != nil {
			return nil, err
		}
		b.Blocks = append(b.Blocks, acts...)
	}
	return b, nil
}

// staffActs are the forms of what can be done about an account in its state.
func (h *handler) staffActs(a *asked, m staff.Member) ([]block, error) {
	form := func(act string, danger bool, fields ...field) block {
		return block{Heading: a.v.T("admin.staff.act." + act), Text: a.v.T("admin.staff.act." + act + ".text"),
			Form: &formBlock{Action: memberPath(m.ID), Submit: a.v.T("admin.staff.act." + act), Danger: danger, Hidden: [][2]string{{"act", act}}, Fields: fields}}
	}
	if m.State == staff.Deactivated {
		return []block{form("reactivate", false)}, nil
	}
	var out []block
	if m.Origin == staff.Local {
		role, facility := string(m.Role), m.Facility
		if a.PostForm.Get("act") == "role" {
			role, facility = a.PostForm.Get("role"), a.PostForm.Get("facility")
		}
		out = append(out, form("role", false, a.selectField("role", "role", role, a.grantable()), a.where(facility)), form("unlock", false), form("reset", false))
	}
	colleagues, err := h.Staff.List(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	heirs := []option{{Text: a.v.T("admin.staff.heir.none")}}
	for _, c := range colleagues {
		if c.ID != m.ID && c.State == staff.Active {
			heirs = append(heirs, option{Value: strconv.FormatInt(c.ID, 10), Text: c.Name + " (" + a.v.T("role."+string(c.Role)) + ")"})
		}
	}
	return append(out, form("deactivate", true), form("leave", true, a.selectField("heir", "staff.heir", a.PostForm.Get("heir"), heirs))), nil
}

// changeStaff does what one of the forms says.
func (h *handler) changeStaff(a *asked) (*body, error) {
	id, err := a.memberID()
	if err != nil {
		return nil, err
	}
	m, err := h.Staff.Get(a.Context(), a.by, id)
	if err != nil {
		return nil, err
	}
	act := a.PostForm.Get("act")
	switch act {
	case "role":
		err = h.Staff.SetRole(a.detached(), a.by, id, access.Role(a.PostForm.Get("role")), strings.TrimSpace(a.PostForm.Get("facility")))
	case "deactivate":
		err = h.Staff.Deactivate(a.detached(), a.by, id)
	case "reactivate":
		err = h.Staff.Reactivate(a.detached(), a.by, id)
	case "unlock":
		err = h.Staff.Unlock(a.detached(), a.by, id)
	case "reset":
		var secret string
		if secret, err = h.Staff.Reset(a.detached(), a.by, id); err == nil {
			return h.linkPage(a, id, m.Name, secret), nil
		}
	case "leave":
		var left staff.Left
		if left, err = h.leave(a, id); err == nil {
			return h.showStaff(a, a.v.T("admin.staff.left", "sessions", strconv.Itoa(left.Sessions), "tokens", strconv.Itoa(left.Tokens), "cases", strconv.Itoa(left.Handed)), nil)
		}
	default:
		return nil, vaccination.Errorf(vaccination.Invalid, "there is no such act")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.showStaff(a, "", faults)
	}
	return a.see("/staff/"+strconv.FormatInt(id, 10), "done", "staff."+act)
}

// leave ends an account and hands its work over.
func (h *handler) leave(a *asked, id int64) (staff.Left, error) {
	var heir int64
	if chosen := a.PostForm.Get("heir"); chosen != "" {
		var err error
		if heir, err = strconv.ParseInt(chosen, 10, 64); err != nil {
			return staff.Left{}, vaccination.Errorf(vaccination.Invalid, "there is no such colleague")
		}
	}
	return h.Staff.Leave(a.detached(), a.by, id, heir)
}
