package citizen

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/vdsnc"
	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/locale"
)

// export is a format that a certificate can be had in.
type export struct {
	Format, Name, For, Missing string
	Code                       bool // it has a code of its own
	Print                      bool // it has a form of its own to print
}

// exports are the formats that a certificate can be had in, and what stands
// against those that it cannot.
func (h *handler) exports(r *http.Request, c *issuance.Record) ([]export, error) {
	l := h.Frame.Locale(r)
	offers, err := h.Issuance.ExportsOf(r.Context(), c)
	if err != nil {
		return nil, err
	}
	var out []export
	for _, o := range offers {
		key := "my.export." + string(o.Format)
		if o.Refused == issuance.NotOffered || !l.Has(key) || o.Format == issuance.FormatRecovery && o.Refused == issuance.OtherKind {
			continue // a recovery is a word about tests alone
		}
		e := export{Format: string(o.Format), Name: l.T(key), For: l.T(key + ".for"), Code: o.Code && o.Possible() && o.Format != issuance.FormatCode, Print: o.Format == issuance.FormatICVP}
		switch {
		case o.Refused != "":
			e.Missing = l.T("my.refused." + o.Refused)
		case len(o.Missing) > 0:
			e.Missing = l.T("my.view.export.missing", "fields", h.fields(l, o.Missing))
		case o.Pilot:
			e.For += " " + l.T("my.view.export.pilot")
		}
		out = append(out, e)
	}
	// What they can have stands first.
	slices.SortStableFunc(out, func(a, b export) int { return cmp.Compare(min(1, len(a.Missing)), min(1, len(b.Missing))) })
	return out, nil
}

// fields names elements of a certificate, those that a page has a word for.
func (h *handler) fields(l *locale.Locale, paths []string) string {
	var out []string
	words := map[string]string{
		"test.type": "row.test", "test.date": "row.sample", "test.centre": "row.testCentre", "test.origin": "my.field.origin",
		vdsnc.LatinName: "my.field.latin", vdsnc.Passport: "my.field.passport", vdsnc.ProviderContact: "my.field.contact",
	}
	for _, path := range paths {
		key := words[path]
		if key == "" {
			key = "row." + path[strings.LastIndexByte(path, '.')+1:]
		}
		if l.Has(key) {
			path = l.T(key)
		}
		out = append(out, path)
	}
	return strings.Join(out, ", ")
}

func (h *handler) export(w http.ResponseWriter, r *http.Request, s *who.Session) {
	x, ok := h.exported(w, r, s)
	if ok {
		h.file(w, r, x.MediaType, x.FileName, x.Body, nil)
	}
}

// exportCode is the code of a format as an image.
func (h *handler) exportCode(w http.ResponseWriter, r *http.Request, s *who.Session) {
	x, ok := h.exported(w, r, s)
	if !ok {
		return
	}
	if x.Code == "" {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	data, err := h.Printer.CodePNG(x.Code)
	h.file(w, r, "image/png", "", data, err)
}

// exported makes a certificate in the format of the address.
func (h *handler) exported(w http.ResponseWriter, r *http.Request, s *who.Session) (*issuance.Exported, bool) {
	doses, index, ok := h.opened(w, r, s, "my-export")
	if !ok {
		return nil, false
	}
	x, err := h.Issuance.ExportOpened(r.Context(), s, doses[index], issuance.Format(r.PathValue("format")))
	if err != nil {
		h.fail(w, r, err)
		return nil, false
	}
	return x, true
}
