package vaccination

import (
	"errors"
	"io"
	"strings"
)

// BucketBits is the number of routing bits at the head of a [CertificateID].
const BucketBits = 10

// Bucket is where a person's rows lie together: 10 bits that never change,
// taken from a keyed hash of the enrolment code as first received. It is the
// first column of every key of a table about a person.
type Bucket uint16

// Valid reports whether b fits its 10 bits.
func (b Bucket) Valid() bool { return b < 1<<BucketBits }

// CertificateID names one certificate (one version of one dose): 10 routing
// bits, then 110 random bits, nothing of the person. As text it is 24
// characters of Crockford's base 32, of which the first two are the [Bucket].
type CertificateID [15]byte

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var errCertificateID = errors.New("not a certificate id: it has 24 letters and digits, or is the URN:UVCI:… printed on the certificate")

// NewCertificateID draws an id in bucket b from random, which must be a
// cryptographic source. It fails only when random does.
func NewCertificateID(b Bucket, random io.Reader) (CertificateID, error) {
	var id CertificateID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return CertificateID{}, err
	}
	id[0] = byte(b >> 2)
	id[1] = byte(b<<6) | id[1]&0x3f
	return id, nil
}

// Bucket returns the routing bits of id.
func (id CertificateID) Bucket() Bucket { return Bucket(id[0])<<2 | Bucket(id[1])>>6 }

// IsZero reports whether id is unset.
func (id CertificateID) IsZero() bool { return id == CertificateID{} }

// String returns the 24 characters of id.
func (id CertificateID) String() string {
	return string(id.appendTo(make([]byte, 0, 24)))
}

func (id CertificateID) appendTo(out []byte) []byte {
	var acc, bits uint
	for _, b := range id {
		acc, bits = acc<<8|uint(b), bits+8
		for bits >= 5 {
			bits -= 5
			out = append(out, crockford[acc>>bits&31])
		}
	}
	return out
}

// UVCI returns id as a Unique Vaccination Certificate Identifier with its check
// character, as eHealth Network "Guidelines on verifiable vaccination
// certificates", annex 2, describes it: URN:UVCI:01:<country>:<id>#<check>.
// country is the issuer's ISO 3166-1 alpha-2 code.
func (id CertificateID) UVCI(country string) string {
	s := string(id.AppendUVCI(make([]byte, 0, 64), country))
	return s + "#" + string(UVCICheck(s))
}

// AppendUVCI appends [CertificateID.UVCI] without "#" and check character to out.
func (id CertificateID) AppendUVCI(out []byte, country string) []byte {
	out = append(append(append(out, "URN:UVCI:01:"...), strings.ToUpper(country)...), ':')
	return id.appendTo(out)
}

// ParseCertificateID reads the 24 characters of an id, or the UVCI that
// [CertificateID.UVCI] made; a wrong check character is an error, a missing one
// is not. The error never repeats the text.
func ParseCertificateID(s string) (CertificateID, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if rest, ok := strings.CutPrefix(s, "URN:UVCI:01:"); ok {
		body, check, has := strings.Cut(s, "#")
		if has && (len(check) != 1 || UVCICheck(body) != check[0]) {
			return CertificateID{}, errors.New("the check character of this certificate id is wrong: type it again as printed")
		}
		rest, _, _ = strings.Cut(rest, "#")
		_, s, ok = strings.Cut(rest, ":")
		if !ok {
			return CertificateID{}, errCertificateID
		}
	}
	if len(s) != 24 {
		return CertificateID{}, errCertificateID
	}
	var id CertificateID
	var acc, bits uint
	n := 0
	for i := range len(s) {
		v := strings.IndexByte(crockford, s[i])
		if v < 0 {
			return CertificateID{}, errCertificateID
		}
		acc, bits = acc<<5|uint(v), bits+5
		if bits >= 8 {
			bits -= 8
			id[n] = byte(acc >> bits)
			n++
		}
	}
	return id, nil
}

// MarshalText returns the 24 characters of id; the zero id is empty.
func (id CertificateID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads what [ParseCertificateID] reads, or nothing.
func (id *CertificateID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = CertificateID{}
		return nil
	}
	v, err := ParseCertificateID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

const uvciAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:"

// UVCICheck returns the check character of a UVCI without its "#" part: Luhn
// mod 38 over all of it, "URN:UVCI:" included (eHealth Network, annex 2).
// Characters outside the alphabet count as nothing.
func UVCICheck(s string) byte {
	const n = len(uvciAlphabet)
	factor, sum := 2, 0
	for i := len(s) - 1; i >= 0; i-- {
		v := strings.IndexByte(uvciAlphabet, s[i])
		if v < 0 {
			continue
		}
		a := factor * v
		sum += a/n + a%n
		factor = 3 - factor
	}
	return uvciAlphabet[(n-sum%n)%n]
}
