package trust

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// HashType says what an EU revocation list hashes of a certificate.
type HashType string

// The types: the id in a certificate, that behind the code of its country, and its
// signature, of an ECDSA signature the first half alone (r).
const (
	HashUCI        HashType = "UCI"
	HashCountryUCI HashType = "COUNTRYCODEUCI"
	HashSignature  HashType = "SIGNATURE"
)

// UnknownKeyID stands in a batch for the key id of certificates of any key.
const UnknownKeyID = "UNKNOWN_KID"

// maxHashes bounds a file of batches; the EU gateway's hold a thousand hashes each.
const maxHashes = 1 << 17

// HashList is what a country says that it withdrew: a batch of the EU gateway, by
// the first 16 bytes of SHA-256. It counts for certificates of that country alone.
type HashList struct {
	Country string // ISO 3166-1 alpha-2, in capitals
	KeyID   []byte // of the key that signed the certificates; nil for any
	Type    HashType
	Expires time.Time // when no certificate of it counts any more
	Hashes  Hashes
}

func (h *HashList) check() error {
	switch {
	case len(h.Country) != 2 || h.Country != strings.ToUpper(h.Country):
		return errors.New("a revocation list names no country")
	case len(h.KeyID) != 0 && len(h.KeyID) != 8:
		return errors.New("a revocation list names a key by something that is no key id")
	case h.Type != HashUCI && h.Type != HashCountryUCI && h.Type != HashSignature:
		return errors.New("a revocation list hashes something that is not known")
	case h.Expires.IsZero():
		return errors.New("a revocation list has no end")
	}
	return h.Hashes.check()
}

type batchJSON struct {
	Country  string    `json:"country"`
	Expires  time.Time `json:"expires"`
	KeyID    string    `json:"kid"`
	HashType HashType  `json:"hashType"`
	Entries  []struct {
		Hash []byte `json:"hash"`
	} `json:"entries"`
}

// parseBatches reads a batch of the EU gateway as JSON, or several as the member
// "batches" of one document. One without any hash says nothing and is refused, and
// so is a file without any batch: it must not pass for "nothing is withdrawn".
func parseBatches(data []byte) (*Bundle, error) {
	var in struct {
		Batches []batchJSON `json:"batches"`
		batchJSON
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, errors.New("a revocation list is not readable: a member is of another kind")
	}
	if in.HashType != "" {
		in.Batches = append(in.Batches, in.batchJSON)
	}
	b, n := &Bundle{}, 0
	for _, batch := range in.Batches {
		l := HashList{Country: batch.Country, Type: batch.HashType, Expires: batch.Expires.UTC().Truncate(time.Second)}
		if batch.KeyID != UnknownKeyID {
			kid, err := base64.StdEncoding.DecodeString(batch.KeyID)
			if err != nil || len(kid) == 0 {
				return nil, errors.New("a revocation list names a key by something that is no key id")
			}
			l.KeyID = kid
		}
		for _, e := range batch.Entries {
			if len(e.Hash) != HashSize {
				return nil, errors.New("a revocation list has a hash that is not of 16 bytes")
			}
			l.Hashes = append(l.Hashes, e.Hash...)
		}
		if n += l.Hashes.Len(); len(l.Hashes) == 0 || n > maxHashes {
			return nil, errors.New("a revocation list is empty, or a file holds more than 131072 hashes")
		}
		l.Hashes = l.Hashes.Sorted()
		if err := l.check(); err != nil {
			return nil, err
		}
		b.HashLists = append(b.HashLists, l)
	}
	if n == 0 {
		return nil, errors.New("a revocation list holds no batch")
	}
	return b, nil
}

// EncodeBatch returns h as a batch of the EU gateway: what is signed there by who
// may upload (CMS) is this text.
func (h *HashList) EncodeBatch() []byte {
	kid := UnknownKeyID
	if len(h.KeyID) > 0 {
		kid = base64.StdEncoding.EncodeToString(h.KeyID)
	}
	b := make([]byte, 0, 128+36*h.Hashes.Len())
	b = append(append(b, `{"country":"`...), h.Country...)
	b = h.Expires.UTC().AppendFormat(append(b, `","expires":"`...), time.RFC3339)
	b = append(append(append(b, `","kid":"`...), kid...), `","hashType":"`...)
	b = append(append(b, h.Type...), `","entries":[`...)
	for i := range h.Hashes.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(base64.StdEncoding.AppendEncode(append(b, `{"hash":"`...), h.Hashes.at(i)), `"}`...)
	}
	return append(b, "]}"...)
}

// hashKey is what hash lists are found by.
type hashKey struct {
	country, kid string
	of           HashType
}

// HashListed reports whether a country's revocation lists name a certificate of
// its: signed by a key with one of kids, with the id hcid ("" for none) and the
// signature of that hash. An id counts with its check character and without.
func (l *List) HashListed(country string, kids [][]byte, hcid string, signature Hash) bool {
	if l == nil || !l.hashing[country] {
		return false
	}
	hashes := map[HashType][]Hash{HashSignature: {signature}}
	body, _, _ := strings.Cut(hcid, "#")
	for _, id := range []string{hcid, body} {
		if id != "" {
			hashes[HashUCI] = append(hashes[HashUCI], hashText(id))
			hashes[HashCountryUCI] = append(hashes[HashCountryUCI], hashText(country+id))
		}
	}
	for of, each := range hashes {
		for _, kid := range append([][]byte{nil}, kids...) {
			for _, set := range l.hashed[hashKey{country, string(kid), of}] {
				if slices.ContainsFunc(each, set.Has) {
					return true
				}
			}
		}
	}
	return false
}

func hashText(s string) Hash {
	sum := sha256.Sum256([]byte(s))
	return Hash(sum[:HashSize])
}

// HashUCIs returns how EU revocation lists name the id of a certificate, alone and
// behind the code of its country.
func HashUCIs(country, hcid string) (uci, countryUCI Hash) {
	return hashText(hcid), hashText(country + hcid)
}
