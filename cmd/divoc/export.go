package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

type exportCmd struct {
	dataFlags
	ID     string `arg:"" help:"The certificate's id, or its UVCI."`
	Format string `default:"divoc" help:"The format: code, vc, vc-eddsa-rdfc-2022, vc-ecdsa-rdfc-2019, vc-ecdsa-jcs-2019, divoc, eu-dcc, eu-dcc-recovery, icvp, shc, vds-nc or fhir; list shows which of them the certificate can be had in."`
	Form   string `default:"json" enum:"json,file,png,svg,code,a4,card,card-fold" help:"json or file (what the format is handed over as), png or svg (its QR code), code (the text of the QR code), or of an icvp a4, card or card-fold (the international form as PDF)."`
	Out    string `short:"o" type:"path" placeholder:"FILE" help:"File to write; standard output when left out."`
}

// Run writes the certificate.
func (c *exportCmd) Run(s streams) error {
	id, err := vaccination.ParseCertificateID(c.ID)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	return c.with(s, func(h *house) error {
		data, err := c.export(s, h, id)
		if err != nil {
			return err
		}
		if c.Out == "" {
			_, err = s.out.Write(data)
			return err
		}
		return os.WriteFile(c.Out, data, 0o600)
	})
}

func (c *exportCmd) export(s streams, h *house, id vaccination.CertificateID) ([]byte, error) {
	by := access.System("cli")
	if c.Format == "list" {
		offers, err := h.service.Exports(s.ctx, by, id)
		return offerLines(offers), err
	}
	e, err := h.service.Export(s.ctx, by, id, issuance.Format(c.Format))
	if err != nil {
		return nil, err
	}
	if e.Pilot {
		fmt.Fprintln(s.err, "pilot: verifiers abroad will not recognise this until the issuer has joined the format's network (networks in profile.yaml)")
	}
	if size := render.Size(c.Form); c.Form != "" && size.Valid() {
		return c.form(s, h, id, e, size)
	}
	switch {
	case c.Form == "json" || c.Form == "file":
		return e.Body, nil
	case e.Code == "":
		return nil, vaccination.Errorf(vaccination.NotFound, "this format has no QR code")
	case c.Form == "code":
		return []byte(e.Code), nil
	}
	pages, err := printer.New(h.profile, h.publicURL)
	if err != nil {
		return nil, err
	}
	if c.Form == "svg" {
		return pages.CodeSVG(e.Code)
	}
	return pages.CodePNG(e.Code)
}

// form is an ICVP as a page to print.
func (c *exportCmd) form(s streams, h *house, id vaccination.CertificateID, e *issuance.Exported, size render.Size) ([]byte, error) {
	r, err := h.service.ByID(s.ctx, access.System("cli"), id, "export")
	if err != nil {
		return nil, err
	}
	pages, err := printer.New(h.profile, h.publicURL)
	if err != nil {
		return nil, err
	}
	return pages.ICVP(r, e, size)
}

// offerLines is a line per format.
func offerLines(offers []issuance.Offer) []byte {
	var b strings.Builder
	for _, o := range offers {
		say := "can be had"
		switch {
		case o.Refused != "":
			say = "no: " + o.Refused
		case len(o.Missing) > 0:
			say = "no: not recorded: " + strings.Join(o.Missing, ", ")
		case o.Made:
			say = "made before"
		}
		if o.Pilot {
			say += " (pilot: verifiers abroad will not recognise it)"
		}
		fmt.Fprintf(&b, "%-15s %s\n", o.Format, say)
	}
	return []byte(b.String())
}
