package admin

import (
	"net/http"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// keys adds the page of the signing keys.
func (h *handler) keys(mux door.Mux) {
	h.page(mux, "GET /keys", access.ManageKeys, func(a *asked) (*body, error) { return h.listKeys(a, nil) })
	h.page(mux, "POST /keys/{act}", access.ManageKeys, h.fresh(h.changeKeys))
}

func (h *handler) listKeys(a *asked, faults []page.Fault) (*body, error) {
	t := &table{Caption: a.v.T("admin.menu.keys"), CSV: a.fileURL(), Head: []string{a.v.T("admin.key"), a.v.T("admin.kind"), a.v.T("admin.state"), a.v.T("admin.made"), a.v.T("admin.ends"), a.v.T("admin.subject")}}
	var retire []option
	for _, k := range h.Service.Keys.List() {
		ends := ""
		if !k.NotAfter.IsZero() {
			ends = k.NotAfter.Format(time.DateOnly)
		}
		t.Rows = append(t.Rows, []cell{text(k.ID), text(a.v.T("admin.keykind." + string(k.Kind))), a.tag("admin.keystate.", string(k.State)), text(k.Created.Format(time.DateOnly)), text(ends), text(k.Subject)})
		if k.State != keyring.StateRetired {
			retire = append(retire, option{Value: k.ID, Text: a.v.T("admin.keykind."+string(k.Kind)) + " " + cut(k.ID, 20)})
		}
	}
	if a.wantsFile() {
		return a.file("keys", t)
	}
	b := &body{Title: a.v.T("admin.menu.keys"), Lead: a.v.T("admin.keys.lead"), Done: a.done(), Faults: faults, Blocks: []block{
		{Table: t},
		{Links: []link{{a.v.T("admin.trust"), Path + trustPath}, {a.v.T("admin.trust.bundle"), "/trust/bundle.json"}, {a.v.T("admin.trust.did"), "/.well-known/did.json"}}},
		{Heading: a.v.T("admin.rotate"), Text: a.v.T("admin.rotate.text"), Form: &formBlock{Action: Path + "/keys/rotate", Submit: a.v.T("admin.rotate"), Fields: []field{
			a.selectField("set", "keyset", "", []option{{Value: "signing", Text: a.v.T("admin.keyset.signing")}, {Value: "document", Text: a.v.T("admin.keyset.document")}, {Value: "divoc", Text: a.v.T("admin.keyset.divoc")}}),
		}}},
		{Heading: a.v.T("admin.retire"), Text: a.v.T("admin.retire.text"), Form: &formBlock{Action: Path + "/keys/retire", Submit: a.v.T("admin.retire"), Danger: true, Fields: []field{a.selectField("key", "key", "", retire), a.textField("sure", "retire.sure", "")}}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

// changeKeys makes new keys, or ends one. The act is recorded before it is done:
// the key file is outside every transaction.
func (h *handler) changeKeys(a *asked) (*body, error) {
	act := a.PathValue("act")
	var object string
	var do func() error
	switch act {
	case "rotate":
		object = a.PostForm.Get("set")
		do = func() error { return h.Service.Keys.Rotate(a.detached(), object) }
		if object != "signing" && object != "document" && object != "divoc" {
			return nil, vaccination.Errorf(vaccination.Invalid, "there is no such set of keys")
		}
	case "retire":
		object = a.PostForm.Get("key")
		if !h.known(object) || a.PostForm.Get("sure") != object[:min(5, len(object))] {
			return h.listKeys(a, []page.Fault{{Field: "sure", Message: a.v.T("admin.retire.wrong")}})
		}
		do = func() error { return h.Service.Keys.Retire(a.detached(), object) }
	default:
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such page")
	}
	err := registry.Audit(a.Context(), h.Service.Store.Read(), h.Now().UTC(), a.by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "keys." + act, Object: object})
	if err == nil {
		err = do()
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.listKeys(a, faults)
	}
	return a.see("/keys", "done", act)
}

func (h *handler) known(id string) bool {
	for _, k := range h.Service.Keys.List() {
		if k.ID == id {
			return true
		}
	}
	return false
}
