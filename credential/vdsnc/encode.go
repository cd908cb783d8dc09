package vdsnc

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/mrz"
	"github.com/opendivoc/divoc/vaccination"
)

// ErrMissing is what [Encode] returns for a certificate that [Missing] names
// something of.
var ErrMissing = errors.New("VDS-NC requires what is not recorded")

// The lengths of what is written.
const (
	maxName   = 39 // of the machine readable zone's name field
	maxHandle = 12 // of a certificate's id
	maxText   = 80
)

// Signer makes seals: the key of a certificate that a country's passport authority
// issued for that.
type Signer interface {
	// Certificate is the signer's (BSC).
	Certificate() *x509.Certificate
	// Sign returns the ECDSA signature of message, r || s of the length of the
	// curve each, with SHA-256 on P-256 and SHA-384 on P-384.
	Sign(message []byte) ([]byte, error)
}

// LatinName is what is called missing of a name in a script that passports have no
// letters for: none is made up.
const LatinName = "name (in Latin letters)"

// Missing returns the paths of the elements that a seal of a vaccination requires
// and c does not have.
func Missing(c vaccination.Certificate) []string {
	name, latin := mrz.Name(c.Name)
	d := c.Vaccination
	country, known := countryOf(d.Country.Code)
	var out []string
	for _, r := range []struct {
		path  string
		there bool
	}{
		{"name", c.Name != ""},
		{LatinName, c.Name == "" || latin && name != ""},
		{"birthDate", c.BirthDate.Precision() == vaccination.PrecisionDay && !c.BirthDate.Estimated},
		{"vaccination.vaccine", d.Vaccine.Code != "" && d.Vaccine.System == vaccination.SystemICD11},
		{"vaccination.brand", strings.TrimSpace(d.Brand.Display) != ""},
		{"vaccination.date", d.Date.Precision() == vaccination.PrecisionDay && !d.Date.Estimated},
		{"vaccination.dose", d.Number > 0 && d.Number <= 1000},
		{"vaccination.country", known && country != ""},
		{"vaccination.centre", strings.TrimSpace(d.Centre) != ""},
		{"vaccination.lot", strings.TrimSpace(d.Lot) != ""},
	} {
		if !r.there {
			out = append(out, r.path)
		}
	}
	return out
}

// countryOf is a country as a seal names it, in three letters.
func countryOf(code string) (string, bool) {
	c, ok := catalogue.FindCountry(code)
	return c.Alpha3, ok
}

// Encode returns the seal of a vaccination, as the text of its code: JSON in its
// canonical form (RFC 8785). handle is how the seal calls the certificate, 1 to 12
// capital letters and digits; issuer the country, ISO 3166-1 alpha-3. The period
// of c is in no seal: one counts as long as its signer's certificate.
//
// A name stands in the letters of a passport, all of it as the primary part, since
// which part is which is not recorded; what is longer than a passport's field is
// cut there as a passport's is. Identity numbers are not written: a seal has a
// place for travel documents alone, and which number is one is not recorded.
//
// Errors are [ErrMissing], [ErrContent] for a handle or country that is none, and
// [ErrSigner].
func Encode(c vaccination.Certificate, issuer, handle string, s Signer) ([]byte, error) {
	if missing := Missing(c); len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrMissing, strings.Join(missing, ", "))
	}
	return seal(appendData(nil, c, issuer, handle), issuer, handle, s)
}

// seal signs data and puts the seal together.
func seal(data []byte, issuer, handle string, s Signer) ([]byte, error) {
	if len(issuer) != 3 || len(handle) == 0 || len(handle) > maxHandle || strings.Trim(issuer+handle, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return nil, fmt.Errorf("%w: its issuer or id", ErrContent)
	}
	cert := s.Certificate()
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, ErrSigner
	}
	algorithm := map[int]string{256: "ES256", 384: "ES384"}[public.Curve.Params().BitSize]
	if algorithm == "" {
		return nil, ErrSigner
	}
	signature, err := s.Sign(data)
	if err != nil {
		return nil, err
	}
	if len(signature) != 2*((public.Curve.Params().BitSize+7)/8) {
		return nil, fmt.Errorf("%w: %d bytes", ErrSignature, len(signature))
	}
	out := append(append([]byte(`{"data":`), data...), `,"sig":{"alg":"`+algorithm+`","cer":"`...)
	out = base64.RawURLEncoding.AppendEncode(out, cert.Raw)
	out = append(out, `","sigvl":"`...)
	out = base64.RawURLEncoding.AppendEncode(out, signature)
	out = append(out, `"}}`...)
	if len(out) > maxSeal {
		return nil, ErrTooLarge
	}
	return out, nil
}

// appendData appends what is signed, members in the order of RFC 8785.
func appendData(b []byte, c vaccination.Certificate, issuer, handle string) []byte {
	d := c.Vaccination
	member := func(name, value string) { b = appendMember(b, name, value) }
	b = append(b, `{"hdr":{`...)
	member("is", issuer)
	member("t", typeVaccination)
	b = append(b, `,"v":1},"msg":{"pid":{`...)
	member("dob", c.BirthDate.String())
	member("n", nameField(c.Name))
	member("sex", map[vaccination.Sex]string{vaccination.SexMale: "M", vaccination.SexFemale: "F", vaccination.SexOther: "X"}[c.Sex])
	b = append(b, `},"uvci":`...)
	b = jcs.AppendString(b, handle)
	b = append(b, `,"ve":[{`...)
	member("des", d.Vaccine.Code)
	if d.Disease.System == vaccination.SystemICD11 {
		member("dis", d.Disease.Code)
	}
	member("nam", cut(strings.TrimSpace(d.Brand.Display), maxText))
	b = append(b, `,"vd":[{`...)
	member("adm", cut(strings.TrimSpace(d.Centre), maxText))
	country, _ := countryOf(d.Country.Code)
	member("ctr", country)
	member("dvc", d.Date.String())
	if d.NextDose.Precision() == vaccination.PrecisionDay && !d.NextDose.Estimated {
		member("dvn", d.NextDose.String())
	}
	member("lot", cut(strings.TrimSpace(d.Lot), maxText))
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, int64(d.Number), 10)
	return append(b, `}]}]}}`...)
}

// appendMember appends a member of an object that has a value.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(jcs.AppendString(b, name), ':')
	return jcs.AppendString(b, value)
}

// nameField is a name in the letters and the length of a passport's.
func nameField(name string) string {
	latin, _ := mrz.Name(name)
	return strings.TrimSpace(cut(strings.ReplaceAll(latin, "<", " "), maxName))
}

// cut is s, at most n characters of it.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// Text returns the seal in its canonical form, as [Encode] writes it.
func (s *Seal) Text() []byte {
	out := append(append([]byte(`{"data":`), s.data...), `,"sig":{"alg":`...)
	out = append(jcs.AppendString(out, s.algorithm), `,"cer":"`...)
	out = base64.RawURLEncoding.AppendEncode(out, s.Signer.Raw)
	out = append(out, `","sigvl":"`...)
	out = base64.RawURLEncoding.AppendEncode(out, s.signature)
	return append(out, `"}}`...)
}
