package desk

import (
	"context"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/vaccination"
)

// ICVPs says of the certificates of an opened record which can be printed as
// International Certificate of Vaccination or Prophylaxis.
func (s *Service) ICVPs(ctx context.Context, records []*issuance.Record) ([]bool, error) {
	out := make([]bool, len(records))
	for i, r := range records {
		offers, err := s.Issuance.ExportsOf(ctx, r)
		if err != nil {
			return nil, err
		}
		out[i] = slices.ContainsFunc(offers, func(o issuance.Offer) bool { return o.Format == issuance.FormatICVP && o.Possible() })
	}
	return out, nil
}

// ICVP is a certificate of an opened record in the form of annex 6 of the
// International Health Regulations (2005), to be signed and stamped. It is no
// numbered print: the code on it is that of the export, which is an entry of the
// audit.
func (s *Service) ICVP(ctx context.Context, by access.Caller, record string, id vaccination.CertificateID, size render.Size) ([]byte, error) {
	_, h, err := s.Record(ctx, by, record)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.Records, func(r *issuance.Record) bool { return r.ID == id })
	if i < 0 {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such certificate in this record")
	}
	e, err := s.Issuance.ExportRecord(ctx, by, h.Records[i], issuance.FormatICVP)
	if err != nil {
		return nil, err
	}
	return s.Printer.ICVP(h.Records[i], e, size)
}
