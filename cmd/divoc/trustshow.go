package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/trustlist"
)

// shownChanges bounds a difference that nobody asked to see all of.
const shownChanges = 40

func printChanges(out io.Writer, list []trustlist.Change, all bool) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANGE\tISSUER\tKEY\tMAY SIGN\tFROM\tUNTIL\tFINGERPRINT")
	for i, c := range list {
		if i == shownChanges && !all {
			break
		}
		printKey(w, c.What, c.Key)
		if c.Was != nil {
			printKey(w, "  was", *c.Was)
		}
	}
	_ = w.Flush() // a terminal
	if n := len(list) - shownChanges; n > 0 && !all {
		fmt.Fprintf(out, "and %d more (--all)\n", n)
	}
}

func printKey(w io.Writer, what string, k trustlist.Key) {
	var usage []string
	for _, u := range k.Usage {
		usage = append(usage, string(u))
	}
	switch {
	case k.Withdraws > 0:
		usage = []string{fmt.Sprintf("nothing: %d revoked", k.Withdraws)}
	case usage == nil:
		usage = []string{"everything"}
	}
	name := k.Key
	if len(name) > 44 {
		name = "…" + name[len(name)-43:]
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.16s\n", what, k.Issuer, name, strings.Join(usage, " "), day(k.From), day(k.Until), k.Fingerprint)
}

func printLeftOut(out io.Writer, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(out, "left out, %d:\n", len(list))
	for i, l := range list {
		if i == shownChanges {
			fmt.Fprintf(out, "  and %d more\n", len(list)-i)
			return
		}
		fmt.Fprintln(out, "  "+l)
	}
	fmt.Fprintln(out)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

type trustListCmd struct{ dataFlags }

// Run lists the sources.
func (c *trustListCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		list, err := h.trust().Sources(s.ctx, trustCaller())
		if err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Fprintln(s.out, "Only our own keys count. divoc trust import adds others.")
			return nil
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SOURCE\tKIND\tKEYS\tVERSION\tLAST SEEN\tWAITING\tASKED\tURL")
		for _, x := range list {
			seen, waiting, asked := "never", "-", "by hand"
			if !x.Seen.IsZero() {
				seen = fmt.Sprintf("%d h ago", int(x.Age(now()).Hours()))
			}
			if x.Waiting != 0 {
				waiting = fmt.Sprint("version ", x.Waiting)
			}
			if x.EveryHours > 0 {
				asked = fmt.Sprintf("every %d h", x.EveryHours)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", x.Name, x.Kind, x.Keys, x.Version, seen, waiting, asked, x.URL)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, x := range list {
			if x.Fault != "" {
				fmt.Fprintf(s.out, "%s, when it was last asked: %s\n", x.Name, x.Fault)
			}
		}
		return nil
	})
}

type trustDiffCmd struct {
	dataFlags
	Name    string `arg:"" help:"The source."`
	Version int64  `arg:"" optional:"" help:"Number of a version. Left out, the one that waits; where none does, all versions are listed."`
	All     bool   `help:"Show every line of a long difference."`
}

// Run shows a difference.
func (c *trustDiffCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		t := h.trust()
		id := c.Version
		if id == 0 {
			src, err := t.Source(s.ctx, trustCaller(), c.Name)
			if err != nil {
				return err
			}
			if id = src.Waiting; id == 0 {
				return c.list(s, t)
			}
		}
		v, changes, err := t.Difference(s.ctx, trustCaller(), id)
		if err != nil {
			return err
		}
		if v.Source != c.Name {
			return fmt.Errorf("version %d is of %s", id, v.Source)
		}
		printLeftOut(s.err, v.LeftOut)
		printChanges(s.out, changes, c.All)
		return nil
	})
}

func (c *trustDiffCmd) list(s streams, t *trustlist.Service) error {
	list, err := t.Versions(s.ctx, trustCaller(), c.Name)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tIMPORTED\tBY\tKEYS\tADDED\tREMOVED\tCHANGED\tSTATE")
	for _, v := range list {
		state := "counted until another did"
		switch {
		case v.Waiting:
			state = "waits"
		case v.Current:
			state = "counts"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", v.ID, v.Made.Format(time.DateTime), v.By, v.Keys, v.Added, v.Removed, v.Changed, state)
	}
	return w.Flush()
}

type trustExportCmd struct {
	dataFlags
	Name string `arg:"" optional:"" help:"A source: what it says, for divoc verify --trust. Left out, the whole signed bundle."`
}

// Run prints the bundle.
func (c *trustExportCmd) Run(s streams) error {
	return c.with(s, func(h *house) error {
		t := h.trust()
		var out []byte
		var err error
		if c.Name == "" {
			out, err = h.service.TrustBundle(s.ctx)
		} else {
			out, err = t.Export(s.ctx, trustCaller(), c.Name)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, string(bytes.TrimSpace(out)))
		return err
	})
}
