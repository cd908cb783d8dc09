package printer

import (
	"bytes"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/vaccination"
)

// ICVP returns a certificate that was exported as ICVP as the form to print, in
// English and French. Another export is [vaccination.Invalid].
func (p *Printer) ICVP(r *issuance.Record, e *issuance.Exported, size render.Size) ([]byte, error) {
	if e.Format != issuance.FormatICVP {
		return nil, vaccination.Errorf(vaccination.Invalid, "only an ICVP is printed in its form")
	}
	message, err := hcert.Decode(e.Code)
	if err != nil {
		return nil, err
	}
	c := r.Certificate
	d := render.ICVP{Certificate: c, QR: e.Code, Pilot: e.Pilot, Size: size, Profile: p.country(r.Programme), CodeUntil: message.ExpiresAt}
	d.From, d.Until, _ = hcert.ICVPValidity(hcert.ICVPProduct(c.Vaccination, p.profile.Catalogue), c.Vaccination.Date)
	d.Vaccine = c.Vaccination.Brand.Display
	if product, ok := p.profile.Catalogue.Product(c.Vaccination.Product); ok {
		d.Vaccine = product.Name("en")
	}
	if d.Manufacturer = c.Vaccination.Manufacturer.Display; d.Manufacturer == "" {
		d.Manufacturer = c.Vaccination.MAHolder.Display
	}
	var b bytes.Buffer
	if err := p.renderer.ICVP(&b, d); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
