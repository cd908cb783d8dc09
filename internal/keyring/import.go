package keyring

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// maxChain is the number of certificates in an import at most.
const maxChain = 8

// CSR makes a key for a signer certificate of the country's own authority and
// returns the request (PKCS #10, PEM) to hand to it. The key signs nothing until
// [Ring.Import] brings the certificate.
func (r *Ring) CSR(ctx context.Context) ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), r.o.Random)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(r.o.Random, &x509.CertificateRequest{Subject: r.subject("DSC")}, private)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	err = r.update(ctx, func(c *contents) error {
		c.keys = append(c.keys, &key{
			kind: KindQR, state: StatePending, private: private, public: private.Public(),
			created: r.o.Now().UTC().Truncate(time.Second),
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Import makes a signer certificate of the country's own authority current. data
// is PEM: the signer certificate, what stands above it up to the authority's
// self-signed certificate and, for a key that was made elsewhere, its private
// key; otherwise the key is that of an earlier [Ring.CSR]. What does not fit is
// refused with a reason, and nothing changes. Our own SCA, if any, is retired:
// from then on the authority signs.
func (r *Ring) Import(ctx context.Context, data []byte) error {
	certs, private, err := readImport(data)
	if err != nil {
		return err
	}
	now := r.o.Now()
	if err := r.checkSigner(certs, now); err != nil {
		return err
	}
	return r.update(ctx, func(c *contents) error {
		k, err := importedKey(c, certs[0], private)
		if err != nil {
			return err
		}
		k.certs = certs
		if err := refusePublished(k); err != nil && !c.demo {
			return err
		}
		for _, other := range c.keys {
			if other.state == StateCurrent && (other.kind == KindQR || other.kind == KindAuthority) {
				other.retire(now)
			}
		}
		k.state, k.created = StateCurrent, now.UTC().Truncate(time.Second)
		return nil
	})
}

// importedKey finds the key that cert is for, or adds it to c.
func importedKey(c *contents, cert *x509.Certificate, private crypto.Signer) (*key, error) {
	want := trust.Fingerprint(cert.PublicKey)
	for _, k := range c.keys {
		if trust.Fingerprint(k.public) != want {
			continue
		}
		if k.state != StatePending {
			return nil, vaccination.Errorf(vaccination.Conflict, "the key of this certificate is in the keyring already, and %s", k.state)
		}
		return k, nil
	}
	if private == nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "the certificate is for a key that this keyring did not make: make a request with \"divoc keys csr\" and have that one signed")
	}
	if trust.Fingerprint(private.Public()) != want {
		return nil, vaccination.Errorf(vaccination.Invalid, "the private key is not that of the first certificate")
	}
	k := &key{kind: KindQR, private: private, public: private.Public()}
	c.keys = append(c.keys, k)
	return k, nil
}

func readImport(data []byte) (certs []*x509.Certificate, private crypto.Signer, err error) {
	refuse := func(why string) error {
		return vaccination.Errorf(vaccination.Invalid, "the import is not usable: %s", why)
	}
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		data = rest
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil || len(certs) == maxChain {
				return nil, nil, refuse("a certificate is not readable, or there are too many")
			}
			certs = append(certs, cert)
		case "PRIVATE KEY", "EC PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if block.Type == "EC PRIVATE KEY" {
				parsed, err = x509.ParseECPrivateKey(block.Bytes)
			}
			signer, ok := parsed.(crypto.Signer)
			if err != nil || !ok || private != nil {
				return nil, nil, refuse("the private key is not readable, or there are two")
			}
			private = signer
		case "EC PARAMETERS": // openssl writes them before a key; the key says them again
		default:
			return nil, nil, refuse("it may hold certificates and one private key, in PEM, and nothing else")
		}
	}
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return nil, nil, refuse("a PEM block is cut off")
	}
	if len(certs) < 2 {
		return nil, nil, refuse("it must hold the signer certificate and, after it, the certificate of the authority that signed it")
	}
	return certs, private, nil
}

// checkSigner checks a signer certificate and its chain by the rules of the
// GDHCN certificate governance.
func (r *Ring) checkSigner(certs []*x509.Certificate, now time.Time) error {
	refuse := func(why string, args ...any) error {
		return vaccination.Errorf(vaccination.Invalid, "the signer certificate is not usable: "+why, args...)
	}
	dsc, root := certs[0], certs[len(certs)-1]
	public, ok := dsc.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || public.Curve != elliptic.P256():
		return refuse("its key is not on the curve P-256")
	case dsc.IsCA:
		return refuse("it is an authority's; the signer's comes first")
	case dsc.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("its key usage does not allow signatures (digitalSignature)")
	case len(dsc.UnknownExtKeyUsage)+len(dsc.ExtKeyUsage) > 0 && !slices.Contains(trust.CertificateUsage(dsc), trust.Vaccination):
		return refuse("its extended key usages do not allow vaccination certificates (%s)", vaccinationOID())
	case !slices.Equal(dsc.Subject.Country, []string{r.o.Identity.Country}):
		return refuse("its subject's country is not %s", r.o.Identity.Country)
	case root.CheckSignatureFrom(root) != nil:
		return refuse("the last certificate is not a self-signed authority's")
	}
	for i, cert := range certs {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return refuse("certificate %d is not in its time of validity", i+1)
		}
		if i+1 == len(certs) {
			break
		}
		up := certs[i+1]
		if cert.CheckSignatureFrom(up) != nil {
			return refuse("certificate %d was not signed by the one after it", i+1)
		}
		if cert.NotAfter.After(up.NotAfter) {
			return refuse("certificate %d outlives the one after it", i+1)
		}
	}
	// What is left, as path lengths and critical extensions.
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	o.Roots.AddCert(root)
	for _, cert := range certs[1 : len(certs)-1] {
		o.Intermediates.AddCert(cert)
	}
	if _, err := dsc.Verify(o); err != nil {
		return refuse("its chain does not verify: %v", err)
	}
	return nil
}
