package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
)

// likenesses adds the list of people who may be one, and what is said of them.
func (h *handler) likenesses(mux door.Mux) {
	may := access.MergePeople
	h.page(mux, "GET /likenesses", may, func(a *asked) (*body, error) { return h.listLikenesses(a, nil) })
	h.page(mux, "POST /likenesses", may, h.decideLikeness)
}

const likenessesPage = 100

func (h *handler) listLikenesses(a *asked, faults []page.Fault) (*body, error) {
	after, _ := strconv.ParseInt(a.URL.Query().Get("after"), 10, 64)
	list, err := h.Service.Likenesses(a.Context(), a.by, after, likenessesPage)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.likenesses"), Empty: a.v.T("admin.likenesses.none"), CSV: a.fileURL(),
		Head: []string{a.v.T("admin.number"), a.v.T("admin.likeness.one"), a.v.T("admin.likeness.other"), a.v.T("admin.dose"), a.v.T("admin.likeness.why"), a.v.T("admin.received")}}
	for _, l := range list {
		t.Rows = append(t.Rows, []cell{text(strconv.FormatInt(l.ID, 10)), certificate(l.Certificates[0]), certificate(l.Certificates[1]), text(doseOf(l)), text(h.whyAlike(a, l)), text(a.when(l.Found))})
	}
	if len(list) == likenessesPage {
		t.Next = Path + "/likenesses?after=" + strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	if a.wantsFile() {
		return a.file("likenesses", t)
	}
	b := &body{Title: a.v.T("admin.likenesses"), Lead: a.v.T("admin.likenesses.lead"), Done: a.done(), Faults: faults, Back: &link{a.v.T("admin.menu.holds"), Path + "/holds"}, Blocks: []block{{Table: t}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	if len(list) > 0 {
		decision := a.textField("decision", "decision", a.PostForm.Get("decision"))
		decision.Kind = "radios"
		decision.Options = []option{{Value: "one", Text: a.v.T("admin.likeness.merge")}, {Value: "two", Text: a.v.T("admin.likeness.distinct")}}
		b.Blocks = append(b.Blocks, block{Heading: a.v.T("admin.decision"), Form: &formBlock{
			Action: Path + "/likenesses", Submit: a.v.T("admin.decide"),
			Fields: []field{a.textField("pair", "number", a.PostForm.Get("pair")), decision, a.textField("reason", "reason", a.PostForm.Get("reason"))},
		}})
	}
	return b, nil
}

func doseOf(l issuance.Likeness) string {
	if l.Dose == 0 {
		return ""
	}
	return l.Programme + " " + strconv.Itoa(l.Dose)
}

// whyAlike says what speaks for one person, and what does not.
func (h *handler) whyAlike(a *asked, l issuance.Likeness) string {
	why := a.v.T("admin.likeness.like")
	if l.Same {
		why = a.v.T("admin.likeness.same")
	}
	if len(l.Differs) > 0 {
		why += " " + a.v.T("admin.likeness.differs", "fields", strings.Join(l.Differs, ", "))
	}
	return why
}

// decideLikeness says of a pair whether they are one.
func (h *handler) decideLikeness(a *asked) (*body, error) {
	id, _ := strconv.ParseInt(strings.TrimSpace(a.PostForm.Get("pair")), 10, 64)
	decision, reason := a.PostForm.Get("decision"), strings.TrimSpace(a.PostForm.Get("reason"))
	list, err := h.Service.Likenesses(a.Context(), a.by, id-1, 1)
	if err != nil {
		return nil, err
	}
	var faults []page.Fault
	if id < 1 || len(list) != 1 || list[0].ID != id {
		faults = append(faults, page.Fault{Field: "pair", Message: a.v.T("admin.likeness.gone")})
	}
	if decision != "one" && decision != "two" {
		faults = append(faults, page.Fault{Field: "decision", Message: a.v.T("admin.decision.none")})
	}
	if len(faults) > 0 {
		return h.listLikenesses(a, faults)
	}
	if decision == "one" {
		err = h.Service.Merge(a.detached(), a.by, list[0].Certificates[0], list[0].Certificates[1], reason)
	} else {
		err = h.Service.CloseLikeness(a.detached(), a.by, id, reason)
	}
	if err != nil {
		if faults, err = h.faults(err); err != nil {
			return nil, err
		}
		return h.listLikenesses(a, faults)
	}
	return a.see("/likenesses", "done", "likeness")
}
