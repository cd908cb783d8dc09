package issuance

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Report is what [Service.Check] found.
type Report struct {
	Certificates int            // examined
	AuditEntries int            // examined
	ByStatus     map[string]int // certificates by status
	Problems     []string       // what is wrong, by id, never by content; empty when all is well
}

// maxProblems bounds a report.
const maxProblems = 1000

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// checkPage is how many rows are held in memory at once.
const checkPage = 1000

// Check reads everything that is stored and says what does not agree: every
// certificate opens, both its signatures verify, it says what its row says, its
// versions form one line with one end, no status position is used twice, the
// audit's chains are whole, name every certificate and no other, and lead to
// the state it is in. It writes nothing, and sees the database as of one moment,
// whatever a server does meanwhile.
func (s *Service) Check(ctx context.Context) (*Report, error) {
	r := &Report{ByStatus: map[string]int{}}
	err := s.Store.Snapshot(ctx, func(q *query.Queries) error { return s.checkAll(ctx, q, r) })
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *Service) checkAll(ctx context.Context, q *query.Queries, r *Report) error {
	positions, err := q.DoubleStatusPositions(ctx)
	if err != nil {
		return err
	}
	for _, p := range positions {
		r.problem("status list %d: index %d belongs to more than one certificate", p.StatusList, p.StatusIndex)
	}
	keys := trust.New(&trust.Bundle{Issuers: []trust.Issuer{s.Keys.Issuer()}})
	for group := int16(0); group <= registry.AdminChain; group++ {
		states, err := s.checkChain(ctx, q, r, group)
		if err != nil {
			return err
		}
		if group == registry.AdminChain {
			break
		}
		if err := s.checkGroup(ctx, q, r, group, states, keys); err != nil {
			return err
		}
		missing := slices.Sorted(maps.Keys(states))
		for _, id := range missing {
			r.problem("certificate %s: the audit says it was issued, and it is missing", id)
		}
	}
	return nil
}

// checkChain walks one audit chain and returns the state that each certificate
// is in by what it says.
func (s *Service) checkChain(ctx context.Context, q *query.Queries, r *Report, chain int16) (map[string]vaccination.Status, error) {
	states := map[string]vaccination.Status{}
	hash := make([]byte, sha256.Size)
	var seq int64
	for {
		entries, err := q.AuditAfter(ctx, query.AuditAfterParams{Chain: chain, Seq: seq, MaxRows: checkPage})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			r.AuditEntries++
			if e.Seq != seq+1 {
				r.problem("audit chain %d: entry %d is missing", chain, seq+1)
			}
			seq = e.Seq
			text := strings.Join([]string{fmt.Sprint(e.Seq), fmt.Sprint(e.At.UnixMicro()), e.Actor, e.Act, e.Object, e.Detail}, "\x1f")
			sum := sha256.Sum256(append(hash, text...))
			if !bytes.Equal(sum[:], e.Hash) {
				r.problem("audit chain %d: entry %d was changed", chain, e.Seq)
			}
			hash = e.Hash
			if e.Act == string(Issued) || e.Act == string(Corrected) {
				states[e.Object] = vaccination.StatusValid
			} else if to, err := states[e.Object].After(vaccination.Act(e.Act)); err == nil {
				states[e.Object] = to
			}
		}
		if len(entries) < checkPage {
			break
		}
	}
	heads, err := q.AuditHeads(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		if h.ID == chain && (h.AuditSeq != seq || !bytes.Equal(h.AuditHead, hash)) {
			r.problem("audit chain %d: it does not end where its head says", chain)
		}
	}
	return states, nil
}

// line is the versions of one record met so far.
type line struct {
	person    int64
	programme string
	dose      int16
}

// checkGroup checks the certificates of one group of buckets and takes each from
// states.
func (s *Service) checkGroup(ctx context.Context, q *query.Queries, r *Report, group int16, states map[string]vaccination.Status, keys *trust.List) error {
	highest := map[line]query.Certificate{}
	current := map[line]int{}
	count := map[line]int{}
	after := query.CertificatesAfterParams{Bucket: group<<6 - 1, ID: bytes.Repeat([]byte{0xff}, 15), MaxRows: checkPage}
	for {
		rows, err := q.CertificatesAfter(ctx, after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			c := row.Certificate
			after.Bucket, after.ID = c.Bucket, c.ID
			if registry.GroupOf(c.Bucket) != group {
				rows = nil
				break
			}
			r.Certificates++
			r.ByStatus[string(statusOf(c.Status))]++
			id := vaccination.CertificateID(c.ID).String()
			if err := s.checkCertificate(row, keys); err != nil {
				r.problem("certificate %s: %v", id, err)
			}
			switch said, known := states[id]; {
			case !known:
				r.problem("certificate %s: the audit does not know it", id)
			case said == vaccination.StatusValid && statusOf(c.Status) == vaccination.StatusSuperseded: // by the next version
			case said != statusOf(c.Status):
				r.problem("certificate %s: it is %s, and by the audit %s", id, statusOf(c.Status), said)
			}
			delete(states, id)
			k := line{c.PersonID, c.Programme, c.Dose}
			count[k]++
			if highest[k].Version < c.Version {
				highest[k] = c
			}
			if !statusOf(c.Status).Final() {
				current[k]++
			}
		}
		if len(rows) < checkPage {
			break
		}
	}
	for k, top := range highest {
		id := vaccination.CertificateID(top.ID)
		if int(top.Version) != count[k] {
			r.problem("certificate %s: an earlier version is missing", id)
		}
		if current[k] > 1 || current[k] == 1 && statusOf(top.Status).Final() || statusOf(top.Status) == vaccination.StatusSuperseded {
			r.problem("certificate %s: the versions of its record do not end in one that stands or is revoked", id)
		}
	}
	return nil
}

// checkCertificate opens one certificate and compares what it says with its row.
func (s *Service) checkCertificate(row query.CertificatesAfterRow, keys *trust.List) error {
	c := row.Certificate
	id := vaccination.CertificateID(c.ID)
	p := &person{row: query.Person{Bucket: c.Bucket, ID: c.PersonID, Key: row.PersonKey}}
	parts, err := s.open(p, &version{row: c})
	if err != nil {
		return err
	}
	document, err := vc.Parse(parts.document)
	if err != nil {
		return err
	}
	if err := verifyDocument(document, keys); err != nil {
		return err
	}
	message, err := hcert.DecodeCOSE(parts.code)
	if err != nil {
		return err
	}
	if err := verifyCode(message, keys); err != nil {
		return err
	}
	inCode, err := message.Certificate()
	if err != nil {
		return err
	}
	said := document.Certificate()
	switch {
	case int16(id.Bucket()) != c.Bucket:
		return fmt.Errorf("its id belongs to another bucket")
	case said.Info.HCID != id.UVCI(s.Profile.Country.Alpha2) || inCode.Info.HCID != said.Info.HCID:
		return fmt.Errorf("what was signed names another certificate")
	case said.Vaccination.Number != int(c.Dose) || inCode.Vaccination.Number != int(c.Dose) || said.Programme != c.Programme:
		return fmt.Errorf("what was signed is of another dose or programme")
	}
	for _, entry := range document.Status() {
		if entry.List != s.ListURL(entry.Purpose, c.StatusList) || entry.Index != uint32(c.StatusIndex) {
			return fmt.Errorf("what was signed points to another status position")
		}
	}
	return nil
}

func verifyDocument(d *vc.Credential, keys *trust.List) error {
	for _, k := range keys.ByMethod(d.VerificationMethod()) {
		if public, ok := k.Key.Public.(ed25519.PublicKey); ok && d.Verify(public) == nil {
			return nil
		}
	}
	return fmt.Errorf("its document does not verify")
}

func verifyCode(m *hcert.Message, keys *trust.List) error {
	for _, kid := range m.KeyIDs {
		for _, k := range keys.ByKeyID(kid) {
			if m.Verify(k.Key.Public) == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("its code does not verify")
}
