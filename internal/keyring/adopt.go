package keyring

import (
	"context"
	"crypto/ed25519"
	"slices"
	"time"

	"github.com/opendivoc/divoc/trust"
)

// Adopt takes over the public halves of keys of ours that the ring does not
// have, because they were made after the backup it comes from, as retired ones:
// what they signed goes on verifying. The caller has seen that a key of this
// ring vouches for them. Keys it has are left as they are.
func (r *Ring) Adopt(ctx context.Context, keys []trust.Key) error {
	if len(keys) == 0 {
		return nil
	}
	return r.update(ctx, func(c *contents) error {
		have := map[string]bool{}
		for _, k := range c.keys {
			have[trust.Fingerprint(k.public)] = true
		}
		now := r.o.Now().UTC().Truncate(time.Second)
		for _, k := range keys {
			_, document := k.Public.(ed25519.PublicKey)
			old := slices.Contains(k.Usage, trust.DIVOC)
			if have[trust.Fingerprint(k.Public)] || !document && !old && k.Certificate == nil {
				continue
			}
			lost := &key{kind: KindDocument, state: StateRetired, public: k.Public, created: k.NotBefore.Add(backdate), retired: k.Retired}
			switch {
			case old:
				lost.kind = KindDIVOC
			case !document:
				lost.kind = KindQR
				if slices.Contains(k.Usage, trust.Seal) {
					lost.kind = KindSeal
				}
				lost.certs = append(lost.certs, k.Certificate)
				lost.certs = append(lost.certs, k.Chain...)
				lost.created = k.Certificate.NotBefore
			}
			if lost.retired.IsZero() {
				lost.retired = now
			}
			c.keys = append(c.keys, lost)
		}
		return nil
	})
}
