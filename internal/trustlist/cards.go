package trustlist

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
)

// Of returns what a bundle says as the content of a list, to compare with others.
func Of(b *trust.Bundle) *Content {
	c := &Content{Issuers: b.Issuers, HashLists: b.HashLists}
	for _, list := range b.Cards {
		c.Cards = append(c.Cards, shc.EncodeCRL(list.KeyID, list.Counter, list.Rids()))
	}
	return c
}

// rids is how many cards c withdraws.
func (c *Content) rids() (n int, err error) {
	lists, err := c.crls()
	for _, list := range lists {
		n += len(list.Rids())
	}
	return n, err
}

// newestCards are the revocation lists of cards in c by their key, of several the
// newest. Each was readable when it was imported.
func (c *Content) newestCards() map[string]*shc.CRL {
	out := map[string]*shc.CRL{}
	lists, err := c.crls()
	if err != nil {
		return out
	}
	for _, list := range lists {
		if old := out[list.KeyID]; old == nil || list.Counter > old.Counter {
			out[list.KeyID] = list
		}
	}
	return out
}

// withdrawnCards are the revocation lists of cards in c as people see them.
func (c *Content) withdrawnCards() []Key {
	lists := c.newestCards()
	var out []Key
	for i := range c.Issuers {
		iss := &c.Issuers[i]
		for _, k := range iss.Keys {
			list := lists[k.ID]
			if list == nil || len(list.Rids()) == 0 {
				continue
			}
			sum := sha256.Sum256([]byte(strings.Join(list.Rids(), "\n")))
			out = append(out, Key{Issuer: "withdrawn by " + iss.Name, Country: iss.Country, Key: k.ID, Fingerprint: hex.EncodeToString(sum[:]), Withdraws: len(list.Rids())})
		}
	}
	return out
}

// lostCards compares what next says of withdrawn cards with old, of the keys that are in
// both: it counts those that are missing, and says why next is refused whatever is set
// for the source, "" for nothing.
func lostCards(old, next *Content) (lost, of int, why string) {
	lists := next.newestCards()
	for kid, was := range old.newestCards() {
		if !slices.ContainsFunc(next.Issuers, func(i trust.Issuer) bool {
			return slices.ContainsFunc(i.Keys, func(k trust.Key) bool { return k.ID == kid })
		}) {
			continue // nothing of that key counts any more
		}
		now := lists[kid]
		switch {
		case now == nil:
			return 0, 0, "it no longer says which cards were withdrawn"
		case now.Counter < was.Counter:
			return 0, 0, "it has an older list of withdrawn cards than the one in use"
		}
		for _, rid := range was.Rids() {
			if of++; !now.Has(rid) {
				lost++
			}
		}
	}
	return lost, of, ""
}
