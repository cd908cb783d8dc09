package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/registry/query"
)

type staffCmd struct {
	Invite     staffInviteCmd     `cmd:"" help:"Make an account and print a link, good once and for a day, by which its owner chooses how to sign in."`
	List       staffListCmd       `cmd:"" help:"List who may sign in."`
	Role       staffRoleCmd       `cmd:"" help:"Give somebody another role; their sessions end."`
	Reset      staffResetCmd      `cmd:"" help:"Take away how somebody signs in and print a new link: for who lost everything."`
	Unlock     staffUnlockCmd     `cmd:"" help:"End the wait after wrong tries."`
	Deactivate staffDeactivateCmd `cmd:"" help:"End an account at once, with its sessions."`
	Reactivate staffReactivateCmd `cmd:"" help:"Bring a deactivated account back."`
	Leave      staffLeaveCmd      `cmd:"" help:"Somebody leaves: end account, sessions and the API tokens they made, and hand their open cases to a colleague."`
}

// staff are the members of staff of the house.
func (h *house) staff(shift time.Duration) (*staff.Service, error) {
	return staff.New(staff.Options{
		Store: h.store, Box: h.box, Now: now, Random: rand.Reader, Log: h.log,
		PublicURL: h.publicURL, Issuer: h.profile.IssuerName("en"), Demo: h.demo, Shift: shift,
		HandOver: func(ctx context.Context, q *query.Queries, by access.Caller, from, to string) (int, error) {
			return casework.HandOver(ctx, q, by, now(), from, to)
		},
	})
}

// withStaff runs a command on the members of staff of a folder.
func withStaff(s streams, f dataFlags, act func(*staff.Service, access.Caller) error) error {
	h, err := openHouse(s.ctx, f, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	people, err := h.staff(0)
	if err != nil {
		return err
	}
	return act(people, access.System("cli"))
}

type staffInviteCmd struct {
	dataFlags
	Role     access.Role `required:"" help:"system-admin, programme-admin, facility-admin, facility-staff or auditor."`
	Login    string      `required:"" placeholder:"NAME" help:"What they will type to sign in, such as a.brown."`
	Name     string      `placeholder:"NAME" help:"What colleagues call them. Default: the sign-in name."`
	Facility string      `placeholder:"CODE" help:"For the roles at a facility."`
}

// Run prints the link alone; it cannot be shown again.
func (c *staffInviteCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error {
		if c.Name == "" {
			c.Name = c.Login
		}
		_, link, err := people.Invite(s.ctx, by, staff.Invitee{Name: c.Name, Login: c.Login, Role: c.Role, Facility: c.Facility})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, people.LinkURL(link))
		return err
	})
}

type staffListCmd struct{ dataFlags }

// Run lists the members.
func (c *staffListCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error {
		list, err := people.List(s.ctx, by)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSIGN-IN NAME\tROLE\tFACILITY\tFROM\tSTATE\tFACTORS")
		for _, m := range list {
			factors := ""
			if m.Password {
				factors = "password "
			}
			if m.Passkeys > 0 {
				factors += fmt.Sprintf("%d passkeys", m.Passkeys)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Name, m.Login, m.Role, m.Facility, m.Origin, m.State, factors)
		}
		return w.Flush()
	})
}

// staffID names somebody on the command line.
type staffID struct {
	dataFlags
	ID int64 `arg:"" help:"The account's number, as staff list shows it."`
}

type staffRoleCmd struct {
	staffID
	Role     access.Role `required:"" help:"The new role."`
	Facility string      `placeholder:"CODE" help:"For the roles at a facility."`
}

// Run gives the role.
func (c *staffRoleCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error {
		return people.SetRole(s.ctx, by, c.ID, c.Role, c.Facility)
	})
}

type staffResetCmd struct{ staffID }

// Run prints the new link alone.
func (c *staffResetCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error {
		link, err := people.Reset(s.ctx, by, c.ID)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, people.LinkURL(link))
		return err
	})
}

type staffUnlockCmd struct{ staffID }

// Run ends the wait.
func (c *staffUnlockCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error { return people.Unlock(s.ctx, by, c.ID) })
}

type staffDeactivateCmd struct{ staffID }

// Run ends the account.
func (c *staffDeactivateCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error { return people.Deactivate(s.ctx, by, c.ID) })
}

type staffReactivateCmd struct{ staffID }

// Run brings the account back.
func (c *staffReactivateCmd) Run(s streams) error {
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error { return people.Reactivate(s.ctx, by, c.ID) })
}

type staffLeaveCmd struct {
	staffID
	To int64 `placeholder:"ID" help:"The colleague who takes over what is open."`
}

// Run ends everything and says what it was.
func (c *staffLeaveCmd) Run(s streams) error {
	if c.To == c.ID {
		return errors.New("--to names a colleague, not who leaves")
	}
	return withStaff(s, c.dataFlags, func(people *staff.Service, by access.Caller) error {
		left, err := people.Leave(s.ctx, by, c.ID, c.To)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "ended: the account, %d sessions, %d tokens; handed over: %d cases\n", left.Sessions, left.Tokens, left.Handed)
		return err
	})
}
