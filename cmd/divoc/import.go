package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/upload"
)

type importCmd struct {
	dataFlags
	File       string `arg:"" type:"existingfile" help:"CSV with DIVOC's columns; or events as JSON (.json, .jsonl, .ndjson). Of any size."`
	Source     string `default:"cli" help:"Which source the records are from."`
	DateFormat string `name:"date-format" placeholder:"ORDER" help:"Order of dates that are all numbers: DMY, MDY or YMD."`
	Encoding   string `placeholder:"NAME" help:"Encoding of a CSV: utf-8, utf-16le, utf-16be or windows-1252. Found out when left out."`
	Errors     string `type:"path" placeholder:"FILE" help:"Where to write the wrong rows with their reasons. Default: beside the file, with .errors before its ending."`
}

// Run stores the file, issues its rows and says how each ended. Stopped in the
// middle, the upload is finished by the server, or by importing the file again:
// no row is issued twice.
func (c *importCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	uploads := h.uploads()
	by := access.System(c.Source)
	u, err := c.store(s, uploads, by)
	if err != nil {
		return err
	}
	bar := &progressBar{out: s.err, bar: isTerminal(s.err)}
	err = uploads.Process(s.ctx, u.ID, bar.show)
	for errors.Is(err, upload.ErrElsewhere) { // a server on the same folder was quicker
		if u, err = uploads.Get(s.ctx, by, u.ID); err != nil {
			return err
		}
		bar.show(u)
		if u.State != upload.Processing {
			break
		}
		err = upload.ErrElsewhere
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(time.Second):
		}
	}
	bar.end()
	if err != nil {
		return fmt.Errorf("upload %d stopped; what is issued stays, and the same import again goes on: %w", u.ID, err)
	}
	if u, err = uploads.Get(s.ctx, by, u.ID); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "upload %d: %d rows, %d issued, %d unchanged, %d wrong\n", u.ID, u.Rows, u.Issued, u.Unchanged, u.Wrong)
	if u.Problem != "" {
		fmt.Fprintln(s.out, u.Problem)
	}
	if u.Wrong > 0 {
		if err := c.writeErrors(s, uploads, by, u); err != nil {
			return err
		}
	}
	if u.Wrong > 0 || u.State == upload.Failed {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (c *importCmd) store(s streams, uploads *upload.Service, by access.Caller) (upload.Info, error) {
	f := upload.File{Name: filepath.Base(c.File), Format: upload.CSV}
	switch strings.ToLower(filepath.Ext(c.File)) {
	case ".json", ".jsonl", ".ndjson":
		f.Format = upload.JSON
	}
	var err error
	if f.Dates, err = dates.ParseOrder(c.DateFormat); err != nil {
		return upload.Info{}, err
	}
	if f.Encoding, err = csv.ParseEncoding(c.Encoding); err != nil {
		return upload.Info{}, err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return upload.Info{}, err
	}
	defer file.Close()
	f.Body = file
	return uploads.Receive(s.ctx, by, f)
}

// writeErrors writes the wrong rows to a file of their own, never over another.
func (c *importCmd) writeErrors(s streams, uploads *upload.Service, by access.Caller, u upload.Info) (err error) {
	name := c.Errors
	if name == "" {
		ext := filepath.Ext(c.File)
		name = strings.TrimSuffix(c.File, ext) + ".errors" + ext
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the wrong rows are kept as upload %d but cannot be written to a file: %w", u.ID, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := uploads.WriteErrors(s.ctx, by, u, file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "wrong rows and reasons: %s\nCorrect them there and import that file.\n", name)
	return err
}

// uploads is the service that takes files, without a queue: the caller processes
// what it received.
func (h *house) uploads() *upload.Service {
	return upload.New(upload.Options{Store: h.store, Box: h.box, Issuance: h.service, Zone: h.profile.TimeZone, Now: now, Log: h.log, Keep: h.profile.KeepWrongRows})
}

// progressBar shows how far something long is: a bar on a terminal, a line now and
// then elsewhere.
type progressBar struct {
	out  io.Writer
	bar  bool
	said time.Time
}

func (p *progressBar) show(u upload.Info) {
	p.at(u.BytesRead, u.Bytes, u.State != upload.Processing, fmt.Sprintf("%d rows, %d issued, %d unchanged, %d wrong", u.Rows, u.Issued, u.Unchanged, u.Wrong))
}

// at shows that n of all are done; what was shown just now is not shown again,
// unless it ended.
func (p *progressBar) at(n, all int64, ended bool, what string) {
	every := 10 * time.Second
	if p.bar {
		every = 100 * time.Millisecond
	}
	at := now()
	if at.Sub(p.said) < every && !ended {
		return
	}
	p.said = at
	percent := int64(100)
	if all > 0 {
		percent = min(100, 100*n/all)
	}
	line := fmt.Sprintf("%3d%%  %s", percent, what)
	if !p.bar {
		fmt.Fprintln(p.out, line)
		return
	}
	const width = 24
	full := int(percent) * width / 100
	fmt.Fprintf(p.out, "\r[%s%s] %s ", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
}

func (p *progressBar) end() {
	if p.bar {
		fmt.Fprintln(p.out)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
