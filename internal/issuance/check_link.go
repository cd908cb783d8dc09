package issuance

import (
	"context"
	"fmt"
	"strings"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// linkTrails are what the audit says of links, by both people from one side:
// what was made and ended, in turn.
type linkTrails map[string][]linkTrail

type linkTrail struct {
	made, ended            int64 // in microseconds, 0 for one that stands
	by, why, endBy, endWhy string
}

// follow adds an entry and says what is wrong with it.
func (ts linkTrails) follow(e query.Audit) error {
	if e.Act != actMerge && e.Act != actUnmerge {
		return nil
	}
	other, why, ok := strings.Cut(e.Detail, ": ")
	if !ok {
		return fmt.Errorf("a link of %s to nobody", e.Object)
	}
	key := e.Object + " " + other
	all := ts[key]
	stands := len(all) > 0 && all[len(all)-1].ended == 0
	switch {
	case e.Act == actMerge && stands:
		return fmt.Errorf("%s is linked twice", e.Object)
	case e.Act == actMerge:
		ts[key] = append(all, linkTrail{made: e.At.UnixMicro(), by: e.Actor, why: why})
	case !stands:
		return fmt.Errorf("a link of %s ends that was not made", e.Object)
	default:
		last := &all[len(all)-1]
		last.ended, last.endBy, last.endWhy = e.At.UnixMicro(), e.Actor, why
	}
	return nil
}

// links compares the links of one group of buckets with the audit, and each with
// its other side.
func (c *checking) links(ctx context.Context, group int16, trails linkTrails) error {
	rows, err := c.q.LinksBetween(ctx, query.LinksBetweenParams{First: group << 6, Last: group<<6 | 63})
	if err != nil {
		return err
	}
	for _, r := range rows {
		l := r.PersonLink
		of, to := personKey{l.Bucket, l.PersonID}, personKey{l.OtherBucket, l.OtherID}
		key := of.String() + " " + to.String()
		got := linkTrail{made: l.MadeAt.UnixMicro(), by: l.MadeBy, why: l.MadeWhy, endBy: l.EndedBy, endWhy: l.EndedWhy}
		if l.EndedAt != nil {
			got.ended = l.EndedAt.UnixMicro()
		}
		if !r.Paired {
			c.problem("%s: a link to %s that the other side does not have so: merge or unmerge them again", of, to)
		}
		if all := trails[key]; len(all) == 0 || all[0] != got {
			c.problem("%s: a link to %s is not what the audit says", of, to)
		} else {
			trails[key] = all[1:]
		}
	}
	for key, left := range trails {
		if len(left) > 0 {
			c.problem("%s: the audit says they are linked, and the link is missing", strings.Replace(key, " person", " and person", 1))
		}
	}
	return nil
}
