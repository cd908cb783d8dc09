package trust

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/x509"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/vaccination"
)

// NotPublished is what [List.Status] says of an issuer that publishes no
// states.
const NotPublished vaccination.Status = "not-published"

// Candidate is a key that may have made a signature, and whose it is. Several
// keys can share an 8-byte key id, so each is to be tried.
type Candidate struct {
	Issuer *Issuer
	Key    *Key
}

// List is the keys and states of all bundles together. It is immutable and safe
// for concurrent use; a nil List trusts nobody.
type List struct {
	issued   time.Time
	keys     int
	byKeyID  map[string][]Candidate
	byMethod map[string][]Candidate
	byThumb  map[string][]Candidate
	// bySubject are authorities that were given by themselves, by their name in DER.
	bySubject map[string][]Candidate
	bare      []Candidate
	status    map[string]*Snapshot
	cards     map[string][]cardList // by key, the newest first
	hashed    map[hashKey][]Hashes
	hashing   map[string]bool // the countries of hashed
}

// cardList is a revocation list of cards, and of when the bundle is that has it; zero
// for one of a file, which is as new as its key says.
type cardList struct {
	*shc.CRL
	asOf time.Time
}

// New joins bundles. Of several snapshots of one issuer the latest counts.
func New(bundles ...*Bundle) *List {
	l := &List{byKeyID: map[string][]Candidate{}, byMethod: map[string][]Candidate{}, byThumb: map[string][]Candidate{}, bySubject: map[string][]Candidate{}, status: map[string]*Snapshot{}, cards: map[string][]cardList{}, hashed: map[hashKey][]Hashes{}, hashing: map[string]bool{}}
	for _, b := range bundles {
		if b == nil {
			continue
		}
		if b.Issued.After(l.issued) {
			l.issued = b.Issued
		}
		for i := range b.Issuers {
			iss := &b.Issuers[i]
			for j := range iss.Keys {
				l.add(Candidate{iss, &iss.Keys[j]})
			}
		}
		for _, c := range b.Cards {
			list := cardList{CRL: c}
			if len(b.Proofs) > 0 {
				list.asOf = b.Issued
			}
			l.cards[c.KeyID] = append(l.cards[c.KeyID], list)
			slices.SortStableFunc(l.cards[c.KeyID], func(a, b cardList) int { return cmp.Compare(b.Counter, a.Counter) })
		}
		for _, h := range b.HashLists {
			key := hashKey{h.Country, string(h.KeyID), h.Type}
			l.hashed[key], l.hashing[h.Country] = append(l.hashed[key], h.Hashes), true
		}
		for i := range b.Status {
			s := &b.Status[i]
			if old := l.status[s.Issuer]; s.Issuer != "" && (old == nil || s.AsOf.After(old.AsOf)) {
				l.status[s.Issuer] = s
			}
		}
	}
	return l
}

func (l *List) add(c Candidate) {
	l.keys++
	if cert := c.Key.Certificate; cert != nil && cert.IsCA {
		l.bySubject[string(cert.RawSubject)] = append(l.bySubject[string(cert.RawSubject)], c)
	}
	if public, ok := c.Key.Public.(*ecdsa.PublicKey); ok {
		if thumb := shc.Thumbprint(public); thumb != "" {
			l.byThumb[thumb] = append(l.byThumb[thumb], c)
		}
	}
	if c.Key.bare() {
		l.bare = append(l.bare, c)
		return
	}
	if len(c.Key.KeyID) > 0 {
		l.byKeyID[string(c.Key.KeyID)] = append(l.byKeyID[string(c.Key.KeyID)], c)
	}
	if c.Key.ID != "" {
		l.byMethod[c.Key.ID] = append(l.byMethod[c.Key.ID], c)
	}
}

// Len returns how many keys l trusts.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return l.keys
}

// Issued returns when the newest dated bundle of l was made; zero when none is
// dated. A clock that is earlier is wrong.
func (l *List) Issued() time.Time {
	if l == nil {
		return time.Time{}
	}
	return l.issued
}

// ByKeyID returns the keys known by the key id of a COSE message, then those
// that were handed over without any id.
func (l *List) ByKeyID(kid []byte) []Candidate {
	if l == nil {
		return nil
	}
	return join(l.byKeyID[string(kid)], l.bare)
}

// ByMethod returns the keys known by a verification method, compared exactly,
// then those that were handed over without any id: a PEM public key may be
// meant for any method, as DIVOC's are, whose name no document resolves.
func (l *List) ByMethod(id string) []Candidate {
	if l == nil {
		return nil
	}
	return join(l.byMethod[id], l.bare)
}

// ByThumbprint returns the keys of P-256 with this JWK thumbprint (RFC 7638),
// whichever name they came with.
func (l *List) ByThumbprint(thumb string) []Candidate {
	if l == nil {
		return nil
	}
	return l.byThumb[thumb]
}

// ByCertificate returns the keys of a certificate and of whoever could have issued
// it, by name.
func (l *List) ByCertificate(c *x509.Certificate) []Candidate {
	if l == nil {
		return nil
	}
	return join(l.byKeyID[string(CertificateKeyID(c))], l.bySubject[string(c.RawIssuer)])
}

// CardList returns the newest revocation list of the cards that the key with this
// thumbprint signed, nil where there is none, and when it was that; zero for a list
// that came by itself and has no date.
func (l *List) CardList(thumb string) (list *shc.CRL, asOf time.Time) {
	if l == nil || len(l.cards[thumb]) == 0 {
		return nil, time.Time{}
	}
	c := l.cards[thumb][0]
	return c.CRL, c.asOf
}

// CardRevoked reports whether any list names a card that the key with this
// thumbprint signed: lists carry no signature, so a newer one of somebody who lists
// the same key takes nothing back.
func (l *List) CardRevoked(thumb, rid string, notBefore time.Time) bool {
	return l != nil && slices.ContainsFunc(l.cards[thumb], func(c cardList) bool { return c.Revoked(rid, notBefore) })
}

func join(a, b []Candidate) []Candidate {
	out := make([]Candidate, 0, len(a)+len(b))
	return append(append(out, a...), b...)
}

// Status returns the state of the certificate hcid as its issuer published it,
// and when that was true. Of an issuer that publishes none, or is not known, it
// returns [NotPublished].
func (l *List) Status(issuerID, hcid string) (vaccination.Status, time.Time) {
	if l == nil {
		return NotPublished, time.Time{}
	}
	s := l.status[issuerID]
	if s == nil {
		return NotPublished, time.Time{}
	}
	return s.Status(hcid), s.AsOf
}
