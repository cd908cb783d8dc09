package verify

import (
	"errors"

	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/trust"
)

// seal verifies ICAO's VDS-NC: its signer's certificate counts only where the
// list holds it or the authority that issued it.
func (c *check) seal(s *vdsnc.Seal, err error) {
	c.s.Format = FormatVDS
	switch {
	case errors.Is(err, vdsnc.ErrContent):
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.malformed(err, vdsnc.ErrTooLarge)
		return
	}
	c.s.Issuer.Key = keyIDName(trust.CertificateKeyID(s.Signer))
	by, err := c.find(c.o.Trust.ByCertificate(s.Signer), nil,
		func(k *trust.Key) error {
			if k.Certificate == nil { // known by something else than its certificate
				return vdsnc.ErrSigner
			}
			if k.Certificate.Equal(s.Signer) {
				return s.VerifyBy(k.Certificate)
			}
			return s.Verify(k.Certificate)
		},
		func(k *trust.Key) bool { return k.Certificate != nil })
	switch {
	case errors.Is(err, errRefused):
		return
	case errors.Is(err, vdsnc.ErrSigner):
		c.refuse(KeyNotAllowed)
		return
	case err != nil:
		c.refuse(BadSignature)
		return
	}
	all, err := s.Certificates()
	// A seal does not say when it was made or how long it counts: its signer's
	// certificate does.
	cl := claim{country: s.Country, issued: s.Signer.NotBefore, until: s.Signer.NotAfter, format: trust.Seal}
	if s.Country == "UTO" {
		cl.country = ""
	}
	if s.Type == "icao.test" {
		cl.usage = trust.Test
	}
	if !by.Key.Certificate.Equal(s.Signer) { // the authority may end before what it issued does
		cl.until = earliest(cl.until, by.Key.NotAfter)
	}
	if !c.signedBy(by, cl) {
		return
	}
	if err != nil {
		c.refuse(UnsupportedContent)
		return
	}
	content := all[0]
	c.judge(by, content, s.Signer.NotBefore, s.Signer.NotAfter)
	for _, more := range all[1:] {
		c.name(&more.Vaccination)
		c.s.More = append(c.s.More, more)
	}
}
