package shc

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/deflate"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// Signer signs cards with a key of P-256 that is published under the issuer's
// URL.
type Signer interface {
	// Public returns the public half, whose thumbprint is the key id.
	Public() *ecdsa.PublicKey
	// Sign returns the ES256 signature, 64 bytes r||s, of input, which it hashes
	// itself.
	Sign(input []byte) ([]byte, error)
}

// Missing returns the paths of the elements that a card requires and c does not
// have.
func Missing(c vaccination.Certificate, products *catalogue.Catalogue) []string {
	type required struct {
		path  string
		there bool
	}
	all := []required{
		{"name", c.Name != ""},
		{"birthDate", !c.BirthDate.IsZero() && !c.BirthDate.Estimated},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
	}
	if t := c.Test; c.IsTest() {
		kind, known := catalogue.TestType(t.Type.Code)
		all = append(all,
			required{"test.type", known},
			required{"test.origin", kind.Key != catalogue.RAT || fhirdoc.RespiratorySample(t)},
			required{"test.result", !fhirdoc.ResultCode(t).IsZero()},
			required{"test.date", !t.Date.IsZero()})
	} else {
		all = append(all,
			required{"vaccination.vaccine", !fhirdoc.VaccineCode(c.Vaccination, products).IsZero()},
			required{"vaccination.date", !c.Vaccination.Date.IsZero() && !c.Vaccination.Date.Estimated})
	}
	var missing []string
	for _, r := range all {
		if !r.there {
			missing = append(missing, r.path)
		}
	}
	return missing
}

// ErrMissing is what [Issue] returns for a certificate that [Missing] names
// something of.
var ErrMissing = errors.New("SMART Health Card requires what is not recorded")

// Issue returns the JWS of c as a card of the issuer at the https URL issuer,
// signed by s. rid is how a revocation list names it, at most 24 characters of
// base64url, "" for none.
func Issue(c vaccination.Certificate, products *catalogue.Catalogue, issuer, rid string, s Signer) (string, error) {
	if missing := Missing(c, products); len(missing) > 0 {
		return "", fmt.Errorf("%w: %s", ErrMissing, strings.Join(missing, ", "))
	}
	if !strings.HasPrefix(issuer, "https://") || strings.HasSuffix(issuer, "/") || rid != "" && !goodRid(rid) {
		return "", errors.New("the issuer of a SMART Health Card is an https URL without a slash at its end")
	}
	b := append(make([]byte, 0, 2048), `{"iss":`...)
	b = jcs.AppendString(b, issuer)
	b = append(b, `,"nbf":`...)
	b = strconv.AppendInt(b, c.Info.Period.Start.Unix(), 10)
	if !c.Info.Period.End.IsZero() {
		b = append(b, `,"exp":`...)
		b = strconv.AppendInt(b, c.Info.Period.End.Unix(), 10)
	}
	b = append(b, `,"vc":{"type":["`+cardType+`"],"credentialSubject":{"fhirVersion":"4.0.1","fhirBundle":`...)
	code := fhirdoc.VaccineCode(c.Vaccination, products)
	if c.IsTest() {
		code = fhirdoc.TestCode(c.Test)
	}
	b = fhirdoc.AppendBundle(b, c, code)
	b = append(b, '}')
	if rid != "" {
		b = append(b, `,"rid":`...)
		b = jcs.AppendString(b, rid)
	}
	b = append(b, `}}`...)
	var packed bytes.Buffer
	w, err := deflate.New(&packed)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(b); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"zip":"DEF","alg":"ES256","kid":"`+Thumbprint(s.Public())+`"}`)) + "." + encode(packed.Bytes())
	signature, err := s.Sign([]byte(input))
	if err != nil {
		return "", err
	}
	if len(signature) != 64 {
		return "", fmt.Errorf("%w: the signer gave %d bytes, ES256 has 64", ErrSignature, len(signature))
	}
	return input + "." + encode(signature), nil
}

// Code returns the text of the QR code of a card: "shc:/" and two digits for
// each character. [ErrTooLarge] when one code does not hold it.
func Code(jws string) (string, error) {
	const versionFortyM = 5596 - 12 // digits behind the other segment, ISO/IEC 18004 table 7
	if len(jws)*2 > versionFortyM {
		return "", ErrTooLarge
	}
	b := append(make([]byte, 0, 5+2*len(jws)), "shc:/"...)
	for i := range len(jws) {
		n := jws[i] - '-'
		b = append(b, '0'+n/10, '0'+n%10)
	}
	return string(b), nil
}

// File returns the .smart-health-card file of a card.
func File(jws string) []byte {
	return append(jcs.AppendString([]byte(`{"verifiableCredential":[`), jws), "]}"...)
}
