package issuance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// layoutTrail is what the audit says of a version of a layout.
type layoutTrail struct {
	asked, approved string // who
	hash            string // of what was approved
}

// layout adds an entry about a version of how certificates are printed.
func (a *administration) layout(e query.Audit) {
	t := a.layouts[e.Object]
	if t == nil {
		t = &layoutTrail{}
		a.layouts[e.Object] = t
	}
	switch e.Act {
	case "layout.ask":
		t.asked = e.Actor
	case "layout.approve":
		t.approved = e.Actor
		t.hash, _, _ = strings.Cut(e.Detail, ",")
	}
}

// layoutsPrinted compares what certificates are and were printed with with what
// two people answered for.
func (c *checking) layoutsPrinted(ctx context.Context, a *administration) error {
	rows, err := c.q.LayoutVersionsAll(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		name := "layout " + row.Name + " " + strconv.Itoa(int(row.Number))
		t := a.layouts[name]
		delete(a.layouts, name)
		used := row.State == "in-force" || row.State == "earlier"
		sum := sha256.Sum256([]byte(row.Body))
		switch {
		case t == nil:
			c.problem("%s: the audit does not know it", name)
		case used != (t.approved != ""):
			c.problem("%s: it is %s, and that it was approved is not what the audit says", name, row.State)
		case used && (row.AskedBy != t.asked || row.DecidedBy != t.approved):
			c.problem("%s: others asked for it and approved it, the audit says", name)
		case used && t.hash != hex.EncodeToString(sum[:16]):
			c.problem("%s: it is not what was approved", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.layouts)) {
		c.problem("%s: the audit knows it, and it is missing", name)
	}
	return nil
}
