package desk

import (
	"net/http"
	"strconv"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/render"
)

// icvp is a certificate in the international form, as a file to print. The
// certificate is told by its place in the record.
func (h *handler) icvp(w http.ResponseWriter, r *http.Request, by access.Caller) {
	name, q := r.PathValue("name"), r.URL.Query()
	_, holder, err := h.Desk.Record(r.Context(), by, name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	n, err := strconv.Atoi(q.Get("n"))
	size := render.Size(q.Get("size"))
	if err != nil || n < 0 || n >= len(holder.Records) || !size.Valid() {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	data, err := h.Desk.ICVP(r.Context(), by, name, holder.Records[n].ID, size)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writePDF(w, data, `inline; filename="icvp.pdf"`)
}
