package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/vaccination"
)

type trustCmd struct {
	Import trustImportCmd `cmd:"" help:"Read a list of signers from a file or an address, and show what it would change. Nothing counts before it is applied."`
	Apply  trustApplyCmd  `cmd:"" help:"Let a list that was imported count."`
	List   trustListCmd   `cmd:"" help:"List the sources of signers beside our own keys, and how old their lists are."`
	Diff   trustDiffCmd   `cmd:"" help:"Show what a version changes, or changed; without one, the versions of a source."`
	Revert trustRevertCmd `cmd:"" help:"Go back to a version that counted before."`
	Remove trustRemoveCmd `cmd:"" help:"End a source: nothing of it counts any more."`
	Export trustExportCmd `cmd:"" help:"Print the trust bundle: our keys, whom we trust, and a signed snapshot of all states; or what one source says."`
}

// trust is whom the house trusts beside itself.
func (h *house) trust() *trustlist.Service {
	if h.trusted == nil {
		h.trusted = trustlist.New(trustlist.Options{Store: h.store, Own: h.ring.Issuer, Demo: h.demo, Changed: h.service.Refresh, Now: now, Log: h.log})
		h.service.Trusted = h.trusted.Public
	}
	return h.trusted
}

// trustWork is the job that asks the sources that are due.
func trustWork(t *trustlist.Service) issuance.Work {
	return issuance.Work{Queue: "trust", Workers: 1, Add: t.AddTo, Every: []issuance.Periodic{{Every: trustlist.Every, Job: func() river.JobArgs { return trustlist.Job() }}}}
}

func trustCaller() access.Caller { return access.System("cli") }

type trustImportCmd struct {
	dataFlags
	Name       string      `arg:"" help:"What the source is called here, such as eu-signers."`
	File       string      `arg:"" optional:"" help:"The list; - reads standard input. Left out, the source's URL is asked."`
	Kind       string      `placeholder:"KIND" help:"Of a new source: certificates (signers of HCERT codes: PEM, DER, a gateway's JSON), hashes (a gateway's revocation lists), did (did:web lists of WHO's network), cards (JWK set or directory of SMART Health Cards, with what was revoked), masterlist (passport authorities), keys (of DIVOC's format), divoc (the trust bundle of another divoc)."`
	URL        *string     `name:"url" placeholder:"URL" help:"Address of the list, https. It is kept."`
	Issuer     *string     `placeholder:"ID" help:"Whose keys these are, where the list does not say: the https URL in cards, the name by which certificates call a DIVOC key. Kept."`
	IssuerName *string     `placeholder:"NAME" help:"How verifiers are shown that issuer. Kept."`
	Anchors    *string     `type:"path" placeholder:"FILE" help:"Authorities and keys that vouch for the list, in PEM or as a DID document. Kept. An empty name removes them."`
	Every      *trustEvery `placeholder:"TIME" help:"How often to ask the URL by itself, such as 24h; 0 for never. What nobody pinned signed waits for a person all the same. Kept."`
	MaxLoss    *int        `name:"max-loss" placeholder:"PERCENT" help:"How much of its keys a new list may lack: 20 unless set. Kept."`
	Apply      bool        `help:"Let it count at once, where it is not refused."`
	All        bool        `help:"Show every line of a long difference."`
}

// trustEvery is a time in whole hours.
type trustEvery int

// UnmarshalText reads "24h", "7d" or "0".
func (e *trustEvery) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		s = days + "h"
		d, err := time.ParseDuration(s)
		*e = trustEvery(24 * d.Hours())
		return err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d%time.Hour != 0 || d < 0 {
		return errors.New("a time in whole hours, such as 24h")
	}
	*e = trustEvery(d.Hours())
	return nil
}

// Run imports a list.
func (c *trustImportCmd) Run(s streams) error {
	var data []byte
	var err error
	switch {
	case c.File == "-":
		data, err = io.ReadAll(io.LimitReader(s.in, trustlist.MaxSize+1))
	case c.File != "":
		data, err = readBounded(c.File, trustlist.MaxSize)
	}
	if err != nil {
		return err
	}
	return c.with(s, func(h *house) error {
		t := h.trust()
		if err := c.settle(s.ctx, t); err != nil {
			return err
		}
		p, err := t.Propose(s.ctx, trustCaller(), c.Name, data)
		if err != nil {
			return err
		}
		if p.Unchanged {
			fmt.Fprintf(s.out, "%s says what counts already: %d entries\n", c.Name, p.Keys)
			return nil
		}
		printLeftOut(s.err, p.LeftOut)
		printChanges(s.out, p.Changes, c.All)
		signed := "nobody pinned signed it"
		if p.Signed {
			signed = "signed by somebody whom the source's anchors vouch for"
		}
		what := "keys"
		if len(p.Changes) > 0 && !slices.ContainsFunc(p.Changes, func(c trustlist.Change) bool { return c.Key.Withdraws == 0 }) {
			what = "revoked certificates"
		}
		fmt.Fprintf(s.out, "\n%d %s; %s\n", p.Keys, what, signed)
		if !c.Apply {
			fmt.Fprintf(s.out, "Nothing counts yet. If this is right: divoc trust apply %d --data %s\n", p.Version, c.Data)
			return nil
		}
		if err := t.Apply(s.ctx, trustCaller(), p.Version); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "version %d counts from now on\n", p.Version)
		return nil
	})
}

// settle makes the source, or changes what is set for it.
func (c *trustImportCmd) settle(ctx context.Context, t *trustlist.Service) error {
	set := trustlist.Settings{Name: c.Name, Kind: trustlist.Kind(c.Kind), MaxLoss: trustlist.DefaultMaxLoss}
	known, err := t.Source(ctx, trustCaller(), c.Name)
	switch {
	case err == nil:
		set = known.Settings
		if c.Kind != "" {
			set.Kind = trustlist.Kind(c.Kind)
		}
	case vaccination.ErrorCode(err) != vaccination.NotFound:
		return err
	case c.Kind == "":
		return fmt.Errorf("there is no trust source %s yet: say what its lists are with --kind", c.Name)
	}
	for _, v := range []struct {
		from *string
		to   *string
	}{{c.URL, &set.URL}, {c.Issuer, &set.Issuer}, {c.IssuerName, &set.IssuerName}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	if c.Anchors != nil {
		set.Anchors = ""
		if *c.Anchors != "" {
			data, err := readBounded(*c.Anchors, 1<<20)
			if err != nil {
				return err
			}
			set.Anchors = string(data)
		}
	}
	if c.Every != nil {
		set.EveryHours = int(*c.Every)
	}
	if c.MaxLoss != nil {
		set.MaxLoss = *c.MaxLoss
	}
	return told(t.Put(ctx, trustCaller(), set))
}

// told is an error with its faults, a line each.
func told(err error) error {
	var e *vaccination.Error
	if !errors.As(err, &e) || len(e.Faults) == 0 {
		return err
	}
	lines := []string{e.Error()}
	for _, f := range e.Faults {
		lines = append(lines, f.Path+": "+f.Message)
	}
	return errors.New(strings.Join(lines, "\n  "))
}

// readBounded reads a file, at most a byte more than limit of it: what is longer is
// refused by who reads it.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

type trustApplyCmd struct {
	dataFlags
	Version int64 `arg:"" help:"Number of the version, as import and diff show it."`
}

// Run applies a version.
func (c *trustApplyCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		if err := h.trust().Apply(s.ctx, trustCaller(), c.Version); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "version %d counts from now on\n", c.Version)
		return nil
	})
}

type trustRevertCmd struct {
	dataFlags
	Version int64 `arg:"" help:"Number of the version, as diff shows it."`
}

// Run goes back to a version.
func (c *trustRevertCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		if err := h.trust().Revert(s.ctx, trustCaller(), c.Version); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "version %d counts again\n", c.Version)
		return nil
	})
}

type trustRemoveCmd struct {
	dataFlags
	Name string `arg:"" help:"The source."`
}

// Run removes a source.
func (c *trustRemoveCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		if err := h.trust().Remove(s.ctx, trustCaller(), c.Name); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "nothing of %s counts any more\n", c.Name)
		return nil
	})
}
