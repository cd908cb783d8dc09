package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
)

type sourceCmd struct {
	List       sourceListCmd    `cmd:"" help:"List the systems that deliver records, with what became of what they delivered."`
	Create     sourceCreateCmd  `cmd:"" help:"Connect a system: DHIS2, CommCare, FHIR, or one that sends files."`
	Configure  sourceConfigCmd  `cmd:"" help:"Change a system's settings: URL, credentials, limit, scope."`
	Show       sourceShowCmd    `cmd:"" help:"Show one system: its state, its problem, its counts."`
	Test       sourceTestCmd    `cmd:"" help:"Ask a system whether it answers and has what its mapping names; list codes that the mapping does not know."`
	Pause      sourcePauseCmd   `cmd:"" help:"Ask a system nothing more; what it sends is stored and waits."`
	Resume     sourceResumeCmd  `cmd:"" help:"Go on with a system that was paused or stopped, after testing it."`
	Mapping    sourceMappingCmd `cmd:"" help:"Print a system's mapping."`
	SetMapping sourceSetMapCmd  `cmd:"" name:"set-mapping" help:"Give a system a new version of its mapping."`
	Counts     sourceCountsCmd  `cmd:"" help:"The ledger: what came in is waiting, issued, unchanged, held or rejected."`
	Set        sourceSetCmd     `cmd:"" help:"Say how what a system delivers is taken."`
}

// withIntake opens the intake of a data folder for a command.
func withIntake(s streams, f dataFlags, do func(*intake.Service) error) error {
	h, err := openHouse(s.ctx, f, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	return do(h.intake().intake)
}

type sourceListCmd struct{ dataFlags }

// Run lists the sources.
func (c *sourceListCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	list, err := h.intake().intake.List(s.ctx, access.System("cli"))
	if err != nil {
		return err
	}
	sources, err := h.sources().List(s.ctx)
	if err != nil {
		return err
	}
	taken := map[string]string{}
	for _, source := range sources {
		taken[source.Name] = "a conflict"
		if source.Authoritative {
			taken[source.Name] = "a correction"
		}
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tSTATE\tCREATED\tOTHER CONTENT IS\tLAST CONTACT\tHELD\tPROBLEM")
	for _, i := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", i.Name, i.Kind, i.State, i.Created.Format(time.DateOnly), taken[i.Name], moment(i.LastContact), i.Counts.Held, i.Problem)
	}
	return w.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type sourceCreateCmd struct {
	dataFlags
	Name      string   `arg:"" help:"What to call it: small letters, digits and hyphens."`
	Kind      string   `required:"" enum:"dhis2,commcare,fhir,file" help:"How it delivers: dhis2, commcare, fhir, or file for tables with columns of its own."`
	Config    string   `type:"path" placeholder:"FILE" help:"Its settings as JSON: URL, credentials. - reads them from the standard input. They are sealed."`
	Mapping   string   `type:"path" placeholder:"FILE" help:"Which of its fields is which of an event, as YAML. Needed where the kind has no usual one."`
	Programme string   `placeholder:"KEY" help:"Programme of records that name none."`
	Limit     int      `name:"hourly-limit" placeholder:"N" help:"Certificates an hour; what is more is held. 0: no limit."`
	Scope     []string `placeholder:"ID" help:"Facilities it reports for: ids or beginnings of their paths. Default: all."`
}

// Run makes the source and tests it.
func (c *sourceCreateCmd) Run(s streams) error {
	n := intake.NewSource{Name: c.Name, Kind: intake.SourceKind(c.Kind), Programme: c.Programme, HourlyLimit: c.Limit, Scope: c.Scope}
	config, err := readFile(s, c.Config)
	if err != nil {
		return err
	}
	if len(config) > 0 {
		if !json.Valid(config) {
			return errors.New("the settings are not JSON")
		}
		n.Config = config
	}
	mapping, err := readFile(s, c.Mapping)
	if err != nil {
		return err
	}
	n.Mapping = string(mapping)
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		by := access.System("cli")
		if err := in.Create(s.ctx, by, n); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "source %s is made\n", c.Name)
		if n.Kind == intake.FileKind {
			_, err := fmt.Fprintf(s.out, "See what a file of it gives: divoc import --source %s --dry-run FILE\n", c.Name)
			return err
		}
		return tellTest(s, in, c.Name)
	})
}

type sourceConfigCmd struct {
	oneSource
	Config    string   `type:"path" placeholder:"FILE" help:"New settings as JSON; those before stay when left out."`
	Programme string   `placeholder:"KEY" help:"Programme of records that name none."`
	Limit     int      `name:"hourly-limit" placeholder:"N" help:"Certificates an hour; what is more is held. 0: no limit."`
	Scope     []string `placeholder:"ID" help:"Facilities it reports for. Default: all."`
}

// Run replaces the settings.
func (c *sourceConfigCmd) Run(s streams) error {
	config, err := readFile(s, c.Config)
	if err != nil {
		return err
	}
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		if c.Config == "" {
			before, err := in.Source(s.ctx, c.Name)
			if err != nil {
				return err
			}
			config = before.Config
		}
		n := intake.Settings{Programme: c.Programme, Config: config, HourlyLimit: c.Limit, Scope: c.Scope}
		if err := in.Set(s.ctx, access.System("cli"), c.Name, n); err != nil {
			return err
		}
		return tellTest(s, in, c.Name)
	})
}

// readFile reads a small file, "-" from the standard input, "" as none.
func readFile(s streams, name string) ([]byte, error) {
	const most = 1 << 20
	var from io.Reader
	switch {
	case name == "":
		return nil, nil
	case strings.HasSuffix(name, "/-"), name == "-": // kong makes paths absolute
		from = s.in
	default:
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s has more than %d kB", name, most>>10)
	}
	return b, err
}

// tellTest asks a source and says what it said.
func tellTest(s streams, in *intake.Service, name string) error {
	t, err := in.Test(s.ctx, access.System("cli"), name)
	for _, u := range t.Check.Unused {
		fmt.Fprintf(s.out, "not at the source: %s\n", u)
	}
	for _, u := range t.Check.Unmapped {
		fmt.Fprintf(s.out, "not in the mapping: %s %s: code %q %s\n", u.Rule, u.Field, u.Code, u.Name)
	}
	if err != nil {
		return fmt.Errorf("source %s cannot be used yet: %w", name, err)
	}
	fmt.Fprintf(s.out, "source %s answers and has what its mapping names\n", name)
	return nil
}

// oneSource is the argument of commands about one source.
type oneSource struct {
	dataFlags
	Name string `arg:"" help:"The source, as source list shows it."`
}

type sourceShowCmd struct{ oneSource }

// Run prints what is known of the source, as JSON.
func (c *sourceShowCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		i, err := in.Get(s.ctx, access.System("cli"), c.Name)
		if err != nil {
			return err
		}
		return printJSON(s, i)
	})
}

func printJSON(s streams, v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

type sourceTestCmd struct{ oneSource }

// Run asks the source.
func (c *sourceTestCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error { return tellTest(s, in, c.Name) })
}

type sourcePauseCmd struct {
	oneSource
	Reason string `required:"" help:"Why; shown with the source, and kept in the audit."`
}

// Run pauses the source.
func (c *sourcePauseCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		return in.Pause(s.ctx, access.System("cli"), c.Name, c.Reason)
	})
}

type sourceResumeCmd struct{ oneSource }

// Run resumes the source.
func (c *sourceResumeCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error { return in.Resume(s.ctx, access.System("cli"), c.Name) })
}

type sourceMappingCmd struct{ oneSource }

// Run prints the mapping.
func (c *sourceMappingCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		text, err := in.MappingText(s.ctx, access.System("cli"), c.Name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.out, strings.TrimSpace(text))
		return err
	})
}

type sourceSetMapCmd struct {
	oneSource
	File string `arg:"" type:"existingfile" help:"The mapping, as YAML."`
}

// Run gives the source a new mapping.
func (c *sourceSetMapCmd) Run(s streams) error {
	text, err := readFile(s, c.File)
	if err != nil {
		return err
	}
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		version, err := in.SetMapping(s.ctx, access.System("cli"), c.Name, string(text))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "source %s has version %d of its mapping; look again at what is held: divoc hold retry --source %[1]s\n", c.Name, version)
		return err
	})
}

type sourceCountsCmd struct{ dataFlags }

// Run prints the ledger.
func (c *sourceCountsCmd) Run(s streams) error {
	return withIntake(s, c.dataFlags, func(in *intake.Service) error {
		list, err := in.List(s.ctx, access.System("cli"))
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "SOURCE\tIN\tWAITING\tISSUED\tUNCHANGED\tHELD\tREJECTED\t")
		for _, i := range list {
			n := i.Counts
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", i.Name, n.In, n.Waiting, n.Issued, n.Unchanged, n.Held, n.Rejected)
		}
		return w.Flush()
	})
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
