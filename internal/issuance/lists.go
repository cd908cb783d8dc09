package issuance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// exportCache keeps the lists made from exports, as long as a trust bundle is kept
// before it is looked whether anything changed.
type exportCache struct {
	mu   sync.Mutex
	last *exportLists
	looked
}

// exportLists are the lists of what was exported and is not valid any more: other
// formats than ours name a certificate by what stands in its exported form.
type exportLists struct {
	cards  map[string]cardList // by thumbprint
	keys   []byte              // the JWK Set of the keys of cards
	hashes *HashIndex
}

type cardList struct {
	body    []byte
	counter int64
	changed time.Time
}

// What the numbers of lists are kept by.
const (
	listHashes = "hashes"
	listCards  = "shc/" // and the key's thumbprint
	listRules  = "rules"
)

// exported returns the lists as they are now, or were up to a minute ago where
// another process changed something since.
func (s *Service) exported(ctx context.Context) (*exportLists, error) {
	c := &s.published
	c.mu.Lock()
	defer c.mu.Unlock()
	now, changes := s.Now(), s.bundles.changes.Load()
	if c.last != nil && c.good(now, changes) {
		return c.last, nil
	}
	// Whoever asked first may go away; the others still want it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bundleKeep)
	defer cancel()
	began := s.Now()
	var lists *exportLists
	err := s.Store.Tx(ctx, func(q *query.Queries) (err error) {
		lists, err = s.makeExportLists(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	if last := c.last; last != nil && last.hashes.version == lists.hashes.version && now.Sub(last.hashes.asOf) < s.bundleSame() {
		lists.hashes = last.hashes // the same file, so that nobody fetches it again
	}
	c.last, c.looked = lists, looked{now, changes, s.Now().Sub(began)}
	return lists, nil
}

// makeExportLists takes the lock before it looks at the states: a list with a
// higher number sees what one with a lower saw, or more.
func (s *Service) makeExportLists(ctx context.Context, q *query.Queries) (*exportLists, error) {
	if err := s.notHeld(ctx, q); err != nil {
		return nil, err
	}
	if err := q.LockStatusList(ctx, query.LockStatusListParams{Class: lockStatusLists, List: lockExports}); err != nil {
		return nil, err
	}
	n, err := s.numbering(ctx, q)
	if err != nil {
		return nil, err
	}
	rids, sets, err := s.withdrawnExports(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &exportLists{cards: map[string]cardList{}}
	keys := []jwk{}
	for _, k := range s.Keys.Issuer().Keys {
		public, ok := k.Public.(*ecdsa.PublicKey)
		if !ok || slices.Contains(k.Usage, trust.Seal) { // of seals, and of nothing else
			continue
		}
		kid := shc.Thumbprint(public)
		slices.Sort(rids[kid])
		row, err := n.of(listCards+kid, func(w *hashed) {
			for _, rid := range rids[kid] {
				w.add([]byte(rid))
			}
		})
		if err != nil {
			return nil, err
		}
		out.cards[kid] = cardList{shc.EncodeCRL(kid, row.Version, rids[kid]), row.Version, row.ChangedAt}
		key, err := cardKey(public, kid, row.Version)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if out.keys, err = json.Marshal(map[string][]jwk{"keys": keys}); err != nil {
		return nil, err
	}
	batches := s.batches(sets)
	row, err := n.of(listHashes, func(w *hashed) {
		for _, b := range batches {
			w.add([]byte(b.id))
		}
	})
	if err != nil {
		return nil, err
	}
	out.hashes, err = newHashIndex(batches, row, n.now)
	return out, err
}

// withdrawnExports are the rids of cards by the thumbprint of their key, and the
// hashes of health certificates by key and type.
func (s *Service) withdrawnExports(ctx context.Context, q *query.Queries) (rids map[string][]string, sets map[hashSet]trust.Hashes, err error) {
	rids, sets = map[string][]string{}, map[hashSet]trust.Hashes{}
	now, country := s.Now().UTC(), s.Profile.Country.Alpha2
	for group := range int32(registry.AdminChain) {
		rows, err := q.WithdrawnExports(ctx, query.WithdrawnExportsParams{First: group << 16, Last: group<<16 | 0xffff, Now: now})
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			format := Format(row.Format)
			if format == FormatSHC {
				rids[row.KeyID] = append(rids[row.KeyID], row.Handle)
				continue
			}
			if format != FormatEU && format != FormatRecovery && format != FormatICVP {
				continue
			}
			add := func(of trust.HashType, hash []byte) {
				key := hashSet{row.KeyID, of}
				sets[key] = append(sets[key], hash...)
			}
			if hash, err := base64.StdEncoding.DecodeString(row.Handle); err == nil && len(hash) == trust.HashSize {
				add(trust.HashSignature, hash)
			}
			if format != FormatICVP { // the id stands in it as people read it
				uci, countryUCI := trust.HashUCIs(country, vaccination.CertificateID(row.ID).UVCI(country))
				add(trust.HashUCI, uci[:])
				add(trust.HashCountryUCI, countryUCI[:])
			}
		}
	}
	return rids, sets, nil
}

// numbering gives lists their numbers: the next one where a list says anything
// else than before, in microseconds since 1970 so that it is above those of before
// a restore too.
type numbering struct {
	ctx   context.Context
	q     *query.Queries
	now   time.Time
	known map[string]query.PublishedList
}

func (s *Service) numbering(ctx context.Context, q *query.Queries) (*numbering, error) {
	rows, err := q.PublishedLists(ctx)
	if err != nil {
		return nil, err
	}
	n := &numbering{ctx, q, s.Now().UTC(), map[string]query.PublishedList{}}
	for _, row := range rows {
		n.known[row.Name] = row
	}
	return n, nil
}

// hashed collects what a list says.
type hashed struct{ buf bytes.Buffer }

func (w *hashed) add(part []byte) {
	w.buf.WriteByte(byte(len(part)))
	w.buf.Write(part)
}

func (n *numbering) of(name string, says func(*hashed)) (query.PublishedList, error) {
	w := &hashed{}
	says(w)
	digest := sha256.Sum256(w.buf.Bytes())
	row, known := n.known[name]
	if known && bytes.Equal(row.Digest, digest[:]) {
		return row, nil
	}
	row = query.PublishedList{Name: name, Version: max(row.Version+1, n.now.UnixMicro()), Digest: digest[:], ChangedAt: n.now}
	return row, n.q.PutPublishedList(n.ctx, query.PutPublishedListParams(row))
}

// jwk is a key of SMART Health Cards as verifiers fetch it.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	CRL int64  `json:"crlVersion"`
}

func cardKey(public *ecdsa.PublicKey, kid string, counter int64) (jwk, error) {
	raw, err := public.Bytes()
	if err != nil {
		return jwk{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return jwk{"EC", kid, "sig", "ES256", "P-256", encode(raw[1:33]), encode(raw[33:]), counter}, nil
}

// CardKeys returns the JWK Set of the keys that sign, or have signed, SMART Health
// Cards, each with the number of its newest revocation list.
func (s *Service) CardKeys(ctx context.Context) ([]byte, error) {
	lists, err := s.exported(ctx)
	if err != nil {
		return nil, err
	}
	return lists.keys, nil
}

// CardList returns the revocation list of the cards that one of our keys signed,
// and when it changed last. A key that is none of ours is [vaccination.NotFound].
func (s *Service) CardList(ctx context.Context, keyID string) ([]byte, time.Time, error) {
	lists, err := s.exported(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	list, ok := lists.cards[keyID]
	if !ok {
		return nil, time.Time{}, vaccination.Errorf(vaccination.NotFound, "no key of this issuer has this id")
	}
	return list.body, list.changed, nil
}

// hashSet is a key, as batches name it, and what is hashed.
type hashSet struct {
	keyID string
	of    trust.HashType
}

func compareSets(a, b hashSet) int {
	return cmp.Or(cmp.Compare(a.keyID, b.keyID), cmp.Compare(a.of, b.of))
}
