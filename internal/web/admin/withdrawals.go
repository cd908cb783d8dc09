package admin

import (
	"crypto/rand"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// withdrawals adds the pages to withdraw many certificates at once.
func (h *handler) withdrawals(mux door.Mux) {
	may := access.WithdrawMany
	h.page(mux, "GET /withdrawals", may, h.listWithdrawals)
	h.page(mux, "POST /withdrawals", may, h.fresh(h.askWithdrawal))
	h.page(mux, "GET /withdrawals/new", may, h.newWithdrawal)
	h.page(mux, "GET /withdrawals/{id}", may, h.showWithdrawal)
	h.page(mux, "POST /withdrawals/{id}/{decision}", may, h.fresh(h.decideWithdrawal))
}

func (h *handler) listWithdrawals(a *asked) (*body, error) {
	before, _ := strconv.ParseInt(a.URL.Query().Get("before"), 10, 64)
	list, err := h.Bulk.List(a.Context(), a.by, before)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.withdrawals"), Empty: a.v.T("admin.withdrawals.none"), CSV: a.fileURL(), Numbers: 3,
		Head: []string{a.v.T("admin.number"), a.v.T("admin.act"), a.v.T("admin.state"), a.v.T("admin.reason"), a.v.T("admin.asker"), a.v.T("admin.when"), a.v.T("admin.meant"), a.v.T("admin.changed"), a.v.T("admin.skipped")}}
	for _, w := range list {
		id := strconv.FormatInt(w.ID, 10)
		t.Rows = append(t.Rows, []cell{
			to(id, Path+"/withdrawals/"+id), text(a.v.T("admin.act." + string(w.Act))), a.tag("admin.withdrawal.", string(w.State)), text(w.Reason), text(w.By), text(a.when(w.At)), number(w.Found), number(w.Changed), number(w.Skipped),
		})
	}
	if len(list) == 100 {
		t.Next = Path + "/withdrawals?before=" + strconv.FormatInt(list[99].ID, 10)
	}
	if a.wantsFile() {
		return a.file("withdrawals", t)
	}
	return &body{Title: a.v.T("admin.menu.withdrawals"), Lead: a.v.T("admin.withdrawals.lead"), Blocks: []block{
		{Links: []link{{a.v.T("admin.withdrawals.new"), Path + "/withdrawals/new"}}}, {Table: t},
	}}, nil
}

func (h *handler) newWithdrawal(a *asked) (*body, error) {
	if !h.Fresh(a.Request) { // before anything is typed
		h.Again(a.w, a.Request)
		return nil, nil
	}
	return h.withdrawalPage(a, nil), nil
}

func (h *handler) withdrawalPage(a *asked, faults []page.Fault) *body {
	value := func(id, key string) field { return a.textField(id, key, a.PostForm.Get(id)) }
	act := a.selectField("act", "act", a.PostForm.Get("act"), nil)
	for _, x := range []string{"revoke", "suspend", "lift"} {
		act.Options = append(act.Options, option{Value: x, Text: a.v.T("admin.act." + x)})
	}
	ids := value("ids", "ids")
	ids.Kind = "area"
	file := a.textField("file", "ids.file", "")
	file.Kind = "file"
	day := func(id string) field {
		f := a.textField(id, id, "")
		f.Kind, f.Date = "date", page.DateOf(a.PostForm, id)
		return f
	}
	once := a.PostForm.Get("once")
	if once == "" {
		once = rand.Text()
	}
	b := &body{Title: a.v.T("admin.withdrawals.new"), Lead: a.v.T("admin.withdrawals.new.lead"), Faults: faults, Back: &link{a.v.T("admin.menu.withdrawals"), Path + "/withdrawals"}, Blocks: []block{{Form: &formBlock{
		Action: Path + "/withdrawals", File: true, Submit: a.v.T("admin.withdrawals.look"), Hidden: [][2]string{{"once", once}},
		Fields: []field{act, value("reason", "reason"), ids, file, value("lot", "lot"), value("facility", "facility"), value("source", "source"), value("actor", "issuer"), day("since"), day("until")},
	}}}}
	if len(faults) > 0 {
		b.Status = 422
	}
	return b
}

// askWithdrawal begins a withdrawal by a list or by what certificates have in
// common. It changes nothing.
func (h *handler) askWithdrawal(a *asked) (*body, error) {
	a.Body = http.MaxBytesReader(a.w, a.Body, maxForm)
	if err := a.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, vaccination.Errorf(vaccination.TooLarge, "this is more than a form may hold")
	}
	r, faults := h.withdrawalOf(a)
	if len(faults) > 0 {
		return h.withdrawalPage(a, faults), nil
	}
	id, err := h.Bulk.Ask(a.detached(), a.by, r)
	if err != nil {
		if faults, err = h.faults(err); err != nil {
			return nil, err
		}
		return h.withdrawalPage(a, faults), nil
	}
	return a.see("/withdrawals/" + strconv.FormatInt(id, 10))
}

// withdrawalOf reads the form.
func (h *handler) withdrawalOf(a *asked) (bulk.Request, []page.Fault) {
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	r := bulk.Request{Act: vaccination.Act(get("act")), Reason: get("reason"), Once: get("once")}
	var faults []page.Fault
	list := get("ids")
	if f, _, err := a.FormFile("file"); err == nil {
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxForm))
		if err != nil {
			faults = append(faults, page.Fault{Field: "file", Message: a.v.T("admin.value.wrong")})
		}
		list += "\n" + string(data)
	}
	ids, wrong := idsOf(list)
	if wrong > 0 {
		faults = append(faults, page.Fault{Field: "ids", Message: a.v.T("admin.ids.wrong", "line", strconv.Itoa(wrong))})
	}
	r.IDs = ids
	f := bulk.Filter{Lot: get("lot"), Facility: get("facility"), Source: get("source"), Actor: get("actor")}
	for id, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		d := page.DateOf(a.PostForm, id)
		if d == (page.DateParts{}) {
			continue
		}
		day, err := time.ParseInLocation(time.DateOnly, d.String(), h.Statistics.Zone)
		if err != nil {
			faults = append(faults, page.Fault{Field: id, Message: a.v.T("admin.date.wrong")})
		}
		if *to = day; id == "until" {
			*to = day.AddDate(0, 0, 1)
		}
	}
	if f != (bulk.Filter{}) {
		r.Filter = &f
	}
	return r, faults
}

// idsOf reads certificate ids from lines, or from the first column of a table with
// or without a header. wrong is the first line that holds none, 0 for no such.
func idsOf(list string) (ids []vaccination.CertificateID, wrong int) {
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(list, "\xef\xbb\xbf")))
	in.FieldsPerRecord, in.LazyQuotes, in.TrimLeadingSpace = -1, true, true
	seen := map[vaccination.CertificateID]bool{}
	for first := true; ; first = false {
		row, err := in.Read()
		if err != nil {
			return ids, wrong
		}
		value := strings.TrimSpace(row[0])
		id, err := vaccination.ParseCertificateID(value)
		switch {
		case err != nil && first && len(row) >= 1 && !strings.ContainsAny(value, "0123456789"): // a header
		case err != nil && wrong == 0:
			wrong, _ = in.FieldPos(0)
		case err == nil && !seen[id]:
			seen[id] = true
			ids = append(ids, id)
		}
	}
}

func (h *handler) withdrawal(a *asked) (bulk.Info, error) {
	id, err := strconv.ParseInt(a.PathValue("id"), 10, 64)
	if err != nil {
		return bulk.Info{}, vaccination.Errorf(vaccination.NotFound, "there is no such withdrawal")
	}
	return h.Bulk.Get(a.Context(), a.by, id)
}

func (h *handler) showWithdrawal(a *asked) (*body, error) {
	w, err := h.withdrawal(a)
	if err != nil {
		return nil, err
	}
	return h.withdrawalShown(a, w, nil)
}

func (h *handler) withdrawalShown(a *asked, w bulk.Info, faults []page.Fault) (*body, error) {
	after, _ := vaccination.ParseCertificateID(a.URL.Query().Get("after"))
	items, err := h.Bulk.Items(a.Context(), a.by, w.ID, after)
	if err != nil {
		return nil, err
	}
	t := h.itemsTable(a, w, items)
	if a.wantsFile() {
		for len(items) == pageItems { // the file has all of them
			if items, err = h.Bulk.Items(a.Context(), a.by, w.ID, items[len(items)-1].ID); err != nil {
				return nil, err
			}
			t.Rows = append(t.Rows, h.itemsTable(a, w, items).Rows...)
		}
		return a.file("withdrawal-"+strconv.FormatInt(w.ID, 10), t)
	}
	b := &body{Title: a.v.T("admin.withdrawal", "n", strconv.FormatInt(w.ID, 10)), Done: a.done(), Faults: faults, Back: &link{a.v.T("admin.menu.withdrawals"), Path + "/withdrawals"}}
	if len(faults) > 0 {
		b.Status = 422
	}
	what := a.v.T("admin.withdrawal.list")
	if w.Filter != nil {
		what = w.Filter.String()
	}
	lines := []line{
		{a.v.T("admin.state"), a.tag("admin.withdrawal.", string(w.State))},
		{a.v.T("admin.act"), text(a.v.T("admin.act." + string(w.Act)))},
		{a.v.T("admin.reason"), text(w.Reason)},
		{a.v.T("admin.withdrawal.which"), text(what)},
		{a.v.T("admin.asker"), text(w.By + ", " + a.when(w.At))},
		{a.v.T("admin.looked"), number(w.Looked)},
		{a.v.T("admin.meant"), number(w.Found)},
		{a.v.T("admin.changed"), number(w.Changed)},
		{a.v.T("admin.skipped"), number(w.Skipped)},
	}
	if w.Decider != "" {
		lines = append(lines, line{a.v.T("admin.decider"), text(w.Decider + ", " + a.when(w.Decided))})
	}
	b.Blocks = append(b.Blocks, block{Lines: lines})
	b.Blocks = append(b.Blocks, h.onWithdrawal(a, w)...)
	b.Blocks = append(b.Blocks, block{Table: t})
	return b, nil
}

// pageItems is how many certificates of a withdrawal are read at once.
const pageItems = 500

// onWithdrawal is what can be done with a withdrawal now.
func (h *handler) onWithdrawal(a *asked, w bulk.Info) []block {
	path := a.URL.Path
	if a.Method != "GET" {
		path = Path + "/withdrawals/" + strconv.FormatInt(w.ID, 10)
	}
	refuse := block{Form: &formBlock{Action: path + "/refuse", Submit: a.v.T("admin.withdrawal.refuse"), Inline: true, Fields: []field{a.textField("reason", "reason", "")}}}
	switch w.State {
	case bulk.Looking:
		return []block{{Text: a.v.T("admin.withdrawal.looking.text"), Inset: true}, {Links: []link{{a.v.T("admin.again"), path}}}, refuse}
	case bulk.Approved:
		return []block{{Live: &live{Done: w.Changed + w.Skipped, Size: w.Found, Text: a.v.T("admin.withdrawal.approved.text", "done", strconv.FormatInt(w.Changed, 10), "all", strconv.FormatInt(w.Found, 10))}}, {Links: []link{{a.v.T("admin.again"), path}}}}
	case bulk.Ready:
		if w.By == a.by.Actor {
			return []block{{Text: a.v.T("admin.withdrawal.wait", "time", a.when(w.Expires())), Inset: true}, refuse}
		}
		return []block{
			{Text: a.v.T("admin.withdrawal.approve.text", "n", strconv.FormatInt(w.Found, 10), "time", a.when(w.Expires())), Inset: true},
			{Form: &formBlock{Action: path + "/approve", Submit: a.v.T("admin.withdrawal.approve"), Danger: true, Hidden: [][2]string{{"found", strconv.FormatInt(w.Found, 10)}}}}, refuse,
		}
	}
	return nil
}

func (h *handler) itemsTable(a *asked, w bulk.Info, items []bulk.Item) *table {
	t := &table{Caption: a.v.T("admin.meant"), Empty: a.v.T("admin.withdrawal.nothing"), CSV: a.fileURL(),
		Head: []string{a.v.T("admin.certificate"), a.v.T("admin.status"), a.v.T("admin.programme"), a.v.T("admin.dose"), a.v.T("admin.source"), a.v.T("admin.issued"), a.v.T("admin.state"), a.v.T("admin.why")}}
	for _, i := range items {
		dose := ""
		if i.Dose > 0 {
			dose = strconv.Itoa(i.Dose)
		}
		why := i.Why
		if key := "admin.why." + i.Why; a.v.Has(key) {
			why = a.v.T(key)
		}
		status := cell{}
		if i.Status != "" {
			status = a.tag("status.", string(i.Status))
		}
		t.Rows = append(t.Rows, []cell{certificate(i.ID), status, text(i.Programme), text(dose), text(i.Source), text(a.when(i.Issued)), a.tag("admin.item.", i.State), text(why)})
	}
	if len(items) == pageItems {
		t.Next = Path + "/withdrawals/" + strconv.FormatInt(w.ID, 10) + "?after=" + items[len(items)-1].ID.String()
	}
	return t
}

func (h *handler) decideWithdrawal(a *asked) (*body, error) {
	w, err := h.withdrawal(a)
	if err != nil {
		return nil, err
	}
	decision := a.PathValue("decision")
	switch decision {
	case "approve":
		found, convert := strconv.ParseInt(a.PostForm.Get("found"), 10, 64)
		if convert != nil {
			found = -1
		}
		err = h.Bulk.Approve(a.detached(), a.by, w.ID, found)
	case "refuse":
		err = h.Bulk.Refuse(a.detached(), a.by, w.ID, strings.TrimSpace(a.PostForm.Get("reason")))
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		if w, err = h.withdrawal(a); err != nil {
			return nil, err
		}
		return h.withdrawalShown(a, w, faults)
	}
	return a.see("/withdrawals/"+strconv.FormatInt(w.ID, 10), "done", decision)
}
