package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

type holdCmd struct {
	List    holdListCmd    `cmd:"" help:"List what is held, the oldest first."`
	Show    holdShowCmd    `cmd:"" help:"Open one item, with what the source said of the person. Each look is recorded."`
	Report  holdReportCmd  `cmd:"" help:"What is held by source, reason and facility, and for how long."`
	Map     holdMapCmd     `cmd:"" help:"Say what a code means that the mapping lacks, and look again at all that lack it."`
	Edit    holdEditCmd    `cmd:"" help:"Correct a field of what is held, until the source says something else in it."`
	Retry   holdRetryCmd   `cmd:"" help:"Look again at what is held, after something was mended."`
	Release holdReleaseCmd `cmd:"" help:"Issue what is held for a limit, a scope, or because it looks like something else; a person who looks like another is another."`
	Merge   holdMergeCmd   `cmd:"" help:"Issue what is held as a possible duplicate and link the person with whom they look like: they are one."`
	Reject  holdRejectCmd  `cmd:"" help:"End what is held: nothing comes of it."`
	Revoke  holdRevokeCmd  `cmd:"" help:"Revoke certificates whose records their source deleted."`
	Keep    holdKeepCmd    `cmd:"" help:"Let certificates stand although their source deleted the records."`
	Trace   holdTraceCmd   `cmd:"" help:"Say which deliveries a certificate comes from."`
}

// which says which items are meant.
type which struct {
	dataFlags
	Items    []int64 `arg:"" optional:"" help:"Numbers of items, as hold list shows them. None: all that the flags name."`
	Source   string  `placeholder:"NAME" help:"Only of this source."`
	Class    string  `placeholder:"REASON" help:"Only for this reason, such as unmapped-code."`
	Facility string  `placeholder:"ID" help:"Only of this place."`
	Field    string  `placeholder:"FIELD" help:"Only about this field, such as vaccination.product."`
	Days     int     `help:"Only what is held for at least so many days."`
}

func (w which) filter() intake.HoldFilter {
	return intake.HoldFilter{
		IDs: w.Items, Source: w.Source, Class: intake.HoldClass(w.Class), Facility: w.Facility, Field: w.Field, Older: time.Duration(w.Days) * 24 * time.Hour,
	}
}

type holdListCmd struct {
	which
	Max int `default:"100" help:"At most so many."`
}

// Run lists held items, without anything of a person.
func (c *holdListCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		f := c.filter()
		f.Max = c.Max
		list, err := in.Holds(s.ctx, access.System("cli"), f)
		if err != nil {
			return err
		}
		return printItems(s, list)
	})
}

func printItems(s streams, list []intake.Item) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ITEM\tSOURCE\tSTATE\tREASON\tFIELD\tFACILITY\tRECEIVED\tREFERENCE\tWHAT WOULD HELP")
	for _, i := range list {
		advice := ""
		if len(i.Problems) > 0 {
			advice = i.Problems[0].Message
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Source, i.State, i.Class, i.Field, i.Facility, moment(i.Received), i.Reference, advice)
	}
	return w.Flush()
}

type oneItem struct {
	dataFlags
	Item int64 `arg:"" help:"Number of the item, as hold list shows it."`
}

type holdShowCmd struct{ oneItem }

// Run opens an item.
func (c *holdShowCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		shown, err := in.Show(s.ctx, access.System("cli"), c.Item)
		if err != nil {
			return err
		}
		return printJSON(s, shown)
	})
}

type holdReportCmd struct {
	dataFlags
	Source string `placeholder:"NAME" help:"Only of this source."`
}

// Run prints the ageing report.
func (c *holdReportCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		list, err := in.Report(s.ctx, access.System("cli"), c.Source)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SOURCE\tREASON\tFACILITY\tHELD\t1 DAY\t3 DAYS\t7 DAYS\t30 DAYS\tOLDEST")
		for _, a := range list {
			place := a.Facility
			if a.Name != "" {
				place = a.Name
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", a.Source, a.Class, place, a.Items, a.Day1, a.Day3, a.Day7, a.Day30, moment(a.Oldest))
		}
		return w.Flush()
	})
}

type holdMapCmd struct {
	oneItem
	Value string `arg:"" help:"What the code means, as an event has it: a product, a dose number."`
}

// Run adds a code to the mapping.
func (c *holdMapCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		done, err := in.Map(s.ctx, access.System("cli"), c.Item, c.Value)
		return tellDecided(s, in, done, err)
	})
}

type holdEditCmd struct {
	oneItem
	Field  string `arg:"" help:"Of the event, such as vaccination.lot or person.birthDate."`
	Value  string `arg:"" help:"What it should be."`
	Reason string `help:"Why; kept with the correction. Nothing of the person."`
}

// Run corrects a field.
func (c *holdEditCmd) Run(s streams) error {
	// A text is given as it is; what is no text (a number, a list) as JSON.
	value := json.RawMessage(c.Value)
	if !json.Valid(value) || !isNumberOrList(c.Value) {
		text, err := json.Marshal(c.Value)
		if err != nil {
			return err
		}
		value = text
	}
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		done, err := in.Edit(s.ctx, access.System("cli"), c.Item, c.Field, value, c.Reason)
		if vaccination.ErrorCode(err) == vaccination.Invalid { // a number that is a text: a batch 123
			text, _ := json.Marshal(c.Value)
			done, err = in.Edit(s.ctx, access.System("cli"), c.Item, c.Field, text, c.Reason)
		}
		return tellDecided(s, in, done, err)
	})
}

func isNumberOrList(v string) bool {
	return v != "" && (v[0] == '[' || v[0] == '{' || v[0] == '-' || v[0] >= '0' && v[0] <= '9')
}

// decideFlags are those of every decision about many.
type decideFlags struct {
	which
	Reason string `help:"Why; kept in the audit. Nothing of a person."`
}

func (c decideFlags) decide(s streams, action intake.Action) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		done, err := in.Decide(s.ctx, access.System("cli"), c.filter(), intake.Decision{Action: action, Reason: c.Reason})
		return tellDecided(s, in, done, err)
	})
}

// tellDecided settles what is to be read again and says what became of it all.
func tellDecided(s streams, in *intake.Service, done intake.Decided, err error) error {
	if done.Items > 0 {
		fmt.Fprintf(s.out, "%d items: %d issued, %d closed, %d still held, %d to be read again\n", done.Items, done.Issued, done.Closed, done.Held, done.Waiting)
	}
	if err == nil && done.Items == 0 {
		fmt.Fprintln(s.out, "nothing of this is held")
	}
	return err
}

type holdRetryCmd struct{ decideFlags }

// Run looks again.
func (c *holdRetryCmd) Run(s streams) error { return c.decide(s, intake.Retry) }

type holdReleaseCmd struct{ decideFlags }

// Run releases.
func (c *holdReleaseCmd) Run(s streams) error { return c.decide(s, intake.Release) }

type holdMergeCmd struct {
	decideFlags
	As string `placeholder:"ID" help:"A certificate of whom they are one with, where the item has several candidates."`
}

// Run merges.
func (c *holdMergeCmd) Run(s streams) error {
	d := intake.Decision{Action: intake.Merge, Reason: c.Reason}
	if c.As != "" {
		id, err := vaccination.ParseCertificateID(c.As)
		if err != nil {
			return err
		}
		d.As = id
	}
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		done, err := in.Decide(s.ctx, access.System("cli"), c.filter(), d)
		return tellDecided(s, in, done, err)
	})
}

type holdRejectCmd struct{ decideFlags }

// Run rejects.
func (c *holdRejectCmd) Run(s streams) error { return c.decide(s, intake.Reject) }

type holdRevokeCmd struct{ decideFlags }

// Run revokes.
func (c *holdRevokeCmd) Run(s streams) error { return c.decide(s, intake.Revoke) }

type holdKeepCmd struct{ decideFlags }

// Run keeps.
func (c *holdKeepCmd) Run(s streams) error { return c.decide(s, intake.Keep) }

type holdTraceCmd struct {
	dataFlags
	Certificate string `arg:"" help:"Id of the certificate."`
}

// Run says where a certificate comes from.
func (c *holdTraceCmd) Run(s streams) error {
	id, err := vaccination.ParseCertificateID(c.Certificate)
	if err != nil {
		return err
	}
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		list, err := in.Trace(s.ctx, access.System("cli"), id)
		if err != nil {
			return err
		}
		return printItems(s, list)
	})
}
