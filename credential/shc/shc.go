// Package shc is the SMART Health Card (SMART Health Cards Framework 1.4.0, HL7
// SMART Health Cards and Links 1.0.0): a FHIR Bundle in a JWS signed with ES256,
// its payload compressed with DEFLATE, written in digits for a QR code.
//
// It is a pure codec. The issuer that a card names never causes a fetch, and its
// key is looked up by its thumbprint alone.
package shc

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// Errors of reading. Each error of this package wraps one of them, and none
// repeats a value of the card.
var (
	ErrNotSHC    = errors.New("not a SMART Health Card")
	ErrMalformed = errors.New("malformed SMART Health Card")
	ErrTooLarge  = errors.New("SMART Health Card too large")
	ErrAlgorithm = errors.New("signature algorithm not allowed")
	ErrSignature = errors.New("signature does not match")
	ErrContent   = errors.New("SMART Health Card without anything that can be read here")
	// ErrChunk: the text is one of several codes, which belong together.
	ErrChunk = errors.New("one of several codes of a SMART Health Card")
)

// The bounds of what is read.
const (
	maxDigits   = 64 << 10
	maxJWS      = 32 << 10
	maxInflated = 256 << 10
	maxChunks   = 16
)

// cardType is what every card is.
const cardType = "https://smarthealth.cards#health-card"

// Card is a card as read. Nothing in it is to be believed before Verify has
// succeeded.
type Card struct {
	KeyID      string // the thumbprint that the card names (RFC 7638)
	Issuer     string // an https URL
	NotBefore  time.Time
	ExpiresAt  time.Time // zero when the card does not say
	Revocation string    // rid, "" where it has none

	signed    string
	signature []byte
	bundle    jcs.Value
}

// IsCard reports whether a text is in the form of a card's code or JWS.
func IsCard(text string) bool {
	return len(text) > 5 && strings.EqualFold(text[:5], "shc:/") || strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

// Decode reads the text of a card: of its code ("shc:/" and digits), of all its
// codes, one after the other in any order, with white space between them, or the
// JWS itself. The signature is NOT verified. Errors are those of this package.
func Decode(text string) (*Card, error) {
	if len(text) > maxDigits {
		return nil, ErrTooLarge
	}
	if !IsCard(text) {
		return nil, ErrNotSHC
	}
	jws := text
	if !strings.HasPrefix(text, "eyJ") {
		var err error
		if jws, err = join(strings.Fields(text)); err != nil {
			return nil, err
		}
	}
	return decodeJWS(jws)
}

// join puts the JWS together from the texts of its codes. Several codes for one
// card are no longer made, but still around.
func join(codes []string) (string, error) {
	parts := make([]string, len(codes))
	if len(codes) > maxChunks {
		return "", ErrTooLarge
	}
	for _, code := range codes {
		if len(code) < 5 || !strings.EqualFold(code[:5], "shc:/") {
			return "", ErrNotSHC
		}
		index, of, digits, err := chunk(code[5:])
		switch {
		case err != nil:
			return "", err
		case of != len(codes):
			return "", ErrChunk
		case parts[index-1] != "" && parts[index-1] != digits:
			return "", fmt.Errorf("%w: two different codes of one number", ErrMalformed)
		}
		parts[index-1] = digits
	}
	if slices.Contains(parts, "") {
		return "", ErrChunk
	}
	var b strings.Builder
	for _, p := range parts {
		if len(p)%2 != 0 {
			return "", fmt.Errorf("%w: an odd number of digits", ErrMalformed)
		}
		for i := 0; i < len(p); i += 2 {
			hi, lo := p[i]-'0', p[i+1]-'0'
			if hi > 9 || lo > 9 || hi*10+lo > 'z'-'-' {
				return "", fmt.Errorf("%w: digits that stand for no character", ErrMalformed)
			}
			b.WriteByte(hi*10 + lo + '-')
		}
	}
	return b.String(), nil
}

// Chunk reports which of how many codes a text is; 1 of 1 for a whole card.
func Chunk(code string) (index, of int, ok bool) {
	if len(code) < 5 || !strings.EqualFold(code[:5], "shc:/") {
		return 0, 0, false
	}
	index, of, _, err := chunk(code[5:])
	return index, of, err == nil
}

// chunk takes "C/N/" off the digits of a code.
func chunk(code string) (index, of int, digits string, err error) {
	fields := strings.Split(code, "/")
	switch len(fields) {
	case 1:
		return 1, 1, code, nil
	case 3:
		c, errC := strconv.ParseUint(fields[0], 10, 8)
		n, errN := strconv.ParseUint(fields[1], 10, 8)
		if errC == nil && errN == nil && c >= 1 && c <= n && n <= maxChunks {
			return int(c), int(n), fields[2], nil
		}
	}
	return 0, 0, "", fmt.Errorf("%w: the number of the code", ErrMalformed)
}

func decodeJWS(jws string) (*Card, error) {
	if len(jws) > maxJWS {
		return nil, ErrTooLarge
	}
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: a JWS has three parts", ErrMalformed)
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			return nil, fmt.Errorf("%w: not base64url", ErrMalformed)
		}
	}
	c := &Card{signed: jws[:len(parts[0])+1+len(parts[1])], signature: raw[2]}
	header, err := parse(raw[0])
	if err != nil {
		return nil, err
	}
	if alg, _ := header.Get("alg"); alg.Text != "ES256" {
		return nil, ErrAlgorithm
	}
	if _, ok := header.Get("crit"); ok {
		return nil, fmt.Errorf("%w: critical header that is not known", ErrMalformed)
	}
	if zip, _ := header.Get("zip"); zip.Text != "DEF" {
		return nil, fmt.Errorf("%w: not compressed", ErrMalformed)
	}
	kid, _ := header.Get("kid")
	if thumb, err := base64.RawURLEncoding.DecodeString(kid.Text); err != nil || len(thumb) != sha256.Size {
		return nil, fmt.Errorf("%w: the key id is no thumbprint", ErrMalformed)
	}
	c.KeyID = kid.Text
	payload, err := inflate(raw[1])
	if err != nil {
		return nil, err
	}
	claims, err := parse(payload)
	if err != nil {
		return nil, err
	}
	return c, c.read(claims)
}

func parse(data []byte) (jcs.Value, error) {
	v, err := jcs.Parse(data)
	switch {
	case errors.Is(err, jcs.ErrTooLarge):
		return v, ErrTooLarge
	case err != nil || v.Kind != jcs.Object:
		return v, fmt.Errorf("%w: JSON", ErrMalformed)
	}
	return v, nil
}

// A reader costs more to make than to use: 40 kB.
var inflaters sync.Pool

// inflate undoes raw DEFLATE (RFC 1951) within the bounds above; bytes after the
// stream are refused.
func inflate(data []byte) ([]byte, error) {
	in := bytes.NewReader(data)
	r, _ := inflaters.Get().(io.ReadCloser)
	if r == nil {
		r = flate.NewReader(in)
	} else if err := r.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, err
	}
	defer inflaters.Put(r)
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	switch {
	case len(out) > maxInflated:
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: not DEFLATE", ErrMalformed)
	case in.Len() > 0:
		return nil, fmt.Errorf("%w: bytes after the DEFLATE stream", ErrMalformed)
	}
	return out, nil
}

func (c *Card) read(claims jcs.Value) error {
	iss, _ := claims.Get("iss")
	if !strings.HasPrefix(iss.Text, "https://") || len(iss.Text) == len("https://") || strings.HasSuffix(iss.Text, "/") || strings.ContainsAny(iss.Text, "?# ") {
		return fmt.Errorf("%w: the issuer is an https URL without a slash at its end", ErrMalformed)
	}
	c.Issuer = iss.Text
	for _, t := range []struct {
		name     string
		to       *time.Time
		required bool
	}{{"nbf", &c.NotBefore, true}, {"exp", &c.ExpiresAt, false}} {
		v, ok := claims.Get(t.name)
		if !ok && !t.required {
			continue
		}
		const year9999 = 253402300799
		if v.Kind != jcs.Number || v.Number <= 0 || v.Number > year9999 {
			return fmt.Errorf("%w: %s is no time in seconds", ErrMalformed, t.name)
		}
		*t.to = time.UnixMicro(int64(math.Round(v.Number * 1e6))).UTC() // as cose.NumericDate
	}
	vc, _ := claims.Get("vc")
	types, _ := vc.Get("type")
	if types.Kind != jcs.Array || !slices.ContainsFunc(types.Items, func(v jcs.Value) bool { return v.Text == cardType }) {
		return fmt.Errorf("%w: its type", ErrMalformed)
	}
	if rid, ok := vc.Get("rid"); ok {
		if !goodRid(rid.Text) {
			return fmt.Errorf("%w: rid", ErrMalformed)
		}
		c.Revocation = rid.Text
	}
	subject, _ := vc.Get("credentialSubject")
	version, _ := subject.Get("fhirVersion")
	if !strings.HasPrefix(version.Text, "4.0.") {
		return fmt.Errorf("%w: FHIR version", ErrMalformed)
	}
	var ok bool
	if c.bundle, ok = subject.Get("fhirBundle"); !ok || c.bundle.Kind != jcs.Object {
		return fmt.Errorf("%w: no Bundle", ErrMalformed)
	}
	return nil
}

// goodRid holds a rid to 1 to 24 characters of base64url.
func goodRid(s string) bool {
	return len(s) > 0 && len(s) <= 24 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// Verify checks the signature with a key whose thumbprint must be the one that
// the card names. Errors are [ErrAlgorithm] for a key that is not of P-256, else
// [ErrSignature].
func (c *Card) Verify(key *ecdsa.PublicKey) error {
	if key == nil || key.Curve != elliptic.P256() {
		return ErrAlgorithm
	}
	if Thumbprint(key) != c.KeyID || len(c.signature) != 64 {
		return ErrSignature
	}
	digest := sha256.Sum256([]byte(c.signed))
	r, s := new(big.Int).SetBytes(c.signature[:32]), new(big.Int).SetBytes(c.signature[32:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return ErrSignature
	}
	return nil
}

// Certificates returns what the card says, a certificate for each vaccination
// and test result, the latest vaccination first. Their HCID is empty: a card has
// none. [ErrContent] where there is nothing to certify, [ErrMalformed] where it
// is not what a card holds.
func (c *Card) Certificates() ([]vaccination.Certificate, error) {
	all, err := fhirdoc.Read(c.bundle)
	switch {
	case errors.Is(err, fhirdoc.ErrContent):
		return nil, ErrContent
	case err != nil:
		return nil, fmt.Errorf("%w: its Bundle", ErrMalformed)
	}
	for i := range all {
		all[i].Info = vaccination.CertificateInfo{
			Issuer: vaccination.Issuer{ID: c.Issuer}, KeyID: c.KeyID, Period: vaccination.Period{Start: c.NotBefore, End: c.ExpiresAt},
		}
	}
	return all, nil
}

// Thumbprint returns the JWK thumbprint of a key of P-256 (RFC 7638), "" for
// another.
func Thumbprint(key *ecdsa.PublicKey) string {
	raw, err := key.Bytes()
	if err != nil || len(raw) != 65 {
		return ""
	}
	x, y := base64.RawURLEncoding.EncodeToString(raw[1:33]), base64.RawURLEncoding.EncodeToString(raw[33:])
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Cards returns the texts of the cards in a .smart-health-card file. ok is false
// for another file.
func Cards(data []byte) (cards []string, ok bool) {
	v, err := jcs.Parse(data)
	if err != nil {
		return nil, false
	}
	list, ok := v.Get("verifiableCredential")
	if !ok || list.Kind != jcs.Array || len(list.Items) == 0 || len(list.Items) > 64 {
		return nil, false
	}
	for _, item := range list.Items {
		if item.Kind != jcs.String {
			return nil, false
		}
		cards = append(cards, item.Text)
	}
	return cards, true
}
