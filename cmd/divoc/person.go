package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/matching"
	"github.com/opendivoc/divoc/vaccination"
)

type personCmd struct {
	Merge      personMergeCmd      `cmd:"" help:"Say that the people of two certificates are one: their doses are listed together."`
	Unmerge    personUnmergeCmd    `cmd:"" help:"End the link between the people of two certificates."`
	Links      personLinksCmd      `cmd:"" help:"List the links that the person of a certificate has and had."`
	Export     personExportCmd     `cmd:"" help:"Write everything that is held on the person of a certificate, and who saw it: for that person."`
	Erase      personEraseCmd      `cmd:"" help:"Destroy the data of the person of a certificate, for ever."`
	Duplicates personDuplicatesCmd `cmd:"" help:"List doses that are certified for two people who are like each other and not linked."`
}

// twoPeople are named by certificates.
type twoPeople struct {
	dataFlags
	One    string `arg:"" help:"Id of a certificate of the one."`
	Other  string `arg:"" help:"Id of a certificate of the other."`
	Reason string `required:"" help:"Why; kept with the link. Nothing of a person."`
}

func (c twoPeople) ids() (a, b vaccination.CertificateID, err error) {
	if a, err = vaccination.ParseCertificateID(c.One); err == nil {
		b, err = vaccination.ParseCertificateID(c.Other)
	}
	return a, b, err
}

func withHouse(s streams, f dataFlags, do func(*house) error) error {
	h, err := openHouse(s.ctx, f, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	return do(h)
}

type personMergeCmd struct{ twoPeople }

// Run links two people.
func (c *personMergeCmd) Run(s streams) error {
	a, b, err := c.ids()
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error {
		if err := h.service.Merge(s.ctx, access.System("cli"), a, b, c.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "they are one: pages and searches list their doses together")
		return err
	})
}

type personUnmergeCmd struct{ twoPeople }

// Run ends a link.
func (c *personUnmergeCmd) Run(s streams) error {
	a, b, err := c.ids()
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error {
		if err := h.service.Unmerge(s.ctx, access.System("cli"), a, b, c.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "they are two again")
		return err
	})
}

type personLinksCmd struct {
	dataFlags
	Certificate string `arg:"" help:"Id of a certificate of the person."`
}

// Run lists links.
func (c *personLinksCmd) Run(s streams) error {
	id, err := vaccination.ParseCertificateID(c.Certificate)
	if err != nil {
		return err
	}
	return withHouse(s, c.dataFlags, func(h *house) error {
		list, err := h.service.Links(s.ctx, access.System("cli"), id)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "WITH\tMADE\tBY\tREASON\tENDED\tBY\tREASON")
		for _, l := range list {
			ended := ""
			if !l.Ended.IsZero() {
				ended = moment(l.Ended)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Certificate, moment(l.Made), l.By, l.Reason, ended, l.EndedBy, l.EndReason)
		}
		return w.Flush()
	})
}

type personDuplicatesCmd struct{ dataFlags }

// Run lists duplicates as they are found.
func (c *personDuplicatesCmd) Run(s streams) error {
	return withHouse(s, c.dataFlags, func(h *house) error {
		n := 0
		err := matching.Matcher{Issuance: h.service}.Duplicates(s.ctx, access.System("cli"), func(d matching.Duplicate) error {
			n++
			why := "like each other"
			if d.Same {
				why = "the same number, and all else agrees"
			}
			if len(d.Differs) > 0 {
				why += ", but differ in " + strings.Join(d.Differs, ", ")
			}
			_, err := fmt.Fprintf(s.out, "%s dose %d: %s and %s: %s\n", d.Programme, d.Dose, d.Certificates[0], d.Certificates[1], why)
			return err
		})
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("doses certified twice: %d; merge the people, and revoke one certificate of each", n)
		}
		_, err = fmt.Fprintln(s.out, "no dose is certified twice among people who are alike")
		return err
	})
}
