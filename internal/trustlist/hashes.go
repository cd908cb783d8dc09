package trustlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/trust"
)

// hashes reads EU revocation lists. They have no date of their own; where the document
// around them says its version and of when it is, an older one is refused by that.
func (r *reading) hashes(c *Content, data []byte) error {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return errors.New("it is empty")
	}
	data, err := r.unsigned(c, data)
	if err != nil {
		return err
	}
	if err := strictJSON(data); err != nil {
		return err
	}
	if !isBatches(data) {
		return errors.New("expected are revocation lists of the EU's gateway as JSON: a batch, or several as its member batches")
	}
	if err := r.batches(c, data); err != nil {
		return err
	}
	var said struct {
		Version int64     `json:"version"`
		AsOf    time.Time `json:"asOf"`
	}
	if err := json.Unmarshal(data, &said); err != nil || said.Version < 0 || said.Version >= 1<<53 {
		return errors.New("its version is no number, or asOf no time")
	}
	c.Serial, c.Issued = said.Version, said.AsOf.UTC().Truncate(time.Second)
	return nil
}

// isBatches reports whether data are EU revocation lists: a batch of the gateway, or
// several as the member "batches".
func isBatches(data []byte) bool {
	var has map[string]json.RawMessage
	return json.Unmarshal(data, &has) == nil && (has["batches"] != nil || has["hashType"] != nil)
}

// batches reads EU revocation lists. They say of certificates of their country that they
// are withdrawn, and never that one is genuine.
func (r *reading) batches(c *Content, data []byte) error {
	b, err := trust.ParseNamed(data)
	if err != nil {
		return err
	}
	if len(b.HashLists) == 0 {
		return errors.New("it holds no revocation list")
	}
	for _, h := range b.HashLists {
		if !letters(h.Country) {
			return errors.New("a revocation list names no country")
		}
	}
	c.HashLists = b.HashLists
	return nil
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
	return append(out, c.withdrawnCards()...)
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
