package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"time"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// QRKey signs codes: ES256 under a signer certificate. It is immutable; take a
// fresh one from [Ring.QR] for each batch.
type QRKey struct {
	private crypto.Signer
	certs   []*x509.Certificate
	kid     []byte
	id      string
	now     func() time.Time
}

func (r *Ring) qrKey(k *key) *QRKey {
	return &QRKey{k.private, k.certs, trust.CertificateKeyID(k.certs[0]), r.codeMethod(k.certs[0]), r.o.Now}
}

// codeMethod is the verification method of a key with a signer certificate. The
// fragment is as WHO's trust lists have it.
func (r *Ring) codeMethod(c *x509.Certificate) string {
	return r.o.Identity.DID + "#" + base64.StdEncoding.EncodeToString(trust.CertificateKeyID(c))
}

// ID returns the verification method: the issuer's DID, "#" and the kid in base64.
func (k *QRKey) ID() string { return k.id }

// KeyID returns the kid: the first 8 bytes of the SHA-256 of the signer
// certificate. It is not to be changed.
func (k *QRKey) KeyID() []byte { return k.kid }

// Public returns the public half.
func (k *QRKey) Public() *ecdsa.PublicKey {
	public, _ := k.private.Public().(*ecdsa.PublicKey) // no other is ever made or imported
	return public
}

// Certificate returns the signer certificate (DSC).
func (k *QRKey) Certificate() *x509.Certificate { return k.certs[0] }

// NotBefore is the begin of the signer certificate; no credential is issued
// earlier.
func (k *QRKey) NotBefore() time.Time { return k.certs[0].NotBefore }

// NotAfter is the end of the signer certificate; no credential may be valid
// longer.
func (k *QRKey) NotAfter() time.Time { return k.certs[0].NotAfter }

// Sign returns the ES256 signature of message: ECDSA on P-256 over its SHA-256,
// deterministic (RFC 6979), as r || s of 32 bytes each (RFC 9053, section 2.1).
// Outside the time of the signer certificate it is [vaccination.Unavailable].
func (k *QRKey) Sign(message []byte) ([]byte, error) {
	if now := k.now(); now.Before(k.NotBefore()) || now.After(k.NotAfter()) {
		return nil, vaccination.Errorf(vaccination.Unavailable, "the signer certificate is not in its time of validity: whoever runs this system has to set its clock right, or renew the keys with \"divoc keys rotate --set signing\"; until then nothing is issued")
	}
	digest := sha256.Sum256(message)
	der, err := k.private.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, errors.New("keyring: the key of codes could not sign")
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("keyring: the key of codes gave no ECDSA signature")
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

// DocumentKey signs documents and trust bundles: Ed25519 (RFC 8032). It is
// immutable.
type DocumentKey struct {
	id      string
	private crypto.Signer
}

func (r *Ring) documentKey(k *key) *DocumentKey {
	return &DocumentKey{r.o.Identity.DID + "#" + k.id(), k.private}
}

// BundleSigners returns what a trust bundle is signed with: the current document
// key, then the one before it as long as it is kept for that, so that who holds
// a list of before a rotation can follow.
func (r *Ring) BundleSigners() []trust.Signer {
	c := r.state()
	out := []trust.Signer{r.documentKey(c.current(KindDocument))}
	for _, k := range c.keys {
		if k.kind == KindDocument && k.state == StateRetired && k.private != nil {
			out = append(out, r.documentKey(k))
		}
	}
	return out
}

// ID returns the verification method: the issuer's DID, "#" and the key as a
// Multikey.
func (k *DocumentKey) ID() string { return k.id }

// Public returns the public half.
func (k *DocumentKey) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Sign returns the signature of message, 64 bytes.
func (k *DocumentKey) Sign(message []byte) ([]byte, error) {
	sig, err := k.private.Sign(nil, message, crypto.Hash(0))
	if err != nil {
		return nil, errors.New("keyring: the key of documents could not sign")
	}
	return sig, nil
}

// probe signs with each current key and verifies.
func (r *Ring) probe() error {
	probe := []byte("divoc signing probe: certifies nothing")
	qr := r.QR()
	sig, err := qr.Sign(probe)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(probe)
	public, ok := qr.Certificate().PublicKey.(*ecdsa.PublicKey)
	if !ok || !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("the key of codes does not fit its certificate")
	}
	doc := r.Document()
	if sig, err = doc.Sign(probe); err != nil {
		return err
	}
	if !ed25519.Verify(doc.Public(), probe, sig) {
		return errors.New("the key of documents signs wrongly")
	}
	if err := r.Seal().probe(probe); err != nil {
		return err
	}
	return r.DIVOC().probe(probe)
}
