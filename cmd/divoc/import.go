package main

import (
	"context"
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
	"github.com/opendivoc/divoc/vaccination"
)

type importCmd struct {
	dataFlags
	Path       string `arg:"" name:"file|dir" type:"path" help:"CSV, with DIVOC's columns or those that the source's mapping names; or JSON (.json, .jsonl, .ndjson). Of any size. Or a folder of such files: each goes to done or wrong in it."`
	Source     string `default:"cli" help:"Which source the records are from."`
	DryRun     bool   `name:"dry-run" help:"Check everything as issuing would, say what it would give, and issue and keep nothing."`
	Watch      bool   `help:"Stay, and look every 10 seconds for files that come into the folder."`
	DateFormat string `name:"date-format" placeholder:"ORDER" help:"Order of dates that are all numbers: DMY, MDY or YMD."`
	Encoding   string `placeholder:"NAME" help:"Encoding of a CSV: utf-8, utf-16le, utf-16be or windows-1252. Found out when left out."`
	Errors     string `type:"path" placeholder:"FILE" help:"Where to write the wrong rows with their reasons. Default: beside the file, with .errors before its ending."`
}

// importing is what an import works with.
type importing struct {
	*importCmd

	s       streams
	uploads *upload.Service
	by      access.Caller
	bar     *progressBar
}

// Run stores the file, issues its rows and says how each ended. Stopped in the
// middle, the upload is finished by the server, or by importing the file again:
// no row is issued twice.
func (c *importCmd) Run(s streams) error {
	info, err := os.Stat(c.Path)
	switch {
	case err != nil:
		return err
	case c.Watch && (!info.IsDir() || c.DryRun):
		return errors.New("--watch is for a folder, and not for a dry run")
	case info.IsDir() && c.Errors != "":
		return errors.New("--errors is for one file: of a folder, the wrong rows of each go to the folder wrong in it")
	}
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	in := &importing{importCmd: c, s: s, uploads: h.uploads(), by: access.System(c.Source), bar: &progressBar{out: s.err, bar: isTerminal(s.err)}}
	if info.IsDir() {
		return in.folder()
	}
	file, err := os.Open(c.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	u, err := in.file(file, c.Path, in.bar.show)
	if err != nil {
		return err
	}
	if u.Wrong > 0 && !c.DryRun {
		if err := in.errorsBeside(u); err != nil {
			return err
		}
	}
	if u.Wrong > 0 || u.State == upload.Failed {
		return &exitError{code: exitFailed}
	}
	return nil
}

// file imports one file, or tries it, and says what came of it.
func (in *importing) file(body io.Reader, path string, show func(upload.Info)) (upload.Info, error) {
	f, err := in.describe(path)
	if err != nil {
		return upload.Info{}, err
	}
	f.Body = body
	if in.DryRun {
		u, err := in.uploads.Try(in.s.ctx, in.by, f, show)
		in.bar.end()
		if err == nil {
			in.tell("dry run, nothing is issued", u)
		}
		return u, err
	}
	u, err := in.uploads.Receive(in.s.ctx, in.by, f)
	if err != nil {
		return u, err
	}
	return in.finish(u, show)
}

// finish sees an upload to its end and says what came of it.
func (in *importing) finish(u upload.Info, show func(upload.Info)) (upload.Info, error) {
	id := u.ID
	err := in.uploads.Process(in.s.ctx, id, show)
	for errors.Is(err, upload.ErrElsewhere) { // a server on the same folder was quicker
		if u, err = in.uploads.Get(in.s.ctx, in.by, id); err != nil {
			return u, err
		}
		show(u)
		if u.State != upload.Processing {
			break
		}
		err = upload.ErrElsewhere
		if wait := pause(in.s.ctx, time.Second); wait != nil {
			return u, wait
		}
	}
	in.bar.end()
	if err != nil {
		return u, fmt.Errorf("upload %d stopped; what is issued stays, and the same import again goes on: %w", id, err)
	}
	if u, err = in.uploads.Get(in.s.ctx, in.by, id); err == nil {
		in.tell(fmt.Sprintf("upload %d", id), u)
	}
	return u, err
}

// pause waits; the error says that the command is to stop.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// tell says what came of a file, or would.
func (in *importing) tell(what string, u upload.Info) {
	fmt.Fprintf(in.s.out, "%s: %s\n", what, counts(u))
	if len(u.NotRead) > 0 {
		fmt.Fprintf(in.s.out, "columns not read, as the mapping of %s does not name them: %s\n", u.Source, strings.Join(u.NotRead, ", "))
	}
	if u.Problem != "" {
		fmt.Fprintln(in.s.out, u.Problem)
	}
	for _, r := range u.WrongRows {
		dose := ""
		if r.Dose != "" {
			dose = " " + r.Dose
		}
		fmt.Fprintf(in.s.out, "row %d%s: %s\n", r.Row, dose, csv.Sentence(r.Reasons))
	}
	if n := u.Wrong - int64(len(u.WrongRows)); u.DryRun && n > 0 {
		fmt.Fprintf(in.s.out, "and %d more wrong rows\n", n)
	}
}

// counts tells what came of rows, and of doses where rows hold several.
func counts(u upload.Info) string {
	out := fmt.Sprintf("%d rows", u.RowsRead)
	if u.Rows != u.RowsRead {
		out += fmt.Sprintf(" with %d doses", u.Rows-u.NoDose)
	}
	out += fmt.Sprintf(", %d issued, %d unchanged, %d wrong", u.Issued, u.Unchanged, u.Wrong)
	if u.NoDose > 0 {
		out += fmt.Sprintf(", without a dose: %d", u.NoDose)
	}
	return out
}

// describe says what kind of file stands under a name.
func (c *importCmd) describe(path string) (upload.File, error) {
	f := upload.File{Name: filepath.Base(path), Format: upload.CSV}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json", ".jsonl", ".ndjson":
		f.Format = upload.JSON
	}
	var err error
	if f.Dates, err = dates.ParseOrder(c.DateFormat); err != nil {
		return f, err
	}
	f.Encoding, err = csv.ParseEncoding(c.Encoding)
	return f, err
}

// errorsBeside writes the wrong rows to a file of their own, never over another.
func (in *importing) errorsBeside(u upload.Info) (err error) {
	name := in.Errors
	if name == "" {
		name = errorsName(in.Path, u.Format)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the wrong rows are kept as upload %d but cannot be written to a file: %w", u.ID, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := in.uploads.WriteErrors(in.s.ctx, in.by, u, file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.s.out, "wrong rows and reasons: %s\nCorrect them there and import that file.\n", name)
	return err
}

// errorsName is the name of the file of wrong rows of another: "people.csv" →
// "people.errors.csv".
func errorsName(name string, format upload.Format) string {
	ext := filepath.Ext(name)
	if format == upload.JSON {
		return strings.TrimSuffix(name, ext) + ".errors.jsonl"
	}
	return strings.TrimSuffix(name, ext) + ".errors" + ext
}

// refused reports whether an error is about the file, and says what it is.
func refused(err error) bool {
	switch vaccination.ErrorCode(err) {
	case vaccination.Invalid, vaccination.TooLarge:
		return true
	}
	return false
}

// uploads is the service that takes files, without a queue: the caller processes
// what it received.
func (h *house) uploads() *upload.Service {
	return upload.New(upload.Options{Store: h.store, Box: h.box, Issuance: h.service, Zone: h.profile.TimeZone, Now: now, Log: h.log, Keep: h.profile.KeepWrongRows})
}
