package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Comparison is what became of a statement that was kept elsewhere.
type Comparison struct {
	Number   int64
	Held     int      // chains that hold the head of the statement
	Removed  int      // chains whose entries of that time were removed after their time, so that nothing can be said
	Problems []string // what is wrong
}

// Compare says whether the chains of today hold what a statement said of them:
// the same hash at the same place. Whoever shortened a chain, or made it anew
// with other entries, is found by it, also where the chain is whole in itself.
// text is a statement as it was published. One that this issuer did not sign is
// an error.
func (s *Service) Compare(ctx context.Context, text []byte) (*Comparison, error) {
	st, err := ParseStatement(text)
	if err != nil {
		return nil, err
	}
	if err := st.Verify(s.Keys.Issuer()); err != nil {
		return nil, err
	}
	c := &Comparison{Number: st.Number}
	return c, s.Store.Snapshot(ctx, func(q *query.Queries) error {
		for _, h := range st.Chains {
			if err := s.compare(ctx, q, c, h, st); err != nil {
				return err
			}
		}
		stored, err := q.StatementByNumber(ctx, st.Number)
		sum := sha256.Sum256(text)
		switch {
		case registry.IsNone(err):
			c.problem("statement %d, which was published, is missing", st.Number)
		case err != nil:
			return err
		case !bytes.Equal(stored.Hash, sum[:]) || !bytes.Equal(stored.Text, text):
			c.problem("statement %d is another than was published", st.Number)
		}
		if c.Held == 0 && len(c.Problems) == 0 {
			c.problem("nothing of statement %d can be compared: what it tells of was removed after its time; take a later one", st.Number)
		}
		return nil
	})
}

func (c *Comparison) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

func (s *Service) compare(ctx context.Context, q *query.Queries, c *Comparison, h Head, st *Statement) error {
	want, err := hex.DecodeString(h.Hash)
	if err != nil {
		return err
	}
	if h.Seq == 0 {
		if bytes.Equal(want, make([]byte, sha256.Size)) {
			c.Held++
		} else {
			c.problem("audit chain %d: the statement names a hash before the first entry", h.Chain)
		}
		return nil
	}
	is, err := q.AuditHashAt(ctx, query.AuditHashAtParams{Chain: h.Chain, Seq: h.Seq})
	switch {
	case err == nil && bytes.Equal(is, want):
		c.Held++
		return nil
	case err == nil:
		c.problem("audit chain %d: entry %d is another than on %s", h.Chain, h.Seq, st.At.Format("2 January 2006, 15:04 UTC"))
		return nil
	case !registry.IsNone(err):
		return err
	}
	cuts, err := q.CutsOfChain(ctx, h.Chain)
	if err != nil {
		return err
	}
	for _, cut := range cuts {
		if cut.Seq < h.Seq || !verifyCut(s.Keys.Issuer(), cut) {
			continue
		}
		if cut.Seq == h.Seq && bytes.Equal(cut.Hash, want) {
			c.Held++
			return nil
		}
		if cut.Seq == h.Seq {
			break
		}
		c.Removed++
		return nil
	}
	c.problem("audit chain %d: entry %d, which was there on %s, is missing", h.Chain, h.Seq, st.At.Format("2 January 2006, 15:04 UTC"))
	return nil
}

// errBroken says that a chain is not whole.
func errBroken(chain int16, seq int64) error {
	return vaccination.Errorf(vaccination.Conflict, "audit chain %d is broken at entry %d: nothing of it is removed until somebody found out why", chain, seq)
}
