package verify

import (
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// card verifies a SMART Health Card (framework 1.4.0).
func (c *check) card(text string) {
	c.s.Format = FormatSHC
	card, err := shc.Decode(text)
	switch {
	case errors.Is(err, shc.ErrChunk):
		c.refuse(OneOfSeveral)
		return
	case errors.Is(err, shc.ErrAlgorithm):
		c.refuse(BadSignature)
		return
	case err != nil:
		c.malformed(err, shc.ErrTooLarge)
		return
	}
	c.s.Issuer.Key = card.KeyID
	did, _ := trust.DIDWeb(card.Issuer) // "" for a URL that has none
	by, err := c.find(c.o.Trust.ByThumbprint(card.KeyID), []string{card.Issuer, did},
		func(k *trust.Key) error {
			public, ok := k.Public.(*ecdsa.PublicKey)
			if !ok {
				return shc.ErrSignature
			}
			return card.Verify(public)
		},
		func(*trust.Key) bool { return true })
	if err != nil {
		if !errors.Is(err, errRefused) {
			c.refuse(BadSignature)
		}
		return
	}
	all, err := card.Certificates()
	cl := claim{issuerID: card.Issuer, issued: card.NotBefore, until: card.ExpiresAt}
	if strings.HasPrefix(by.Issuer.ID, "did:") && did != "" {
		cl.issuerID = did
	}
	for _, one := range all { // the signer has to be one of each
		if cl.usage = trust.Vaccination; !one.Test.IsZero() {
			cl.usage = trust.Test
		}
		if !by.Key.Allows(cl.usage) {
			break
		}
	}
	if !c.signedBy(by, cl) {
		return
	}
	if err != nil {
		c.refuse(UnsupportedContent)
		return
	}
	content := all[0]
	content.Info.HCID = cardID(by, card.Revocation)
	c.learnt = c.cardState(by, card)
	c.judge(by, content, card.NotBefore, earliest(card.ExpiresAt, by.Key.NotAfter))
	for _, more := range all[1:] {
		c.name(&more.Vaccination)
		c.nameTest(&more)
		c.s.More = append(c.s.More, more)
	}
}

// cardID returns the certificate's id where the issuer is one of this system's
// kind, whose cards carry it as their rid.
func cardID(by trust.Candidate, rid string) string {
	raw, err := base64.RawURLEncoding.DecodeString(rid)
	country, ok := catalogue.CountryByCode(strings.ToUpper(countryOf(by)))
	if !strings.HasPrefix(by.Issuer.ID, "did:web:") || err != nil || len(raw) != len(vaccination.CertificateID{}) || !ok {
		return ""
	}
	return vaccination.CertificateID(raw).UVCI(country.Alpha2)
}

// cardState learns a card's state from the revocation lists of cards; nil leaves
// it to the ways of all formats. A list that is older than the key says, or
// missing, tells nothing. A card without a rid cannot be revoked by itself.
func (c *check) cardState(by trust.Candidate, card *shc.Card) *learnt {
	list, asOf := c.o.Trust.CardList(card.KeyID)
	switch {
	case c.o.Trust.CardRevoked(card.KeyID, card.Revocation, card.NotBefore):
		return &learnt{status: vaccination.StatusRevoked, asOf: asOf}
	case card.Revocation == "":
		return &learnt{status: StatusNotPublished}
	case list == nil && by.Key.CardList == 0:
		return nil
	case list == nil || list.Counter < by.Key.CardList:
		return &learnt{status: StatusUnknown}
	}
	return &learnt{status: vaccination.StatusValid, asOf: asOf, current: asOf.IsZero()}
}
