package main

import (
	"bytes"
	"fmt"
	"sort"
)

type trustCmd struct {
	Export trustExportCmd `cmd:"" help:"Print the trust bundle: our keys and a signed snapshot of all states."`
}

type trustExportCmd struct{ dataFlags }

// Run prints the bundle.
func (c *trustExportCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	bundle, err := h.service.TrustBundle(s.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, string(bytes.TrimSpace(bundle)))
	return err
}

type fsckCmd struct{ dataFlags }

// Run checks everything and exits 1 when something is wrong.
func (c *fsckCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	report, err := h.service.Check(s.ctx, h.intake().intake.NewCheck())
	if err != nil {
		return err
	}
	for _, p := range report.Problems {
		fmt.Fprintln(s.out, p)
	}
	var states []string
	for status, n := range report.ByStatus {
		states = append(states, fmt.Sprintf("%d %s", n, status))
	}
	sort.Strings(states)
	fmt.Fprintf(s.out, "%d certificates %v, %d audit entries, %d problems\n", report.Certificates, states, report.AuditEntries, len(report.Problems))
	if len(report.Problems) > 0 {
		return &exitError{code: 1}
	}
	return nil
}
