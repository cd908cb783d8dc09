package admin

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// trustPath is where the pages of whose signatures count are, below the keys.
const trustPath = "/keys/trust"

// trust adds the pages of whose signatures count beside ours: lists are imported,
// their difference is looked at, and somebody applies it.
func (h *handler) trust(mux door.Mux) {
	if h.Trust == nil {
		return
	}
	may := access.ManageKeys
	h.page(mux, "GET "+trustPath, may, func(a *asked) (*body, error) { return h.listTrust(a, nil) })
	h.page(mux, "POST "+trustPath, may, h.fresh(h.importTrust))
	h.page(mux, "GET "+trustPath+"/{name}", may, func(a *asked) (*body, error) { return h.showTrust(a, nil) })
	h.page(mux, "POST "+trustPath+"/{name}", may, h.fresh(h.changeTrust))
	h.page(mux, "GET "+trustPath+"/{name}/{version}", may, func(a *asked) (*body, error) { return h.showTrustVersion(a, nil) })
	h.page(mux, "POST "+trustPath+"/{name}/{version}", may, h.fresh(h.decideTrust))
}

// age is how long ago a list was last found to be so.
func (h *handler) age(a *asked, s trustlist.Source) string {
	if s.Seen.IsZero() {
		return a.v.T("admin.none")
	}
	return a.v.T("admin.trust.ago", "hours", strconv.Itoa(int(s.Age(h.Now()).Hours())))
}

func (h *handler) trustState(a *asked, s trustlist.Source) cell {
	switch {
	case s.Waiting != 0:
		c := a.tag("admin.trust.state.", "waiting")
		c.URL = Path + trustPath + "/" + pathOf(s.Name) + "/" + strconv.FormatInt(s.Waiting, 10)
		return c
	case s.Fault != "":
		return a.tag("admin.trust.state.", "failed")
	case s.Version == 0:
		return a.tag("admin.trust.state.", "draft")
	}
	return a.tag("admin.trust.state.", "current")
}

func (h *handler) listTrust(a *asked, faults []page.Fault) (*body, error) {
	list, err := h.Trust.Sources(a.Context(), a.by)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.trust"), Empty: a.v.T("admin.trust.empty"), CSV: a.fileURL(), Numbers: 1, Head: []string{
		a.v.T("admin.trust.name"), a.v.T("admin.kind"), a.v.T("admin.state"), a.v.T("admin.trust.seen"), a.v.T("admin.trust.keys"),
	}}
	for _, s := range list {
		t.Rows = append(t.Rows, []cell{to(s.Name, Path+trustPath+"/"+pathOf(s.Name)), text(a.v.T("admin.trust.kind." + string(s.Kind))), h.trustState(a, s), text(h.age(a, s)), number(int64(s.Keys))})
	}
	if a.wantsFile() {
		return a.file("trust", t)
	}
	var kinds []option
	for _, k := range trustlist.Kinds() {
		kinds = append(kinds, option{Value: string(k), Text: a.v.T("admin.trust.kind." + string(k))})
	}
	b := &body{Title: a.v.T("admin.trust"), Lead: a.v.T("admin.trust.lead"), Done: a.done(), Faults: faults, Back: &link{a.v.T("admin.menu.keys"), Path + "/keys"}, Blocks: []block{
		{Table: t},
		{Heading: a.v.T("admin.trust.new"), Text: a.v.T("admin.trust.new.text"), Form: &formBlock{Action: Path + trustPath, File: true, Submit: a.v.T("admin.trust.import"), Fields: append(
			[]field{a.textField("name", "trust.name", a.PostForm.Get("name")), a.selectField("kind", "kind", a.PostForm.Get("kind"), kinds)}, h.trustFields(a, trustlist.Settings{})...)}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

// trustFields are the fields of what is set for a source, and of a list.
func (h *handler) trustFields(a *asked, set trustlist.Settings) []field {
	value := func(id, was string) string {
		if a.PostForm.Has(id) {
			return a.PostForm.Get(id)
		}
		return was
	}
	file := a.textField("file", "trust.file", "")
	file.Kind = "file"
	anchors := a.textField("anchors", "trust.anchors", value("anchors", set.Anchors))
	anchors.Kind = "area"
	loss, every := trustlist.DefaultMaxLoss, 0
	if set.Name != "" {
		loss, every = set.MaxLoss, set.EveryHours
	}
	return []field{
		file, a.textField("url", "trust.url", value("url", set.URL)), a.textField("issuer", "trust.issuer", value("issuer", set.Issuer)), a.textField("issuerName", "trust.issuerName", value("issuerName", set.IssuerName)),
		anchors, a.textField("every", "trust.every", value("every", strconv.Itoa(every))), a.textField("maxLoss", "trust.maxLoss", value("maxLoss", strconv.Itoa(loss))),
	}
}

// importTrust makes a source of a form and reads its first list.
func (h *handler) importTrust(a *asked) (*body, error) {
	set, data, faults, err := h.trustForm(a)
	if err != nil {
		return nil, err
	}
	if len(faults) == 0 {
		set.Name, set.Kind = strings.TrimSpace(a.PostForm.Get("name")), trustlist.Kind(a.PostForm.Get("kind"))
		var done *body
		if done, faults, err = h.proposeTrust(a, set, data); err != nil || len(faults) == 0 {
			return done, err
		}
	}
	return h.listTrust(a, faults)
}

// proposeTrust keeps the settings and reads a list, and shows what it changes.
func (h *handler) proposeTrust(a *asked, set trustlist.Settings, data []byte) (*body, []page.Fault, error) {
	err := h.Trust.Put(a.Context(), a.by, set)
	if err == nil && data == nil && set.URL == "" {
		b, err := a.see(trustPath+"/"+pathOf(set.Name), "done", "trust-settings")
		return b, nil, err
	}
	var p *trustlist.Proposal
	if err == nil {
		p, err = h.Trust.Propose(a.Context(), a.by, set.Name, data)
	}
	if err != nil {
		var e *vaccination.Error
		if errors.As(err, &e) && e.Code == vaccination.Unavailable { // the address, which the form can name anew
			return nil, []page.Fault{{Field: "url", Message: e.Message}}, nil
		}
		faults, err := h.faults(err)
		return nil, faults, err
	}
	to := trustPath + "/" + pathOf(set.Name)
	if p.Unchanged {
		b, err := a.see(to, "done", "trust-same")
		return b, nil, err
	}
	b, err := a.see(to + "/" + strconv.FormatInt(p.Version, 10))
	return b, nil, err
}

// trustForm reads a form with a file. data is nil where no file was sent.
func (h *handler) trustForm(a *asked) (set trustlist.Settings, data []byte, faults []page.Fault, err error) {
	a.Body = http.MaxBytesReader(a.w, a.Body, trustlist.MaxSize+maxForm)
	if err := a.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return set, nil, nil, vaccination.Errorf(vaccination.TooLarge, "this is more than a form may hold")
	}
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	set = trustlist.Settings{URL: get("url"), Issuer: get("issuer"), IssuerName: get("issuerName"), Anchors: get("anchors")}
	for id, into := range map[string]*int{"every": &set.EveryHours, "maxLoss": &set.MaxLoss} {
		n, err := strconv.Atoi(get(id))
		if err != nil {
			faults = append(faults, page.Fault{Field: id, Message: a.v.T("admin.value.wrong")})
		}
		*into = n
	}
	if f, _, err := a.FormFile("file"); err == nil {
		defer f.Close()
		if data, err = io.ReadAll(io.LimitReader(f, trustlist.MaxSize+1)); err != nil {
			faults = append(faults, page.Fault{Field: "file", Message: a.v.T("admin.value.wrong")})
		}
	}
	return set, data, faults, nil
}

func (h *handler) showTrust(a *asked, faults []page.Fault) (*body, error) {
	s, err := h.Trust.Source(a.Context(), a.by, a.PathValue("name"))
	if err != nil {
		return nil, err
	}
	versions, err := h.Trust.Versions(a.Context(), a.by, s.Name)
	if err != nil {
		return nil, err
	}
	here := Path + trustPath + "/" + pathOf(s.Name)
	t := &table{Caption: a.v.T("admin.trust.versions"), Empty: a.v.T("admin.none"), CSV: a.fileURL(), Numbers: 4, Head: []string{
		a.v.T("admin.number"), a.v.T("admin.state"), a.v.T("admin.when"), a.v.T("admin.who"), a.v.T("admin.trust.keys"), a.v.T("admin.trust.what.added"), a.v.T("admin.trust.what.removed"), a.v.T("admin.trust.what.changed"),
	}}
	for _, v := range versions {
		id, state := strconv.FormatInt(v.ID, 10), "retired"
		switch {
		case v.Waiting:
			state = "waiting"
		case v.Current:
			state = "current"
		}
		t.Rows = append(t.Rows, []cell{to(id, here+"/"+id), a.tag("admin.trust.state.", state), text(a.when(v.Made)), text(v.By), number(int64(v.Keys)), number(int64(v.Added)), number(int64(v.Removed)), number(int64(v.Changed))})
	}
	if a.wantsFile() {
		return a.file("trust-versions", t)
	}
	lines := []line{
		{a.v.T("admin.kind"), text(a.v.T("admin.trust.kind." + string(s.Kind)))}, {a.v.T("admin.state"), h.trustState(a, s)}, {a.v.T("admin.trust.keys"), number(int64(s.Keys))},
		{a.v.T("admin.trust.seen"), text(h.age(a, s))},
	}
	if s.Fault != "" {
		lines = append(lines, line{a.v.T("admin.trust.fault"), text(s.Fault)})
	}
	b := &body{Title: s.Name, Caption: a.v.T("admin.trust"), Faults: faults, Done: a.done(), Back: &link{a.v.T("admin.trust"), Path + trustPath}, Blocks: []block{
		{Lines: lines}, {Table: t},
		{Heading: a.v.T("admin.trust.import"), Text: a.v.T("admin.trust.new.text"), Form: &formBlock{Action: here, File: true, Submit: a.v.T("admin.trust.import"), Hidden: [][2]string{{"act", "import"}}, Fields: h.trustFields(a, s.Settings)}},
		{Heading: a.v.T("admin.trust.remove"), Text: a.v.T("admin.trust.remove.text"), Form: &formBlock{Action: here, Submit: a.v.T("admin.trust.remove"), Danger: true, Hidden: [][2]string{{"act", "remove"}}, Fields: []field{a.textField("sure", "trust.remove.sure", "")}}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

// changeTrust imports another list of a source, or ends it.
func (h *handler) changeTrust(a *asked) (*body, error) {
	s, err := h.Trust.Source(a.Context(), a.by, a.PathValue("name"))
	if err != nil {
		return nil, err
	}
	set, data, faults, err := h.trustForm(a)
	if err != nil {
		return nil, err
	}
	if a.PostForm.Get("act") == "remove" {
		if strings.TrimSpace(a.PostForm.Get("sure")) != s.Name {
			return h.showTrust(a, []page.Fault{{Field: "sure", Message: a.v.T("admin.trust.remove.wrong")}})
		}
		if err := h.Trust.Remove(a.Context(), a.by, s.Name); err != nil {
			return nil, err
		}
		return a.see(trustPath, "done", "trust-remove")
	}
	if len(faults) == 0 {
		set.Name, set.Kind = s.Name, s.Kind
		var done *body
		if done, faults, err = h.proposeTrust(a, set, data); err != nil || len(faults) == 0 {
			return done, err
		}
	}
	return h.showTrust(a, faults)
}

// changesOnPage bounds the lines of a difference on a page; the file has all.
const changesOnPage = 200

func (h *handler) showTrustVersion(a *asked, faults []page.Fault) (*body, error) {
	id, err := strconv.ParseInt(a.PathValue("version"), 10, 64)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	v, changes, err := h.Trust.Difference(a.Context(), a.by, id)
	if err != nil {
		return nil, err
	}
	s, err := h.Trust.Source(a.Context(), a.by, a.PathValue("name"))
	if err != nil || v.Source != s.Name {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	t := &table{Caption: a.v.T("admin.trust.difference"), Empty: a.v.T("admin.trust.difference.none"), CSV: a.fileURL(), Head: []string{
		a.v.T("admin.trust.what"), a.v.T("admin.trust.of"), a.v.T("admin.key"), a.v.T("admin.trust.usage"), a.v.T("admin.trust.from"), a.v.T("admin.ends"), a.v.T("admin.trust.fingerprint"),
	}}
	day := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Format(time.DateOnly)
	}
	row := func(what cell, k trustlist.Key) {
		usage := make([]string, len(k.Usage))
		for i, u := range k.Usage {
			usage[i] = string(u)
		}
		switch {
		case k.Withdraws > 0:
			usage = []string{a.v.T("admin.trust.withdraws", "number", strconv.Itoa(k.Withdraws))}
		case len(usage) == 0:
			usage = []string{a.v.T("admin.trust.everything")}
		}
		t.Rows = append(t.Rows, []cell{what, text(k.Issuer), text(cut(k.Key, 60)), text(strings.Join(usage, ", ")), text(day(k.From)), text(day(k.Until)), text(cut(k.Fingerprint, 16))})
	}
	for i, c := range changes {
		if i == changesOnPage && !a.wantsFile() {
			break
		}
		what := a.tag("admin.trust.what.", c.What)
		what.Tag = map[string]string{"added": "green", "removed": "red", "changed": "yellow"}[c.What]
		row(what, c.Key)
		if c.Was != nil {
			row(text(a.v.T("admin.trust.was")), *c.Was)
		}
	}
	if a.wantsFile() {
		return a.file("trust-difference", t)
	}
	signed := "admin.trust.unsigned"
	if v.Signed {
		signed = "admin.trust.signed"
	}
	b := &body{Title: a.v.T("admin.trust.version", "number", strconv.FormatInt(v.ID, 10)), Caption: v.Source, Faults: faults, Done: a.done(), Back: &link{v.Source, Path + trustPath + "/" + pathOf(v.Source)}, Blocks: []block{
		{Lines: []line{
			{a.v.T("admin.trust.keys"), number(int64(v.Keys))}, {a.v.T("admin.trust.what.removed"), number(int64(v.Removed))}, {a.v.T("admin.trust.what.changed"), number(int64(v.Changed))}, {a.v.T("admin.trust.what.added"), number(int64(v.Added))},
			{a.v.T("admin.trust.signature"), text(a.v.T(signed))}, {a.v.T("admin.when"), text(a.when(v.Made))}, {a.v.T("admin.who"), text(v.By)},
		}},
		{Table: t},
	}}
	if len(changes) > changesOnPage {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.trust.more", "number", strconv.Itoa(len(changes)-changesOnPage))})
	}
	if len(v.LeftOut) > 0 {
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.trust.leftout"), Pre: strings.Join(v.LeftOut, "\n")})
	}
	act := func(act string, danger bool) block {
		return block{Heading: a.v.T("admin.trust." + act), Text: a.v.T("admin.trust." + act + ".text"), Form: &formBlock{Action: a.URL.Path, Submit: a.v.T("admin.trust." + act), Danger: danger, Hidden: [][2]string{{"act", act}}}}
	}
	switch {
	case v.Waiting:
		b.Blocks = append(b.Blocks, act("apply", false), act("refuse", true))
	case s.Version != v.ID:
		b.Blocks = append(b.Blocks, act("revert", true))
	}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

// decideTrust applies a version that waits, drops it, or goes back to one.
func (h *handler) decideTrust(a *asked) (*body, error) {
	name, act := a.PathValue("name"), a.PostForm.Get("act")
	id, err := strconv.ParseInt(a.PathValue("version"), 10, 64)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	switch act {
	case "apply":
		err = h.Trust.Apply(a.Context(), a.by, id)
	case "revert":
		err = h.Trust.Revert(a.Context(), a.by, id)
	case "refuse":
		err = h.Trust.Refuse(a.Context(), a.by, id)
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.showTrustVersion(a, faults)
	}
	return a.see(trustPath+"/"+pathOf(name), "done", "trust-"+act)
}
