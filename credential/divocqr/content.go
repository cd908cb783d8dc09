package divocqr

import (
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
)

// str returns a member's text, or its number as written.
func (v *value) str(name string) string {
	if m := v.get(name); m != nil && (m.kind == text || m.kind == number) {
		return strings.TrimSpace(m.text)
	}
	return ""
}

// Certificate returns the content in terms of the core data set, as recorded:
// an age is not turned into a date of birth ([Credential.Age]), a name of a
// product not into a code. What the signature does not bind to its member is
// there all the same; [Credential.Unbound] says which it is.
func (c *Credential) Certificate() vaccination.Certificate {
	out := vaccination.Certificate{
		Person: vaccination.Person{
			Name:        c.subject.str("name"),
			BirthDate:   date(c.subject.str("dob")),
			Sex:         sexOf(c.subject),
			Nationality: c.subject.str("nationality"),
			Identifier:  c.identifier(),
		},
		Info: vaccination.CertificateInfo{
			Issuer: vaccination.Issuer{ID: c.Issuer()},
			KeyID:  c.proof.method,
			HCID:   c.CertificateID(),
			Period: vaccination.Period{Start: instant(c.root.str("issuanceDate")), End: instant(c.root.str("expirationDate"))},
		},
	}
	if c.vocabulary.test {
		out.Test = c.test()
	} else {
		out.Vaccination = c.dose()
	}
	return out
}

// test reads the details of a test. The format has words and no codes.
func (c *Credential) test() vaccination.Test {
	e := c.evidence
	word := func(name string) vaccination.Coding { return vaccination.Coding{Display: e.str(name)} }
	t := vaccination.Test{
		Pathogen: word("disease"), Type: word("testType"), Brand: word("testName"), Manufacturer: word("manufacturer"), Lot: e.str("batch"), Origin: word("sampleOrigin"),
		Date: instant(e.str("sampleCollectionTimestamp")), ResultDate: instant(e.str("resultTimestamp")), Result: word("result"),
		Practitioner: e.get("verifier").str("name"),
	}
	t.Centre, t.CentreAddress, t.Country = e.get("facility").place()
	return t
}

func (c *Credential) dose() vaccination.Dose {
	e := c.evidence
	d := vaccination.Dose{
		Brand:        vaccination.Coding{Display: e.str("vaccine")},
		Manufacturer: vaccination.Coding{Display: e.str("manufacturer")},
		Lot:          e.str("batch"),
		Date:         date(e.str("date")),
		ValidFrom:    date(e.str("effectiveStart")),
		ValidUntil:   date(e.str("effectiveUntil")),
		Number:       count(e.str("dose")),
		Total:        count(e.str("totalDoses")),
		Practitioner: e.get("verifier").str("name"),
	}
	if code := e.str("icd11Code"); code != "" {
		d.Vaccine = vaccination.Coding{Code: code, System: vaccination.SystemICD11, Display: e.str("prophylaxis")}
	} else if name := e.str("prophylaxis"); name != "" {
		d.Vaccine.Display = name
	}
	d.Centre, d.CentreAddress, d.Country = e.get("facility").place()
	return d
}

// place reads a facility: its name, where it lies, and in which country.
func (v *value) place() (name string, address vaccination.Address, in vaccination.Coding) {
	if a := v.get("address"); a != nil {
		address = vaccination.Address{
			Line1: a.str("streetAddress"), Line2: a.str("streetAddress2"),
			District: a.str("district"), Region: a.str("addressRegion"),
			PostCode: a.str("postalCode"), Country: a.str("addressCountry"),
		}
		if country, ok := catalogue.FindCountry(address.Country); ok {
			in = vaccination.Coding{Code: country.Alpha3, System: vaccination.SystemISO3166, Display: country.Name}
		} else {
			in.Display = address.Country
		}
	}
	return v.str("name"), address, in
}

// Issuer returns the issuer's IRI, "" where what the credential says there is
// no absolute IRI and so is not signed.
func (c *Credential) Issuer() string {
	if iss := c.root.str("issuer"); absolute(iss) {
		return iss
	}
	return ""
}

// CertificateID returns the certificate's id. It is taken from the evidence's
// id, to which DIVOC appends it and which the signature binds; the member
// certificateId shares its IRI with others. It is "" where DIVOC had none to
// write.
func (c *Credential) CertificateID() string {
	id := c.evidence.str("id")
	if own := c.evidence.str("certificateId"); own != "" && endsIn(id, own) {
		return own
	}
	if tail := id[strings.LastIndexByte(id, '/')+1:]; tail != "undefined" {
		return tail
	}
	return ""
}

// endsIn reports whether tail is the last part of iri, not only its last
// characters.
func endsIn(iri, tail string) bool {
	head, ok := strings.CutSuffix(iri, tail)
	if !ok || head == "" {
		return false
	}
	last := head[len(head)-1] | 32
	return !(last >= 'a' && last <= 'z' || last >= '0' && last <= '9')
}

// RefID returns the holder's refId, DIVOC's preEnrollmentCode. With the
// certificate id and the dose number it is DIVOC's key of a revocation.
func (c *Credential) RefID() string { return c.subject.str("refId") }

// Age returns the holder's age as the certificate states it, "" where it does
// not. It is never a date of birth.
func (c *Credential) Age() string { return c.subject.str("age") }

// identifier takes the identity document's number from the holder's id, which
// DIVOC makes of it: as it is where it is an IRI, else behind the DID of the
// deployment, and of the refId where there was no identity. Ours is the DID
// before the key's name.
func (c *Credential) identifier() vaccination.Identifier {
	id := c.subject.str("id")
	if rest, ok := strings.CutPrefix(id, controller(c.proof.method)+":"); ok {
		if rest == c.RefID() {
			return vaccination.Identifier{}
		}
		return vaccination.Identifier{Value: rest}
	}
	if parts := strings.SplitN(id, ":", 3); len(parts) == 3 && parts[0] == "did" {
		return vaccination.Identifier{Kind: parts[1], Value: parts[2]}
	}
	return vaccination.Identifier{Value: id}
}

func sexOf(subject *value) vaccination.Sex {
	s := subject.str("gender")
	if s == "" {
		s = subject.str("sex") // Sri Lanka's context has both for one IRI
	}
	switch s := vaccination.Sex(strings.ToLower(s)); s {
	case vaccination.SexMale, vaccination.SexFemale, vaccination.SexOther, vaccination.SexUnknown:
		return s
	}
	return ""
}

// date reads a date, or the date of a date-time as it is written: the format
// says nothing of the time zone of the place.
func date(s string) vaccination.Date {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return vaccination.DateOf(t)
	}
	d, err := vaccination.ParseDate(s)
	if err != nil || d.Estimated {
		return vaccination.Date{}
	}
	return d
}

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// maxDose is the highest dose number that is read or written.
const maxDose = 99

// count reads a dose number, written as a number or as text.
func count(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxDose {
		return 0
	}
	return n
}
