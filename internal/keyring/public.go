package keyring

import (
	"encoding/pem"
	"slices"

	"github.com/opendivoc/divoc/trust"
)

// Issuer returns us as verifiers are to know us: the public halves of all keys
// that sign or have signed: current before retired ones, those of codes before
// those of documents, of DIVOC's format and of seals.
func (r *Ring) Issuer() trust.Issuer {
	c := r.state()
	iss := trust.Issuer{ID: r.o.Identity.DID, Name: r.organisation(), Country: r.o.Identity.Country, Specimen: c.demo}
	for _, state := range []State{StateCurrent, StateRetired} {
		for _, kind := range []Kind{KindQR, KindDocument, KindDIVOC, KindSeal} {
			for _, k := range c.keys {
				if k.state == state && k.kind == kind {
					iss.Keys = append(iss.Keys, r.publicKey(k))
				}
			}
		}
	}
	return iss
}

func (r *Ring) publicKey(k *key) trust.Key {
	out := trust.Key{Public: k.public, Retired: k.retired}
	if k.kind == KindDocument {
		out.ID, out.NotBefore = r.o.Identity.DID+"#"+k.id(), k.created.Add(-backdate)
		return out
	}
	if k.kind == KindDIVOC {
		out.ID, out.NotBefore, out.Usage = r.o.Identity.DID+"#"+k.id(), k.created.Add(-backdate), []trust.Usage{trust.DIVOC}
		return out
	}
	out.KeyID = trust.CertificateKeyID(k.certs[0])
	out.ID = r.codeMethod(k.certs[0])
	out.Certificate, out.Chain = k.certs[0], slices.Clone(k.certs[1:])
	out.NotBefore, out.NotAfter = out.Certificate.NotBefore, out.Certificate.NotAfter
	out.Usage = trust.CertificateUsage(out.Certificate)
	return out
}

// ExportPublic returns what may be handed to anyone: the signer certificates and
// what stands above them as PEM, current ones first, and the DID document.
func (r *Ring) ExportPublic() (certificates, didDocument []byte, err error) {
	iss := r.Issuer()
	seen := map[string]bool{}
	for _, k := range iss.Keys {
		if k.Certificate == nil || slices.Contains(k.Usage, trust.Seal) {
			continue
		}
		for _, cert := range slices.Insert(slices.Clone(k.Chain), 0, k.Certificate) {
			if !seen[string(cert.Raw)] {
				seen[string(cert.Raw)] = true
				certificates = append(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
			}
		}
	}
	didDocument, err = iss.DIDDocument()
	return certificates, didDocument, err
}
