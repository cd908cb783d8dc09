package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/opendivoc/divoc/internal/backup"
)

type backupCmd struct {
	Out     string `short:"o" type:"path" placeholder:"DIR" help:"Folder to write; it must not exist. The database and the sealed keys are two files in it."`
	Verify  string `type:"existingdir" placeholder:"DIR" help:"Check the backup in this folder instead: that it is whole, and with --seal-key also that nobody changed it."`
	Keys    string `type:"path" placeholder:"FILE" help:"With --verify: where the backup's keys.tar is kept, when that is elsewhere."`
	Data    string `type:"path" env:"DIVOC_DATA" placeholder:"DIR" help:"The data folder to back up, also while a server uses it."`
	SealKey string `type:"path" env:"DIVOC_SEAL_KEY" placeholder:"FILE" help:"The sealing key. It is never part of a backup: keep a copy of it apart from both."`
	Base    string `name:"database" env:"DIVOC_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use in place of the embedded one."`
}

// Run writes a backup, or checks one.
func (c *backupCmd) Run(s streams) error {
	switch {
	case c.Verify != "" && c.Out != "":
		return errors.New("either write a backup with -o or check one with --verify")
	case c.Verify != "":
		return c.verify(s)
	case c.Out == "" || c.Data == "":
		return errors.New("say what to back up and where to: divoc backup --data DIR -o DIR")
	}
	f := dataFlags{Data: c.Data, SealKey: c.SealKey, Database: c.Base}
	return f.with(s, func(h *house) error {
		began := now()
		m, err := backup.Write(s.ctx, backup.Source{
			Store: h.store, Box: h.box, Keys: filepath.Join(h.dir, keysFolder), Program: version,
			PublicURL: h.publicURL, Country: h.profile.Country.Alpha3, Demo: h.demo, Now: now,
		}, c.Out)
		if err != nil {
			return err
		}
		describe(s.out, c.Out, m)
		fmt.Fprintf(s.err, "done in %v. The sealing key is not in it: without a copy of that key nobody can use the backup.\n", now().Sub(began).Round(10*time.Millisecond))
		return nil
	})
}

func (c *backupCmd) verify(s streams) error {
	b, err := backup.Open(c.Verify, c.Keys)
	if err == nil {
		err = b.Check()
	}
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	describe(s.out, c.Verify, b.Manifest)
	switch {
	case !b.HasKeys():
		fmt.Fprintln(s.out, "whole, as far as it is here: its keys are kept elsewhere (check them with --keys)")
		return nil
	case c.SealKey == "":
		fmt.Fprintln(s.out, "whole; give --seal-key to check also that nobody changed it")
		return nil
	}
	key, err := readSealKey(c.SealKey)
	if err == nil {
		err = b.Authenticate(key)
	}
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	fmt.Fprintln(s.out, "whole, and as it was written")
	return nil
}

// describe says what a backup holds.
func describe(out io.Writer, dir string, m *backup.Manifest) {
	fmt.Fprintf(out, "%s: %s of %s, schema %d, %d certificates of %d people, %s and %s\n", dir, m.PublicURL, m.Made.Local().Format("2006-01-02 15:04:05 MST"), m.Schema.Schema,
		m.Rows("certificate"), m.Rows("person"), size(m.Files[backup.DatabaseFile].Bytes), size(m.Files[backup.KeysFile].Bytes))
}

// size is a number of bytes as people read it.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d kB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// readSealKey reads the text of a sealing key.
func readSealKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the sealing key: %w", err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}
