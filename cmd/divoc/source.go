package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
)

type sourceCmd struct {
	List sourceListCmd `cmd:"" help:"List the systems that deliver records."`
	Set  sourceSetCmd  `cmd:"" help:"Say how what a system delivers is taken."`
}

type sourceListCmd struct{ dataFlags }

// Run lists the sources.
func (c *sourceListCmd) Run(s streams) error {
	h, err := openStore(s.ctx, c.dataFlags, commandLog(s), existing)
	if err != nil {
		return err
	}
	defer h.close()
	sources, err := h.sources().List(s.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tCREATED\tOTHER CONTENT IS")
	for _, source := range sources {
		taken := "a conflict"
		if source.Authoritative {
			taken = "a correction"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", source.Name, source.Created.Format(time.DateOnly), taken)
	}
	return w.Flush()
}

type sourceSetCmd struct {
	dataFlags
	Name          string `arg:"" help:"The source, as source list shows it."`
	Authoritative bool   `required:"" negatable:"" help:"It knows best: a record it sends again with other content is a correction, not a conflict. --no-authoritative ends that."`
}

// Run changes the source.
func (c *sourceSetCmd) Run(s streams) error {
	h, err := openStore(s.ctx, c.dataFlags, commandLog(s), existing)
	if err != nil {
		return err
	}
	defer h.close()
	return h.sources().SetAuthoritative(s.ctx, access.System("cli"), c.Name, c.Authoritative)
}

// sources are the systems that deliver records.
func (h *house) sources() access.Sources { return access.Sources{Store: h.store, Now: now} }
