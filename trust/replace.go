package trust

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"github.com/opendivoc/divoc/vaccination"
)

// maxLoss is the share of keys that a new list may lack without somebody's
// approval: one in maxLoss.
const maxLoss = 4

// Replaces says why b may not take the place of old by itself; nil when it may.
// b must be of the same publisher, newer, signed by a key of the publisher that
// old lists and does not call retired, not lack more than a quarter of the
// publisher's keys that are still in their time, and not take back a final state.
// Whom else the publisher trusts is for its administrators to say: that they
// removed a source of keys must reach every verifier. What is refused stays for a person to decide; old
// remains in use. A nil old is replaced only by somebody's decision too.
func (b *Bundle) Replaces(old *Bundle) error {
	refuse := func(why string) error { return vaccination.Errorf(vaccination.Conflict, "the new trust list %s", why) }
	switch {
	case old == nil:
		return refuse("has none before it to be checked against")
	case b == nil || b.keyCount() == 0:
		return refuse("is empty")
	case b.publisher() != old.publisher():
		return refuse("is another publisher's")
	case b.Version <= old.Version:
		return refuse("is not newer than the one in use")
	case b.Issued.Before(old.Issued):
		return refuse("was made before the one in use")
	case !b.signedByKeyOf(old):
		return refuse("is not signed with a key of the one in use")
	}
	if lost, of := b.lacks(old); lost*maxLoss > of {
		return refuse("lacks more than a quarter of the keys of the one in use")
	}
	if lost, of := b.lacksHashes(old); lost*maxLoss > of {
		return refuse("lacks more than a quarter of what countries withdrew by the one in use")
	}
	if why := b.lacksCards(old); why != "" {
		return refuse(why)
	}
	if b.Rules != nil && old.Rules != nil && b.Rules.Version < old.Rules.Version {
		return refuse("has older acceptance rules than the one in use")
	}
	for i := range old.Status {
		was := &old.Status[i]
		now := b.snapshot(was.Issuer)
		switch {
		case now == nil && was.Issuer != old.publisher():
			if b.lists(was.Issuer) { // it still counts, and what it withdrew is forgotten
				return refuse("no longer says which certificates were withdrawn")
			}
			continue
		case now == nil:
			return refuse("no longer says which certificates were withdrawn")
		case now.AsOf.Before(was.AsOf):
			return refuse("has older states than the one in use")
		case !now.Keeps(was):
			return refuse("makes withdrawn certificates valid again")
		}
	}
	return nil
}

// SignedBy says why b is not signed by a key of the publisher that old lists and
// does not call retired; nil when it is. It asks nothing else of b.
func (b *Bundle) SignedBy(old *Bundle) error {
	if !b.signedByKeyOf(old) {
		return vaccination.Errorf(vaccination.Conflict, "the new trust list is not signed with a key of the one in use")
	}
	return nil
}

// publisher is the ID of whose bundle it is.
func (b *Bundle) publisher() string {
	if len(b.Issuers) == 0 {
		return ""
	}
	return b.Issuers[0].ID
}

// lists reports whether an issuer is in b.
func (b *Bundle) lists(issuer string) bool {
	return slices.ContainsFunc(b.Issuers, func(i Issuer) bool { return i.ID == issuer })
}

func (b *Bundle) keyCount() int {
	n := 0
	for _, iss := range b.Issuers {
		n += len(iss.Keys)
	}
	return n
}

// signedByKeyOf verifies the proofs of b anew with the keys of old.
func (b *Bundle) signedByKeyOf(old *Bundle) bool {
	message, _, err := b.encode(0)
	if err != nil {
		return false
	}
	for _, p := range b.Proofs {
		k := old.documentKey(p.Key)
		if k != nil && k.Retired.IsZero() && ed25519.Verify(k.Public.(ed25519.PublicKey), message, p.Signature) {
			return true
		}
	}
	return false
}

// lacks counts the publisher's keys of old that are missing in b, and those of old;
// those whose time is over do not count.
func (b *Bundle) lacks(old *Bundle) (lost, of int) {
	have := map[string]bool{}
	for _, k := range b.Issuers[0].Keys {
		have[Fingerprint(k.Public)] = true
	}
	for _, k := range old.Issuers[0].Keys {
		if !k.NotAfter.IsZero() && k.NotAfter.Before(b.Issued) {
			continue
		}
		of++
		if !have[Fingerprint(k.Public)] {
			lost++
		}
	}
	return lost, of
}

// lacksHashes counts the hashes of old's revocation lists that no list of that
// country, key and type in b has, and those of old. What has expired by then does
// not count, as a country may let it go, nor does a country that is no longer
// trusted.
func (b *Bundle) lacksHashes(old *Bundle) (lost, of int) {
	have := New(&Bundle{HashLists: b.HashLists})
	for _, h := range old.HashLists {
		trusted := slices.ContainsFunc(b.Issuers, func(i Issuer) bool { return i.Country == h.Country })
		if h.Expires.Before(b.Issued) || !trusted {
			continue
		}
		of += h.Hashes.Len()
		for i := range h.Hashes.Len() {
			hash := h.Hashes.At(i)
			if !slices.ContainsFunc(have.hashed[hashKey{h.Country, string(h.KeyID), h.Type}], func(set Hashes) bool { return set.Has(hash) }) {
				lost++
			}
		}
	}
	return lost, of
}

// lacksCards says what of old's revocation lists of cards is not in b as it should be,
// "" for nothing. Lists of keys that count no more may go.
func (b *Bundle) lacksCards(old *Bundle) string {
	now := New(b)
	lost, of := 0, 0
	for _, was := range old.Cards {
		if len(now.ByThumbprint(was.KeyID)) == 0 {
			continue
		}
		list, _ := now.CardList(was.KeyID)
		switch {
		case list == nil:
			return "no longer says which cards were withdrawn"
		case list.Counter < was.Counter:
			return "has an older list of withdrawn cards than the one in use"
		}
		for _, rid := range was.Rids() {
			if of++; !list.Has(rid) {
				lost++
			}
		}
	}
	if lost*maxLoss > of {
		return "lacks more than a quarter of the cards that were withdrawn by the one in use"
	}
	return ""
}

func (b *Bundle) snapshot(issuer string) *Snapshot {
	for i := range b.Status {
		if b.Status[i].Issuer == issuer {
			return &b.Status[i]
		}
	}
	return nil
}

// Keeps reports whether every certificate that was superseded or revoked in old is
// so in s too: neither is ever taken back.
func (s *Snapshot) Keeps(old *Snapshot) bool {
	return within(old.Revoked, s.Revoked) && within(old.Superseded, s.Superseded)
}

// within reports whether every hash of a is in b, by one walk over both.
func within(a, b Hashes) bool {
	j := 0
	for i := range a.Len() {
		for j < b.Len() && bytes.Compare(b.at(j), a.at(i)) < 0 {
			j++
		}
		if j == b.Len() || !bytes.Equal(b.at(j), a.at(i)) {
			return false
		}
	}
	return true
}
