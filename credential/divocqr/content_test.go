package divocqr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/vaccination"
)

func TestContent(t *testing.T) {
	type m = map[string]any
	for _, c := range []struct {
		name   string
		change func(doc m)
		get    func(c *divocqr.Credential) any
		want   any
	}{
		{"an age is no date of birth", func(d m) { delete(subjectOf(d), "dob") }, birth, vaccination.Date{}},
		{"a year of birth stays a year", func(d m) { subjectOf(d)["dob"] = "1980" }, birth, vaccination.Date{Year: 1980}},
		{"no date at all", func(d m) { subjectOf(d)["dob"] = "unknown" }, birth, vaccination.Date{}},
		{"an age that is a number", func(d m) { subjectOf(d)["age"] = 41 }, func(c *divocqr.Credential) any { return c.Age() }, "41"},
		{"the identity behind the deployment's DID", func(m) {}, identifier, vaccination.Identifier{Value: "R1234567"}},
		{"an identity with colons", func(d m) { subjectOf(d)["id"] = "did:india:a:b" }, identifier, vaccination.Identifier{Value: "a:b"}},
		{
			"an identity in a register's DID", func(d m) { subjectOf(d)["id"] = "did:in.gov.uidai.aadhaar:2342343334" }, identifier,
			vaccination.Identifier{Kind: "in.gov.uidai.aadhaar", Value: "2342343334"},
		},
		{"no identity, the refId in its place", func(d m) { subjectOf(d)["id"] = "did:india:88812345" }, identifier, vaccination.Identifier{}},
		{"an identity that is an IRI", func(d m) { subjectOf(d)["id"] = "https://id.example/7" }, identifier, vaccination.Identifier{Value: "https://id.example/7"}},
		{"no holder id", func(d m) { delete(subjectOf(d), "id") }, identifier, vaccination.Identifier{}},
		{"the certificate id", func(m) {}, hcid, "123456789"},
		{"a certificate id moved elsewhere", func(d m) { evidenceOf(d)["certificateId"] = "AB-7" }, hcid, "123456789"},
		{"a certificate id that is only the end of the real one", func(d m) { evidenceOf(d)["certificateId"] = "789" }, hcid, "123456789"},
		{"no certificate id", func(d m) { delete(evidenceOf(d), "certificateId") }, hcid, "123456789"},
		{"a certificate id in a query", func(d m) { evidenceOf(d)["id"] = "https://divoc.example/v?id=123456789" }, hcid, "123456789"},
		{"DIVOC had no certificate id", func(d m) {
			delete(evidenceOf(d), "certificateId")
			evidenceOf(d)["id"] = "https://divoc.example/vaccine/undefined"
		}, hcid, ""},
		{"an issuer", func(m) {}, issuer, "https://divoc.example/"},
		{"an issuer outside the signature", func(d m) { d["issuer"] = "CoWIN" }, issuer, ""},
		{"dose numbers as texts", func(d m) { evidenceOf(d)["dose"] = "2" }, doseNumber, 2},
		{"a broken dose number", func(d m) { evidenceOf(d)["dose"] = 1.5 }, doseNumber, 0},
		{"a dose number out of reason", func(d m) { evidenceOf(d)["dose"] = 100 }, doseNumber, 0},
		{"gender", func(m) {}, sex, vaccination.SexFemale},
		{"a gender of no code", func(d m) { subjectOf(d)["gender"] = "F" }, sex, vaccination.Sex("")},
		{"Sri Lanka's sex", func(d m) {
			d["@context"] = []any{w3cV1, "https://divoc.lgcc.gov.lk/credentials/vaccination/v1"}
			delete(subjectOf(d), "gender")
			subjectOf(d)["sex"] = "MALE"
		}, sex, vaccination.SexMale},
		{"a date-time is its date as written", func(d m) { evidenceOf(d)["date"] = "2021-10-17T23:30:28+05:30" }, func(c *divocqr.Credential) any {
			return c.Certificate().Vaccination.Date
		}, vaccination.Date{Year: 2021, Month: 10, Day: 17}},
		{"no facility", func(d m) { delete(evidenceOf(d), "facility") }, func(c *divocqr.Credential) any { return c.Certificate().Vaccination.Centre }, ""},
		{"a country nobody knows", func(m) {}, func(c *divocqr.Credential) any { return c.Certificate().Vaccination.Country }, vaccination.Coding{Display: "country 2"}},
	} {
		doc := sample()
		c.change(doc)
		cred, err := divocqr.Decode(marshal(doc))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, c.get(cred)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func birth(c *divocqr.Credential) any      { return c.Certificate().BirthDate }
func identifier(c *divocqr.Credential) any { return c.Certificate().Identifier }
func hcid(c *divocqr.Credential) any       { return c.Certificate().Info.HCID }
func issuer(c *divocqr.Credential) any     { return c.Certificate().Info.Issuer.ID }
func doseNumber(c *divocqr.Credential) any { return c.Certificate().Vaccination.Number }
func sex(c *divocqr.Credential) any        { return c.Certificate().Sex }
