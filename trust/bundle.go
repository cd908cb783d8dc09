package trust

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
)

// Bundle is a trust list as published: whose keys count, and the states they
// published.
//
// Its JSON, in the form of RFC 8785 (JCS), is
//
//	{"format": "divoc-trust/1", "version": 7, "issued": "2026-01-02T03:04:05Z",
//	 "issuers": [{"id": "did:web:…", "name": "…", "country": "JM", "specimen": true,
//	   "keys": [{"id": "did:web:…#z6Mk…", "publicKey": SPKI,
//	             "notBefore": time, "notAfter": time, "usage": ["vaccination"], "retired": time,
//	             "kid": KID, "cardList": NUMBER},
//	            {"id": "did:web:…#…", "x5c": [DSC, SCA], "retired": time}]}],
//	 "status": [{"issuer": "did:web:…", "asOf": time, "nextUpdate": time,
//	   "superseded": HASHES, "suspended": HASHES, "revoked": HASHES}],
//	 "cardLists": [{"kid": THUMBPRINT, "counter": NUMBER, "rids": [RID, …]}],
//	 "rules": {"sha256": SHA-256, "version": NUMBER, "changed": time},
//	 "hashLists": [{"country": "JM", "kid": …, "hashType": "UCI", "expires": time, "hashes": HASHES}],
//	 "verifier": SHA-256,
//	 "proofs": [{"key": "did:web:…#z6Mk…", "signature": SIGNATURE}]}
//
// Times are UTC in whole seconds; binary values are base64; x5c holds DER, from
// which that key's id, time and usage follow, unless "usage" beside it is narrower; HASHES are 16 bytes each, sorted.
// Members that are empty are left out. The first issuer is the publisher: the
// others are whom it trusts, and their keys sign no bundle of its. A proof is the
// Ed25519 signature of the same document without "proofs". A document that is not exactly what we would
// write for what we read is refused, so nothing in it can be read in two ways.
type Bundle struct {
	Version int64     // grows with every change; below 2^53
	Issued  time.Time // when it was made
	Issuers []Issuer
	Status  []Snapshot
	// Cards are revocation lists of SMART Health Cards, of the issuers of others that
	// publish them.
	Cards []*shc.CRL
	// HashLists are EU revocation lists, of the countries that published them.
	HashLists []HashList
	// Proofs are its signatures; none for key files of other kinds. The first
	// is by a current key; after a rotation another one is by the key before it,
	// so that who knows only that one can follow.
	Proofs []Proof
	// Verifier is the SHA-256 hash of the verifier for browsers that goes with
	// it, not compressed; nil for none. Whoever has the bundle can tell whether
	// the program they were sent is that one.
	Verifier []byte
	// Rules names the acceptance rules that go with it; nil for none.
	Rules *RulesNote
}

// RulesNote says which file of acceptance rules the publisher of a bundle goes by.
type RulesNote struct {
	Changed time.Time `json:"changed"` // since when
	SHA256  []byte    `json:"sha256"`  // of the file
	Version int64     `json:"version"` // grows with every other file
}

func (r *RulesNote) check() error {
	if r != nil && (len(r.SHA256) != sha256.Size || r.Version <= 0 || r.Version >= 1<<53 || r.Changed.IsZero()) {
		return errors.New("it names acceptance rules without their hash, number or date")
	}
	return nil
}

// Proof is a signature of a [Bundle].
type Proof struct {
	Key       string `json:"key"` // the ID of an Ed25519 key that the bundle lists
	Signature []byte `json:"signature"`
}

// Signer signs a bundle: a document key of the issuer.
type Signer interface {
	ID() string                          // the verification method
	Sign(message []byte) ([]byte, error) // Ed25519 (RFC 8032): 64 bytes
}

const bundleFormat = "divoc-trust/1"

// The members stand in the order of their names, as JCS wants them.

type bundleJSON struct {
	Cards   []cardListJSON `json:"cardLists,omitempty"`
	Format  string         `json:"format"`
	Hashed  []hashListJSON `json:"hashLists,omitempty"`
	Issued  time.Time      `json:"issued"`
	Issuers []issuerJSON   `json:"issuers"`
	Proofs  []Proof        `json:"proofs,omitempty"`
	Rules   *RulesNote     `json:"rules,omitempty"`
	Status  []snapshotJSON `json:"status,omitempty"`

	Verifier []byte `json:"verifier,omitempty"`
	Version  int64  `json:"version"`
}

type cardListJSON struct {
	Counter int64    `json:"counter"`
	KeyID   string   `json:"kid"`
	Rids    []string `json:"rids,omitempty"`
}

type hashListJSON struct {
	Country string    `json:"country"`
	Expires time.Time `json:"expires"`
	Type    HashType  `json:"hashType"`
	Hashes  []byte    `json:"hashes,omitempty"`
	KeyID   []byte    `json:"kid,omitempty"`
}

type issuerJSON struct {
	Country  string    `json:"country,omitempty"`
	ID       string    `json:"id,omitempty"`
	Keys     []keyJSON `json:"keys"`
	Name     string    `json:"name,omitempty"`
	Specimen bool      `json:"specimen,omitempty"`
}

type keyJSON struct {
	CardList  int64     `json:"cardList,omitempty"`
	ID        string    `json:"id,omitempty"`
	KeyID     []byte    `json:"kid,omitempty"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	Public    []byte    `json:"publicKey,omitempty"`
	Retired   time.Time `json:"retired,omitzero"`
	Usage     []Usage   `json:"usage,omitempty"`
	X5c       [][]byte  `json:"x5c,omitempty"`
}

type snapshotJSON struct {
	AsOf       time.Time `json:"asOf"`
	Issuer     string    `json:"issuer"`
	NextUpdate time.Time `json:"nextUpdate"`
	Revoked    []byte    `json:"revoked,omitempty"`
	Superseded []byte    `json:"superseded,omitempty"`
	Suspended  []byte    `json:"suspended,omitempty"`
}

// Sign signs b with the current key of its publisher, then with each older key
// whose holders are to follow, sets b.Proofs and returns the JSON. What [Parse]
// would not read is an error.
func (b *Bundle) Sign(signers ...Signer) ([]byte, error) {
	unreadable := func(err error) error { return fmt.Errorf("the trust bundle could not be read back: %w", err) }
	if err := b.check(); err != nil {
		return nil, unreadable(err)
	}
	message, at, err := b.encode(512 * len(signers))
	if err != nil {
		return nil, err
	}
	signed := Bundle{Issuers: b.Issuers}
	for _, s := range signers {
		sig, err := s.Sign(message)
		if err != nil {
			return nil, fmt.Errorf("sign a trust bundle: %w", err)
		}
		signed.Proofs = append(signed.Proofs, Proof{s.ID(), sig})
	}
	if err := signed.checkProofs(message); err != nil {
		return nil, unreadable(err)
	}
	data, err := withProofs(message, at, signed.Proofs)
	if err != nil {
		return nil, err
	}
	if len(data) > MaxSize {
		return nil, unreadable(fmt.Errorf("it is larger than %d MiB", MaxSize>>20))
	}
	b.Proofs = signed.Proofs
	return data, nil
}

// check refuses what parseBundle would: keys are read back as they are written.
func (b *Bundle) check() error {
	if n := len(b.Verifier); n != 0 && n != sha256.Size {
		return errors.New("it names a verifier by something that is no SHA-256 hash")
	}
	if err := checkDate(b.Version, b.Issued); err != nil {
		return err
	}
	if err := b.Rules.check(); err != nil {
		return err
	}
	for _, iss := range b.Issuers {
		for n, k := range iss.Keys {
			e, err := encodeKey(k)
			if err == nil {
				_, err = e.key()
			}
			if err != nil {
				return fmt.Errorf("key %d of issuer %.80q: %w", n+1, iss.ID, err)
			}
		}
	}
	return b.checkStatus()
}

// Digest is a hash of what b says: all of it but its version, its times and its
// proofs.
func (b *Bundle) Digest() ([sha256.Size]byte, error) {
	issuers, err := b.issuersJSON()
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	head, err := marshal(issuers)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	parts := [][]byte{head, b.Verifier}
	for i := range b.Status {
		s := &b.Status[i]
		parts = append(parts, []byte(s.Issuer), s.Superseded, s.Suspended, s.Revoked)
	}
	for i := range b.HashLists {
		parts = append(parts, b.HashLists[i].EncodeBatch())
	}
	for _, c := range b.Cards {
		parts = append(parts, shc.EncodeCRL(c.KeyID, c.Counter, c.Rids()))
	}
	if b.Rules != nil {
		parts = append(parts, b.Rules.SHA256, binary.BigEndian.AppendUint64(nil, uint64(b.Rules.Version)))
	}
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // a hash takes everything
		_, _ = h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
