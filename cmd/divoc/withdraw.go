package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/vaccination"
)

type withdrawCmd struct {
	Ask    withdrawAskCmd    `cmd:"" help:"Find many certificates to revoke, suspend or lift. Nothing changes until somebody else approves it in the portal."`
	List   withdrawListCmd   `cmd:"" help:"List withdrawals of many certificates, the newest first."`
	Show   withdrawShowCmd   `cmd:"" help:"Show one withdrawal with its certificates."`
	Refuse withdrawRefuseCmd `cmd:"" help:"Refuse a withdrawal that is not approved."`
	Work   withdrawRunCmd    `cmd:"" name:"run" help:"Go on with what is approved, without a server."`
}

type withdrawAskCmd struct {
	dataFlags
	As        int64     `required:"" placeholder:"ID" help:"Who asks: your number, as staff list shows it. Somebody else approves it."`
	Act       string    `default:"revoke" enum:"revoke,suspend,lift" help:"What is to be done: revoke, suspend or lift."`
	Reason    string    `required:"" placeholder:"TEXT" help:"Why; kept with each certificate. Say nothing of a person."`
	File      string    `type:"existingfile" placeholder:"FILE" help:"A list: the id of one certificate on each line."`
	Lot       string    `placeholder:"NUMBER" help:"Those of a batch."`
	Facility  string    `placeholder:"NAME" help:"Those of a place of vaccination."`
	Source    string    `placeholder:"NAME" help:"Those that a source delivered."`
	Actor     string    `placeholder:"WHO" help:"Those that somebody issued, as the audit names them."`
	Programme string    `placeholder:"KEY" help:"Only of a programme."`
	Since     time.Time `format:"2006-01-02" placeholder:"DAY" help:"Only those issued on this day or later (UTC)."`
	Until     time.Time `format:"2006-01-02" placeholder:"DAY" help:"Only those issued before this day (UTC)."`
}

// Run asks, and finds the certificates at once.
func (c *withdrawAskCmd) Run(s streams) error {
	r := bulk.Request{Act: vaccination.Act(c.Act), Reason: c.Reason, Once: rand.Text()}
	f := bulk.Filter{Lot: c.Lot, Facility: c.Facility, Source: c.Source, Actor: c.Actor, Programme: c.Programme, Since: c.Since, Until: c.Until}
	if f != (bulk.Filter{}) {
		r.Filter = &f
	}
	if c.File != "" {
		ids, err := readIDs(c.File)
		if err != nil {
			return err
		}
		r.IDs = ids
	}
	return c.with(s, func(h *house) error {
		by, err := h.as(s, c.As, "withdrawal.ask")
		if err != nil {
			return err
		}
		many := h.bulk()
		id, err := many.Ask(s.ctx, by, r)
		if err == nil {
			err = many.Process(s.ctx, id)
		}
		if err != nil {
			return err
		}
		i, err := many.Get(s.ctx, onMachine(), id)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "withdrawal %d: %s of %d certificates, %d cannot be changed\n", i.ID, i.Act, i.Found, i.Skipped)
		fmt.Fprintf(s.out, "Nothing is changed yet. Somebody else approves it before %s, in the portal at /admin/withdrawals/%d.\n", moment(i.Expires()), i.ID)
		return nil
	})
}

// readIDs reads a list of certificates, one on each line.
func readIDs(path string) ([]vaccination.CertificateID, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ids []vaccination.CertificateID
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), ",")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		id, err := vaccination.ParseCertificateID(text)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s holds no certificate id", n, path)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 && lines.Err() == nil {
		return nil, errors.New("the list holds no certificate id")
	}
	return ids, lines.Err()
}

type withdrawListCmd struct{ dataFlags }

// Run lists them.
func (c *withdrawListCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		list, err := h.bulk().List(s.ctx, onMachine(), 0)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tACT\tSTATE\tFOUND\tCHANGED\tSKIPPED\tASKED BY\tAT\tDECIDED BY\tREASON")
		for _, i := range list {
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", i.ID, i.Act, i.State, i.Found, i.Changed, i.Skipped, i.By, moment(i.At), i.Decider, i.Reason)
		}
		return w.Flush()
	})
}

type oneWithdrawal struct {
	dataFlags
	ID int64 `arg:"" help:"Number of the withdrawal, as withdraw list shows it."`
}

type withdrawShowCmd struct{ oneWithdrawal }

// Run shows one.
func (c *withdrawShowCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		many := h.bulk()
		i, err := many.Get(s.ctx, onMachine(), c.ID)
		if err != nil {
			return err
		}
		what := "a list of certificates"
		if i.Filter != nil {
			what = i.Filter.String()
		}
		fmt.Fprintf(s.out, "withdrawal %d: %s, %s, %s: %s\nfound %d, changed %d, skipped %d\n", i.ID, i.Act, i.State, what, i.Reason, i.Found, i.Changed, i.Skipped)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CERTIFICATE\tSTATE\tWHY\tNOW")
		for after := (vaccination.CertificateID{}); ; {
			items, err := many.Items(s.ctx, onMachine(), c.ID, after)
			if err != nil {
				return err
			}
			if len(items) == 0 {
				return w.Flush()
			}
			for _, x := range items {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.ID, x.State, x.Why, x.Status)
				after = x.ID
			}
		}
	})
}

type withdrawRefuseCmd struct {
	oneWithdrawal
	Reason string `placeholder:"TEXT" help:"Why. Say nothing of a person."`
}

// Run refuses.
func (c *withdrawRefuseCmd) Run(s streams) error {
	return c.with(s, func(h *house) error { return h.bulk().Refuse(s.ctx, onMachine(), c.ID, c.Reason) })
}

type withdrawRunCmd struct{ dataFlags }

// Run works on everything that is open.
func (c *withdrawRunCmd) Run(s streams) error {
	return c.with(s, func(h *house) error { return h.bulk().ProcessAll(s.ctx) })
}
