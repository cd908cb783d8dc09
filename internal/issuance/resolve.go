package issuance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// normal is the one spelling of an event's texts.
func normal(e vaccination.Event) vaccination.Event {
	return e.MapText(norm.NFC.String).Normalise()
}

// check resolves an event against the profile and validates it.
func (s *Service) check(e vaccination.Event, sourceProgramme string) (*Draft, error) {
	e = normal(e)
	faults := e.Validate(vaccination.DateOf(s.Now().In(s.Profile.TimeZone)))
	add := func(path, code, message string) {
		faults = append(faults, vaccination.Fault{Path: path, Code: code, Message: message})
	}
	d := &Draft{}
	programme, ok := s.programmeOf(e, sourceProgramme)
	if !ok && e.Programme == "" {
		add("programme", vaccination.FaultRequired, noTests(s.Profile))
	} else if !ok {
		add("programme", "unknown", "there is no such programme: use one of "+strings.Join(s.Profile.ProgrammeKeys(), ", ")+", or leave it out")
	} else {
		d.programme, e.Programme = programme, programme.Key
	}
	switch {
	case d.programme != nil && d.programme.Tests != e.IsTest():
		faults = slices.DeleteFunc(faults, func(f vaccination.Fault) bool { return strings.HasPrefix(f.Path, "vaccination") })
		wrongKind(d.programme, add)
	case e.IsTest():
		s.resolveTest(&e, add)
	default:
		s.resolveDose(&e, d.programme, add)
	}
	s.resolvePerson(&e, add)
	d.said = e
	if d.programme != nil && d.programme.Tests == e.IsTest() {
		s.complete(&e, programme)
		c := s.certificate(e, d.programme)
		c.Info.HCID, c.Info.Period.Start = "drawn when it is signed", s.Now()
		missing := hcert.Missing(c, payload(c))
		d.domestic = len(missing) > 0 && d.programme.Incomplete == "domestic"
		if !d.domestic {
			for _, field := range missing {
				path := eventPath(field)
				if !slices.ContainsFunc(faults, func(f vaccination.Fault) bool { return f.Path == path }) {
					add(path, vaccination.FaultRequired, "the certificate's format needs this")
				}
			}
		}
	}
	if len(faults) > 0 {
		return nil, &vaccination.Error{Code: vaccination.Invalid, Message: "the record has faults", Faults: faults}
	}
	d.event = e
	d.written = written(d.said)
	d.content = s.contentHash(d.written)
	return d, nil
}

// eventPath names an element of a certificate as the event has it.
func eventPath(path string) string {
	switch path {
	case "vaccination.vaccine", "vaccination.brand", "vaccination.manufacturer":
		return "vaccination.product"
	case "name":
		return "person.name"
	}
	return path
}

// resolveDose finds product and country, and keeps only the keys of what it
// finds. What is not known is said to be unknown; nothing is guessed.
func (s *Service) resolveDose(e *vaccination.Event, p *profile.Programme, add func(path, code, message string)) {
	v := &e.Vaccination
	if v.Product != "" && p != nil {
		product, ok := s.Profile.Catalogue.Find(v.Product, v.Manufacturer.Display)
		switch {
		case !ok:
			add("vaccination.product", "unknown", "no product of this name is known; the closest are "+closest(s.Profile.Catalogue, v.Product, p.Disease)+": use one of them or have it added to the catalogue")
		case !p.Accepts(product):
			add("vaccination.product", "not-in-programme", "this product does not belong to the programme "+p.Key)
		default:
			v.Product = product.Key
			v.Vaccine, v.Brand, v.Manufacturer, v.MAHolder, v.Disease = vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}
		}
	}
	s.resolveCountry(&v.Country, "vaccination.country", add)
}

// resolveCountry finds the country where something was done, ours where nothing is
// said.
func (s *Service) resolveCountry(country *vaccination.Coding, path string, add func(path, code, message string)) {
	c, ok := catalogue.CountryByCode(country.Code)
	if !ok {
		c, ok = catalogue.FindCountry(country.Code)
	}
	switch {
	case country.Code == "":
		*country = vaccination.Coding{Code: s.Profile.Country.Alpha3, System: vaccination.SystemISO3166}
	case !ok:
		add(path, "unknown", "use the country's ISO 3166-1 code of three letters")
	default:
		*country = vaccination.Coding{Code: c.Alpha3, System: vaccination.SystemISO3166}
	}
}

// payload is what a certificate that misses nothing is in its code.
func payload(c vaccination.Certificate) hcert.Payload {
	if c.IsTest() {
		return hcert.DDCCTest
	}
	return hcert.DDCC
}

// complete adds what follows from catalogue and programme. Both may change one
// day, and what a source sends again must still be the same: a record is known
// by what was said, without this.
func (s *Service) complete(e *vaccination.Event, p *profile.Programme) {
	if e.IsTest() {
		completeTest(&e.Test)
		return
	}
	v := &e.Vaccination
	if product, ok := s.Profile.Catalogue.Product(v.Product); ok {
		product.Fill(v)
	}
	if v.Product == "" && v.Disease.IsZero() {
		v.Disease = s.Profile.Catalogue.Disease(p.Disease)
	}
	p.Complete(v)
}

func (s *Service) resolvePerson(e *vaccination.Event, add func(path, code, message string)) {
	if c, ok := catalogue.FindCountry(e.Person.Nationality); ok {
		e.Person.Nationality = c.Alpha3
	}
	for i, contact := range e.Contacts {
		number, isPhone := strings.CutPrefix(contact, "tel:")
		if !isPhone {
			continue
		}
		e164, err := s.Profile.Phone(number)
		switch {
		case err == nil:
			e.Contacts[i] = "tel:" + e164
		case s.Profile.PhoneRules.Unreachable == "refuse":
			add(fmt.Sprintf("contacts[%d]", i), "format", "this is not a telephone number of the country, nor an international one with + and country code")
		}
	}
}

func closest(c *catalogue.Catalogue, name, disease string) string {
	var names []string
	for _, p := range c.Closest(name, 6) {
		if p.Disease == disease && len(names) < 3 {
			names = append(names, p.Name("en"))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// certificate is what a certificate of e says, without id and validity.
func (s *Service) certificate(e vaccination.Event, p *profile.Programme) vaccination.Certificate {
	return vaccination.Certificate{
		Person:      e.Person,
		Info:        vaccination.CertificateInfo{Issuer: s.issuer, Version: vaccination.SchemaVersion},
		Vaccination: e.Vaccination,
		Test:        e.Test,
		Programme:   p.Key,
		Specimen:    s.Specimen,
	}
}

// Faults adds to faults that a door found while reading an event those that
// Prepare would find, so that the caller hears of all at once.
func (s *Service) Faults(ctx context.Context, by access.Caller, e vaccination.Event, faults []vaccination.Fault) error {
	source, err := s.sourceOf(ctx, by.Source)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range faults {
		seen[f.Path] = true
	}
	var more *vaccination.Error
	if _, err := s.check(e, source.Programme); errors.As(err, &more) {
		for _, f := range more.Faults {
			if !seen[f.Path] {
				faults = append(faults, f)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &vaccination.Error{Code: vaccination.Invalid, Message: "the record has faults", Faults: faults}
}
