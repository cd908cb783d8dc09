package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/vaccination"
)

type messageCmd struct {
	List     messageListCmd     `cmd:"" help:"List messages and what became of them, the newest first. Nothing of a person is shown."`
	Show     messageShowCmd     `cmd:"" help:"Open one message: its text, and the end of the number. Each look is recorded."`
	Resend   messageResendCmd   `cmd:"" help:"Send again what did not arrive."`
	Suppress messageSuppressCmd `cmd:"" help:"Send nothing to a number or address any more, or again."`
	Preview  messagePreviewCmd  `cmd:"" help:"Print every text in every language, with what it costs."`
	Test     messageTestCmd     `cmd:"" help:"Send one message to a number or address, to see whether it arrives."`
	Gateway  gatewayCmd         `cmd:"" help:"Connect, list, pause and remove what carries messages."`
	Campaign campaignCmd        `cmd:"" help:"Send one message to many: draft and count, stop. It is approved in the portal."`
}

// withMessages opens the outbox. by is whoever runs the command, as the audit
// names them.
func withMessages(s streams, f dataFlags, do func(m *deliver.Service, by access.Caller) error) error {
	h, err := openHouse(s.ctx, f, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	return do(h.messages(), access.System("cli"))
}

type messageListCmd struct {
	dataFlags
	State       []string `placeholder:"STATE" help:"Only in this state: queued, accepted, unknown, expired, failed, delivered."`
	Dead        bool     `help:"Only what did not arrive, as far as is known."`
	Template    string   `placeholder:"NAME" help:"Only of this template, such as ready."`
	Certificate string   `placeholder:"ID" help:"Only about this certificate."`
	Campaign    int64    `placeholder:"N" help:"Only of this campaign."`
	Before      int64    `placeholder:"ID" help:"Only older ones than this."`
	Max         int      `default:"50" help:"At most so many."`
}

// Run lists messages.
func (c *messageListCmd) Run(s streams) error {
	q := deliver.Query{States: c.State, Template: c.Template, Campaign: c.Campaign, Before: c.Before, Max: c.Max}
	if c.Dead {
		q.States = deliver.Dead()
	}
	if c.Certificate != "" {
		id, err := vaccination.ParseCertificateID(c.Certificate)
		if err != nil {
			return err
		}
		q.Certificate = id
	}
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		list, err := m.List(s.ctx, by, q)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "MESSAGE\tQUEUED\tTEMPLATE\tLANGUAGE\tBY\tSTATE\tSINCE\tWHY\tATTEMPTS\tPARTS\tCERTIFICATE")
		for _, x := range list {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", x.ID, moment(x.Created), x.Template, x.Language, x.Channel, x.State, moment(x.StateAt), x.Code, x.Attempts, x.Parts, x.About)
		}
		return w.Flush()
	})
}

type messageShowCmd struct {
	dataFlags
	Message int64 `arg:"" help:"Number of the message, as message list shows it."`
}

// Run opens a message.
func (c *messageShowCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		shown, err := m.Show(s.ctx, by, c.Message)
		if err != nil {
			return err
		}
		return printJSON(s, shown)
	})
}

type messageResendCmd struct {
	dataFlags
	Messages []int64 `arg:"" help:"Numbers of messages, as message list --dead shows them."`
}

// Run has messages sent again.
func (c *messageResendCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		return m.Resend(s.ctx, by, c.Messages...)
	})
}

type messageSuppressCmd struct {
	dataFlags
	To     string         `arg:"" optional:"" help:"A number as people type it, or an address. None: count those that get nothing."`
	Reason deliver.Reason `default:"opted-out" enum:"opted-out,wrong-number,unreachable" help:"opted-out, wrong-number or unreachable."`
	Lift   bool           `help:"Send to it again."`
}

// Run stops messages to a number.
func (c *messageSuppressCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		if c.To != "" {
			return m.SuppressNumber(s.ctx, by, c.To, c.Reason, c.Lift)
		}
		counts, err := m.Suppressed(s.ctx, by)
		for _, reason := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(s.out, "%s  %d\n", reason, counts[reason])
		}
		return err
	})
}

type messagePreviewCmd struct{ dataFlags }

// Run prints every text.
func (c *messagePreviewCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		list, err := m.Previews(by)
		for _, p := range list {
			fmt.Fprintf(s.out, "%s %s: %s, %d units, %d parts\n  %s\n", p.Language, p.Template, p.Size.Alphabet, p.Size.Units, p.Size.Parts, p.Text)
		}
		return err
	})
}

type messageTestCmd struct {
	dataFlags
	To string `arg:"" help:"Your own number as you type it, or your address."`
}

// Run queues a message to see whether it arrives. A server sends it.
func (c *messageTestCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		if err := m.Test(s.ctx, by, c.To); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "queued; a running server sends it: see divoc message list")
		return err
	})
}

type gatewayCmd struct {
	Set    gatewaySetCmd    `cmd:"" help:"Connect a gateway, or change it, from a file. Its credentials are sealed."`
	List   gatewayListCmd   `cmd:"" help:"List the gateways, and whether they work."`
	Preset gatewayPresetCmd `cmd:"" help:"Print the settings that are known of a provider, to begin with."`
	Pause  gatewayPauseCmd  `cmd:"" help:"Stop a gateway; what is queued waits."`
	Resume gatewayResumeCmd `cmd:"" help:"Let a gateway go on, at once."`
	Delete gatewayDeleteCmd `cmd:"" help:"Forget a gateway and its credentials."`
}

type oneGateway struct {
	dataFlags
	Name string `arg:"" help:"Name of the gateway. Of several for one channel the first in the alphabet is used."`
}

type gatewaySetCmd struct {
	oneGateway
	File string `arg:"" type:"path" help:"Its settings as YAML (docs/messages.md); - reads the standard input."`
}

// Run connects a gateway.
func (c *gatewaySetCmd) Run(s streams) error {
	text, err := readFile(s, c.File)
	if err != nil {
		return err
	}
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		receipts, err := m.SetGateway(s.ctx, by, c.Name, string(text))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "gateway %s is set. Receipts go to this address, which is a secret:\n%s\n", c.Name, receipts)
		return err
	})
}

type gatewayListCmd struct{ dataFlags }

// Run lists the gateways.
func (c *gatewayListCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		list, err := m.Gateways(s.ctx, by)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tCHANNEL\tKIND\tSTATE\tFAILURES\tWHY\tCHANGED")
		for _, g := range list {
			state := "works"
			switch {
			case g.Paused:
				state = "paused"
			case g.Down:
				state = "is left alone"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", g.Name, g.Channel, g.Kind, state, g.Failures, g.Reason, moment(g.Changed))
		}
		return w.Flush()
	})
}

type gatewayPresetCmd struct {
	Name string `arg:"" optional:"" help:"Provider. None: list them."`
}

// Run prints a preset.
func (c *gatewayPresetCmd) Run(s streams) error {
	if text, ok := transport.PresetText(c.Name); ok {
		_, err := fmt.Fprint(s.out, text)
		return err
	}
	_, err := fmt.Fprintln(s.out, strings.Join(transport.Presets(), "\n"))
	return err
}

type gatewayPauseCmd struct{ oneGateway }

// Run stops a gateway.
func (c *gatewayPauseCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		return m.PauseGateway(s.ctx, by, c.Name, true)
	})
}

type gatewayResumeCmd struct{ oneGateway }

// Run lets a gateway go on.
func (c *gatewayResumeCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		return m.PauseGateway(s.ctx, by, c.Name, false)
	})
}

type gatewayDeleteCmd struct{ oneGateway }

// Run forgets a gateway.
func (c *gatewayDeleteCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		return m.DeleteGateway(s.ctx, by, c.Name)
	})
}

type campaignCmd struct {
	Make campaignMakeCmd `cmd:"" help:"Draft a campaign: count whom it reaches and what it costs. Nothing is sent until somebody else approves it in the portal."`
	List campaignListCmd `cmd:"" help:"List campaigns, the newest first."`
	Stop campaignStopCmd `cmd:"" help:"Stop a campaign: what was not sent is not."`
}

type campaignMakeCmd struct {
	dataFlags
	As        int64             `required:"" placeholder:"ID" help:"Who makes it: your number, as staff list shows it. Somebody else approves it."`
	Name      string            `arg:"" help:"What to call it."`
	Template  string            `default:"campaign" enum:"campaign,ready,corrected" help:"Which text: ready, corrected, or campaign."`
	Text      map[string]string `placeholder:"LANG=TEXT" help:"Words of its own, with {link}, for the template campaign."`
	Programme string            `placeholder:"KEY" help:"Only who has a certificate of this programme."`
	Source    string            `placeholder:"NAME" help:"Only who has one from this source."`
	From      time.Time         `placeholder:"DATE" format:"2006-01-02" help:"Only issued on this day or later."`
	To        time.Time         `placeholder:"DATE" format:"2006-01-02" help:"Only issued before this day."`
}

// Run drafts a campaign.
func (c *campaignMakeCmd) Run(s streams) error {
	n := deliver.NewCampaign{Name: c.Name, Template: c.Template, Texts: c.Text, Filter: deliver.Filter{Programme: c.Programme, Source: c.Source, From: c.From, To: c.To}}
	return withHouse(s, c.dataFlags, func(h *house) error {
		by, err := h.as(s, c.As, "campaign.make")
		if err != nil {
			return err
		}
		m := h.messages()
		made, err := m.CreateCampaign(s.ctx, by, n)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.err, "campaign %d is made; counting whom it reaches\n", made.ID)
		if err := m.CountCampaigns(s.ctx); err != nil {
			return err
		}
		if made, err = m.Campaign(s.ctx, by, made.ID); err != nil {
			return err
		}
		if made.Counting { // on hold
			_, err = fmt.Fprintf(s.out, "campaign %d is counted when the hold is over\n", made.ID)
			return err
		}
		for _, x := range made.Speech {
			fmt.Fprintf(s.out, "in %s: %d people, %d of them by e-mail; %d parts of %s each, %d in all\n", x.Language, x.People, x.Email, x.Each.Parts, x.Each.Alphabet, x.Parts)
		}
		_, err = fmt.Fprintf(s.out, "campaign %d reaches %d people in %d parts%s; somebody else approves it\n", made.ID, made.People, made.Parts, cost(made))
		return err
	})
}

func cost(c deliver.Campaign) string {
	if c.Currency == "" {
		return ""
	}
	return fmt.Sprintf(", %.2f %s", c.Cost, c.Currency)
}

type campaignListCmd struct{ dataFlags }

// Run lists campaigns.
func (c *campaignListCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		list, err := m.Campaigns(s.ctx, by)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "CAMPAIGN\tNAME\tSTATE\tPEOPLE\tPARTS\tQUEUED\tMADE BY\tAPPROVED BY")
		for _, x := range list {
			state := x.State
			if x.Counting {
				state = "counting"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", x.ID, x.Name, state, x.People, x.Parts, x.Queued, x.MadeBy, x.Approved)
		}
		return w.Flush()
	})
}

type oneCampaign struct {
	dataFlags
	Campaign int64 `arg:"" help:"Number of the campaign, as campaign list shows it."`
}

type campaignStopCmd struct{ oneCampaign }

// Run stops a campaign.
func (c *campaignStopCmd) Run(s streams) error {
	return withMessages(s, c.dataFlags, func(m *deliver.Service, by access.Caller) error {
		return m.StopCampaign(s.ctx, by, c.Campaign)
	})
}
