package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// The lives of certificates, and for how long their keys sign, as the GDHCN
// certificate governance recommends. A signer certificate that is used for six
// months leaves every credential at least eighteen, and one made in an
// authority's last day of use ends before the authority does.
const (
	year          = 365 * 24 * time.Hour
	authorityLife = 4 * year
	authorityUse  = year
	signerLife    = 2 * year
	signerUse     = year / 2
	// A certificate begins a little before it was made, for clocks that differ.
	backdate = time.Hour
)

// vaccinationOID is the extended key usage of signers of vaccination
// certificates.
func vaccinationOID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}
}

// testOID is the extended key usage of signers of test results.
func testOID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}
}

// recoveryOID is the extended key usage of signers of certificates of recovery.
func recoveryOID() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 3}
}

// organisation is the issuer's name, marked in a demonstration.
func (r *Ring) organisation() string {
	if r.o.Demo {
		return "SPECIMEN " + r.o.Identity.Name
	}
	return r.o.Identity.Name
}

func (r *Ring) subject(role string) pkix.Name {
	return pkix.Name{CommonName: role + " " + r.o.Identity.Country, Organization: []string{r.organisation()}, Country: []string{r.o.Identity.Country}}
}

// newSigner makes the next key of codes current, with a certificate of our own
// SCA, which is renewed when it has been used for a year.
func (r *Ring) newSigner(c *contents) error {
	now := r.o.Now().UTC().Truncate(time.Second)
	sca := c.current(KindAuthority)
	old := c.current(KindQR)
	if sca == nil && old != nil {
		return vaccination.Errorf(vaccination.Conflict, "the signer certificate was issued by another authority: ask it for the next one with \"divoc keys csr\" and \"divoc keys import\"")
	}
	if sca == nil || now.Sub(sca.created) >= authorityUse {
		fresh, err := r.newAuthority(now)
		if err != nil {
			return err
		}
		if sca != nil {
			sca.retire(now)
		}
		sca = fresh
		c.keys = append(c.keys, sca)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), r.o.Random)
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	cert, err := r.certify(&x509.Certificate{
		Subject: r.subject("DSC"), NotBefore: now.Add(-backdate), NotAfter: now.Add(signerLife),
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{vaccinationOID(), testOID(), recoveryOID()},
	}, sca.certs[0], private.Public(), sca.private)
	if err != nil {
		return err
	}
	if old != nil {
		old.retire(now)
	}
	c.keys = append(c.keys, &key{
		kind: KindQR, state: StateCurrent, private: private, public: private.Public(),
		certs: []*x509.Certificate{cert, sca.certs[0]}, created: now,
	})
	return nil
}

// newAuthority makes a self-signed SCA.
func (r *Ring) newAuthority(now time.Time) (*key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), r.o.Random)
	if err != nil {
		return nil, fmt.Errorf("make the key of the signing CA: %w", err)
	}
	template := &x509.Certificate{
		Subject: r.subject("SCA"), NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := r.certify(template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	return &key{
		kind: KindAuthority, state: StateCurrent, private: private, public: private.Public(),
		certs: []*x509.Certificate{cert}, created: now,
	}, nil
}

func (r *Ring) certify(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(r.o.Random, serial); err != nil {
		return nil, fmt.Errorf("make a certificate's number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, of full length
	template.SerialNumber = new(big.Int).SetBytes(serial)
	der, err := x509.CreateCertificate(r.o.Random, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the certificate made: %w", err)
	}
	if err := cert.CheckSignatureFrom(parent); template != parent && err != nil {
		return nil, errors.New("the certificate made does not verify")
	}
	return cert, nil
}

// newDocument makes the next key of documents current. The one before keeps its
// private half until the next rotation, for [Ring.BundleSigners] alone; the one
// before that loses it.
func (r *Ring) newDocument(c *contents) error {
	now := r.o.Now().UTC().Truncate(time.Second)
	_, private, err := ed25519.GenerateKey(r.o.Random)
	if err != nil {
		return fmt.Errorf("make a document key: %w", err)
	}
	for _, k := range c.keys {
		if k.kind != KindDocument {
			continue
		}
		if k.state == StateRetired {
			k.private = nil
			continue
		}
		kept := k.private
		k.retire(now)
		k.private = kept
	}
	c.keys = append(c.keys, &key{kind: KindDocument, state: StateCurrent, private: private, public: private.Public(), created: now})
	return nil
}
