package trustlist

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// parseAnchors reads who vouches for a source: certificates and public keys in
// PEM, or as a DID document: a list of authorities, or the keys of who signs. It
// returns them as PEM.
func parseAnchors(data []byte) (text string, certs []*x509.Certificate, pins []crypto.PublicKey, err error) {
	wrong := func(why string) error {
		return vaccination.Errorf(vaccination.Invalid, "the anchors are not usable: %s", why)
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return "", nil, nil, nil
	}
	if len(data) > 1<<20 {
		return "", nil, nil, wrong("more than 1 MiB")
	}
	var out bytes.Buffer
	keep := func(kind string, der []byte) error { return pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}) }
	if data[0] == '{' {
		b, err := trust.ParseNamed(data)
		if err != nil {
			return "", nil, nil, err
		}
		for _, iss := range b.Issuers {
			for _, k := range iss.Keys {
				switch {
				case k.Certificate == nil:
					pins = append(pins, k.Public)
					der, err := x509.MarshalPKIXPublicKey(k.Public)
					if err != nil {
						return "", nil, nil, err
					}
					if err := keep("PUBLIC KEY", der); err != nil {
						return "", nil, nil, err
					}
				case k.Certificate.IsCA:
					certs = append(certs, k.Certificate)
					if err := keep("CERTIFICATE", k.Certificate.Raw); err != nil {
						return "", nil, nil, err
					}
				}
			}
		}
		if len(certs)+len(pins) == 0 {
			return "", nil, nil, wrong("the document names no authority by its certificate, and no key")
		}
		return out.String(), certs, pins, nil
	}
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return "", nil, nil, wrong("they are certificates and public keys in PEM")
		}
		data = rest
		switch block.Type {
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return "", nil, nil, wrong("a certificate is not readable")
			}
			certs = append(certs, c)
		case "PUBLIC KEY":
			k, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil || trust.Fingerprint(k) == "" {
				return "", nil, nil, wrong("a public key is not readable")
			}
			pins = append(pins, k)
		default:
			return "", nil, nil, wrong("they are certificates and public keys in PEM, and nothing else")
		}
		if err := keep(block.Type, block.Bytes); err != nil {
			return "", nil, nil, err
		}
	}
	return out.String(), certs, pins, nil
}
