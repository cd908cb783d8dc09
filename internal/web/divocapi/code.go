package divocapi

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
)

// code returns the image of a certificate's QR code: in DIVOC's own format where
// the programme's profile names that first among its payloads, because verifiers
// that read no other are in use, else the one on the page.
func (h *handler) code(ctx context.Context, by access.Caller, r *issuance.Record) ([]byte, error) {
	programme, ok := h.Service.Profile.Programmes[r.Programme]
	if !ok || programme.Payloads[0] != profile.PayloadDIVOC {
		return h.Printer.PNG(r)
	}
	credential, err := h.Service.ExportDIVOC(ctx, by, r)
	if err != nil {
		return nil, err
	}
	text, err := issuance.DIVOCCode(credential)
	if err != nil {
		return nil, err
	}
	return h.Printer.CodePNG(text)
}
