package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/trustlist"
)

type fsckCmd struct {
	dataFlags
	Head []string `placeholder:"FILE|URL" sep:"none" help:"A statement of audit heads that was kept elsewhere: whether the chains hold what it says. May be given several times."`
}

// Run checks everything and exits 1 when something is wrong.
func (c *fsckCmd) Run(s streams) error {
	h, err := openHouse(s.ctx, c.dataFlags, nil, "", commandLog(s))
	if err != nil {
		return err
	}
	defer h.close()
	wrong := 0
	for _, from := range c.Head {
		n, err := h.compareHead(s, from)
		if err != nil {
			return err
		}
		wrong += n
	}
	report, err := h.service.Check(s.ctx, h.intake().intake.NewCheck(), h.cases().NewCheck(), trustlist.Check{})
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
	wrong += len(report.Problems)
	fmt.Fprintf(s.out, "%d certificates %v, %d audit entries, %d problems\n", report.Certificates, states, report.AuditEntries, wrong)
	if wrong > 0 {
		return &exitError{code: 1}
	}
	return nil
}

// compareHead says what the chains do not hold of a statement, and how much.
func (h *house) compareHead(s streams, from string) (problems int, err error) {
	text, err := readHead(s.ctx, from)
	if err != nil {
		return 0, fmt.Errorf("reading the heads %s: %w", from, err)
	}
	c, err := h.audit().Compare(s.ctx, text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", from, err)
	}
	for _, p := range c.Problems {
		fmt.Fprintln(s.out, p)
	}
	if len(c.Problems) == 0 {
		fmt.Fprintf(s.out, "statement %d of audit heads: %d chains hold it", c.Number, c.Held)
		if c.Removed > 0 {
			fmt.Fprintf(s.out, ", %d are younger by now", c.Removed)
		}
		fmt.Fprintln(s.out)
	}
	return len(c.Problems), nil
}

// maxHead bounds a statement of heads, in bytes.
const maxHead = 64 << 10

// readHead reads a statement from a file, or from where it is published.
func readHead(ctx context.Context, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "https://") && !strings.HasPrefix(from, "http://") {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxHead+1))
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, errors.New("it is no address")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it is answered %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxHead+1))
}
