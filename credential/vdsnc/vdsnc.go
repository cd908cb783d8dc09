// Package vdsnc reads and writes ICAO's Visible Digital Seal for non-constrained
// environments with a health proof (ICAO "VDS-NC" 1.x; types icao.vacc and
// icao.test): JSON whose member data is signed in its canonical form of RFC 8785,
// with the signer's certificate beside it.
//
// The certificate in a seal proves nothing: who verifies has to hold its
// authority (CSCA). It is a pure codec; who writes brings a signer that a
// country's passport authority issued.
package vdsnc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// Errors of reading. Each error of this package wraps one of them, and none
// repeats a value of the seal.
var (
	ErrNotVDS    = errors.New("not a VDS-NC")
	ErrMalformed = errors.New("malformed VDS-NC")
	ErrTooLarge  = errors.New("VDS-NC too large")
	ErrAlgorithm = errors.New("signature algorithm not allowed")
	ErrSignature = errors.New("signature does not match")
	ErrSigner    = errors.New("its signer's certificate may not sign it")
	ErrContent   = errors.New("VDS-NC of a kind that is not read")
)

// The bounds of what is read.
const (
	maxSeal  = 16 << 10
	maxDoses = 32
)

// The types of seal.
const (
	typeVaccination = "icao.vacc"
	typeTest        = "icao.test"
)

// Seal is a seal as read. Nothing in it is to be believed before Verify has
// succeeded.
type Seal struct {
	Type    string // "icao.vacc" or "icao.test"
	Country string // of the issuer, ISO 3166-1 alpha-3 or one of ICAO's own
	// Signer is the certificate that came with the seal.
	Signer *x509.Certificate

	algorithm string
	signature []byte
	data      []byte // canonical
	msg       jcs.Value
}

// Decode reads a seal strictly. The signature is NOT verified. [ErrNotVDS] means
// that it is no seal at all.
func Decode(text []byte) (*Seal, error) {
	if len(text) > maxSeal {
		return nil, notOr(text, ErrTooLarge)
	}
	v, err := jcs.Parse(text)
	if err != nil {
		return nil, notOr(text, fmt.Errorf("%w: JSON", ErrMalformed))
	}
	data, ok := v.Get("data")
	sig, signed := v.Get("sig")
	header, _ := data.Get("hdr")
	if !ok || !signed || header.Kind != jcs.Object {
		return nil, ErrNotVDS
	}
	s := &Seal{Type: text1(header, "t"), Country: text1(header, "is"), algorithm: text1(sig, "alg"), data: data.Append(nil)}
	if version, _ := header.Get("v"); version.Kind != jcs.Number || version.Number != 1 {
		return nil, fmt.Errorf("%w: its version", ErrContent)
	}
	if s.msg, ok = data.Get("msg"); !ok || s.msg.Kind != jcs.Object || len(s.Country) != 3 {
		return nil, fmt.Errorf("%w: header or message", ErrMalformed)
	}
	if s.signature, err = base64url(text1(sig, "sigvl")); err != nil {
		return nil, fmt.Errorf("%w: sigvl", ErrMalformed)
	}
	der, err := base64url(text1(sig, "cer"))
	if err != nil {
		return nil, fmt.Errorf("%w: cer", ErrMalformed)
	}
	if s.Signer, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("%w: cer", ErrMalformed)
	}
	return s, nil
}

// notOr is err for what begins like a seal, else [ErrNotVDS].
func notOr(text []byte, err error) error {
	if bytes.Contains(text, []byte(`"icao.`)) {
		return err
	}
	return ErrNotVDS
}

// base64url reads base64url with or without padding: both occur.
func base64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// The extended key usage of signers of barcodes, and the extension that lists
// which kinds of seal they sign.
var (
	oidBarcodeSigner = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 14, 2}
	oidDocumentTypes = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}
)

// Verify checks the signature with the key of the signer's certificate, and that
// certificate: that it is a signer of such seals and that authority, a CSCA that
// is trusted, signed it. Errors are [ErrAlgorithm], [ErrSignature] and
// [ErrSigner]. It does not look at times.
func (s *Seal) Verify(authority *x509.Certificate) error {
	if err := s.verifySignature(s.Signer.PublicKey); err != nil {
		return err
	}
	c := s.Signer
	switch {
	case c.IsCA, !slices.ContainsFunc(c.UnknownExtKeyUsage, oidBarcodeSigner.Equal), !s.kindAllowed():
		return ErrSigner
	case authority == nil || !authority.IsCA || !bytes.Equal(c.RawIssuer, authority.RawSubject) || c.CheckSignatureFrom(authority) != nil:
		return ErrSigner
	case c.NotBefore.Before(authority.NotBefore), c.NotBefore.After(authority.NotAfter):
		return ErrSigner
	case !sameCountry(c, authority, s.Country):
		return ErrSigner
	}
	return nil
}

// VerifyBy checks the signature where the signer's own certificate is trusted.
func (s *Seal) VerifyBy(signer *x509.Certificate) error {
	if signer == nil || !signer.Equal(s.Signer) {
		return ErrSigner
	}
	if err := s.verifySignature(signer.PublicKey); err != nil {
		return err
	}
	if !slices.ContainsFunc(signer.UnknownExtKeyUsage, oidBarcodeSigner.Equal) || !s.kindAllowed() {
		return ErrSigner
	}
	return nil
}

func (s *Seal) verifySignature(public crypto.PublicKey) error {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return ErrAlgorithm
	}
	bits, digest := key.Curve.Params().BitSize, sha256.New
	switch {
	case s.algorithm == "ES256" && bits == 256:
	case s.algorithm == "ES384" && bits == 384:
		digest = sha512.New384
	case s.algorithm == "ES512" && bits == 521:
		digest = sha512.New
	default:
		return ErrAlgorithm
	}
	size := (bits + 7) / 8
	if len(s.signature) != 2*size {
		return ErrSignature
	}
	if !ecdsa.Verify(key, sum(digest, s.data), new(big.Int).SetBytes(s.signature[:size]), new(big.Int).SetBytes(s.signature[size:])) {
		return ErrSignature
	}
	return nil
}

func sum(digest func() hash.Hash, data []byte) []byte {
	h := digest()
	h.Write(data)
	return h.Sum(nil)
}

// kindAllowed reports whether the signer's list of document types, where it has
// one, names the seal's.
func (s *Seal) kindAllowed() bool {
	want := map[string]string{typeVaccination: "NV", typeTest: "NT"}[s.Type]
	for _, e := range s.Signer.Extensions {
		if !e.Id.Equal(oidDocumentTypes) {
			continue
		}
		// A SET OF PrintableString of two letters, which the authority signed: to
		// look for the one is enough, and a tenth of a parser.
		return want != "" && bytes.Contains(e.Value, append([]byte{0x13, 2}, want...))
	}
	return want != ""
}

// sameCountry compares the countries of signer, authority and seal. UTO is
// ICAO's for specimens, which any country makes.
func sameCountry(signer, authority *x509.Certificate, country string) bool {
	if len(signer.Subject.Country) == 0 || len(authority.Subject.Country) == 0 {
		return false
	}
	a, b := strings.ToUpper(signer.Subject.Country[0]), strings.ToUpper(authority.Subject.Country[0])
	if a != b {
		return false
	}
	if of, ok := catalogue.CountryByCode(a); ok && country != "UTO" {
		return of.Alpha3 == country
	}
	return true
}

// Certificates returns what the seal says, a certificate for each vaccination,
// the latest first, or for its test. Errors are [ErrMalformed] and [ErrContent].
func (s *Seal) Certificates() ([]vaccination.Certificate, error) {
	base := vaccination.Certificate{Specimen: s.Country == "UTO"}
	pid, _ := s.msg.Get("pid")
	base.Name = strings.Join(strings.Fields(text1(pid, "n")), " ")
	var err error
	if base.BirthDate, err = vaccination.ParseDate(text1(pid, "dob")); err != nil || base.Name == "" {
		return nil, fmt.Errorf("%w: person", ErrMalformed)
	}
	base.Sex = map[string]vaccination.Sex{"M": vaccination.SexMale, "F": vaccination.SexFemale, "X": vaccination.SexOther}[text1(pid, "sex")]
	for _, id := range [][2]string{{"i", "passport"}, {"dn", ""}, {"ai", ""}} {
		if v := text1(pid, id[0]); v != "" && base.Identifier.IsZero() {
			base.Identifier = vaccination.Identifier{Kind: id[1], Value: v}
		}
	}
	if base.Identifier.Kind == "" && text1(pid, "dt") == "P" {
		base.Identifier.Kind = "passport"
	}
	base.Info.Issuer.Country = s.Country
	base.Info.KeyID = fmt.Sprintf("%x", sum(sha256.New, s.Signer.Raw)[:8])
	switch s.Type {
	case typeVaccination:
		base.Info.HCID = text1(s.msg, "uvci")
		return s.doses(base)
	case typeTest:
		base.Info.HCID = text1(s.msg, "utci")
		return s.test(base)
	}
	return nil, ErrContent
}

func (s *Seal) doses(base vaccination.Certificate) ([]vaccination.Certificate, error) {
	var out []vaccination.Certificate
	events, _ := s.msg.Get("ve")
	for _, e := range events.Items {
		given, _ := e.Get("vd")
		for _, g := range given.Items {
			c := base
			d := &c.Vaccination
			d.Vaccine = vaccination.Coding{Code: text1(e, "des"), System: vaccination.SystemICD11}
			d.Brand.Display = text1(e, "nam")
			if dis := text1(e, "dis"); dis != "" {
				d.Disease = vaccination.Coding{Code: dis, System: vaccination.SystemICD11}
			}
			var errDate, errNext error
			d.Date, errDate = vaccination.ParseDate(text1(g, "dvc"))
			d.NextDose, errNext = vaccination.ParseDate(text1(g, "dvn"))
			d.Lot, d.Centre = text1(g, "lot"), text1(g, "adm")
			d.Country = vaccination.Coding{Code: text1(g, "ctr"), System: vaccination.SystemISO3166}
			seq, _ := g.Get("seq")
			if errDate != nil || errNext != nil || d.Date.IsZero() || seq.Kind == jcs.Number && (seq.Number != math.Trunc(seq.Number) || seq.Number < 0 || seq.Number > 1000) || len(out) == maxDoses {
				return nil, fmt.Errorf("%w: a vaccination", ErrMalformed)
			}
			d.Number = int(seq.Number)
			at := len(out)
			for at > 0 && out[at-1].Vaccination.Date.Before(d.Date) {
				at--
			}
			out = append(out, c)
			copy(out[at+1:], out[at:])
			out[at] = c
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no vaccination", ErrMalformed)
	}
	return out, nil
}

func (s *Seal) test(base vaccination.Certificate) ([]vaccination.Certificate, error) {
	place, _ := s.msg.Get("sp")
	dates, _ := s.msg.Get("dat")
	result, _ := s.msg.Get("tr")
	at, err := time.Parse(time.RFC3339, text1(dates, "sc"))
	if err != nil || text1(result, "tc") == "" {
		return nil, fmt.Errorf("%w: the test", ErrMalformed)
	}
	base.Test = vaccination.Test{
		Type: vaccination.Coding{Display: text1(result, "tc")}, Result: vaccination.Coding{Display: text1(result, "r")}, Origin: vaccination.Coding{Display: text1(result, "m")},
		Date: at.UTC(), Centre: text1(place, "spn"), Country: vaccination.Coding{Code: text1(place, "ctr"), System: vaccination.SystemISO3166},
	}
	if given, err := time.Parse(time.RFC3339, text1(dates, "ri")); err == nil {
		base.Test.ResultDate = given.UTC()
	}
	if base.Test.Result.Display == "" {
		return nil, fmt.Errorf("%w: the test", ErrMalformed)
	}
	return []vaccination.Certificate{base}, nil
}

func text1(v jcs.Value, name string) string {
	m, _ := v.Get(name)
	if m.Kind != jcs.String {
		return ""
	}
	return m.Text
}
