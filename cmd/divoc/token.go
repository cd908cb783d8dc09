package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it. It cannot be shown again."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	dataFlags
	Role      access.Role   `required:"" help:"What it may do: source delivers and reads its own certificates; facility-staff finds and prints at a desk; system-admin may do all; auditor reads the audit."`
	Source    string        `placeholder:"NAME" help:"For the role source: the system that delivers, such as commcare."`
	Programme string        `placeholder:"KEY" help:"For the role source: the one programme it delivers and reads."`
	Facility  string        `placeholder:"CODE" help:"For the role facility-staff: where its bearer prints."`
	As        int64         `placeholder:"ID" help:"Whose own it is: a member of staff, as staff list shows them. It may do no more than they, ends when they leave, and counts as them where two people answer for something."`
	Name      string        `placeholder:"NAME" help:"What to call it in lists and in the audit. Default: the source or the role."`
	For       time.Duration `default:"8760h" help:"How long it is good."`
}

// Run prints the new token alone.
func (c *tokenCreateCmd) Run(s streams) error {
	if c.As != 0 {
		return withHouse(s, c.dataFlags, func(h *house) error { return c.own(s, h) })
	}
	h, err := openStore(s.ctx, c.dataFlags, commandLog(s), existing)
	if err != nil {
		return err
	}
	defer h.close()
	if c.Programme != "" { // a token for one that does not exist would deliver nothing, and say so late
		if err := h.knowsProgramme(s.ctx, c.Programme); err != nil {
			return err
		}
	}
	return c.make(s, h, access.System("cli"))
}

// own makes a token that is a member of staff's own.
func (c *tokenCreateCmd) own(s streams, h *house) error {
	by, err := h.as(s, c.As, "token.create")
	if err != nil {
		return err
	}
	if c.Role == access.SourceRole || by.Role != access.SystemAdmin && (by.Role != c.Role || by.Facility != c.Facility) {
		return errors.New("a token of somebody's own has their role, and their facility: leave out --as for a system's")
	}
	return c.make(s, h, by)
}

func (c *tokenCreateCmd) make(s streams, h *house, by access.Caller) error {
	secret, err := h.tokens().Create(s.ctx, by, access.NewToken{Name: c.Name, Role: c.Role, Source: c.Source, Programme: c.Programme, Facility: c.Facility, For: c.For})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, secret)
	return err
}

// knowsProgramme says whether the profile of the folder has a programme.
func (h *house) knowsProgramme(ctx context.Context, key string) error {
	stored, err := h.settings(ctx)
	if err != nil {
		return err
	}
	p, err := profile.Open(stored[settingProfile])
	if err != nil {
		return err
	}
	if p.Programmes[key] == nil {
		return fmt.Errorf("the profile has no programme %q; it has %s", key, strings.Join(p.ProgrammeKeys(), ", "))
	}
	return nil
}

type tokenListCmd struct{ dataFlags }

// Run lists the tokens.
func (c *tokenListCmd) Run(s streams) error {
	h, err := openStore(s.ctx, c.dataFlags, commandLog(s), existing)
	if err != nil {
		return err
	}
	defer h.close()
	tokens, err := h.tokens().List(s.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tFOR\tCREATED\tSTATE")
	for _, t := range tokens {
		state := "good until " + t.Expires.Format(time.DateOnly)
		switch {
		case t.Revoked != nil:
			state = "revoked " + t.Revoked.Format(time.DateOnly)
		case !now().Before(t.Expires):
			state = "expired " + t.Expires.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, strings.Join(strings.Fields(t.Source+" "+t.Programme+" "+t.Facility), " "), t.Created.Format(time.DateOnly), state)
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	dataFlags
	ID int64 `arg:"" help:"The token's number, as token list shows it."`
}

// Run revokes the token.
func (c *tokenRevokeCmd) Run(s streams) error {
	h, err := openStore(s.ctx, c.dataFlags, commandLog(s), existing)
	if err != nil {
		return err
	}
	defer h.close()
	return h.tokens().Revoke(s.ctx, access.System("cli"), c.ID)
}

// commandLog is the log of a command: warnings only, for a person to read.
func commandLog(s streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
