package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// audit is what answers for the audit of the house.
func (h *house) audit() *audit.Service {
	r := h.profile.Alarms
	return audit.New(audit.Options{
		Store: h.store, Keys: h.ring, Now: now, Log: h.log, Send: h.sendHeads(),
		Rules: audit.Rules{Opened: r.Opened, Bulk: r.Bulk, NightFrom: r.NightFrom, NightUntil: r.NightUntil, Zone: h.profile.TimeZone},
	})
}

// envHeads names a folder into which statements of audit heads are written, such
// as one that is mounted from the auditor's machine.
const envHeads = "DIVOC_AUDIT_HEADS"

// sendHeads gives statements to the auditor: into the folder that is configured,
// and by e-mail to the profile's address. It is nil where there is neither.
func (h *house) sendHeads() audit.Send {
	dir, to := os.Getenv(envHeads), h.profile.AuditorEmail
	if dir == "" && to == "" {
		return nil
	}
	return func(ctx context.Context, q *query.Queries, number int64, text []byte) error {
		if dir != "" {
			if err := writeHeads(filepath.Join(dir, fmt.Sprintf("heads-%06d.json", number)), text); err != nil {
				return err
			}
		}
		if to == "" {
			return nil
		}
		return h.messages().Queue(ctx, q, headsMail(h.publicURL, to, number, text))
	}
}

// headsMail tells the auditor of a statement: its hash is what it is known by.
func headsMail(publicURL, to string, number int64, text []byte) deliver.Message {
	n := strconv.FormatInt(number, 10)
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	return deliver.Message{
		Template: profile.MessageAuditHeads, Class: deliver.Notice, To: to, Once: "audit heads " + n + " " + hash,
		Values: map[string]string{"number": n, "hash": hash, "link": publicURL + audit.Path + "/" + n},
	}
}

// writeHeads writes a statement, durably.
func writeHeads(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // what is published is for everybody
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// auditWork is the job that raises alarms and publishes heads.
func auditWork(a *audit.Service) issuance.Work {
	return issuance.Work{Queue: "audit", Workers: 1, Add: a.AddTo, Every: []issuance.Periodic{{Every: audit.Every, Job: func() river.JobArgs { return audit.Job() }}}}
}

type auditCmd struct {
	Heads  auditHeadsCmd  `cmd:"" help:"Publish where all audit chains end now, and print the statement: to keep on another machine, for fsck --head."`
	Alarms auditAlarmsCmd `cmd:"" help:"List alarms about what somebody should look at."`
	Close  auditCloseCmd  `cmd:"" help:"Say that somebody looked at an alarm; who was kept from opening records may again."`
}

type auditHeadsCmd struct{ dataFlags }

// Run publishes and prints.
func (c *auditHeadsCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		p, err := h.audit().Publish(s.ctx, access.System("cli"))
		if err != nil {
			return err
		}
		_, err = s.out.Write(p.Text)
		return err
	})
}

type auditAlarmsCmd struct {
	dataFlags
	All bool `help:"Also those that were closed."`
}

// Run lists alarms.
func (c *auditAlarmsCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		list, err := h.audit().Alarms(s.ctx, access.System("cli"), !c.All, 1000)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ALARM\tKIND\tACTOR\tCOUNT\tRAISED\tCLOSED\tBY\tREASON")
		for _, a := range list {
			closed := ""
			if !a.Closed.IsZero() {
				closed = moment(a.Closed)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", a.ID, a.Kind, a.Actor, a.Count, moment(a.Raised), closed, a.By, a.Reason)
		}
		return w.Flush()
	})
}

type auditCloseCmd struct {
	dataFlags
	Alarm  int64  `arg:"" help:"Number of the alarm."`
	Reason string `required:"" help:"What was found; kept in the audit. Nothing of a person."`
}

// Run closes an alarm.
func (c *auditCloseCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		if err := h.audit().CloseAlarm(s.ctx, access.System("cli"), c.Alarm, c.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "closed")
		return err
	})
}
