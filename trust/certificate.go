package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// usages are the extended key usages of the HCERT specification, under both
// arcs that are in use, and ICAO's.
func usages() map[string]Usage {
	return map[string]Usage{
		"1.3.6.1.4.1.1847.2021.1.1":   Test,
		"1.3.6.1.4.1.1847.2021.1.2":   Vaccination,
		"1.3.6.1.4.1.1847.2021.1.3":   Recovery,
		"1.3.6.1.4.1.0.1847.2021.1.1": Test,
		"1.3.6.1.4.1.0.1847.2021.1.2": Vaccination,
		"1.3.6.1.4.1.0.1847.2021.1.3": Recovery,
		"2.23.136.1.1.14.2":           Seal, // ICAO Doc 9303 part 12, signers of barcodes
	}
}

// CertificateUsage returns what a signer certificate's extended key usages allow
// it to sign; nothing means everything. Usages of other kinds count for nothing
// (GDHCN certificate governance).
func CertificateUsage(c *x509.Certificate) []Usage {
	table := usages()
	var out []Usage
	for _, oid := range c.UnknownExtKeyUsage {
		if u, ok := table[oid.String()]; ok {
			out = append(out, u)
		}
	}
	return out
}

// certificateKey is the key of a signer certificate. Every certificate of chain
// must have signed the one before it.
func certificateKey(c *x509.Certificate, chain []*x509.Certificate) (Key, error) {
	if err := checkAuthority(c); err != nil {
		return Key{}, fmt.Errorf("the certificate's key: %w", err)
	}
	below := c
	for _, up := range chain {
		if err := below.CheckSignatureFrom(up); err != nil {
			return Key{}, errors.New("the chain of the certificate is broken: the next certificate did not sign it")
		}
		below = up
	}
	return Key{
		KeyID: CertificateKeyID(c), Public: c.PublicKey, Certificate: c, Chain: chain,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Usage: CertificateUsage(c),
	}, nil
}

// keyName names an issuer of whom only a key is known: by its certificate, else
// by the key's fingerprint.
func keyName(k Key) (name, country string) {
	if k.Certificate == nil {
		return "key " + Fingerprint(k.Public)[:16], ""
	}
	s := k.Certificate.Subject
	return first(s.Organization, s.CommonName), strings.ToUpper(first(s.Country, ""))
}

func first(list []string, otherwise string) string {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

func specimen(s pkix.Name) bool {
	return strings.HasPrefix(strings.ToUpper(first(s.Organization, "")), "SPECIMEN")
}

// parsePEM reads certificates and public keys. Certification authorities stand
// above the signers beside them; a file of authorities alone names them as
// signers.
func parsePEM(data []byte) ([]Issuer, error) {
	var signers, authorities []*x509.Certificate
	var out []Issuer
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			if bytes.Contains(data, []byte("-----BEGIN")) {
				return nil, errors.New("a PEM block is not readable")
			}
			break
		}
		data = rest
		switch {
		case block.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("a certificate is not readable: %w", err)
			}
			if c.IsCA {
				authorities = append(authorities, c)
			} else {
				signers = append(signers, c)
			}
		case block.Type == "PUBLIC KEY" || block.Type == "RSA PUBLIC KEY":
			k, err := parsePublicKey(block)
			if err != nil {
				return nil, err
			}
			name, _ := keyName(k)
			out = append(out, Issuer{Name: name, Keys: []Key{k}})
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, errors.New("the file holds a private key: a trust file holds public keys and certificates only")
		default:
			return nil, fmt.Errorf("a trust file holds no %.40q", block.Type)
		}
	}
	if len(signers) == 0 {
		signers, authorities = authorities, nil
	}
	for _, c := range signers {
		chain, err := chainOf(c, authorities)
		if err != nil {
			return nil, err
		}
		k, err := certificateKey(c, chain)
		if err != nil {
			return nil, err
		}
		name, country := keyName(k)
		out = append(out, Issuer{Name: name, Country: country, Specimen: specimen(c.Subject), Keys: []Key{k}})
	}
	return out, nil
}

func parsePublicKey(block *pem.Block) (Key, error) {
	if block.Type == "RSA PUBLIC KEY" {
		public, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return Key{}, errors.New("a public key is not readable")
		}
		return Key{Public: public}, checkPublic(public)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, errors.New("a public key is not readable")
	}
	return Key{Public: public}, checkPublic(public)
}

// chainOf finds who of authorities stands above c. An authority of the right
// name that did not sign c is an error.
func chainOf(c *x509.Certificate, authorities []*x509.Certificate) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for range len(authorities) {
		var up *x509.Certificate
		named := false
		for _, a := range authorities {
			if a.Equal(c) || !bytes.Equal(a.RawSubject, c.RawIssuer) {
				continue
			}
			named = true
			if c.CheckSignatureFrom(a) == nil {
				up = a
				break
			}
		}
		if up == nil {
			if named {
				return nil, errors.New("the certification authority in the file did not sign the certificate that names it")
			}
			return chain, nil
		}
		chain = append(chain, up)
		if bytes.Equal(up.RawSubject, up.RawIssuer) {
			return chain, nil
		}
		c = up
	}
	return chain, nil
}
