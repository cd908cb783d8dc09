package admin

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/places"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// places adds the pages of the country's places of vaccination.
func (h *handler) places(mux door.Mux) {
	may := access.ManageProgrammes
	h.page(mux, "GET /places", may, func(a *asked) (*body, error) { return h.listPlaces(a, nil) })
	h.page(mux, "POST /places", may, h.importPlaces)
	h.page(mux, "GET /places/new", may, func(a *asked) (*body, error) { return h.placePage(a, places.Place{Active: true}, nil), nil })
	h.page(mux, "GET /places/{code}", may, h.showPlace)
	h.page(mux, "POST /places/new", may, h.putPlace)
}

const placesPage = 100

func (h *handler) listPlaces(a *asked, faults []page.Fault) (*body, error) {
	q := a.URL.Query()
	f := places.Filter{Search: strings.TrimSpace(q.Get("search")), All: q.Get("all") != "", After: q.Get("after"), Max: placesPage}
	if a.wantsFile() {
		f.Max, f.All = places.MaxPlaces, true
	}
	list, err := h.Places.List(a.Context(), a.by, f)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.places"), Empty: a.v.T("admin.places.none"), CSV: a.fileURL(),
		Head: []string{a.v.T("admin.facility"), a.v.T("admin.place.code"), a.v.T("admin.district"), a.v.T("admin.region"), a.v.T("admin.state")}}
	if a.wantsFile() { // as it is read again
		t.Head = places.Columns()
		for _, p := range list {
			t.Rows = append(t.Rows, []cell{text(p.Code), text(p.Name), text(p.Address), text(p.District), text(p.Region), text(p.Status())})
		}
		return a.file("facilities", t)
	}
	for _, p := range list {
		t.Rows = append(t.Rows, []cell{to(p.Name, Path+"/places/"+pathOf(p.Code)), text(p.Code), text(p.District), text(p.Region), a.tag("admin.place.", p.Status())})
	}
	if len(list) == placesPage {
		next := a.URL.Query()
		next.Set("after", list[len(list)-1].Code)
		t.Next = Path + "/places?" + next.Encode()
	}
	file := a.textField("file", "file", "")
	file.Kind = "file"
	b := &body{Title: a.v.T("admin.menu.places"), Lead: a.v.T("admin.places.lead"), Done: a.done(), Faults: faults, Blocks: []block{
		{Links: []link{{a.v.T("admin.place.new"), Path + "/places/new"}}},
		{Form: &formBlock{Action: Path + "/places", Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{
			a.textField("search", "place.search", f.Search), a.selectField("all", "state", q.Get("all"), []option{{Text: a.v.T("admin.place.active")}, {Value: "1", Text: a.v.T("admin.all")}}),
		}}},
		{Table: t},
		{Heading: a.v.T("admin.places.import"), Text: a.v.T("admin.places.import.text", "columns", strings.Join(places.Columns(), ", ")), Form: &formBlock{Action: Path + "/places", File: true, Submit: a.v.T("admin.places.import"), Fields: []field{file}}},
	}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

func (h *handler) placePage(a *asked, p places.Place, faults []page.Fault) *body {
	f := []field{a.textField("code", "place.code", p.Code), a.textField("name", "facility", p.Name), a.textField("address", "address", p.Address), a.textField("district", "district", p.District), a.textField("region", "region", p.Region),
		a.selectField("status", "state", p.Status(), []option{{Value: "active", Text: a.v.T("admin.place.active")}, {Value: "inactive", Text: a.v.T("admin.place.inactive")}})}
	title := p.Name
	if title == "" {
		title = a.v.T("admin.place.new")
	}
	b := &body{Title: title, Faults: faults, Back: &link{a.v.T("admin.menu.places"), Path + "/places"}, Blocks: []block{{Form: &formBlock{Action: Path + "/places/new", Submit: a.v.T("admin.save"), Fields: f}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b
}

func (h *handler) showPlace(a *asked) (*body, error) {
	p, err := h.Places.Get(a.Context(), a.by, a.PathValue("code"))
	if err != nil {
		return nil, err
	}
	return h.placePage(a, p, nil), nil
}

func (h *handler) putPlace(a *asked) (*body, error) {
	get := func(id string) string { return strings.TrimSpace(a.PostForm.Get(id)) }
	p := places.Place{Code: get("code"), Name: get("name"), Address: get("address"), District: get("district"), Region: get("region"), Active: get("status") != "inactive"}
	if _, err := h.Places.Put(a.detached(), a.by, []places.Place{p}); err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.placePage(a, p, faults), nil
	}
	return a.see("/places", "done", "place")
}

// importPlaces reads a table of places; all of it or nothing.
func (h *handler) importPlaces(a *asked) (*body, error) {
	a.Body = http.MaxBytesReader(a.w, a.Body, maxForm)
	f, _, err := a.FormFile("file")
	if err != nil {
		return h.listPlaces(a, []page.Fault{{Field: "file", Message: a.v.T("admin.file.missing")}})
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.TooLarge, "this is more than a form may hold")
	}
	list, err := places.Read(data)
	changed := 0
	if err == nil {
		changed, err = h.Places.Put(a.detached(), a.by, list)
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.listPlaces(a, faults)
	}
	b, err := h.listPlaces(a, nil)
	if b != nil {
		b.Done = a.v.T("admin.places.imported", "n", strconv.Itoa(len(list)), "changed", strconv.Itoa(changed))
	}
	return b, err
}
