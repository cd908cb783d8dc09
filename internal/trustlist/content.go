package trustlist

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
)

// Content is what a list says: whose keys count, and what they withdrew.
type Content struct {
	Issuers []trust.Issuer
	Status  []trust.Snapshot // of another divoc
	Cards   [][]byte         // revocation lists of SMART Health Cards, as they came

	// HashLists are EU revocation lists, of countries that say what they withdrew.
	HashLists []trust.HashList

	// Issued is when its publisher made it and Serial its number there; zero and 0
	// where the list does not say.
	Issued time.Time
	Serial int64
	// Signed: somebody whom the source's anchors vouch for signed it.
	Signed bool
	// LeftOut says, a line each, what could not be used and why.
	LeftOut []string
}

// Keys is how many keys c names.
func (c *Content) Keys() int {
	n := 0
	for i := range c.Issuers {
		n += len(c.Issuers[i].Keys)
	}
	return n
}

// Size is how much c says: its keys, and the certificates that EU revocation lists of
// it withdraw.
func (c *Content) Size() int {
	n := c.Keys()
	for i := range c.HashLists {
		n += c.HashLists[i].Hashes.Len()
	}
	return n
}

// maxLeftOut bounds what is told of what was left out; the rest is counted.
const maxLeftOut = 200

func (c *Content) leaveOut(what string, why error) {
	switch n := len(c.LeftOut); {
	case n < maxLeftOut:
		c.LeftOut = append(c.LeftOut, line(what, 80)+": "+line(why.Error(), 200))
	case n == maxLeftOut:
		c.LeftOut = append(c.LeftOut, "and others")
	}
}

// add adds a key to its issuer, once.
func (c *Content) add(iss trust.Issuer, k trust.Key) {
	print := trust.Fingerprint(k.Public)
	for i := range c.Issuers {
		if at := &c.Issuers[i]; at.ID == iss.ID && at.Name == iss.Name && at.Country == iss.Country {
			if !slices.ContainsFunc(at.Keys, func(o trust.Key) bool {
				return trust.Fingerprint(o.Public) == print && o.ID == k.ID && bytes.Equal(o.KeyID, k.KeyID)
			}) {
				at.Keys = append(at.Keys, k)
			}
			return
		}
	}
	iss.Keys = []trust.Key{k}
	c.Issuers = append(c.Issuers, iss)
}

// sort puts c into its one order, so that the same list has the same digest.
func (c *Content) sort() {
	for i := range c.Issuers {
		slices.SortStableFunc(c.Issuers[i].Keys, func(a, b trust.Key) int { return strings.Compare(keyOrder(a), keyOrder(b)) })
	}
	slices.SortStableFunc(c.Issuers, func(a, b trust.Issuer) int { return strings.Compare(issuerOrder(a), issuerOrder(b)) })
	slices.SortFunc(c.Cards, bytes.Compare)
	slices.SortFunc(c.HashLists, func(a, b trust.HashList) int {
		return cmp.Or(strings.Compare(listOf(&a).String(), listOf(&b).String()), a.Expires.Compare(b.Expires), bytes.Compare(a.Hashes, b.Hashes))
	})
}

func keyOrder(k trust.Key) string {
	return trust.Fingerprint(k.Public) + " " + k.ID + " " + string(k.KeyID)
}

func issuerOrder(i trust.Issuer) string { return i.Country + "\x00" + i.Name + "\x00" + i.ID }

// packed is how a list is stored: the bundle that it would be without a
// signature, and what bundles have no place for.
type packed struct {
	Bundle json.RawMessage `json:"bundle"`
	Cards  [][]byte        `json:"cards,omitempty"`
}

// bundle is the bundle that c would be, without its lists of cards.
func (c *Content) bundle() *trust.Bundle {
	b := &trust.Bundle{Version: c.Serial, Issued: c.Issued, Issuers: c.Issuers, Status: c.Status, HashLists: c.HashLists}
	if b.Issued.IsZero() {
		b.Issued = time.Unix(1, 0).UTC() // a bundle has a date
	}
	return b
}

// pack returns c as it is stored, and a hash of what it says: all of it but its
// date and number.
func (c *Content) pack() (data []byte, digest [sha256.Size]byte, err error) {
	b := c.bundle()
	text, err := b.Sign()
	if err != nil {
		return nil, digest, err
	}
	said, err := b.Digest()
	if err != nil {
		return nil, digest, err
	}
	h := sha256.New()
	_, _ = h.Write(said[:]) // a hash takes everything
	for _, list := range c.Cards {
		sum := sha256.Sum256(list)
		_, _ = h.Write(sum[:])
	}
	plain, err := json.Marshal(packed{text, c.Cards})
	if err != nil {
		return nil, digest, err
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(plain); err != nil {
		return nil, digest, err
	}
	if err := z.Close(); err != nil {
		return nil, digest, err
	}
	return buf.Bytes(), [sha256.Size]byte(h.Sum(nil)), nil
}

// unpack reads what pack made.
func unpack(data []byte) (*Content, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading a stored trust list: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, 2*trust.MaxSize))
	if err != nil {
		return nil, fmt.Errorf("reading a stored trust list: %w", err)
	}
	var p packed
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil, fmt.Errorf("reading a stored trust list: %w", err)
	}
	c := &Content{Cards: p.Cards}
	b, err := trust.ParseNamed(p.Bundle)
	if err != nil {
		return nil, fmt.Errorf("reading a stored trust list: %w", err)
	}
	c.Issuers, c.Status, c.HashLists, c.Serial = b.Issuers, b.Status, b.HashLists, b.Version
	if b.Issued.Unix() != 1 {
		c.Issued = b.Issued
	}
	return c, nil
}

// digestOf is the hash of what a stored list says. What cannot be read is an
// error.
func digestOf(data []byte) ([sha256.Size]byte, error) {
	c, err := unpack(data)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	_, digest, err := c.pack()
	return digest, err
}

// crls are the revocation lists of cards in c.
func (c *Content) crls() ([]*shc.CRL, error) {
	var out []*shc.CRL
	for _, data := range c.Cards {
		list, err := shc.ParseCRL(data)
		if err != nil {
			return nil, err
		}
		out = append(out, list)
	}
	return out, nil
}

// plain is a key as lists are kept: its certificate was checked when it was
// imported and is needed no more, except for an authority's and a signer of
// ICAO's seals, which a seal is compared with. A list of 1,500 signers is a
// quarter of its size so.
func plain(k trust.Key) trust.Key {
	if c := k.Certificate; c != nil && (c.IsCA || slices.Contains(k.Usage, trust.Seal)) {
		k.Chain = nil
		return k
	}
	k.Certificate, k.Chain = nil, nil
	return k
}

// certificateOf reads a certificate as the verifier will: of a kind and size of
// key that counts.
func certificateOf(der []byte) (trust.Issuer, trust.Key, error) {
	if len(der) == 0 || der[0] != 0x30 || len(der) > maxCertificate {
		return trust.Issuer{}, trust.Key{}, errors.New("it is no certificate")
	}
	b, err := trust.ParseNamed(der)
	if err != nil {
		return trust.Issuer{}, trust.Key{}, err
	}
	iss := b.Issuers[0]
	k := iss.Keys[0]
	iss.Keys = nil
	return named(iss), k, nil
}

const maxCertificate = 16 << 10

// named is iss under a name that can be shown: in one line, of bounded length,
// without characters that turn or hide what stands beside them, and with the
// country that vouches for it.
func named(iss trust.Issuer) trust.Issuer {
	iss.Name = line(iss.Name, 100)
	if iss.Name == "" {
		iss.Name = "no name"
	}
	if c := iss.Country; c != "" {
		if c = line(c, 3); !letters(c) {
			c = ""
		}
		iss.Country = strings.ToUpper(c)
	}
	if iss.Country != "" && !strings.HasSuffix(iss.Name, "("+iss.Country+")") {
		iss.Name += " (" + iss.Country + ")"
	}
	return iss
}

// line is text on one line, at most n characters of it, that shows what it is.
func line(s string, n int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c' || r == '\u200d': // part of words in Sinhala and others
			return r
		case !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)), " ")
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n])
	}
	return s
}

func letters(s string) bool {
	return (len(s) == 2 || len(s) == 3) && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
}

// issuedBy finds who of authorities issued c.
func issuedBy(c *x509.Certificate, authorities []*x509.Certificate) *x509.Certificate {
	for _, a := range authorities {
		if a.IsCA && bytes.Equal(a.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(a) == nil &&
			!c.NotBefore.Before(a.NotBefore) && !c.NotBefore.After(a.NotAfter) && country(a) == country(c) {
			return a
		}
	}
	return nil
}

func country(c *x509.Certificate) string {
	if len(c.Subject.Country) == 0 {
		return ""
	}
	return strings.ToUpper(c.Subject.Country[0])
}
