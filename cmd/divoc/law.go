package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/retention"
	"github.com/opendivoc/divoc/internal/subject"
	"github.com/opendivoc/divoc/vaccination"
)

// subject exports and erases what the house holds on a person.
func (h *house) subject() *subject.Service {
	return subject.New(subject.Options{Store: h.store, Issuance: h.service, Intake: h.intake().intake, Cases: h.cases(), Profile: h.profile, Now: now})
}

// retention removes what is past its time in the house.
func (h *house) retention() *retention.Service {
	r, sources, cases, watch, uploads := h.profile.Retention, h.intake().intake, h.cases(), h.audit(), h.uploads()
	q := h.store.Read
	by := access.System("retention")
	wrong := func(ctx context.Context, before time.Time) (int64, error) {
		return q().CountUploadsToClear(ctx, before)
	}
	return &retention.Service{Store: h.store, Now: now, Log: h.log, Classes: []retention.Class{
		{
			Name: "deliveries", Keep: r.Deliveries, Remove: sources.ClearOld,
			Due: func(ctx context.Context, before time.Time) (int64, error) {
				return q().CountArrivalsToClear(ctx, before)
			},
		},
		{
			Name: "wrong-rows", Keep: uploads.KeepRows(), Due: wrong, // files of them
			Remove: func(ctx context.Context, before time.Time) (int64, error) {
				due, err := wrong(ctx, before)
				if err != nil {
					return 0, err
				}
				if err := uploads.Clear(ctx); err != nil {
					return 0, err
				}
				left, err := wrong(ctx, before)
				return max(due-left, 0), err
			},
		},
		{
			Name: "evidence", Keep: r.Evidence, // requests that have any
			Due: func(ctx context.Context, before time.Time) (int64, error) { return q().CountOldEvidence(ctx, before) },
			Remove: func(ctx context.Context, before time.Time) (total int64, err error) {
				for {
					n, err := cases.ForgetEvidence(ctx, by, before)
					total += int64(n)
					if err != nil || n == 0 {
						return total, err
					}
				}
			},
		},
		{
			Name: "seen", Keep: r.Seen, Remove: watch.Trim,
			Due: func(ctx context.Context, before time.Time) (int64, error) {
				return q().CountSeenBefore(ctx, query.CountSeenBeforeParams{Before: before, Acts: audit.SeenActs()})
			},
		},
		{
			Name: "messages", Keep: r.Messages,
			Remove: func(ctx context.Context, before time.Time) (int64, error) {
				return retention.Stepwise(func(max int32) (int64, error) {
					return q().DeleteOldMessages(ctx, query.DeleteOldMessagesParams{Before: before, MaxRows: max})
				})
			},
			Due: func(ctx context.Context, before time.Time) (int64, error) { return q().CountOldMessages(ctx, before) },
		},
		{
			Name: "sessions", Keep: r.Sessions,
			Remove: func(ctx context.Context, before time.Time) (int64, error) {
				staff, err := retention.Stepwise(func(max int32) (int64, error) {
					return q().DeleteOldStaffSessions(ctx, query.DeleteOldStaffSessionsParams{Before: before, MaxRows: max})
				})
				if err != nil {
					return staff, err
				}
				citizens, err := retention.Stepwise(func(max int32) (int64, error) {
					return q().DeleteOldCitizenSessions(ctx, query.DeleteOldCitizenSessionsParams{Before: before, MaxRows: max})
				})
				return staff + citizens, err
			},
			Due: func(ctx context.Context, before time.Time) (int64, error) {
				n, err := q().CountOldSessions(ctx, before)
				return int64(n), err
			},
		},
		{
			Name: "prints", Keep: r.Prints,
			Remove: func(ctx context.Context, before time.Time) (int64, error) {
				return retention.Stepwise(func(max int32) (int64, error) {
					return q().DeleteOldPrints(ctx, query.DeleteOldPrintsParams{Before: before, MaxRows: max})
				})
			},
			Due: func(ctx context.Context, before time.Time) (int64, error) { return q().CountOldPrints(ctx, before) },
		},
	}}
}

// retentionWork is the job of a day.
func retentionWork(r *retention.Service) issuance.Work {
	return issuance.Work{Queue: "retention", Workers: 1, Add: r.AddTo, Every: []issuance.Periodic{{Every: retention.Every, Job: func() river.JobArgs { return retention.Job() }}}}
}

type retentionCmd struct {
	dataFlags
	Now bool `help:"Remove what is past its time now, rather than with the job of each day."`
}

// Run reports.
func (c *retentionCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		r := h.retention()
		if c.Now {
			if err := r.Run(s.ctx); err != nil {
				return err
			}
		}
		lines, err := r.Report(s.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CLASS\tKEPT DAYS\tLAST RUN\tREMOVED THEN\tDUE NOW")
		for _, l := range lines {
			ran := "never"
			if !l.Ran.IsZero() {
				ran = moment(l.Ran)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\n", l.Class, int(l.Keep/(24*time.Hour)), ran, l.Removed, l.Due)
		}
		return w.Flush()
	})
}

type personExportCmd struct {
	dataFlags
	Certificate string `arg:"" help:"Id of a certificate of the person."`
	JSON        string `name:"json" type:"path" placeholder:"FILE" help:"Where to write everything as JSON; standard output when left out."`
	Page        string `type:"path" placeholder:"FILE" help:"Where to write it as a page to read and print."`
}

// Run exports. The files may be read by their owner only.
func (c *personExportCmd) Run(s streams) error {
	id, err := vaccination.ParseCertificateID(c.Certificate)
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error {
		d, err := h.subject().Export(s.ctx, access.System("cli"), id)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		if c.Page != "" {
			if err := writePrivate(c.Page, d.WritePage); err != nil {
				return err
			}
		}
		if c.JSON == "" {
			_, err = fmt.Fprintln(s.out, string(text))
			return err
		}
		return writePrivate(c.JSON, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err })
	})
}

// writePrivate writes a file that only its owner reads.
func writePrivate(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: choose another name", path)
	}
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

type personEraseCmd struct {
	dataFlags
	Certificate  string `required:"" help:"Id of a certificate of the person."`
	Reason       string `required:"" help:"Why; kept in the audit. Nothing of the person."`
	Certificates string `enum:"keep,revoke,profile" default:"profile" help:"What becomes of the certificates that stand: keep them valid, revoke them, or as the profile says."`
	Yes          bool   `help:"Erase. Without it, only say what would be erased."`
}

// Run erases, once and for ever.
func (c *personEraseCmd) Run(s streams) error {
	id, err := vaccination.ParseCertificateID(c.Certificate)
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error {
		if !c.Yes {
			who, err := h.service.WhomOf(s.ctx, access.System("cli"), id)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "one person with %d certificates would be erased, for ever; add --yes to do it\n", len(who.Certificates))
			return err
		}
		choice := c.Certificates
		if choice == "profile" {
			choice = ""
		}
		who, err := h.subject().EraseNow(s.ctx, access.System("cli"), id, choice, c.Reason)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "erased: one person with %d certificates. Backups made before still hold them until they are deleted; tell the source, or it delivers them again\n", len(who.Certificates))
		return err
	})
}
