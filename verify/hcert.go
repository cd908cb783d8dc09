package verify

import (
	"bytes"
	"errors"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// hcert verifies the text of an HCERT code (HCERT 1.1.1; EU "Technical
// Specifications for Digital Green Certificates" volume 1, section 3).
func (c *check) hcert(text string) {
	c.s.Format = FormatHCERT
	m, err := hcert.Decode(text)
	switch {
	case errors.Is(err, hcert.ErrAlgorithm):
		c.refuse(BadSignature)
		return
	case errors.Is(err, hcert.ErrPayload):
		c.refuse(UnsupportedFormat)
		return
	case err != nil:
		c.malformed(err, hcert.ErrTooLarge)
		return
	}
	by, err := c.hcertSigner(m)
	if err != nil {
		if !errors.Is(err, errRefused) {
			c.refuse(BadSignature)
		}
		return
	}
	c.s.Format = hcertFormat(m)
	if !c.signedBy(by, claim{country: m.Issuer, usage: trust.Usage(m.Subject()), issued: m.IssuedAt, until: m.ExpiresAt}) {
		return
	}
	content, err := m.Certificate()
	if err != nil {
		c.refuse(UnsupportedContent)
		return
	}
	content.Domestic = content.Domestic || m.Payload == hcert.Domestic
	c.subjectOf(m)
	// The codec takes the period from the claims, and from the content only what
	// the claims do not say.
	p := content.Info.Period
	if c.listed(by, m, content.Info.HCID) {
		c.learnt = &learnt{status: vaccination.StatusRevoked}
	}
	c.judge(by, content, p.Start, earliest(p.End, by.Key.NotAfter))
}

// listed reports whether its country's EU revocation lists name the certificate. A
// list of another country says nothing of it.
func (c *check) listed(by trust.Candidate, m *hcert.Message, hcid string) bool {
	country := alpha2(countryOf(by))
	if country == "" { // a key that came without one
		country = alpha2(m.Issuer)
	}
	return c.o.Trust.HashListed(country, append([][]byte{by.Key.KeyID}, m.KeyIDs...), hcid, m.SignatureHash())
}

func hcertFormat(m *hcert.Message) string {
	switch m.Payload {
	case hcert.DDCC:
		return FormatDDCC
	case hcert.Domestic:
		return FormatDomestic
	case hcert.DDCCTest:
		return FormatDDCCTest
	case hcert.EUDCC:
		return FormatEUDCC
	case hcert.ICVP:
		return FormatICVP
	default:
		return FormatHCERT
	}
}

// hcertSigner finds the key. The key ids of a message are looked up in their
// order; the codec puts the protected one first and alone.
func (c *check) hcertSigner(m *hcert.Message) (trust.Candidate, error) {
	var candidates []trust.Candidate
	kids := m.KeyIDs
	if len(kids) > 0 {
		c.s.Issuer.Key = keyIDName(kids[0])
	} else {
		kids = [][]byte{nil} // keys without an id are still to be tried
	}
	for _, kid := range kids {
		candidates = append(candidates, c.o.Trust.ByKeyID(kid)...)
	}
	return c.find(candidates, nil,
		func(k *trust.Key) error { return m.Verify(k.Public) },
		func(k *trust.Key) bool {
			for _, kid := range kids {
				if len(kid) > 0 && bytes.Equal(kid, k.KeyID) {
					return true
				}
			}
			return false
		})
}

// earliest returns the earlier of two ends, of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
