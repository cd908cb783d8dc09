package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/web/api"
	"github.com/opendivoc/divoc/vaccination"
)

type issueCmd struct {
	dataFlags
	createFlags
	Records string `arg:"" type:"existingfile" help:"JSON: an array of events as the API takes them, or of DIVOC's certification requests."`
	Out     string `short:"o" required:"" type:"path" placeholder:"DIR" help:"Folder for the certificates: a PDF, the credential and the text of the code for each."`
	Source  string `default:"cli" help:"Which source the records are from."`
	Correct bool   `help:"Correct what was certified before, in place of certifying."`
}

// maxRecords bounds the file in bytes; larger amounts go through the server.
const maxRecords = 64 << 20

// Run issues each record by itself: one that is wrong does not hold up the rest.
func (c *issueCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, c.creation(), "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	f, err := os.Open(c.Records)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecords+1))
	if err != nil {
		return err
	}
	if len(data) > maxRecords {
		return fmt.Errorf("%s is larger than %d MB: send it in parts", c.Records, maxRecords>>20)
	}
	events, err := api.ReadEvents(data, h.profile.TimeZone)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("%s holds no record", c.Records)
	}
	pages, _, err := h.pages(s.ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return err
	}
	wrong := 0
	for i, e := range events {
		if err := c.one(s, h, pages, i, e); err != nil {
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			wrong++
			hint := ""
			if vaccination.ErrorCode(err) == vaccination.Conflict && !c.Correct {
				hint = " (with --correct it is corrected)"
			}
			fmt.Fprintf(s.err, "record %d: %v%s\n", i+1, err, hint)
		}
	}
	if wrong > 0 {
		return &exitError{code: exitFailed, err: fmt.Errorf("%d of %d records were not issued", wrong, len(events))}
	}
	return nil
}

// creation is how a new folder is made; a folder that was started before keeps
// what it is.
func (c *issueCmd) creation() *createFlags {
	if !c.Demo && c.PublicURL == "" && c.Profile == "" && fileExists(filepath.Join(c.Data, "keys")) {
		return nil
	}
	return &c.createFlags
}

func (c *issueCmd) one(s streams, h *house, pages *printer.Printer, i int, e vaccination.Event) error {
	by := access.System(c.Source)
	action := issuance.Certify
	if c.Correct {
		action = issuance.Correct
	}
	results, err := h.service.Issue(s.ctx, by, action, []vaccination.Event{e})
	if err != nil {
		return err
	}
	r := results[0]
	doses, index, err := h.service.Page(s.ctx, by, r.ID, "issue")
	if err != nil {
		return err
	}
	pdf, err := pages.PDF(doses, index, nil)
	if err != nil {
		return err
	}
	record := doses[index]
	base := filepath.Join(c.Out, r.ID.String())
	err = errors.Join(
		os.WriteFile(base+".pdf", pdf, 0o600),
		os.WriteFile(base+".json", record.Document, 0o600),
		os.WriteFile(base+".txt", []byte(record.Code+"\n"), 0o600),
	)
	if err == nil {
		_, err = fmt.Fprintf(s.out, "record %d: %s %s.pdf\n", i+1, r.Outcome, base)
	}
	return err
}
