package vdsnc

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/mrz"
	"github.com/opendivoc/divoc/vaccination"
)

// Contact is whom a border asks about a test: a seal of one has to name both.
type Contact struct{ Phone, Email string }

// What is called missing of a seal of a test beside paths of the certificate.
const (
	Passport        = "identifier (a passport)"
	ProviderContact = "contact (telephone and e-mail address)"
)

// Certifies reports whether a signer's certificate allows seals of tests: its list
// of document types, where it has one, names them (NT).
func Certifies(s Signer) bool {
	return (&Seal{Type: typeTest, Signer: s.Certificate()}).kindAllowed()
}

// MissingTest returns the paths of the elements that a seal of a test requires
// (ICAO's schema VDS-NC_message_PoT) and c and of do not have.
func MissingTest(c vaccination.Certificate, of Contact) []string {
	name, latin := mrz.Name(c.Name)
	t := c.Test
	country, known := countryOf(t.Country.Code)
	var out []string
	for _, r := range []struct {
		path  string
		there bool
	}{
		{"name", c.Name != ""},
		{LatinName, c.Name == "" || latin && name != ""},
		{"birthDate", c.BirthDate.Precision() == vaccination.PrecisionDay && !c.BirthDate.Estimated},
		{Passport, c.Identifier.Kind == "passport" && strings.TrimSpace(c.Identifier.Value) != ""},
		{"test.type", kindOf(t) != ""},
		{"test.result", resultOf(t) != ""},
		{"test.date", !t.Date.IsZero()},
		{"test.resultDate", !t.ResultDate.IsZero()},
		{"test.centre", strings.TrimSpace(t.Centre) != ""},
		{"test.centreAddress", addressOf(t.CentreAddress) != ""},
		{"test.country", known && country != ""},
		{ProviderContact, of.Phone != "" && of.Email != ""},
	} {
		if !r.there {
			out = append(out, r.path)
		}
	}
	return out
}

// EncodeTest is [Encode] of a test. The number of the passport stands in the seal:
// it is how a border knows whose it is.
func EncodeTest(c vaccination.Certificate, of Contact, issuer, handle string, s Signer) ([]byte, error) {
	if missing := MissingTest(c, of); len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrMissing, strings.Join(missing, ", "))
	}
	if !Certifies(s) {
		return nil, ErrSigner
	}
	return seal(appendTest(nil, c, of, issuer, handle), issuer, handle, s)
}

// appendTest appends what is signed, members in the order of RFC 8785.
func appendTest(b []byte, c vaccination.Certificate, of Contact, issuer, handle string) []byte {
	t := c.Test
	member := func(name, value string) { b = appendMember(b, name, value) }
	b = append(b, `{"hdr":{`...)
	member("is", issuer)
	member("t", typeTest)
	b = append(b, `,"v":1},"msg":{"dat":{`...)
	member("ri", t.ResultDate.UTC().Format(time.RFC3339))
	member("sc", t.Date.UTC().Format(time.RFC3339))
	b = append(b, `},"pid":{`...)
	member("dn", cut(strings.TrimSpace(c.Identifier.Value), maxText))
	member("dob", c.BirthDate.String())
	member("dt", "P")
	member("n", nameField(c.Name))
	b = append(b, `},"sp":{"cd":{`...)
	member("a", cut(addressOf(t.CentreAddress), maxText))
	member("e", of.Email)
	member("p", of.Phone)
	b = append(b, '}')
	country, _ := countryOf(t.Country.Code)
	member("ctr", country)
	member("spn", cut(strings.TrimSpace(t.Centre), maxText))
	b = append(b, `},"tr":{`...)
	member("m", originOf(t))
	member("r", resultOf(t))
	member("tc", kindOf(t))
	b = append(b, '}')
	member("utci", handle)
	return append(b, `}}`...)
}

// kindOf is a kind of test as seals name it. Whether an amplification was a PCR is
// not recorded, so it is not said.
func kindOf(t vaccination.Test) string {
	kind, _ := catalogue.TestType(t.Type.Code)
	return map[string]string{catalogue.NAAT: "molecular", catalogue.RAT: "antigen"}[kind.Key]
}

func resultOf(t vaccination.Test) string {
	result, _ := catalogue.TestResult(t.Result.Code)
	return map[string]string{catalogue.Detected: "positive", catalogue.NotDetected: "negative"}[result.Key]
}

func originOf(t vaccination.Test) string {
	origin, _ := catalogue.TestOrigin(t.Origin.Code)
	return origin.Key
}

// addressOf is an address in one line.
func addressOf(a vaccination.Address) string {
	parts := []string{a.Line1, a.Line2, a.District, a.Region, a.PostCode}
	parts = slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
	return strings.Join(parts, ", ")
}
