package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/opendivoc/divoc/internal/casework"
)

type caseCmd struct {
	List   caseListCmd   `cmd:"" help:"List cases by deadline, with nothing of a person."`
	Show   caseShowCmd   `cmd:"" help:"Open one case, with what was asked and what was done. Each look is recorded."`
	Decide caseDecideCmd `cmd:"" help:"Take, approve or refuse a case, or ask for evidence."`
}

type caseListCmd struct {
	dataFlags
	State   string `placeholder:"STATE" help:"open, waiting-for-evidence, second-approval, approved, refused or withdrawn. None: those that are not decided."`
	Kind    string `placeholder:"KIND" help:"correction, contact, guardian, death, dose-abroad or not-mine."`
	Overdue bool   `help:"Only those later than was promised."`
	Max     int    `default:"100" help:"At most so many."`
}

// Run lists cases.
func (c *caseListCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		f := casework.Filter{Kind: casework.Kind(c.Kind), Overdue: c.Overdue, Max: c.Max}
		if c.State != "" {
			f.States = []casework.State{casework.State(c.State)}
		}
		list, err := h.cases().List(s.ctx, onMachine(), f)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TICKET\tKIND\tSTATE\tPROGRAMME\tFACILITY\tOPENED\tPROMISED\tPHOTOGRAPHS\tTAKEN BY")
		for _, one := range list {
			promised := moment(one.Deadline)
			if one.Overdue {
				promised += " late"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", one.Ticket, one.Kind, one.State, one.Programme, one.Facility, moment(one.Opened), promised, one.Evidence, one.TakenBy)
		}
		return w.Flush()
	})
}

type oneCase struct {
	dataFlags
	Ticket string `arg:"" help:"Ticket number, as case list shows it."`
}

func (c oneCase) with(s streams, do func(*house, *casework.Service, casework.Ticket) error) error {
	t, err := casework.ParseTicket(c.Ticket)
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error { return do(h, h.cases(), t) })
}

type caseShowCmd struct{ oneCase }

// Run opens a case.
func (c *caseShowCmd) Run(s streams) error {
	return c.with(s, func(_ *house, cases *casework.Service, t casework.Ticket) error {
		shown, err := cases.Get(s.ctx, onMachine(), t)
		if err != nil {
			return err
		}
		return printJSON(s, shown)
	})
}

type caseDecideCmd struct {
	oneCase
	Action string `arg:"" enum:"take,ask,approve,refuse,preview" help:"take, ask, approve or refuse; preview shows what approving would change."`
	Note   string `help:"Shown to the person; needed to ask and to refuse."`
	As     int64  `placeholder:"ID" help:"Who decides: your number, as staff list shows it. Needed where two people must."`
}

// Run decides a case.
func (c *caseDecideCmd) Run(s streams) error {
	return c.with(s, func(h *house, cases *casework.Service, t casework.Ticket) (err error) {
		state, by := casework.State(""), onMachine()
		if c.As != 0 {
			if by, err = h.as(s, c.As, "case."+c.Action); err != nil {
				return err
			}
		}
		switch c.Action {
		case "take":
			err = cases.Take(s.ctx, by, t)
		case "ask":
			err = cases.Ask(s.ctx, by, t, c.Note)
		case "refuse":
			err = cases.Refuse(s.ctx, by, t, c.Note)
		case "preview":
			p, err := cases.Preview(s.ctx, by, t, nil)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "certificate %s changes in %s\n", p.Version, strings.Join(p.Differs, ", "))
			if err == nil && p.TwoNeed {
				_, err = fmt.Fprintln(s.out, "two people must approve it")
			}
			return err
		default:
			state, err = cases.Approve(s.ctx, by, t, casework.Approval{Note: c.Note})
		}
		if err != nil {
			return err
		}
		if state == "" {
			now, err := cases.Follow(s.ctx, t)
			if err != nil {
				return err
			}
			state = now.State
		}
		_, err = fmt.Fprintf(s.out, "case %s is %s\n", t, state)
		return err
	})
}
