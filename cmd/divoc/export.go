package main

import (
	"os"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

type exportCmd struct {
	dataFlags
	ID   string `arg:"" help:"The certificate's id, or its UVCI."`
	Form string `default:"json" enum:"json,png,svg,code" help:"json (the credential), png or svg (its QR code), or code (the text of the QR code)."`
	Out  string `short:"o" type:"path" placeholder:"FILE" help:"File to write; standard output when left out."`
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
	record, err := h.service.ByID(s.ctx, by, id, "export")
	if err != nil {
		return nil, err
	}
	credential, err := h.service.ExportDIVOC(s.ctx, by, record)
	if err != nil || c.Form == "json" {
		return credential, err
	}
	code, err := issuance.DIVOCCode(credential)
	if err != nil || c.Form == "code" {
		return []byte(code), err
	}
	pages, err := printer.New(h.profile, h.publicURL)
	if err != nil {
		return nil, err
	}
	if c.Form == "svg" {
		return pages.CodeSVG(code)
	}
	return pages.CodePNG(code)
}
