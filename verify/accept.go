package verify

import (
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

// subjectOf keeps what rules ask of an HCERT beside its content.
func (c *check) subjectOf(m *hcert.Message) {
	if c.o.Rules == nil {
		return
	}
	kind := map[hcert.Subject]string{hcert.Vaccination: "Vaccination", hcert.Test: "Test", hcert.Recovery: "Recovery"}
	c.subject = rules.Subject{Payload: m.EUPayload(), Kind: kind[m.Subject()], Issued: m.IssuedAt, Expires: m.ExpiresAt}
}

// accept asks the rules, where there are any, about a certificate that is valid.
func (c *check) accept() {
	if c.o.Rules == nil || c.s.Verdict != Valid || c.s.Content == nil {
		return
	}
	s := c.subject
	s.Issuer, s.KeyID, s.Domestic = alpha2(c.issuedIn), c.s.Issuer.Key, c.s.Content.Domestic
	s.Doses = []vaccination.Dose{c.againstWhat(c.s.Content.Vaccination)}
	for _, more := range c.s.More {
		s.Doses = append(s.Doses, c.againstWhat(more.Vaccination))
	}
	c.s.Accepted, c.s.Rules = c.o.Rules.Evaluate(s, rules.Question{At: c.o.At, Country: c.o.Country, Language: c.o.Language})
}

// againstWhat is d with its disease in ICD-11, where the catalogue knows its
// product: some formats name the product alone.
func (c *check) againstWhat(d vaccination.Dose) vaccination.Dose {
	if d.Disease.System == vaccination.SystemICD11 || c.o.Catalogue == nil {
		return d
	}
	p, ok := c.o.Catalogue.Product(d.Product)
	if !ok && d.Brand.Code != "" {
		p, ok = c.o.Catalogue.Find(d.Brand.Code, d.Manufacturer.Code)
	}
	if !ok && d.Vaccine.System == vaccination.SystemCVX {
		p, ok = c.o.Catalogue.Find(d.Vaccine.Code, "")
	}
	if ok {
		d.Disease = c.o.Catalogue.Disease(p.Disease)
	}
	return d
}
