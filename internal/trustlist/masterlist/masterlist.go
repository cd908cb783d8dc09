// Package masterlist reads ICAO master lists: the passport authorities (CSCA) that
// a country found to be genuine, as CMS SignedData (ICAO Doc 9303 part 12,
// section 7.2; RFC 5652), in DER. It is a bounded and strict decoder of that one
// use of CMS, and no general one.
package masterlist

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
	"slices"
	"time"
)

// Bounds of what is read.
const (
	MaxSize         = 16 << 20
	maxCertificates = 5000
	maxSigners      = 8
)

// Errors of reading and verifying; each names its class and no value of the list.
var (
	ErrMalformed = errors.New("not a master list: it is no CMS SignedData in DER with a list of certificates")
	ErrTooLarge  = errors.New("the master list is too large")
	ErrEmpty     = errors.New("the master list is empty")
	ErrSignature = errors.New("the signature of the master list is wrong")
	ErrSigner    = errors.New("nobody pinned vouches for the signer of the master list")
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidMasterList    = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 2}
	oidSignerUsage   = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 3}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// List is a master list as read. Its certificates are to be believed only by who
// believes its signer.
type List struct {
	// Authorities are the certificates in DER, in the order of the list, each once.
	Authorities [][]byte
	// Issued is when it was signed; zero where the signature does not say.
	Issued time.Time

	content []byte
	beside  []*x509.Certificate // that came with the signature
	signers []signer
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      encapsulated
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type signerInfo struct {
	Version   int
	ID        asn1.RawValue
	Digest    pkix.AlgorithmIdentifier
	Signed    asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
	Unsigned  asn1.RawValue `asn1:"optional,tag:1"`
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial asn1.RawValue
}

type masterList struct {
	Version      int
	Certificates asn1.RawValue
}

// signer is one signature, with what it says.
type signer struct {
	info       signerInfo
	attributes []byte // as they were signed
	digest     []byte
}

// Parse reads a master list. The signature is NOT verified.
func Parse(data []byte) (*List, error) {
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	var info contentInfo
	var sd signedData
	if !whole(data, &info) || !info.Type.Equal(oidSignedData) || !whole(info.Content.Bytes, &sd) ||
		!sd.Content.Type.Equal(oidMasterList) || len(sd.Signers) == 0 || len(sd.Signers) > maxSigners {
		return nil, ErrMalformed
	}
	l := &List{content: sd.Content.Content}
	var list masterList
	if !whole(l.content, &list) || list.Version != 0 || list.Certificates.Class != asn1.ClassUniversal || list.Certificates.Tag != asn1.TagSet {
		return nil, ErrMalformed
	}
	var err error
	if l.Authorities, err = elements(list.Certificates.Bytes, maxCertificates); err != nil {
		return nil, err
	}
	if len(l.Authorities) == 0 {
		return nil, ErrEmpty
	}
	beside, err := elements(sd.Certificates.Bytes, maxSigners*4)
	if err != nil {
		return nil, err
	}
	for _, der := range beside {
		if c, err := x509.ParseCertificate(der); err == nil { // one that cannot be read signs nothing
			l.beside = append(l.beside, c)
		}
	}
	for _, info := range sd.Signers {
		s, at, err := readSigner(info)
		if err != nil {
			return nil, err
		}
		l.signers = append(l.signers, s)
		if l.Issued.IsZero() || at.Before(l.Issued) {
			l.Issued = at
		}
	}
	return l, nil
}

// whole reads all of data, and nothing behind it.
func whole(data []byte, into any) bool {
	rest, err := asn1.Unmarshal(data, into)
	return err == nil && len(rest) == 0
}

// elements are the values of a SET, each once.
func elements(data []byte, limit int) ([][]byte, error) {
	var out [][]byte
	seen := map[[sha256.Size]byte]bool{}
	for len(data) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(data, &v)
		if err != nil || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagSequence {
			return nil, ErrMalformed
		}
		data = rest
		sum := sha256.Sum256(v.FullBytes)
		if seen[sum] {
			continue
		}
		if seen[sum] = true; len(seen) > limit {
			return nil, ErrTooLarge
		}
		out = append(out, v.FullBytes)
	}
	return out, nil
}

// readSigner reads what a signature signs (RFC 5652, section 5.4): of a content
// that is not plain data, always attributes, its type and digest among them.
func readSigner(info signerInfo) (signer, time.Time, error) {
	s := signer{info: info}
	var at time.Time
	if info.Signed.Class != asn1.ClassContextSpecific || !info.Signed.IsCompound || len(info.Signed.Bytes) == 0 {
		return s, at, ErrMalformed
	}
	// They are signed as the SET that they are, whatever tag they stand under.
	s.attributes = slices.Clone(info.Signed.FullBytes)
	s.attributes[0] = 0x31
	var attributes []attribute
	if rest, err := asn1.UnmarshalWithParams(s.attributes, &attributes, "set"); err != nil || len(rest) > 0 {
		return s, at, ErrMalformed
	}
	typed, seen := false, map[string]bool{}
	for _, a := range attributes {
		if seen[a.Type.String()] || a.Values.Tag != asn1.TagSet || a.Values.Class != asn1.ClassUniversal {
			return s, at, ErrMalformed
		}
		seen[a.Type.String()] = true
		ok := true
		switch {
		case a.Type.Equal(oidContentType):
			var of asn1.ObjectIdentifier
			ok = whole(a.Values.Bytes, &of) && of.Equal(oidMasterList)
			typed = ok
		case a.Type.Equal(oidMessageDigest):
			ok = whole(a.Values.Bytes, &s.digest)
		case a.Type.Equal(oidSigningTime):
			ok = whole(a.Values.Bytes, &at)
		}
		if !ok {
			return s, at, ErrMalformed
		}
	}
	if !typed || len(s.digest) == 0 {
		return s, at, ErrMalformed
	}
	return s, at.UTC(), nil
}

// Verify checks every signature of the list with the certificates that came with
// it, and that each signer is one that signs master lists, in its time when it
// did, and issued by one of anchors, or one of them. Without anchors nobody
// vouches: the error is [ErrSigner], after the signatures were found right.
func (l *List) Verify(anchors []*x509.Certificate) error {
	for _, s := range l.signers {
		by := s.certificate(slices.Concat(l.beside, anchors))
		if by == nil {
			return ErrSigner
		}
		if err := l.check(s, by); err != nil {
			return err
		}
		if !slices.ContainsFunc(by.UnknownExtKeyUsage, oidSignerUsage.Equal) {
			return ErrSigner
		}
		if !l.Issued.IsZero() && (l.Issued.Before(by.NotBefore) || l.Issued.After(by.NotAfter)) {
			return ErrSigner
		}
		if !slices.ContainsFunc(anchors, func(a *x509.Certificate) bool { return vouches(a, by) }) {
			return ErrSigner
		}
	}
	return nil
}

// vouches reports whether an anchor is the certificate, or issued it in its time.
func vouches(anchor, c *x509.Certificate) bool {
	if anchor.Equal(c) {
		return true
	}
	return anchor.IsCA && bytes.Equal(c.RawIssuer, anchor.RawSubject) && c.CheckSignatureFrom(anchor) == nil &&
		!c.NotBefore.Before(anchor.NotBefore) && !c.NotBefore.After(anchor.NotAfter)
}

// certificate finds whose signature it says it is.
func (s signer) certificate(among []*x509.Certificate) *x509.Certificate {
	for _, c := range among {
		switch {
		case s.info.ID.Class == asn1.ClassContextSpecific && s.info.ID.Tag == 0:
			if len(c.SubjectKeyId) > 0 && bytes.Equal(c.SubjectKeyId, s.info.ID.Bytes) {
				return c
			}
		default:
			var id issuerAndSerial
			serial, err := asn1.Marshal(c.SerialNumber)
			if whole(s.info.ID.FullBytes, &id) && err == nil && bytes.Equal(id.Issuer.FullBytes, c.RawIssuer) && bytes.Equal(id.Serial.FullBytes, serial) {
				return c
			}
		}
	}
	return nil
}

// check verifies one signature.
func (l *List) check(s signer, by *x509.Certificate) error {
	digest := digestOf(s.info.Digest.Algorithm)
	algorithm := algorithmOf(s.info)
	if digest == nil || algorithm == x509.UnknownSignatureAlgorithm {
		return ErrSignature
	}
	h := digest()
	_, _ = h.Write(l.content) // a hash takes everything
	if subtle.ConstantTimeCompare(h.Sum(nil), s.digest) != 1 || by.CheckSignature(algorithm, s.attributes, s.info.Signature) != nil {
		return ErrSignature
	}
	return nil
}

// The digests and signatures that count: SHA-2, and RSA or ECDSA with it.
const (
	sha256OID = "2.16.840.1.101.3.4.2.1"
	sha384OID = "2.16.840.1.101.3.4.2.2"
	sha512OID = "2.16.840.1.101.3.4.2.3"
)

func digestOf(oid asn1.ObjectIdentifier) func() hash.Hash {
	switch oid.String() {
	case sha256OID:
		return sha256.New
	case sha384OID:
		return sha512.New384
	case sha512OID:
		return sha512.New
	}
	return nil
}

// algorithmOf is how a signature was made. A PSS signature names its hash in its
// parameters, which are the digest's with a salt of the same length here, or it
// does not verify.
func algorithmOf(info signerInfo) x509.SignatureAlgorithm {
	digest := info.Digest.Algorithm.String()
	byDigest := func(a, b, c x509.SignatureAlgorithm) x509.SignatureAlgorithm {
		switch digest {
		case sha256OID:
			return a
		case sha384OID:
			return b
		case sha512OID:
			return c
		}
		return x509.UnknownSignatureAlgorithm
	}
	switch info.Algorithm.Algorithm.String() {
	case "1.2.840.113549.1.1.1": // rsaEncryption: with the digest
		return byDigest(x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA)
	case "1.2.840.113549.1.1.10":
		return byDigest(x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS)
	case "1.2.840.113549.1.1.11":
		return x509.SHA256WithRSA
	case "1.2.840.113549.1.1.12":
		return x509.SHA384WithRSA
	case "1.2.840.113549.1.1.13":
		return x509.SHA512WithRSA
	case "1.2.840.10045.4.3.2":
		return x509.ECDSAWithSHA256
	case "1.2.840.10045.4.3.3":
		return x509.ECDSAWithSHA384
	case "1.2.840.10045.4.3.4":
		return x509.ECDSAWithSHA512
	}
	return x509.UnknownSignatureAlgorithm
}
