package issuance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// maxBatch is how many hashes the EU gateway takes in a batch.
const maxBatch = 1000

// HashIndex is the list of batches of the EU revocation lists, and the batches.
type HashIndex struct {
	Body    []byte // JSON
	Changed time.Time
	version int64
	asOf    time.Time
	batches map[string]trust.HashList
}

// batch is one file of at most maxBatch hashes, all with the same beginning. Its id
// follows from what it says, so a batch never changes, and a withdrawal changes one
// batch of each type.
type batch struct {
	id        string
	partition string // the beginning of its hashes, in hexadecimal
	list      trust.HashList
}

// batches divides sets of hashes into batches: a set that is too large by its first
// byte, what is still too large by the second, and so on. So it is the same
// whichever server does it, and adding a hash moves no other.
func (s *Service) batches(sets map[hashSet]trust.Hashes) []batch {
	ends := map[string]time.Time{}
	for _, k := range s.Keys.Issuer().Keys {
		if len(k.KeyID) > 0 {
			ends[base64.StdEncoding.EncodeToString(k.KeyID)] = k.NotAfter
		}
	}
	var out []batch
	for _, key := range slices.SortedFunc(maps.Keys(sets), compareSets) {
		kid, err := base64.StdEncoding.DecodeString(key.keyID)
		if err != nil {
			continue
		}
		end, ours := ends[key.keyID]
		if !ours { // a restore lost the key, and knows how long no longer
			end = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		}
		list := trust.HashList{Country: s.Profile.Country.Alpha2, KeyID: kid, Type: key.of, Expires: end.UTC().Truncate(time.Second)}
		divide(sets[key].Sorted(), 0, func(part trust.Hashes, depth int) {
			list := list
			list.Hashes = part
			first := part.At(0)
			out = append(out, batch{batchID(list.EncodeBatch()), hex.EncodeToString(first[:depth]), list})
		})
	}
	return out
}

// divide hands out the parts of a sorted set whose hashes are the same up to byte
// depth.
func divide(set trust.Hashes, depth int, part func(trust.Hashes, int)) {
	if set.Len() <= maxBatch || depth == trust.HashSize {
		if set.Len() > 0 {
			part(set, depth)
		}
		return
	}
	for from := 0; from < set.Len(); {
		to := from
		for to < set.Len() && set.At(to)[depth] == set.At(from)[depth] {
			to++
		}
		divide(set[from*trust.HashSize:to*trust.HashSize], depth+1, part)
		from = to
	}
}

// batchID is a UUID (version 8) of what a batch says.
func batchID(body []byte) string {
	sum := sha256.Sum256(body)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// newHashIndex writes the list of batches. Beside what the gateway's has, it says
// of each batch what is in it, so that nobody fetches what they do not need.
func newHashIndex(batches []batch, row query.PublishedList, now time.Time) (*HashIndex, error) {
	type line struct {
		ID        string         `json:"batchId"`
		Country   string         `json:"country"`
		Deleted   bool           `json:"deleted"`
		KeyID     []byte         `json:"kid"`
		Type      trust.HashType `json:"hashType"`
		Expires   time.Time      `json:"expires"`
		Partition string         `json:"partition,omitempty"`
		Entries   int            `json:"entries"`
	}
	now = now.Truncate(time.Second)
	index := struct {
		Version    int64     `json:"version"`
		AsOf       time.Time `json:"asOf"`
		Changed    time.Time `json:"changed"`
		NextUpdate time.Time `json:"nextUpdate"`
		More       bool      `json:"more"`
		Batches    []line    `json:"batches"`
	}{Version: row.Version, AsOf: now, Changed: row.ChangedAt.UTC().Truncate(time.Second), NextUpdate: now.Add(bundleLife), Batches: []line{}}
	out := &HashIndex{Changed: row.ChangedAt, version: row.Version, asOf: now, batches: make(map[string]trust.HashList, len(batches))}
	for _, b := range batches {
		l := b.list
		index.Batches = append(index.Batches, line{b.id, l.Country, false, l.KeyID, l.Type, l.Expires, b.partition, l.Hashes.Len()})
		out.batches[b.id] = l
	}
	var err error
	out.Body, err = json.Marshal(index)
	return out, err
}

// HashIndex returns the list of batches of the EU revocation lists: which health
// certificates that were exported here are not valid any more.
func (s *Service) HashIndex(ctx context.Context) (*HashIndex, error) {
	lists, err := s.exported(ctx)
	if err != nil {
		return nil, err
	}
	return lists.hashes, nil
}

// HashBatch returns a batch by its id. One that is in the list no longer is
// [vaccination.NotFound]: another took its place.
func (s *Service) HashBatch(ctx context.Context, id string) ([]byte, error) {
	lists, err := s.exported(ctx)
	if err != nil {
		return nil, err
	}
	list, ok := lists.hashes.batches[id]
	if !ok {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such batch, or none any more: the list of batches says which there are")
	}
	return list.EncodeBatch(), nil
}
