package verify

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"slices"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
)

// vc verifies our document (VC Data Model 2.0; Data Integrity).
func (c *check) vc(cred *vc.Credential, err error) {
	c.s.Format = FormatVC
	switch {
	case errors.Is(err, vc.ErrProof):
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.malformed(err, vc.ErrTooLarge)
		return
	}
	method := cred.VerificationMethod()
	c.s.Issuer.Key = method
	by, err := c.find(c.o.Trust.ByMethod(method), []string{cred.Certificate().Info.Issuer.ID},
		func(k *trust.Key) error { return cred.Verify(k.Public) },
		func(k *trust.Key) bool { return k.ID == method })
	switch {
	case errors.Is(err, errRefused):
		return
	case errors.Is(err, vc.ErrUnsupported):
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.refuse(BadSignature)
		return
	}
	content := cred.Certificate()
	p := content.Info.Period
	if c.signedBy(by, claim{issuerID: content.Info.Issuer.ID, issued: p.Start, until: p.End}) {
		c.judge(by, content, p.Start, earliest(p.End, by.Key.NotAfter))
	}
}

// credential verifies anybody's credential (VC Data Model 1.1 or 2.0; Data
// Integrity): who signed it and that nothing of it was changed. What it certifies
// is not known here, so it is never called valid.
func (c *check) credential(d *vc.Document, err error) {
	c.s.Format = FormatVC
	if err != nil {
		c.malformed(err, vc.ErrTooLarge)
		return
	}
	methods := d.Methods()
	var by trust.Candidate
	for i, m := range methods {
		if i == 0 || c.s.Issuer.Key == "" {
			c.s.Issuer.Key = m.ID
		}
		if len(c.o.Trust.ByMethod(m.ID)) == 0 && i < len(methods)-1 {
			continue // another of its proofs may be by somebody who is trusted
		}
		c.s.Issuer.Key = m.ID
		by, err = c.find(c.o.Trust.ByMethod(m.ID), []string{d.Issuer}, func(k *trust.Key) error { return d.Verify(m, k.Public) }, func(k *trust.Key) bool { return k.ID == m.ID })
		if err == nil && !m.Expires.IsZero() && c.o.At.After(m.Expires) {
			c.refuse(Expired)
		}
		break
	}
	switch {
	case len(methods) == 0:
		c.refuse(UnsupportedFormat)
		return
	case errors.Is(err, errRefused):
		return
	case errors.Is(err, vc.ErrUnsupported):
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.refuse(BadSignature)
		return
	}
	if c.signedBy(by, claim{issuerID: d.Issuer, issued: d.ValidFrom, until: d.ValidUntil}) {
		c.s.ValidFrom, c.s.ValidUntil = d.ValidFrom, d.ValidUntil
		c.window(d.ValidFrom, d.ValidUntil)
		c.refuse(UnsupportedContent)
	}
}

// divoc verifies DIVOC's own certificate, with its weaknesses.
func (c *check) divoc(data []byte) {
	cred, err := divocqr.Decode(data)
	switch {
	case errors.Is(err, divocqr.ErrNotDIVOC):
		c.refuse(NotACertificate)
		return
	case errors.Is(err, divocqr.ErrUnsupported):
		c.s.Format = FormatDIVOC
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.s.Format = FormatDIVOC
		c.malformed(err, divocqr.ErrTooLarge)
		return
	}
	c.s.Format = FormatDIVOC
	method := cred.Method()
	c.s.Issuer.Key = method
	by, err := c.find(c.o.Trust.ByMethod(method), nil,
		func(k *trust.Key) error { return cred.Verify(k.Public) },
		func(k *trust.Key) bool { return k.ID == method || k.ID == "" && forProof(k, cred.ProofType()) })
	switch {
	case errors.Is(err, divocqr.ErrSubjectNotSigned):
		c.refuse(SubjectNotSigned)
		return
	case errors.Is(err, errRefused):
		return
	case err != nil:
		c.refuse(BadSignature)
		return
	}
	content := cred.Certificate()
	p := content.Info.Period
	cl := claim{format: trust.DIVOC, issued: cred.Created(), until: p.End}
	if content.IsTest() {
		cl.usage = trust.Test
	}
	if !c.signedBy(by, cl) {
		return
	}
	weak := cred.Weaknesses()
	for _, forged := range []string{SubjectNotSigned, ValuesMoved} {
		if slices.Contains(weak, forged) {
			c.refuse(forged)
			return
		}
	}
	for _, w := range weak {
		c.refuse(w)
	}
	c.judge(by, content, p.Start, earliest(p.End, by.Key.NotAfter))
}

// forProof reports whether a key without a name can be meant for a proof:
// DIVOC's names, such as did:india, are those of no document, and its keys are
// handed over as bare PEM files.
func forProof(k *trust.Key, proofType string) bool {
	switch k.Public.(type) {
	case *rsa.PublicKey:
		return proofType == "RsaSignature2018"
	case ed25519.PublicKey:
		return proofType == "Ed25519Signature2018"
	default:
		return false
	}
}
