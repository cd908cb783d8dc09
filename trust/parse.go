package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/opendivoc/divoc/credential/multibase"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/vaccination"
)

// MaxSize is the size of a trust file at most, in bytes: room for three million
// certificates that are not valid.
const MaxSize = 64 << 20

// Parse reads a trust file: our own [Bundle], whose proofs must verify; PEM
// certificates or public keys; a DER certificate; a JWK set; a DID document; a
// directory of issuers of SMART Health Cards, or one of their revocation lists; a
// revocation list of the EU gateway; an Ed25519 key as a Multikey or in base 58. A published test key in it is
// refused ([vaccination.Forbidden]), and so is a file that names no key at all.
// Errors are of kind [vaccination.Invalid] and say what to do.
func Parse(data []byte) (*Bundle, error) {
	b, err := ParseNamed(data)
	if err != nil {
		return nil, err
	}
	for _, iss := range b.Issuers {
		for _, k := range iss.Keys {
			for _, public := range k.publics() {
				if name, ok := Published(public); ok {
					return nil, vaccination.Errorf(vaccination.Forbidden, "the trust file holds a key that anybody can sign with, because its private half is published: %s", name)
				}
			}
		}
	}
	return b, nil
}

// ParseNamed is [Parse] for a file that a person named, as --trust does: naming
// it is consent, also to a published test key.
func ParseNamed(data []byte) (*Bundle, error) {
	refuse := func(why string) error { return vaccination.Errorf(vaccination.Invalid, "trust file: %s", why) }
	if len(data) > MaxSize {
		return nil, refuse("larger than 64 MiB")
	}
	b, err := parse(data)
	if err != nil {
		return nil, refuse(err.Error())
	}
	if b.keyCount() == 0 && len(b.Cards) == 0 && len(b.HashLists) == 0 {
		return nil, refuse("it names no key")
	}
	return b, nil
}

func parse(data []byte) (*Bundle, error) {
	if len(data) > 0 && data[0] == 0x30 { // a DER SEQUENCE; no text begins with this character
		return keyFile(parseDER(data))
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	switch {
	case len(data) > 0 && data[0] == '{':
		return parseJSON(data)
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return keyFile(parsePEM(data))
	default:
		return keyFile(parseKeyText(string(data)))
	}
}

func parseDER(data []byte) ([]Issuer, error) {
	c, err := x509.ParseCertificate(data)
	if err != nil {
		return nil, errKind
	}
	k, err := certificateKey(c, nil)
	if err != nil {
		return nil, err
	}
	name, country := keyName(k)
	return []Issuer{{Name: name, Country: country, Specimen: specimen(c.Subject), Keys: []Key{k}}}, nil
}

var errKind = vaccination.Errorf(vaccination.Invalid, "this is no trust file: expected are a trust bundle, a PEM certificate or public key, a JWK set or a DID document")

func keyFile(issuers []Issuer, err error) (*Bundle, error) {
	if err != nil {
		return nil, err
	}
	return &Bundle{Issuers: issuers}, nil
}

func parseJSON(data []byte) (*Bundle, error) {
	if !utf8.Valid(data) {
		return nil, errKind
	}
	if err := CheckJSON(data); err != nil {
		return nil, err
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(data, &has); err != nil {
		return nil, errKind
	}
	switch {
	case has["format"] != nil:
		return parseBundle(data)
	case has["verificationMethod"] != nil:
		return keyFile(parseDID(data))
	case has["issuerInfo"] != nil:
		return parseDirectory(data)
	case has["rids"] != nil:
		list, err := shc.ParseCRL(data)
		if err != nil {
			return nil, err
		}
		return &Bundle{Cards: []*shc.CRL{list}}, nil
	case has["hashType"] != nil || has["batches"] != nil:
		return parseBatches(data)
	case has["keys"] != nil || has["kty"] != nil:
		return keyFile(parseJWKS(data))
	default:
		return nil, errKind
	}
}

// parseKeyText reads one key as text: a Multikey, alone or as did:key, or the 32
// bytes of an Ed25519 key in base 58 as DIVOC's configuration has it.
func parseKeyText(s string) ([]Issuer, error) {
	if _, fragment, ok := strings.Cut(s, "#"); ok && strings.HasPrefix(s, "did:key:") {
		s = fragment
	}
	if s = strings.TrimPrefix(s, "did:key:"); strings.HasPrefix(s, "z6Mk") || strings.HasPrefix(s, "zDn") || strings.HasPrefix(s, "z82") {
		public, err := ParseMultikey(s)
		if err != nil {
			return nil, err
		}
		name, _ := keyName(Key{Public: public})
		return []Issuer{{Name: name, Keys: []Key{{Public: public}}}}, nil
	}
	raw, ok := multibase.Decode("z" + s)
	if !ok || len(raw) != ed25519.PublicKeySize {
		return nil, errKind
	}
	k := Key{Public: ed25519.PublicKey(raw)}
	name, _ := keyName(k)
	return []Issuer{{Name: name, Keys: []Key{k}}}, nil
}
