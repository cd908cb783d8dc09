package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
)

type keysCmd struct {
	SealKey      keysSealCmd   `cmd:"" name:"seal-key" help:"Make the key that seals personal data and signing keys. Keep it outside the data folder and never lose it."`
	Init         keysInitCmd   `cmd:"" help:"Make the first signing keys of a data folder, without starting the server."`
	CSR          keysCSRCmd    `cmd:"" name:"csr" help:"Print a request for a signer certificate of the country's own authority."`
	Import       keysImportCmd `cmd:"" help:"Make a signer certificate of the country's own authority current."`
	List         keysListCmd   `cmd:"" help:"List the signing keys."`
	Rotate       keysRotateCmd `cmd:"" help:"Make new signing keys. The old ones still verify what they signed."`
	Retire       keysRetireCmd `cmd:"" help:"End the signing of one key."`
	Client       keysClientCmd `cmd:"" help:"Print the public keys by which the citizens' identity provider knows this service (a JSON Web Key Set), making them where there are none."`
	ExportPublic keysExportCmd `cmd:"" name:"export-public" help:"Write signer certificates (PEM), DID document and what DIVOC's verifiers are built with, for anyone."`
}

type keysSealCmd struct {
	Out string `short:"o" required:"" type:"path" placeholder:"FILE" help:"File to write; it must not exist."`
}

// Run writes a new sealing key.
func (c *keysSealCmd) Run(s streams) error {
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already; a sealing key is never overwritten", c.Out)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.err, "%s holds the sealing key. Copy it to a safe place away from the data: without it no record can be opened, by anybody, ever.\n", c.Out)
	return err
}

type keysInitCmd struct {
	dataFlags
	createFlags
}

// Run makes the keys and says which.
func (c *keysInitCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, &c.createFlags, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	return h.printKeys(s.out)
}

type keysListCmd struct{ dataFlags }

// Run lists the keys.
func (c *keysListCmd) Run(s streams) error {
	return c.with(s, func(h *house) error { return h.printKeys(s.out) })
}

// with opens the house for f.
func (f dataFlags) with(s streams, do func(*house) error) error {
	h, err := openHouse(s.ctx, f, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	return do(h)
}

func (h *house) printKeys(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tKIND\tSTATE\tMADE\tCERTIFICATE ENDS\tSUBJECT")
	for _, k := range h.ring.List() {
		ends := ""
		if !k.NotAfter.IsZero() {
			ends = k.NotAfter.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Kind, k.State, k.Created.Format(time.DateOnly), ends, k.Subject)
	}
	return w.Flush()
}

// audited records an act on the keys. The act itself is in the key file, which
// no transaction of the database covers; it is recorded before it is done, so
// that none goes unrecorded.
func (h *house) audited(ctx context.Context, act, object string, do func() error) error {
	err := h.store.Tx(ctx, func(q *query.Queries) error {
		return registry.Audit(ctx, q, now().UTC(), access.System("cli").Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: object})
	})
	if err != nil {
		return err
	}
	return do()
}

type keysCSRCmd struct{ dataFlags }

// Run prints the request.
func (c *keysCSRCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		return h.audited(s.ctx, "keys.csr", "", func() error {
			csr, err := h.ring.CSR(s.ctx)
			if err != nil {
				return err
			}
			_, err = s.out.Write(csr)
			return err
		})
	})
}

type keysImportCmd struct {
	dataFlags
	File string `arg:"" type:"existingfile" help:"PEM: the signer certificate, then those above it."`
	Seal bool   `help:"A signer of ICAO's seals (VDS-NC): its certificate, that of the country's passport authority, and its private key."`
}

// Run imports the certificate.
func (c *keysImportCmd) Run(s streams) error {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.with(s, func(h *house) error {
		object := ""
		if c.Seal {
			object = "seal"
		}
		return h.audited(s.ctx, "keys.import", object, func() error {
			add := h.ring.Import
			if c.Seal {
				add = h.ring.ImportSeal
			}
			if err := add(s.ctx, data); err != nil {
				return err
			}
			return h.printKeys(s.out)
		})
	})
}

type keysRotateCmd struct {
	dataFlags
	Set string `required:"" enum:"signing,divoc,personal" placeholder:"SET" help:"Which keys: signing; divoc for DIVOC's own format; or personal, which wraps the key of every person."`
}

// Run rotates the keys.
func (c *keysRotateCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		if c.Set == "personal" {
			return h.rotatePersonal(s)
		}
		return h.audited(s.ctx, "keys.rotate", c.Set, func() error {
			if err := h.ring.Rotate(s.ctx, c.Set); err != nil {
				return err
			}
			return h.printKeys(s.out)
		})
	})
}

// rotatePersonal rotates the key-encryption key of people, also beside a running
// server, and says how far it is.
func (h *house) rotatePersonal(s streams) error {
	began := now()
	bar := &progressBar{out: s.err, bar: isTerminal(s.err)}
	r, err := h.service.RotatePersonKeys(s.ctx, access.System("cli"), func(r issuance.Rotation) {
		bar.at(r.Looked, r.People, r.Looked >= r.People, fmt.Sprintf("%d of %d people, %d wrapped anew", r.Looked, r.People, r.Rewrapped))
	})
	bar.end()
	if err != nil {
		return fmt.Errorf("%w\nnothing is lost: the same command again goes on where it stopped", err)
	}
	fmt.Fprintf(s.out, "the keys of %d people are wrapped by a new key, and the old one is destroyed (%v)\n", r.Rewrapped, now().Sub(began).Round(10*time.Millisecond))
	fmt.Fprintln(s.out, "Make a backup now: those made before hold the old key.")
	return nil
}

type keysRetireCmd struct {
	dataFlags
	ID string `arg:"" help:"The key's id, as keys list shows it."`
}

// Run retires the key.
func (c *keysRetireCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		return h.audited(s.ctx, "keys.retire", "", func() error { return h.ring.Retire(s.ctx, c.ID) })
	})
}

type keysExportCmd struct {
	dataFlags
	Out string `short:"o" required:"" type:"path" placeholder:"DIR" help:"Folder for signers.pem, did.json and, with DIVOC's own format, divoc-verifier.txt."`
}

// Run writes the files.
func (c *keysExportCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		certificates, document, err := h.ring.ExportPublic()
		if err != nil {
			return err
		}
		old, err := h.ring.ExportDIVOC()
		if err != nil {
			return err
		}
		err = errors.Join(
			os.MkdirAll(c.Out, 0o755),
			os.WriteFile(filepath.Join(c.Out, "signers.pem"), certificates, 0o644),
			os.WriteFile(filepath.Join(c.Out, "did.json"), document, 0o644),
		)
		if err == nil && old != nil {
			err = os.WriteFile(filepath.Join(c.Out, "divoc-verifier.txt"), old, 0o644)
		}
		return err
	})
}
