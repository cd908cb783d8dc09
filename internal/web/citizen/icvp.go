package citizen

import (
	"net/http"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
)

// icvp is a certificate in the form of an International Certificate of Vaccination
// or Prophylaxis, to print.
func (h *handler) icvp(w http.ResponseWriter, r *http.Request, s *who.Session) {
	size := render.Size(r.URL.Query().Get("size"))
	if !size.Valid() {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	doses, index, ok := h.opened(w, r, s, "my-export")
	if !ok {
		return
	}
	x, err := h.Issuance.ExportOpened(r.Context(), s, doses[index], issuance.FormatICVP)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	data, err := h.Printer.ICVP(doses[index], x, size)
	h.file(w, r, "application/pdf", "icvp.pdf", data, err)
}
