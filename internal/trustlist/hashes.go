package trustlist

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/trust"
)

// batches reads data where it is an EU revocation list, and reports whether it is: a
// batch of the gateway, or several as the member "batches". It says of certificates of
// its country that they are withdrawn, and never that one is genuine.
func (r *reading) batches(c *Content, data []byte) (bool, error) {
	if data[0] != '{' {
		return false, nil
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(data, &has); err != nil || has["batches"] == nil && has["hashType"] == nil {
		return false, nil //nolint:nilerr // another reader says what is wrong with it
	}
	b, err := trust.ParseNamed(data)
	if err != nil {
		return true, err
	}
	if len(b.HashLists) == 0 {
		return true, errors.New("it holds no revocation list")
	}
	for _, h := range b.HashLists {
		if !letters(h.Country) {
			return true, errors.New("a revocation list names no country")
		}
	}
	c.HashLists = b.HashLists
	return true, nil
}

// hashList is what EU revocation lists are told apart by: whose certificates, of which
// key, by what.
type hashList struct {
	country, kid string // hexadecimal; "any key"
	of           trust.HashType
}

func (l hashList) String() string { return l.country + " " + l.kid + " " + string(l.of) }

func listOf(h *trust.HashList) hashList {
	kid := "any key"
	if len(h.KeyID) > 0 {
		kid = hex.EncodeToString(h.KeyID)
	}
	return hashList{h.Country, kid, h.Type}
}

// withdrawn are the EU revocation lists of c as people see them: how many certificates
// of a country, of one key and by one type of hash.
func (c *Content) withdrawn() []Key {
	sets, until := map[hashList]trust.Hashes{}, map[hashList]time.Time{}
	for i := range c.HashLists {
		h := &c.HashLists[i]
		of := listOf(h)
		sets[of] = append(sets[of], h.Hashes...)
		if h.Expires.After(until[of]) {
			until[of] = h.Expires
		}
	}
	var out []Key
	for of, set := range sets {
		set = set.Sorted()
		sum := sha256.Sum256(set)
		out = append(out, Key{Issuer: "withdrawn by " + of.country + " (" + string(of.of) + ")", Country: of.country, Key: of.kid, Fingerprint: hex.EncodeToString(sum[:]), Until: until[of], Withdraws: set.Len()})
	}
	slices.SortFunc(out, func(a, b Key) int { return strings.Compare(a.Issuer+a.Key, b.Issuer+b.Key) })
	return out
}

// lostHashes counts the withdrawn certificates of old, in lists that have not expired,
// that next does not withdraw for the same country, key and type.
func lostHashes(old, next *Content, now time.Time) (lost, of int) {
	have := map[hashList][]trust.Hashes{}
	for i := range next.HashLists {
		h := &next.HashLists[i]
		have[listOf(h)] = append(have[listOf(h)], h.Hashes)
	}
	for i := range old.HashLists {
		h := &old.HashLists[i]
		if h.Expires.Before(now) {
			continue
		}
		of += h.Hashes.Len()
		for j := range h.Hashes.Len() {
			hash := h.Hashes.At(j)
			if !slices.ContainsFunc(have[listOf(h)], func(set trust.Hashes) bool { return set.Has(hash) }) {
				lost++
			}
		}
	}
	return lost, of
}
