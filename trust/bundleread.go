package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/shc"
)

func (e keyJSON) key() (Key, error) {
	k := Key{ID: e.ID, KeyID: e.KeyID, NotBefore: e.NotBefore, NotAfter: e.NotAfter, Usage: e.Usage, CardList: e.CardList}
	var err error
	if len(e.X5c) == 0 {
		if k.Public, err = x509.ParsePKIXPublicKey(e.Public); err != nil {
			return Key{}, errors.New("the public key is not readable")
		}
		err = checkPublic(k.Public)
	} else {
		var certs []*x509.Certificate
		for _, der := range e.X5c {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				return Key{}, fmt.Errorf("a certificate is not readable: %w", err)
			}
			certs = append(certs, c)
		}
		k, err = certificateKey(certs[0], certs[1:len(certs):len(certs)])
		k.ID, k.CardList = e.ID, e.CardList
		for _, u := range e.Usage {
			if !k.Allows(u) {
				return Key{}, errors.New("a key counts for more than its certificate allows")
			}
		}
		if len(e.Usage) > 0 {
			k.Usage = e.Usage
		}
	}
	if e.CardList < 0 || e.CardList >= 1<<53 {
		return Key{}, errors.New("the number of its list of cards is out of bounds")
	}
	k.Retired = e.Retired
	return k, err
}

// parseBundle reads and checks our own format.
func parseBundle(data []byte) (*Bundle, error) {
	var in bundleJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, errors.New("the trust bundle is not readable: a member is unknown or of another kind")
	}
	if in.Format != bundleFormat {
		return nil, fmt.Errorf("the trust bundle is of format %.40q; this program reads %s", in.Format, bundleFormat)
	}
	if err := checkDate(in.Version, in.Issued); err != nil {
		return nil, err
	}
	if n := len(in.Verifier); n != 0 && n != sha256.Size {
		return nil, errors.New("the trust bundle names a verifier by something that is no SHA-256 hash")
	}
	if err := in.Rules.check(); err != nil {
		return nil, err
	}
	b := &Bundle{Version: in.Version, Issued: in.Issued, Proofs: in.Proofs, Verifier: in.Verifier, Rules: in.Rules}
	for _, i := range in.Issuers {
		iss := Issuer{ID: i.ID, Name: i.Name, Country: i.Country, Specimen: i.Specimen}
		for n, e := range i.Keys {
			k, err := e.key()
			if err != nil {
				return nil, fmt.Errorf("key %d of issuer %.80q: %w", n+1, i.ID, err)
			}
			iss.Keys = append(iss.Keys, k)
		}
		b.Issuers = append(b.Issuers, iss)
	}
	for _, s := range in.Status {
		b.Status = append(b.Status, Snapshot{s.Issuer, s.AsOf, s.NextUpdate, s.Superseded, s.Suspended, s.Revoked})
	}
	for _, h := range in.Hashed {
		b.HashLists = append(b.HashLists, HashList{h.Country, h.KeyID, h.Type, h.Expires, h.Hashes})
	}
	for _, c := range in.Cards {
		list, err := shc.NewCRL(c.KeyID, c.Counter, c.Rids)
		if err != nil {
			return nil, err
		}
		b.Cards = append(b.Cards, list)
	}
	if err := b.checkStatus(); err != nil {
		return nil, err
	}
	message, at, err := b.encode(512 * len(b.Proofs))
	if err != nil {
		return nil, err
	}
	wrong := b.checkProofs(message)
	want, err := withProofs(message, at, b.Proofs)
	if err != nil {
		return nil, err
	}
	if err := checkCanonical(data, want); err != nil {
		return nil, err
	}
	return b, wrong
}

func checkDate(version int64, issued time.Time) error {
	if version < 0 || version >= 1<<53 || issued.IsZero() {
		return errors.New("the trust bundle has no version or no date")
	}
	return nil
}

func (b *Bundle) checkStatus() error {
	for i := range b.HashLists {
		if err := b.HashLists[i].check(); err != nil {
			return err
		}
	}
	for _, c := range b.Cards {
		if c.KeyID == "" || c.Counter < 0 || c.Counter >= 1<<53 {
			return errors.New("a revocation list of cards names no key, or has no number")
		}
	}
	seen := map[string]bool{}
	for _, iss := range b.Issuers {
		seen[iss.ID] = false
	}
	for _, s := range b.Status {
		done, known := seen[s.Issuer]
		if !known || done || s.Issuer == "" {
			return fmt.Errorf("the trust bundle's status is of no issuer of it, or there are two, for %.80q", s.Issuer)
		}
		seen[s.Issuer] = true
		if s.AsOf.IsZero() || s.AsOf.After(b.Issued) || s.NextUpdate.Before(s.AsOf) {
			return errors.New("the times of the trust bundle's status contradict each other")
		}
		for _, set := range []Hashes{s.Superseded, s.Suspended, s.Revoked} {
			if err := set.check(); err != nil {
				return fmt.Errorf("a set of the trust bundle's status %w", err)
			}
		}
	}
	return nil
}

// checkCanonical refuses a document that says anything else than what was read
// from it, or says it in another way than we would, which is want.
func checkCanonical(data, want []byte) error {
	if bytes.Equal(want, data) {
		return nil
	}
	got, err := jcs.Canonical(data)
	if err != nil || !bytes.Equal(want, got) {
		return errors.New("the trust bundle is not in its one form: a value is written in another way than divoc writes it")
	}
	return nil
}

// checkProofs verifies every proof of message, which is b without proofs, with a
// key that b lists. The first must be of a key that is not retired.
func (b *Bundle) checkProofs(message []byte) error {
	for i, p := range b.Proofs {
		key := b.documentKey(p.Key)
		if key == nil {
			return errors.New("the trust bundle is signed with a key that it does not list")
		}
		if i == 0 && !key.Retired.IsZero() {
			return errors.New("the trust bundle is signed with a key that it calls retired")
		}
		if !ed25519.Verify(key.Public.(ed25519.PublicKey), message, p.Signature) {
			return errors.New("the signature of the trust bundle is wrong: it was changed on its way")
		}
	}
	return nil
}

// documentKey returns the publisher's Ed25519 key of that verification method,
// nil when it has none. Keys of DIVOC's format sign no bundles, nor does any key
// of those whom the publisher trusts.
func (b *Bundle) documentKey(id string) *Key {
	if len(b.Issuers) == 0 {
		return nil
	}
	for j := range b.Issuers[0].Keys {
		k := &b.Issuers[0].Keys[j]
		if _, ok := k.Public.(ed25519.PublicKey); ok && id != "" && k.ID == id && !slices.Contains(k.Usage, DIVOC) {
			return k
		}
	}
	return nil
}
