package desk

import (
	"net/http"

	"github.com/opendivoc/divoc/internal/access"
)

// icvp is a certificate in the international form, as a file to print.
func (h *handler) icvp(w http.ResponseWriter, r *http.Request, by access.Caller) {
	id, size, ok := h.paper(w, r, by)
	if !ok {
		return
	}
	data, err := h.Desk.ICVP(r.Context(), by, r.PathValue("name"), id, size)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writePDF(w, data, `inline; filename="icvp.pdf"`)
}
