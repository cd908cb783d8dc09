package issuance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// trail is what the audit says of one certificate. Texts are kept as hashes:
// there may be millions.
type trail struct {
	status  vaccination.Status
	detail  uint64 // of its issue
	reason  uint64 // of the last move
	moved   int64  // when, in microseconds; 0 for none
	until   int64  // when its suspension ends, in seconds; 0 for no end
	touched touch  // when its person's row was last written with it
	erased  bool   // its person was
}

// touch is a time by the audit: which entry of the chain, and the microsecond it
// names. Clocks go back; entries do not.
type touch struct{ seq, at int64 }

type trails map[vaccination.CertificateID]trail

func textHash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}

// differs says what of a certificate is not as the audit has it.
func (t trail) differs(c query.Certificate, s query.Suspension) error {
	reason, moved, until := textHash(c.Reason), c.StatusAt.UnixMicro(), int64(0)
	if s.ID != nil {
		until = s.Until.Unix()
	}
	if t.moved == 0 { // as it was issued
		t.reason, t.moved = textHash(""), c.IssuedAt.UnixMicro()
	}
	switch {
	case t.status != statusOf(c.Status):
		return fmt.Errorf("it is %s, and by the audit %s", statusOf(c.Status), t.status)
	case t.detail != textHash(issueDetail(c)):
		return errors.New("its programme, dose, version or source is not what the audit says")
	case t.reason != reason:
		return errors.New("its reason is not what the audit says")
	case t.moved != moved:
		return errors.New("its state is of another time than the audit says")
	case t.until != until:
		return errors.New("its suspension ends at another time than the audit says")
	case s.ID != nil && s.StatusList != c.StatusList:
		return errors.New("its suspension is of another status list")
	default:
		return nil
	}
}

// follow adds an entry and says what is wrong with it.
func (ts trails) follow(e query.Audit) error {
	id, err := vaccination.ParseCertificateID(e.Object)
	if err != nil {
		id = vaccination.CertificateID{} // an act on something else
	}
	at := e.At.UnixMicro()
	t, known := ts[id]
	move := func(id vaccination.CertificateID, act vaccination.Act, reason string) error {
		t := ts[id]
		to, err := t.status.After(act)
		if err != nil {
			return fmt.Errorf("%s of certificate %s, which is %q by then", act, id, t.status)
		}
		t.status, t.reason, t.moved, t.until = to, textHash(reason), at, 0
		ts[id] = t
		return nil
	}
	switch e.Act {
	case string(Issued), string(Corrected):
		if known {
			return fmt.Errorf("certificate %s is issued twice", id)
		}
		ts[id] = trail{status: vaccination.StatusValid, detail: textHash(e.Detail), touched: touch{e.Seq, at}}
		if e.Act == string(Corrected) {
			_, text, _ := strings.Cut(e.Detail, markReplaces)
			old, err := vaccination.ParseCertificateID(text)
			if err != nil {
				return fmt.Errorf("certificate %s corrects none", id)
			}
			return move(old, vaccination.ActSupersede, reasonCorrected)
		}
	case string(vaccination.ActSuspend), string(vaccination.ActLift), string(vaccination.ActRevoke), string(vaccination.ActSupersede):
		return move(id, vaccination.Act(e.Act), e.Detail)
	case actUntil:
		until, err := time.Parse(time.RFC3339, e.Detail)
		if err != nil || t.status != vaccination.StatusSuspended {
			return fmt.Errorf("the end of a suspension of certificate %s, which is %q by then", id, t.status)
		}
		t.until = until.Unix()
		ts[id] = t
	case actContact:
		t.touched = touch{e.Seq, at}
		ts[id] = t
	case actErase:
		t.touched, t.erased = touch{e.Seq, at}, true
		ts[id] = t
	}
	return nil
}

// chain walks one audit chain and hands each entry to follow.
func (c *checking) chain(ctx context.Context, chain int16, follow func(query.Audit) error) error {
	cuts, err := c.q.CutsOfChain(ctx, chain)
	if err != nil {
		return err
	}
	walk := audit.NewChain(chain, cuts, c.Keys.Issuer(), c.problem)
	var last int64
	for {
		entries, err := c.q.AuditAfter(ctx, query.AuditAfterParams{Chain: chain, Seq: last, MaxRows: checkPage})
		if err != nil {
			return err
		}
		for _, e := range entries {
			c.AuditEntries++
			last = e.Seq
			walk.Add(e)
			if err := follow(e); err != nil {
				c.problem("audit chain %d: entry %d: %v", chain, e.Seq, err)
			}
		}
		if chain != registry.AdminChain {
			if err := c.others(func(b Beside) error { return b.Entries(ctx, c.q, entries, c.problem) }); err != nil {
				return err
			}
		}
		if len(entries) < checkPage {
			break
		}
	}
	seq, hash := walk.End()
	heads, err := c.q.AuditHeads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.ID == chain && h.AuditSeq == seq && bytes.Equal(h.AuditHead, hash) {
			return nil
		}
	}
	c.problem("audit chain %d: it does not end where its head says", chain)
	return nil
}
