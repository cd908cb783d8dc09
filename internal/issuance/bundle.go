package issuance

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Times of trust bundles.
const (
	bundleLife = 24 * time.Hour // after that an offline verifier should fetch anew
	bundleKeep = time.Minute    // how long one is handed out before it is looked whether anything changed
	bundleSame = time.Hour      // and how long a large one while nothing did, so that nobody fetches the same again
)

// bundleLarge is from how many bytes on a bundle is large. A smaller one is made
// anew each minute: after a restore, the newer one tells more.
const bundleLarge = 1 << 20

// PackedBundle is a trust bundle as it is handed out. The hashes in it are most
// of it, and compress by a quarter.
type PackedBundle struct {
	Version int64
	Gzip    []byte // the JSON of [trust.Bundle]
}

// JSON is the bundle itself.
func (p *PackedBundle) JSON() (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(p.Gzip)) }

// bundleCache keeps the last trust bundle for a minute, or until a status
// changed here, and then until the floor is reached. What another process changed
// meanwhile (the command line, a second server) is a minute late in it, which the
// bundle's "as of" says.
type bundleCache struct {
	changes atomic.Uint64 // of status, made here

	mu     sync.Mutex
	last   *PackedBundle
	digest [sha256.Size]byte // of what it says
	asOf   time.Time
	looked
}

// drop says that a status changed.
func (c *bundleCache) drop() { c.changes.Add(1) }

// looked says when it was looked last whether what is kept is so.
type looked struct {
	at   time.Time
	of   uint64        // changes then
	cost time.Duration // what looking took
}

// floor is how long something is kept whatever changes: a second, and with very
// many withdrawn certificates so long that making it takes a tenth of one core at
// most.
func (l looked) floor() time.Duration {
	return min(max(time.Second, 10*l.cost), bundleKeep)
}

// good reports whether what is kept can be handed out at a time.
func (l looked) good(now time.Time, changes uint64) bool {
	age := now.Sub(l.at)
	if l.at.IsZero() || age >= bundleKeep || age <= -bundleKeep {
		return false
	}
	return l.of == changes || age < l.floor() && age > -l.floor()
}

// Refresh makes bundles and lists look again at the states when they are asked for
// next, a second after the last time at the earliest: another process may have
// changed something since.
func (s *Service) Refresh() { s.bundles.drop() }

// settingBundle is the setting that holds the version of the last trust bundle.
const settingBundle = "trust_bundle_version"

// TrustBundle returns what an offline verifier needs: our keys and a signed
// snapshot of every certificate that is not valid, as the JSON of
// [trust.Bundle].
func (s *Service) TrustBundle(ctx context.Context) ([]byte, error) {
	p, err := s.PackedTrustBundle(ctx)
	if err != nil {
		return nil, err
	}
	r, err := p.JSON()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// PackedTrustBundle is [Service.TrustBundle], packed. Each bundle has a version
// above that of every other one made before it, by whichever process, whatever
// the clock says; a later version never holds an earlier state. While nothing
// changes, a large one is the same for an hour, or a tenth of the age that the
// profile allows.
func (s *Service) PackedTrustBundle(ctx context.Context) (*PackedBundle, error) {
	c := &s.bundles
	c.mu.Lock()
	defer c.mu.Unlock()
	now := s.Now()
	if c.good(now, c.changes.Load()) {
		return c.last, nil
	}
	// Whoever asked first may go away; the others still want it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bundleKeep)
	defer cancel()
	changes, began := c.changes.Load(), s.Now()
	var b *trust.Bundle
	err := s.Store.Tx(ctx, func(q *query.Queries) (err error) {
		b, err = s.makeBundle(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	digest, err := b.Digest()
	if err != nil {
		return nil, err
	}
	if age := now.Sub(c.asOf); c.last == nil || len(c.last.Gzip) < bundleLarge || digest != c.digest || age < 0 || age >= s.bundleSame() {
		last, err := signPacked(b, s.Keys.BundleSigners())
		if err != nil {
			return nil, err
		}
		c.last, c.digest, c.asOf = last, digest, now
	}
	c.looked = looked{now, changes, s.Now().Sub(began)}
	return c.last, nil
}

// bundleSame is how long a bundle is handed out while nothing changes.
func (s *Service) bundleSame() time.Duration {
	if limit := s.Profile.MaxStatusAge; limit > 0 {
		return min(bundleSame, limit/10)
	}
	return bundleSame
}

func signPacked(b *trust.Bundle, signers []trust.Signer) (*PackedBundle, error) {
	data, err := b.Sign(signers...)
	if err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer(make([]byte, 0, len(data)/5*4))
	z, err := gzip.NewWriterLevel(buf, gzip.HuffmanOnly) // nothing in hashes repeats
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return &PackedBundle{Version: b.Version, Gzip: buf.Bytes()}, nil
}

// makeBundle takes the version before it looks at the states: another bundle has
// to wait for it, and sees what this one saw or more.
func (s *Service) makeBundle(ctx context.Context, q *query.Queries) (*trust.Bundle, error) {
	if err := s.notHeld(ctx, q); err != nil {
		return nil, err
	}
	version, err := q.NextVersion(ctx, query.NextVersionParams{Name: settingBundle, AtLeast: s.Now().Unix()})
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	hashes, err := s.withdrawn(ctx, q)
	if err != nil {
		return nil, err
	}
	var verifier []byte
	if s.VerifierHash != nil {
		verifier = s.VerifierHash()
	}
	b := &trust.Bundle{Version: version, Issued: now, Verifier: verifier, Issuers: []trust.Issuer{s.Keys.Issuer()}, Status: []trust.Snapshot{{
		Issuer: s.issuer.ID, AsOf: now, NextUpdate: now.Add(bundleLife),
		Superseded: hashes[vaccination.StatusSuperseded].Sorted(),
		Suspended:  hashes[vaccination.StatusSuspended].Sorted(),
		Revoked:    hashes[vaccination.StatusRevoked].Sorted(),
	}}}
	if b.Rules, err = s.rules(ctx, q); err != nil {
		return nil, err
	}
	if s.Trusted != nil {
		others, err := s.Trusted(ctx) // where they are not known, no bundle says that there are none
		if err != nil {
			return nil, err
		}
		b.Issuers, b.HashLists = append(b.Issuers, others.Issuers...), others.HashLists
		b.Cards = others.Cards
		for _, o := range others.Status {
			if !o.AsOf.After(now) { // of a clock ahead of ours; a later bundle has it
				b.Status = append(b.Status, o)
			}
		}
	}
	return b, nil
}

// rules is how a bundle names the published acceptance rules, nil for none. They have
// the number of a list: another file has a higher one.
func (s *Service) rules(ctx context.Context, q *query.Queries) (*trust.RulesNote, error) {
	if len(s.Rules) == 0 {
		return nil, nil
	}
	n, err := s.numbering(ctx, q)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(s.Rules)
	row, err := n.of(listRules, func(w *hashed) { w.add(sum[:]) })
	return &trust.RulesNote{Changed: row.ChangedAt.UTC().Truncate(time.Second), SHA256: sum[:], Version: row.Version}, err
}

// withdrawn are the hashes of all certificates that are not valid, in no order.
func (s *Service) withdrawn(ctx context.Context, q *query.Queries) (map[vaccination.Status]trust.Hashes, error) {
	out := map[vaccination.Status]trust.Hashes{}
	now, text := s.Now().UTC(), make([]byte, 0, 64)
	for group := range int32(registry.AdminChain) {
		rows, err := q.Withdrawn(ctx, query.WithdrawnParams{First: group << 16, Last: group<<16 | 0xffff, Now: now})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			status := statusOf(row.Status)
			set := out[status]
			for ids := row.Ids; len(ids) > 0; ids = ids[len(vaccination.CertificateID{}):] {
				hash := s.hashOf(text, vaccination.CertificateID(ids))
				set = append(set, hash[:]...)
			}
			out[status] = set
		}
	}
	lost, err := q.LostCertificates(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lost {
		out[statusOf(l.Status)] = append(out[statusOf(l.Status)], l.Hash...)
	}
	return out, nil
}

// hashOf is how trust bundles name a certificate. The memory of text may be used.
func (s *Service) hashOf(text []byte, id vaccination.CertificateID) trust.Hash {
	return trust.HashOfUVCI(id.AppendUVCI(text[:0], s.Profile.Country.Alpha2))
}
