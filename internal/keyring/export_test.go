package keyring

import (
	"context"
	"crypto"
)

// AddDIVOC puts a public key of DIVOC's format into a ring, as a retired one.
func AddDIVOC(ctx context.Context, r *Ring, public crypto.PublicKey) error {
	return r.update(ctx, func(c *contents) error {
		c.keys = append(c.keys, &key{kind: KindDIVOC, state: StateRetired, public: public, created: r.o.Now(), retired: r.o.Now()})
		return nil
	})
}
