package verify

import (
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// judge says everything about a certificate whose signature is genuine and
// whose key could make it: its time, its status, its content.
func (c *check) judge(by trust.Candidate, content vaccination.Certificate, from, until time.Time) {
	c.s.ValidFrom, c.s.ValidUntil = from.UTC(), until.UTC()
	c.s.Specimen = c.s.Specimen || content.Specimen
	c.window(from, until)
	c.status(by.Issuer.ID, content.Info.HCID)
	if content.Domestic {
		c.warn(DomesticOnly)
	}
	if content.BirthDate.Precision() != vaccination.PrecisionDay || content.BirthDate.Estimated {
		c.warn(BirthDateUncertain)
	}
	today := vaccination.DateOf(c.o.At.UTC())
	validFrom, validUntil := content.Vaccination.ValidFrom, content.Vaccination.ValidUntil
	if !content.Recovery.IsZero() {
		validFrom, validUntil = content.Recovery.ValidFrom, content.Recovery.ValidUntil
	}
	if today.Before(validFrom) {
		c.warn(VaccineNotYet)
	}
	if validUntil.Before(today) {
		c.warn(VaccineOver)
	}
	if !content.Test.IsZero() {
		c.found(content.Test.Result)
	}
	if content.Info.Issuer.Name == "" {
		content.Info.Issuer.Name = by.Issuer.Name
	}
	content.Info.KeyID = c.s.Issuer.Key
	c.name(&content.Vaccination)
	c.nameTest(&content)
	c.s.Content = &content
}

// window checks the time. A clock earlier than the trust list is wrong: what it
// calls not yet valid may long be so, but what it calls expired is.
func (c *check) window(from, until time.Time) {
	at := c.o.At
	behind := at.Add(skew).Before(c.o.Trust.Issued())
	if behind {
		c.refuse(ClockBehind)
	}
	if !behind && from.After(at.Add(skew)) {
		c.refuse(NotYetValid)
	}
	if !until.IsZero() && at.After(until) {
		c.refuse(Expired)
	}
}

// status learns the state: from whoever Options names, else from the snapshots
// of the trust list. What cannot be learnt is never taken for valid.
func (c *check) status(issuerID, hcid string) {
	s, asOf, ok := StatusUnknown, time.Time{}, c.learnt != nil
	if ok {
		s, asOf = c.learnt.status, c.learnt.asOf
	} else if c.o.Status != nil {
		s, asOf, ok = c.o.Status(c.ctx, issuerID, hcid)
	}
	if !ok {
		s, asOf = c.o.Trust.Status(issuerID, hcid)
		if hcid == "" && s != trust.NotPublished {
			s = StatusUnknown // no list can be asked about a certificate without an id
		}
	}
	for _, other := range c.listedBy {
		if now, then := c.o.Trust.Status(other, hcid); hcid != "" && now != trust.NotPublished && now != vaccination.StatusValid {
			s, asOf = now, then
			break
		}
	}
	limit := c.o.MaxStatusAge
	if limit == 0 {
		limit = DefaultMaxStatusAge
	}
	c.s.StatusAsOf = asOf.UTC()
	if asOf.IsZero() {
		c.s.StatusAsOf = time.Time{}
	}
	c.s.Status = s
	switch s {
	case vaccination.StatusSuperseded:
		c.refuse(Superseded)
	case vaccination.StatusSuspended:
		c.refuse(Suspended)
	case vaccination.StatusRevoked:
		c.refuse(Revoked)
	case StatusNotPublished:
		c.warn(StatusNotPublishedW)
	case vaccination.StatusValid:
		if (c.learnt == nil || !c.learnt.current) && limit > 0 && c.o.At.Sub(asOf) > limit {
			c.refuse(StatusStale)
		}
	default:
		c.s.Status = StatusUnknown
		c.refuse(StatusMissing)
	}
}

// found warns of a result unless it is that the agent was not found, by its code (EU
// value set of results, DDCC:TR, FHIR) or, in formats without codes, by its word. A
// genuine certificate of an infection must not look like one of health.
func (c *check) found(result vaccination.Coding) {
	said := result.Code
	if said == "" {
		said = result.Display
	}
	switch term, _ := catalogue.TestResult(said); term.Key {
	case catalogue.NotDetected:
	case catalogue.Detected:
		c.warn(TestPositive)
	default:
		c.warn(TestNoResult)
	}
}

// nameTest is name for tests and recoveries.
func (c *check) nameTest(content *vaccination.Certificate) {
	t, r := &content.Test, &content.Recovery
	for _, country := range []*vaccination.Coding{&t.Country, &r.Country} {
		if found, ok := catalogue.FindCountry(country.Code); ok && country.Display == "" {
			country.Display = found.Name
		}
	}
	for _, coding := range []*vaccination.Coding{&t.Pathogen, &t.Type, &t.Manufacturer, &t.Result, &t.Origin, &r.Disease} {
		if coding.Display == "" {
			coding.Display = catalogue.EUName(coding.Code)
		}
		if coding.Display == "" {
			coding.Display = catalogue.TestName(coding.Code)
		}
	}
	d := &content.Vaccination
	for _, coding := range []*vaccination.Coding{&d.Disease, &d.Vaccine, &d.Brand, &d.Manufacturer} {
		if coding.Display == "" {
			coding.Display = catalogue.EUName(coding.Code)
		}
	}
}

// name fills in the texts of codes that came without one. It never changes a
// code or a text that was signed.
func (c *check) name(d *vaccination.Dose) {
	if d.Brand.System == hcert.SystemWHOPQ && c.o.Catalogue != nil {
		if p, ok := c.o.Catalogue.PreQualified(d.Brand.Code); ok {
			d.Brand.Display = p.Name(c.o.Language)
		}
	}
	if country, ok := catalogue.FindCountry(d.Country.Code); ok && d.Country.Display == "" {
		d.Country.Display = country.Name
	}
	if c.o.Catalogue == nil {
		return
	}
	key := d.Product
	if key == "" && d.Brand.System == vaccination.SystemCatalogue {
		key = d.Brand.Code
	}
	p, ok := c.o.Catalogue.Product(key)
	if !ok && d.Brand.Code != "" {
		p, ok = c.o.Catalogue.Find(d.Brand.Code, d.Manufacturer.Code)
	}
	if d.Vaccine.System == vaccination.SystemCVX && d.Vaccine.Display == "" { // a card's only word for the product
		if p, ok := c.o.Catalogue.Find(d.Vaccine.Code, ""); ok {
			d.Vaccine.Display = p.Name(c.o.Language)
		}
	}
	if !ok {
		return
	}
	var named vaccination.Dose
	p.Fill(&named)
	named.Brand.Display = p.Name(c.o.Language)
	for _, pair := range [][2]*vaccination.Coding{
		{&d.Vaccine, &named.Vaccine}, {&d.Brand, &named.Brand}, {&d.Manufacturer, &named.Manufacturer},
		{&d.MAHolder, &named.MAHolder}, {&d.Disease, &named.Disease},
	} {
		if pair[0].Display == "" && pair[0].Code != "" && pair[0].Code == pair[1].Code {
			pair[0].Display = pair[1].Display
		}
	}
}
