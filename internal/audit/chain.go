package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
)

// SeenActs are the acts that only tell who saw something. Their entries are
// removed after their time; those that tell why a record is as it is stay for as
// long as the record.
func SeenActs() []string {
	return []string{
		ActRead, ActOpen, ActPrint, ActSearch, "desk.refused", "desk.fetch", "desk.queue",
		"search", "export", "hold.read", "person.duplicates", "audit.search", "audit.export", "message.read",
	}
}

// text is what of an entry is hashed, as the database's audit_append has it.
func text(e query.Audit) string {
	return strings.Join([]string{fmt.Sprint(e.Seq), fmt.Sprint(e.At.UnixMicro()), e.Actor, e.Act, e.Object, e.Detail}, "\x1f")
}

// Chain checks one audit chain as its entries are handed to it in order: from
// the last cut on, each follows the one before; before it, what was left is what
// the cuts say.
type Chain struct {
	id      int16
	cuts    []query.AuditCut
	issuer  trust.Issuer
	problem func(format string, args ...any)

	seq    int64
	hash   []byte
	digest []byte
}

// NewChain begins a chain. cuts are those of the chain in order; problem is told
// what is wrong.
func NewChain(id int16, cuts []query.AuditCut, issuer trust.Issuer, problem func(format string, args ...any)) *Chain {
	return &Chain{id: id, cuts: cuts, issuer: issuer, problem: problem, hash: make([]byte, sha256.Size), digest: make([]byte, sha256.Size)}
}

// Add takes the next entry that is there.
func (c *Chain) Add(e query.Audit) {
	for len(c.cuts) > 0 && e.Seq > c.cuts[0].Seq {
		c.cut()
	}
	if len(c.cuts) > 0 {
		if e.Seq == c.cuts[0].Seq && !bytes.Equal(e.Hash, c.cuts[0].Hash) {
			c.problem("audit chain %d: entry %d was changed", c.id, e.Seq)
		}
		c.digest = left(c.digest, e)
		return
	}
	if e.Seq != c.seq+1 {
		c.problem("audit chain %d: entry %d is missing", c.id, c.seq+1)
	}
	sum := sha256.Sum256(append(bytes.Clone(c.hash), text(e)...))
	if !bytes.Equal(sum[:], e.Hash) {
		c.problem("audit chain %d: entry %d was changed", c.id, e.Seq)
	}
	c.seq, c.hash = e.Seq, e.Hash
}

// left adds an entry that was left by a cut to its digest.
func left(digest []byte, e query.Audit) []byte {
	t := text(e)
	h := sha256.New()
	h.Write(digest)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(t))))
	h.Write([]byte(t))
	h.Write(e.Hash)
	return h.Sum(nil)
}

func (c *Chain) cut() {
	cut := c.cuts[0]
	c.cuts = c.cuts[1:]
	if !verifyCut(c.issuer, cut) {
		c.problem("audit chain %d: the removal of entries up to %d is not signed by this issuer", c.id, cut.Seq)
	}
	if !bytes.Equal(c.digest, cut.Digest) {
		c.problem("audit chain %d: an entry before %d was changed or removed", c.id, cut.Seq+1)
	}
	c.seq, c.hash, c.digest = cut.Seq, cut.Hash, cut.Digest
}

// End returns where the chain ends.
func (c *Chain) End() (seq int64, hash []byte) {
	for len(c.cuts) > 0 {
		c.cut()
	}
	return c.seq, c.hash
}

// cutMessage is what is signed of a cut.
func cutMessage(issuer string, c query.AuditCut) []byte {
	return fmt.Appendf(nil, "divoc-audit-cut/1\n%s\x1f%d\x1f%d\x1f%d\x1f%x\x1f%d\x1f%x", issuer, c.Chain, c.Seq, c.MadeAt.UnixMicro(), c.Hash, c.Removed, c.Digest)
}

func verifyCut(issuer trust.Issuer, c query.AuditCut) bool {
	return signedBy(issuer, c.Key, cutMessage(issuer.ID, c), c.Signed)
}

// trimPage is how many entries are held in memory at once, trimStep how many
// stand in one transaction.
const (
	trimPage = 1000
	trimStep = 50_000
)

// Trim removes the entries of [SeenActs] that are older than a time, and returns
// how many. What it removes and what it leaves is signed, so that a check knows
// where each chain begins; a chain that is not whole is left as it is, with an
// error. It may run anywhere, more than once at a time.
func (s *Service) Trim(ctx context.Context, before time.Time) (removed int64, err error) {
	if hold, err := registry.ReadHold(ctx, s.Store.Read()); err != nil || hold != nil {
		return 0, err
	}
	for chain := range int16(registry.AdminChain + 1) {
		for {
			n, more, err := s.trim(ctx, chain, before)
			removed += n
			if err != nil {
				return removed, err
			}
			if !more {
				break
			}
		}
	}
	return removed, nil
}

// trim cuts a chain once.
func (s *Service) trim(ctx context.Context, chain int16, before time.Time) (removed int64, more bool, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		cuts, err := q.CutsOfChain(ctx, chain)
		if err != nil {
			return err
		}
		last := query.AuditCut{Chain: chain, Hash: make([]byte, sha256.Size), Digest: make([]byte, sha256.Size)}
		if len(cuts) > 0 {
			last = cuts[len(cuts)-1]
		}
		first, err := q.FirstSeen(ctx, query.FirstSeenParams{Chain: chain, After: last.Seq, Before: before, Acts: SeenActs()})
		if err != nil || first == 0 {
			return err
		}
		end, err := q.EndOfOld(ctx, query.EndOfOldParams{Chain: chain, After: last.Seq, Before: before})
		if err != nil {
			return err
		}
		if first > end { // something younger stands before it: clocks go back
			return nil
		}
		upto := min(end, first+trimStep)
		more = upto < end
		seen := map[string]bool{}
		for _, act := range SeenActs() {
			seen[act] = true
		}
		cut := query.AuditCut{Chain: chain, MadeAt: s.Now().UTC().Truncate(time.Microsecond), Digest: last.Digest, Seq: last.Seq, Hash: last.Hash}
		var broken error
		walk := NewChain(chain, nil, trust.Issuer{}, func(string, ...any) { broken = errBroken(chain, cut.Seq+1) })
		walk.seq, walk.hash = last.Seq, last.Hash
		for cut.Seq < upto {
			rows, err := q.AuditAfter(ctx, query.AuditAfterParams{Chain: chain, Seq: cut.Seq, MaxRows: int32(min(trimPage, upto-cut.Seq))})
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return errBroken(chain, cut.Seq+1)
			}
			for _, e := range rows {
				if walk.Add(e); broken != nil {
					return broken
				}
				if cut.Seq, cut.Hash = e.Seq, e.Hash; seen[e.Act] {
					cut.Removed++
				} else {
					cut.Digest = left(cut.Digest, e)
				}
			}
		}
		n, err := q.DeleteSeen(ctx, query.DeleteSeenParams{Chain: chain, After: last.Seq, Upto: cut.Seq, Acts: SeenActs()})
		if err != nil {
			return err
		}
		if n != cut.Removed {
			return registry.ErrChanged
		}
		key := s.Keys.Document()
		cut.Key = key.ID()
		if cut.Signed, err = key.Sign(cutMessage(s.Keys.Issuer().ID, cut)); err != nil {
			return err
		}
		if err := q.InsertCut(ctx, query.InsertCutParams(cut)); err != nil {
			return err
		}
		removed = n
		return registry.Audit(ctx, q, cut.MadeAt, access.System("retention").Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "audit.trim", Object: fmt.Sprintf("chain %d", chain), Detail: fmt.Sprintf("%d entries of who saw what, up to entry %d", n, cut.Seq),
		})
	})
	return removed, more, err
}
