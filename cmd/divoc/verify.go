package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan"
)

type verifyCmd struct {
	File    string   `arg:"" help:"Text of a code, PNG or JPEG, PDF, or credential; - reads standard input."`
	Trust   []string `type:"existingfile" placeholder:"FILE" help:"Whose signatures count: a trust bundle, PEM certificates or public keys, a JWK set, a DID document. Repeat for several."`
	At      string   `placeholder:"TIME" help:"Verify as of this time (2026-01-31 or 2026-01-31T12:00:00Z) rather than now."`
	Rules   []string `placeholder:"FILE" help:"Also ask whether it is accepted: EU business rules as JSON, with their value sets; or yellow-fever. Repeat for several."`
	Country string   `placeholder:"XX" help:"The country of arrival whose rules are asked (ISO 3166-1)."`
	verifyData
	JSON     bool   `help:"Print the statement as JSON."`
	Language string `name:"lang" default:"en" enum:"en,si,ta" help:"Language of the sentences: en, si, ta."`
}

// Run verifies the file and exits with the verdict.
func (c *verifyCmd) Run(s streams) error {
	options := verify.Options{At: now(), Language: c.Language}
	var err error
	if c.At != "" {
		if options.At, err = readTime(c.At); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
	}
	if options.Rules, err = readRules(c.Rules...); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	options.Country = c.Country
	if options.Catalogue, err = catalogue.Load(); err != nil {
		return err
	}
	bundles, err := c.bundles(s)
	if err != nil {
		return err
	}
	for _, name := range c.Trust {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		bundle, err := trust.ParseNamed(data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		bundles = append(bundles, bundle)
	}
	options.Trust = trust.New(bundles...)
	data, err := c.read(s)
	if err != nil {
		return err
	}
	statements := scan.File(s.ctx, data, options)
	if err := c.print(s.out, statements); err != nil {
		return err
	}
	if code := statements.ExitCode(); code != 0 {
		return &exitError{code: code}
	}
	return nil
}

func (c *verifyCmd) read(s streams) ([]byte, error) {
	in := s.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, scan.MaxFile+1))
}

func (c *verifyCmd) print(w io.Writer, statements verify.Statements) error {
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(statements)
	}
	for i, st := range statements {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintln(w, st.Text(c.Language)); err != nil {
			return err
		}
	}
	return nil
}

func readTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at is a date or a time: 2026-01-31, or 2026-01-31T12:00:00Z")
}
