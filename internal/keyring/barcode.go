package keyring

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"time"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// SealKey signs ICAO's seals (VDS-NC) under a certificate of the country's passport
// authority (CSCA). None is ever made here. It is immutable; take a fresh one from
// [Ring.Seal] for each.
type SealKey struct {
	private crypto.Signer
	certs   []*x509.Certificate // its own, then the authority's
	now     func() time.Time
}

// Certificate returns the signer's certificate (BSC), Authority who issued it.
func (k *SealKey) Certificate() *x509.Certificate { return k.certs[0] }

// Authority returns the certificate of the passport authority above it.
func (k *SealKey) Authority() *x509.Certificate { return k.certs[len(k.certs)-1] }

// NotAfter is the end of the signer's certificate; no seal counts longer.
func (k *SealKey) NotAfter() time.Time { return k.certs[0].NotAfter }

// Usable reports whether the certificate is in its time.
func (k *SealKey) Usable() bool {
	now := k.now()
	return !now.Before(k.certs[0].NotBefore) && !now.After(k.certs[0].NotAfter)
}

// Sign returns the ECDSA signature of message, deterministic (RFC 6979), as r || s:
// ES256 on P-256, ES384 on P-384. Outside the time of the certificate it is
// [vaccination.Unavailable].
func (k *SealKey) Sign(message []byte) ([]byte, error) {
	if !k.Usable() {
		return nil, vaccination.Errorf(vaccination.Unavailable, "the certificate of the signer of ICAO's seals is not in its time of validity: whoever runs this system has to import the next one with \"divoc keys import --seal\"")
	}
	public, ok := k.certs[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("keyring: the key of seals is not ECDSA")
	}
	sum := sha256.Sum256(message)
	digest, hash := sum[:], crypto.SHA256
	if public.Curve.Params().BitSize == 384 {
		wide := sha512.Sum384(message)
		digest, hash = wide[:], crypto.SHA384
	}
	der, err := k.private.Sign(nil, digest, hash)
	if err != nil {
		return nil, errors.New("keyring: the key of seals could not sign")
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, errors.New("keyring: the key of seals gave no ECDSA signature")
	}
	size := public.Curve.Params().BitSize / 8
	out := make([]byte, 2*size)
	sig.R.FillBytes(out[:size])
	sig.S.FillBytes(out[size:])
	return out, nil
}

// probe signs a message and verifies it. A nil key has nothing to fail, nor has one
// that is past its time: nothing else waits for it.
func (k *SealKey) probe(message []byte) error {
	if k == nil || !k.Usable() {
		return nil
	}
	sig, err := k.Sign(message)
	if err != nil {
		return err
	}
	public, ok := k.certs[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("the key of seals is not ECDSA")
	}
	sum := sha256.Sum256(message)
	digest := sum[:]
	if public.Curve.Params().BitSize == 384 {
		wide := sha512.Sum384(message)
		digest = wide[:]
	}
	half := len(sig) / 2
	if !ecdsa.Verify(public, digest, new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])) {
		return errors.New("the key of seals does not fit its certificate")
	}
	return nil
}

// Seal returns the current key of ICAO's seals, nil where none was imported.
func (r *Ring) Seal() *SealKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.seal
}

func (r *Ring) sealKey(k *key) *SealKey {
	if k == nil {
		return nil
	}
	return &SealKey{k.private, k.certs, r.o.Now}
}

// ImportSeal makes a signer of ICAO's seals current. data is PEM: the signer's
// certificate (BSC), the certificate of the passport authority (CSCA) that issued
// it, and the signer's private key. What does not fit is refused with a reason, and
// nothing changes. The one before is retired.
func (r *Ring) ImportSeal(ctx context.Context, data []byte) error {
	certs, private, err := readImport(data)
	if err != nil {
		return err
	}
	now := r.o.Now()
	if err := r.checkSeal(certs, private, now); err != nil {
		return err
	}
	return r.update(ctx, func(c *contents) error {
		for _, k := range c.keys {
			if trust.Fingerprint(k.public) == trust.Fingerprint(private.Public()) {
				return vaccination.Errorf(vaccination.Conflict, "the key of this certificate is in the keyring already: a key signs one kind of thing")
			}
		}
		k := &key{kind: KindSeal, state: StateCurrent, private: private, public: private.Public(), certs: certs, created: now.UTC().Truncate(time.Second)}
		if err := refusePublished(k); err != nil && !c.demo {
			return err
		}
		if old := c.current(KindSeal); old != nil {
			old.retire(now)
		}
		c.keys = append(c.keys, k)
		return nil
	})
}

// documentTypes is ICAO's extension that lists what a signer of barcodes signs.
func documentTypes() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2} }

// checkSeal checks a signer of seals by the rules of ICAO Doc 9303 parts 12 and 13:
// a certificate for that, of this country, issued by the authority beside it, in
// its time, and of this key.
func (r *Ring) checkSeal(certs []*x509.Certificate, private crypto.Signer, now time.Time) error {
	refuse := func(why string, args ...any) error {
		return vaccination.Errorf(vaccination.Invalid, "the signer of seals is not usable: "+why, args...)
	}
	if len(certs) != 2 {
		return refuse("the import holds its certificate and that of the passport authority, and no other")
	}
	if private == nil {
		return refuse("the import does not hold its private key")
	}
	signer, authority := certs[0], certs[1]
	public, ok := signer.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || public.Curve.Params().BitSize != 256 && public.Curve.Params().BitSize != 384:
		return refuse("its key is not on the curve P-256 or P-384")
	case trust.Fingerprint(private.Public()) != trust.Fingerprint(public):
		return refuse("the private key is not that of the first certificate")
	case signer.IsCA:
		return refuse("it is an authority's; the signer's comes first")
	case signer.KeyUsage != 0 && signer.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse("its key usage does not allow signatures (digitalSignature)")
	case !slices.Contains(trust.CertificateUsage(signer), trust.Seal):
		return refuse("its extended key usages do not name signers of barcodes (2.23.136.1.1.14.2)")
	case !signsVaccinations(signer):
		return refuse("its document types (2.23.136.1.1.6.2) do not name vaccination certificates (NV)")
	case !slices.Equal(signer.Subject.Country, []string{r.o.Identity.Country}) || !slices.Equal(authority.Subject.Country, []string{r.o.Identity.Country}):
		return refuse("its country, or its authority's, is not %s", r.o.Identity.Country)
	case !authority.IsCA || authority.CheckSignatureFrom(authority) != nil:
		return refuse("the second certificate is not a self-signed authority's")
	case signer.CheckSignatureFrom(authority) != nil:
		return refuse("the authority in the import did not issue it")
	case now.Before(signer.NotBefore) || now.After(signer.NotAfter):
		return refuse("it is not in its time of validity")
	case now.Before(authority.NotBefore) || now.After(authority.NotAfter):
		return refuse("its authority is not in its time of validity")
	case signer.NotAfter.After(authority.NotAfter):
		return refuse("it outlives its authority")
	}
	return nil
}

// signsVaccinations reports whether a signer's list of document types, where it has
// one, names proofs of vaccination.
func signsVaccinations(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if !e.Id.Equal(documentTypes()) {
			continue
		}
		var list struct {
			Version int
			Types   []string `asn1:"set"`
		}
		rest, err := asn1.Unmarshal(e.Value, &list)
		return err == nil && len(rest) == 0 && slices.Contains(list.Types, "NV")
	}
	return true
}
