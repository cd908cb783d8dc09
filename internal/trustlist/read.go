package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/trustlist/masterlist"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Kind is what the lists of a source are. It decides what is looked for in them
// and what a key of them may sign.
type Kind string

// The kinds.
const (
	// Certificates are signer certificates of HCERT codes, with or without their
	// authorities: PEM, DER, or the JSON of the EU's gateway and its relays.
	Certificates Kind = "certificates"
	// DID are did:web trust lists of WHO's GDHCN, version 2, or another DID document.
	DID Kind = "did"
	// Cards are the JWK set of an issuer of SMART Health Cards, or a directory of
	// such issuers.
	Cards Kind = "cards"
	// MasterList are passport authorities, for ICAO's seals: a master list, or PEM.
	MasterList Kind = "masterlist"
	// Keys are public keys of DIVOC's format: PEM, base 58, Multikey.
	Keys Kind = "keys"
	// DIVOC is the trust bundle of another installation of this program.
	DIVOC Kind = "divoc"
	// Hashes are the revocation lists (batches) of the EU's gateway: which certificates
	// of a country are withdrawn, by a hash of their id or signature.
	Hashes Kind = "hashes"
)

// Kinds are all kinds.
func Kinds() []Kind { return []Kind{Certificates, DID, Cards, MasterList, Keys, DIVOC, Hashes} }

// MaxSize bounds a list, bytes; maxKeys what it may name. The verifier for
// browsers reads all of it.
const (
	MaxSize = 16 << 20
	maxKeys = 5000
	maxRids = 1 << 17 // withdrawn cards, as many as certificates of EU revocation lists
)

// reading is what a list is read with.
type reading struct {
	Settings
	anchors []*x509.Certificate
	pins    []crypto.PublicKey
	own     trust.Issuer
	demo    bool
	// last is what counts now, for a list that its own earlier version vouches for.
	last *Content
}

func refuse(why string) error {
	return vaccination.Errorf(vaccination.Invalid, "the trust list is refused: %s", why)
}

// read reads a list of a kind. What is wrong with the whole of it is an error
// ([vaccination.Invalid], or [vaccination.Forbidden] for what may never count);
// what is wrong with one entry leaves that out.
func (r *reading) read(data []byte) (*Content, error) {
	if len(data) > MaxSize {
		return nil, refuse("it is larger than 16 MiB")
	}
	for _, pin := range r.pins {
		if where, ok := trust.Published(pin); ok && !r.demo {
			return nil, vaccination.Errorf(vaccination.Forbidden, "the trust list rests on a key that anybody can sign with, because its private half is published: %s", where)
		}
	}
	c := &Content{}
	var err error
	switch r.Kind {
	case Certificates:
		err = r.certificates(c, data)
	case DID:
		err = r.did(c, data)
	case Cards:
		err = r.cards(c, data)
	case MasterList:
		err = r.masterList(c, data)
	case Keys:
		err = r.keys(c, data)
	case DIVOC:
		err = r.divoc(c, data)
	case Hashes:
		err = r.hashes(c, data)
	default:
		err = errors.New("there is no such kind of list")
	}
	if err != nil {
		if vaccination.ErrorCode(err) == vaccination.Internal { // what is wrong with the list, in words
			return nil, refuse(err.Error())
		}
		return nil, err
	}
	if err := r.allowed(c); err != nil {
		return nil, err
	}
	c.sort()
	return c, nil
}

// allowed refuses what may never count, whoever says it: keys that anybody can
// sign with, our own name, and more than can be carried.
func (r *reading) allowed(c *Content) error {
	if c.Keys() > maxKeys {
		return vaccination.Errorf(vaccination.TooLarge, "the trust list names more than %d keys", maxKeys)
	}
	if n, err := c.rids(); err != nil || n > maxRids {
		return vaccination.Errorf(vaccination.TooLarge, "the trust list withdraws more than %d cards", maxRids)
	}
	ours := map[string]bool{}
	for _, k := range r.own.Keys {
		ours[trust.Fingerprint(k.Public)] = true
	}
	for i := range c.Issuers {
		iss := &c.Issuers[i]
		if iss.ID != "" && iss.ID == r.own.ID {
			return vaccination.Errorf(vaccination.Forbidden, "the trust list names keys as this system's own: only its keyring does")
		}
		kept := iss.Keys[:0]
		for _, k := range iss.Keys {
			if where, ok := trust.Published(k.Public); ok && !r.demo {
				return vaccination.Errorf(vaccination.Forbidden, "the trust list holds a key that anybody can sign with, because its private half is published: %s", where)
			}
			if ours[trust.Fingerprint(k.Public)] {
				c.leaveOut(iss.Name, errors.New("this key is this system's own"))
				continue
			}
			kept = append(kept, k)
		}
		iss.Keys = kept
	}
	kept := c.Issuers[:0]
	for _, iss := range c.Issuers {
		if len(iss.Keys) > 0 {
			kept = append(kept, iss)
		}
	}
	c.Issuers = kept
	for i := range c.HashLists {
		if c.HashLists[i].Country == r.own.Country {
			return vaccination.Errorf(vaccination.Forbidden, "the revocation list names certificates of this system's own country: only this system withdraws them")
		}
	}
	if len(c.Issuers) == 0 && len(c.HashLists) == 0 {
		why := "it names no key that can be used"
		if len(c.LeftOut) > 0 {
			why += " (" + c.LeftOut[0] + ")"
		}
		return refuse(why)
	}
	return nil
}

// published refuses an authority whose private half is published: what it issued
// is anybody's.
func (r *reading) published(certs ...*x509.Certificate) error {
	for _, c := range certs {
		if where, ok := trust.Published(c.PublicKey); ok && !r.demo {
			return vaccination.Errorf(vaccination.Forbidden, "the trust list rests on an authority that anybody can sign with, because its private half is published: %s", where)
		}
	}
	return nil
}

// masterList reads passport authorities.
func (r *reading) masterList(c *Content, data []byte) error {
	var ders [][]byte
	if bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
		blocks, err := pemCertificates(data)
		if err != nil {
			return err
		}
		ders = blocks
	} else {
		list, err := masterlist.Parse(data)
		if err != nil {
			return err
		}
		switch err := list.Verify(r.anchors); {
		case err == nil:
			c.Signed = true
		case errors.Is(err, masterlist.ErrSigner) && len(r.anchors) == 0: // who imports it vouches for it
		default:
			return err
		}
		ders, c.Issued = list.Authorities, list.Issued
	}
	for _, der := range ders {
		iss, k, err := certificateOf(der)
		if err != nil {
			c.leaveOut("an authority", err)
			continue
		}
		switch {
		case !k.Certificate.IsCA:
			c.leaveOut(iss.Name, errors.New("it is no authority's certificate"))
			continue
		case iss.Country == "":
			c.leaveOut(iss.Name, errors.New("it names no country"))
			continue
		}
		if err := r.published(k.Certificate); err != nil {
			return err
		}
		k.Usage = []trust.Usage{trust.Seal} // by the signers it issued; it signs nothing that is scanned
		c.add(iss, plain(k))
	}
	return nil
}

// pemCertificates are the certificates of a file that holds nothing else.
func pemCertificates(data []byte) ([][]byte, error) {
	var out [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("the file may hold certificates in PEM, and nothing else")
		}
		if out = append(out, block.Bytes); len(out) > maxKeys {
			return nil, errors.New("the file holds too many certificates")
		}
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, errors.New("a PEM block is not readable")
	}
	return out, nil
}

// keys reads public keys of DIVOC's format. They sign that, and nothing else.
func (r *reading) keys(c *Content, data []byte) error {
	if r.Issuer == "" {
		return errors.New("say by which name certificates call the key, such as did:india (--issuer)")
	}
	b, err := trust.ParseNamed(data)
	if err != nil {
		return err
	}
	for _, from := range b.Issuers {
		for _, k := range from.Keys {
			if k.Certificate != nil {
				return errors.New("it holds certificates: import them as kind certificates")
			}
			if _, ok := k.Public.(*ecdsa.PublicKey); ok {
				return errors.New("keys of DIVOC's format are RSA or Ed25519")
			}
			c.add(named(trust.Issuer{Name: r.nameOr(r.Issuer)}), trust.Key{ID: r.Issuer, Public: k.Public, Usage: []trust.Usage{trust.DIVOC}})
		}
	}
	return nil
}

// nameOr is the name that the administrator gave, or another.
func (r *reading) nameOr(other string) string {
	if r.IssuerName != "" {
		return r.IssuerName
	}
	return other
}

// divoc reads the trust bundle of another installation: what it says of itself.
// Whom it trusts is not our concern.
func (r *reading) divoc(c *Content, data []byte) error {
	b, err := trust.ParseNamed(data)
	if err != nil {
		return err
	}
	if len(b.Proofs) == 0 || len(b.Issuers) == 0 || b.Issuers[0].ID == "" {
		return errors.New("it is no signed trust bundle of divoc")
	}
	publisher := b.Issuers[0]
	if r.Issuer != "" && publisher.ID != r.Issuer {
		return errors.New("it is the trust bundle of another issuer than this source is for")
	}
	if publisher.Specimen && !r.demo {
		return vaccination.Errorf(vaccination.Forbidden, "the trust bundle is a demonstration's: its certificates certify nothing")
	}
	c.Issued, c.Serial = b.Issued, b.Version
	for _, s := range b.Status {
		if s.Issuer == publisher.ID {
			c.Status = append(c.Status, s)
		}
	}
	iss := named(trust.Issuer{ID: publisher.ID, Name: publisher.Name, Country: publisher.Country, Specimen: publisher.Specimen})
	for _, k := range publisher.Keys {
		c.add(iss, plain(k))
	}
	if r.last != nil && r.last.publisher() == publisher.ID {
		old := &trust.Bundle{Version: r.last.Serial, Issued: r.last.Issued, Issuers: r.last.Issuers, Status: r.last.Status}
		c.Signed = b.SignedBy(old) == nil
	}
	for _, pin := range r.pins {
		c.Signed = c.Signed || b.SignedBy(&trust.Bundle{Issuers: []trust.Issuer{{ID: publisher.ID, Keys: []trust.Key{{ID: b.Proofs[0].Key, Public: pin}}}}}) == nil
	}
	return nil
}

func (c *Content) publisher() string {
	if len(c.Issuers) != 1 {
		return ""
	}
	return c.Issuers[0].ID
}

// plainText reports whether s is printable ASCII without spaces, as identifiers are.
func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// strictJSON refuses what readers would understand differently.
func strictJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is no JSON")
	}
	return trust.CheckJSON(data)
}
