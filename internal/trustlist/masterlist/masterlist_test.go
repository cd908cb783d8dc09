package masterlist_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/trustlist/masterlist"
)

// All lists and keys are made here.

var (
	made = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	end  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func oid(n ...int) asn1.ObjectIdentifier { return n }

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return credentialtest.Key(t, elliptic.P256())
}

func csca(t testing.TB, country string, k crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "CSCA", Country: []string{country}}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	return credentialtest.X509(t, template, template, k.Public(), k)
}

// maker makes a master list; each field can be made wrong.
type maker struct {
	authority, signer *x509.Certificate
	caKey             *ecdsa.PrivateKey
	key               crypto.Signer
	list              [][]byte
	listType          asn1.ObjectIdentifier
	listVersion       int
	digest            asn1.ObjectIdentifier
	algorithm         asn1.ObjectIdentifier
	signedType        asn1.ObjectIdentifier
	signed            []byte // the content that is signed, nil for that in the list
	time              time.Time
	beside            []*x509.Certificate
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	m := &maker{caKey: p256(t), listType: oid(2, 23, 136, 1, 1, 2), digest: oid(2, 16, 840, 1, 101, 3, 4, 2, 1), algorithm: oid(1, 2, 840, 10045, 4, 3, 2), time: made}
	m.authority = csca(t, "UN", m.caKey)
	m.sign(t, p256(t), func(*x509.Certificate) {})
	for _, c := range []string{"DE", "FR", "JM"} {
		m.list = append(m.list, csca(t, c, p256(t)).Raw)
	}
	return m
}

// sign makes the signer's certificate.
func (m *maker) sign(t testing.TB, k crypto.Signer, change func(*x509.Certificate)) {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Master list signer", Country: []string{"UN"}}, KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{oid(2, 23, 136, 1, 1, 3)}, SubjectKeyId: []byte{1, 2, 3}}
	change(template)
	m.key, m.signer = k, credentialtest.X509(t, template, m.authority, k.Public(), m.caKey)
	m.beside = []*x509.Certificate{m.signer}
}

func marshal(t testing.TB, v any, params ...string) []byte {
	t.Helper()
	p := ""
	if len(params) > 0 {
		p = params[0]
	}
	out, err := asn1.MarshalWithParams(v, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tagged(t testing.TB, class, tag int, parts ...[]byte) []byte {
	t.Helper()
	return marshal(t, asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: slices.Concat(parts...)})
}

func (m *maker) der(t testing.TB) []byte {
	t.Helper()
	set := tagged(t, asn1.ClassUniversal, asn1.TagSet, m.list...)
	content := tagged(t, asn1.ClassUniversal, asn1.TagSequence, marshal(t, m.listVersion), set)
	over := content
	if m.signed != nil {
		over = m.signed
	}
	hash := crypto.SHA256
	if m.digest.Equal(oid(2, 16, 840, 1, 101, 3, 4, 2, 3)) {
		hash = crypto.SHA512
	}
	sum := func(data []byte) []byte {
		if hash == crypto.SHA512 {
			s := sha512.Sum512(data)
			return s[:]
		}
		s := sha256.Sum256(data)
		return s[:]
	}
	signedType := m.signedType
	if signedType == nil {
		signedType = m.listType
	}
	attribute := func(id asn1.ObjectIdentifier, value []byte) []byte {
		return tagged(t, asn1.ClassUniversal, asn1.TagSequence, marshal(t, id), tagged(t, asn1.ClassUniversal, asn1.TagSet, value))
	}
	attributes := [][]byte{attribute(oid(1, 2, 840, 113549, 1, 9, 3), marshal(t, signedType)), attribute(oid(1, 2, 840, 113549, 1, 9, 4), marshal(t, sum(over)))}
	if !m.time.IsZero() {
		attributes = append(attributes, attribute(oid(1, 2, 840, 113549, 1, 9, 5), marshal(t, m.time, "utc")))
	}
	signature, err := m.key.Sign(rand.Reader, sum(tagged(t, asn1.ClassUniversal, asn1.TagSet, attributes...)), hash)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := func(id asn1.ObjectIdentifier) []byte {
		return marshal(t, pkix.AlgorithmIdentifier{Algorithm: id})
	}
	serial := marshal(t, m.signer.SerialNumber)
	signer := tagged(t, asn1.ClassUniversal, asn1.TagSequence,
		marshal(t, 1), tagged(t, asn1.ClassUniversal, asn1.TagSequence, m.signer.RawIssuer, serial), algorithm(m.digest),
		tagged(t, asn1.ClassContextSpecific, 0, attributes...), algorithm(m.algorithm), marshal(t, signature))
	var certs [][]byte
	for _, c := range m.beside {
		certs = append(certs, c.Raw)
	}
	data := tagged(t, asn1.ClassUniversal, asn1.TagSequence,
		marshal(t, 3), tagged(t, asn1.ClassUniversal, asn1.TagSet, algorithm(m.digest)),
		tagged(t, asn1.ClassUniversal, asn1.TagSequence, marshal(t, m.listType), tagged(t, asn1.ClassContextSpecific, 0, marshal(t, content))),
		tagged(t, asn1.ClassContextSpecific, 0, certs...),
		tagged(t, asn1.ClassUniversal, asn1.TagSet, signer))
	return tagged(t, asn1.ClassUniversal, asn1.TagSequence, marshal(t, oid(1, 2, 840, 113549, 1, 7, 2)), tagged(t, asn1.ClassContextSpecific, 0, data))
}

// Each row is a list with one thing wrong.
func TestMasterLists(t *testing.T) {
	big, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change  func(*maker)
		edit    func([]byte) []byte
		anchors func(*maker) []*x509.Certificate
		parse   error
		verify  error
	}{
		"a good list":                       {},
		"pinned to its signer":              {anchors: func(m *maker) []*x509.Certificate { return []*x509.Certificate{m.signer} }},
		"the signer's certificate is known": {change: func(m *maker) { m.beside = nil }, anchors: func(m *maker) []*x509.Certificate { return []*x509.Certificate{m.signer} }},
		"SHA-512": {change: func(m *maker) {
			m.digest, m.algorithm = oid(2, 16, 840, 1, 101, 3, 4, 2, 3), oid(1, 2, 840, 10045, 4, 3, 4)
		}},
		"RSA, named without its hash": {change: func(m *maker) {
			m.sign(t, big, func(*x509.Certificate) {})
			m.algorithm = oid(1, 2, 840, 113549, 1, 1, 1)
		}},
		"without a time":                 {change: func(m *maker) { m.time = time.Time{} }},
		"wrong signer: nobody is pinned": {anchors: func(*maker) []*x509.Certificate { return nil }, verify: masterlist.ErrSigner},
		"wrong signer: an authority of the same name": {anchors: func(*maker) []*x509.Certificate {
			return []*x509.Certificate{csca(t, "UN", p256(t))}
		}, verify: masterlist.ErrSigner},
		"x5c trusted blindly: the authority beside it is not pinned": {change: func(m *maker) { m.beside = append(m.beside, m.authority) }, anchors: func(*maker) []*x509.Certificate {
			return []*x509.Certificate{csca(t, "DE", p256(t))}
		}, verify: masterlist.ErrSigner},
		"a signer for something else":      {change: func(m *maker) { m.sign(t, p256(t), func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }) }, verify: masterlist.ErrSigner},
		"signed after the signer's time":   {change: func(m *maker) { m.time = end.AddDate(1, 0, 0) }, verify: masterlist.ErrSigner},
		"its signer is not in it":          {change: func(m *maker) { m.beside = nil }, verify: masterlist.ErrSigner},
		"signed with another key":          {change: func(m *maker) { m.key = p256(t) }, verify: masterlist.ErrSignature},
		"other content than was signed":    {change: func(m *maker) { m.signed = []byte("another list") }, verify: masterlist.ErrSignature},
		"algorithm confusion: SHA-1":       {change: func(m *maker) { m.digest = oid(1, 3, 14, 3, 2, 26) }, verify: masterlist.ErrSignature},
		"algorithm confusion: none":        {change: func(m *maker) { m.algorithm = oid(1, 2, 3) }, verify: masterlist.ErrSignature},
		"signed as something else":         {change: func(m *maker) { m.signedType = oid(1, 2, 840, 113549, 1, 7, 1) }, parse: masterlist.ErrMalformed},
		"another kind of content":          {change: func(m *maker) { m.listType = oid(1, 2, 840, 113549, 1, 7, 1) }, parse: masterlist.ErrMalformed},
		"another version":                  {change: func(m *maker) { m.listVersion = 1 }, parse: masterlist.ErrMalformed},
		"empty list":                       {change: func(m *maker) { m.list = nil }, parse: masterlist.ErrEmpty},
		"something that is no certificate": {change: func(m *maker) { m.list = append(m.list, []byte{2, 1, 1}) }, parse: masterlist.ErrMalformed},
		"bytes behind its end":             {edit: func(d []byte) []byte { return append(d, 0) }, parse: masterlist.ErrMalformed},
		"cut off":                          {edit: func(d []byte) []byte { return d[:len(d)-1] }, parse: masterlist.ErrMalformed},
		"oversize":                         {edit: func(d []byte) []byte { return append(d, make([]byte, masterlist.MaxSize)...) }, parse: masterlist.ErrTooLarge},
		"too many": {change: func(m *maker) {
			for i := range 5001 {
				m.list = append(m.list, tagged(t, asn1.ClassUniversal, asn1.TagSequence, marshal(t, i)))
			}
		}, parse: masterlist.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaker(t)
			if tc.change != nil {
				tc.change(m)
			}
			data := m.der(t)
			if tc.edit != nil {
				data = tc.edit(data)
			}
			l, err := masterlist.Parse(data)
			if !errors.Is(err, tc.parse) || tc.parse == nil && err != nil {
				t.Fatalf("%v, want %v", err, tc.parse)
			}
			if err != nil {
				return
			}
			anchors := []*x509.Certificate{m.authority}
			if tc.anchors != nil {
				anchors = tc.anchors(m)
			}
			if err := l.Verify(anchors); !errors.Is(err, tc.verify) || tc.verify == nil && err != nil {
				t.Errorf("%v, want %v", err, tc.verify)
			}
			if len(l.Authorities) != 3 || !bytes.Equal(l.Authorities[2], m.list[2]) || !l.Issued.Equal(m.time) && !m.time.IsZero() {
				t.Errorf("%d authorities of %v", len(l.Authorities), l.Issued)
			}
		})
	}
}

// FuzzParse: no bytes make reading fail badly, and no list verifies with nobody
// pinned.
func FuzzParse(f *testing.F) {
	f.Add(newMaker(f).der(f))
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := masterlist.Parse(data)
		if err != nil {
			return
		}
		if len(l.Authorities) == 0 || l.Verify(nil) == nil {
			t.Error("an empty list was read, or one verified by nobody")
		}
	})
}
