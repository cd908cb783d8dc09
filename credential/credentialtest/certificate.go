// Package credentialtest draws certificates for the property tests of the signed
// formats, and holds two fixed ones to measure sizes with. All people are
// invented.
package credentialtest

import (
	"bytes"
	"encoding/binary"
	"time"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/vaccination"
)

// Jamaica returns a certificate with every element that the core data set
// requires, with a Latin name.
func Jamaica() vaccination.Certificate {
	return vaccination.Certificate{
		Person: vaccination.Person{
			Name: "Marcia Ann-Louise Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21},
			Sex: vaccination.SexFemale, Nationality: "JAM",
			Identifier: vaccination.Identifier{Kind: "national-id", Value: "123456789"},
		},
		Info: vaccination.CertificateInfo{
			Issuer:  vaccination.Issuer{ID: "did:web:certificates.moh.gov.jm", Name: "Ministry of Health and Wellness, Jamaica", Country: "JAM"},
			HCID:    id(1).UVCI("JM"),
			Version: vaccination.SchemaVersion,
			Period:  vaccination.Period{Start: time.Date(2026, 11, 22, 6, 40, 3, 0, time.UTC), End: time.Date(2027, 11, 22, 6, 40, 3, 0, time.UTC)},
		},
		Vaccination: vaccination.Dose{
			Product:      "comirnaty",
			Vaccine:      vaccination.Coding{Code: "XM0GQ8", System: vaccination.SystemICD11, Display: "COVID-19 mRNA vaccine"},
			Brand:        vaccination.Coding{Code: "XM8NQ0", System: vaccination.SystemICD11, Display: "Comirnaty"},
			Manufacturer: vaccination.Coding{Code: "ORG-100030215", System: vaccination.SystemEUOrg, Display: "BioNTech Manufacturing GmbH"},
			MAHolder:     vaccination.Coding{Code: "ORG-100030215", System: vaccination.SystemEUOrg, Display: "BioNTech Manufacturing GmbH"},
			Disease:      vaccination.Coding{Code: "RA01", System: vaccination.SystemICD11, Display: "COVID-19"},
			Lot:          "PF1234", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30},
			ValidFrom: vaccination.Date{Year: 2021, Month: 11, Day: 30}, ValidUntil: vaccination.Date{Year: 2022, Month: 11, Day: 30},
			Number: 1, Total: 2,
			Country: vaccination.Coding{Code: "JAM", System: vaccination.SystemISO3166, Display: "Jamaica"},
			Centre:  "Falmouth Health Centre", CentreAddress: vaccination.Address{Line1: "Falmouth", District: "Trelawny", Region: "Trelawny", PostCode: "00000", Country: "JAM"},
			Practitioner: "N. Brown",
		},
		Programme: "covid-19",
	}
}

// Tested returns the certificate of a test, with every element that one can have.
func Tested() vaccination.Certificate {
	c := Jamaica()
	where := c.Vaccination
	c.Vaccination = vaccination.Dose{}
	c.Info.HCID, c.Programme = id(3).UVCI("JM"), "covid-19-test"
	c.Info.Period.Start = time.Date(2026, 11, 22, 6, 40, 3, 0, time.UTC)
	c.Info.Period.End = time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC)
	c.Test = vaccination.Test{
		Number:       1,
		Pathogen:     vaccination.Coding{Code: "XN109", System: vaccination.SystemICD11, Display: "SARS-CoV-2"},
		Type:         vaccination.Coding{Code: "2056159157", System: vaccination.SystemICD11, Display: "Rapid antigen test"},
		Brand:        vaccination.Coding{Display: "Panbio COVID-19 Ag Rapid Test"},
		Manufacturer: vaccination.Coding{Code: "1232", System: vaccination.SystemEUDevice, Display: "Abbott Rapid Diagnostics, Panbio COVID-19 Ag Rapid Test"},
		Lot:          "T77", Origin: vaccination.Coding{Code: "JAM.AH.XF", System: vaccination.SystemICD11, Display: "Nasopharyngeal"},
		Date: time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC), ResultDate: time.Date(2026, 11, 21, 14, 25, 0, 0, time.UTC),
		Result:  vaccination.Coding{Code: "QA02", System: vaccination.SystemICD11, Display: "Not detected"},
		Country: where.Country, Centre: where.Centre, CentreAddress: where.CentreAddress, Practitioner: where.Practitioner,
	}
	return c
}

// SriLanka returns a certificate with long names in Sinhala.
func SriLanka() vaccination.Certificate {
	c := Jamaica()
	c.Person = vaccination.Person{
		Name:      "විජේසිංහ මුදියන්සේලාගේ කුමාරිහාමි අනුලා දමයන්ති විජේසිංහ ජයවර්ධන",
		BirthDate: vaccination.Date{Year: 1961, Estimated: true}, Sex: vaccination.SexFemale, Nationality: "LKA",
	}
	c.Info.Issuer = vaccination.Issuer{ID: "did:web:vaccine.health.gov.lk", Name: "Ministry of Health, Sri Lanka", Country: "LKA"}
	c.Info.HCID = id(2).UVCI("LK")
	v := &c.Vaccination
	v.Product = "covishield"
	v.Vaccine = vaccination.Coding{Code: "XM9QW8", System: vaccination.SystemICD11, Display: "COVID-19 vaccine, non-replicating viral vector"}
	v.Brand = vaccination.Coding{Code: "XM97T2", System: vaccination.SystemICD11, Display: "Covishield"}
	v.Manufacturer = vaccination.Coding{Code: "ORG-100001981", System: vaccination.SystemEUOrg, Display: "Serum Institute Of India Private Limited"}
	v.MAHolder = v.Manufacturer
	v.Lot, v.Number = "4120Z026", 2
	v.Country = vaccination.Coding{Code: "LKA", System: vaccination.SystemISO3166, Display: "Sri Lanka"}
	v.Centre = "අනුරාධපුර ශික්ෂණ රෝහල, සෞඛ්\u200dය වෛද්\u200dය නිලධාරී කාර්යාලය"
	v.CentreAddress = vaccination.Address{Line1: "අනුරාධපුර", District: "අනුරාධපුරය", Region: "උතුරු මැද", Country: "LKA"}
	return c
}

// Tamil returns the certificate of SriLanka with a long name in Tamil.
func Tamil() vaccination.Certificate {
	c := SriLanka()
	c.Name = "ஸ்ரீகிருஷ்ணமூர்த்தி பாலசுப்பிரமணியம் மீனாட்சிசுந்தரம் கமலாம்பிகை"
	c.Vaccination.Centre = "யாழ்ப்பாணம் போதனா வைத்தியசாலை, சுகாதார வைத்திய அதிகாரி பணிமனை"
	return c
}

func id(n uint64) vaccination.CertificateID {
	seed := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15)
	seed = binary.BigEndian.AppendUint64(seed, n*0xc2b2ae3d27d4eb4f)
	out, err := vaccination.NewCertificateID(vaccination.Bucket(n), bytes.NewReader(seed))
	if err != nil {
		panic(err) // the seed is long enough
	}
	return out
}

// Draw returns a certificate in which anything may be missing but what every
// credential needs: the id, the issuer's id and country, the time of issue.
func Draw(t *rapid.T) vaccination.Certificate {
	// In form C, as everything is that enters a certificate of ours.
	text := rapid.Map(rapid.OneOf(rapid.Just(""), rapid.StringN(1, 12, 60), rapid.SampledFrom([]string{"x", "අනුලා", "ஸ்ரீ", "\"\\\n<>&\u2028", "𝔘𐞀", "1", "1987"})), norm.NFC.String)
	flag := rapid.Bool()
	coding := func(name string) vaccination.Coding {
		if flag.Draw(t, name+" missing") {
			return vaccination.Coding{}
		}
		return vaccination.Coding{Code: text.Draw(t, name), System: text.Draw(t, name), Display: text.Draw(t, name)}
	}
	when := func(name string) time.Time {
		return time.Unix(rapid.Int64Range(1, 4102444800).Draw(t, name), 0).UTC()
	}
	c := vaccination.Certificate{
		Person: vaccination.Person{
			Name: text.Draw(t, "name"), BirthDate: Date(t, "birth date"),
			Sex:         rapid.SampledFrom([]vaccination.Sex{"", vaccination.SexMale, vaccination.SexFemale, vaccination.SexOther, vaccination.SexUnknown}).Draw(t, "sex"),
			Nationality: text.Draw(t, "nationality"),
			Identifier:  vaccination.Identifier{Kind: text.Draw(t, "identifier kind"), Value: text.Draw(t, "identifier")},
		},
		Info: vaccination.CertificateInfo{
			Issuer:  vaccination.Issuer{ID: "did:web:example.org", Name: text.Draw(t, "issuer"), Country: rapid.SampledFrom([]string{"JAM", "LKA", "IND", "PHL"}).Draw(t, "issuer country")},
			Version: text.Draw(t, "version"),
			Period:  vaccination.Period{Start: when("start")},
		},
		Vaccination: vaccination.Dose{
			Product: text.Draw(t, "product"), Vaccine: coding("vaccine"), Brand: coding("brand"), Manufacturer: coding("manufacturer"),
			MAHolder: coding("maholder"), Disease: coding("disease"), Lot: text.Draw(t, "lot"), Date: Date(t, "date"),
			ValidFrom: Date(t, "valid from"), ValidUntil: Date(t, "valid until"),
			Number: rapid.IntRange(0, 9).Draw(t, "dose"), Total: rapid.IntRange(0, 9).Draw(t, "total"), Country: coding("country"),
			Centre: text.Draw(t, "centre"), Practitioner: text.Draw(t, "practitioner"), NextDose: Date(t, "next dose"),
			FromEvidence: flag.Draw(t, "from evidence"),
		},
		Programme: text.Draw(t, "programme"), Domestic: flag.Draw(t, "domestic"), Specimen: flag.Draw(t, "specimen"),
	}
	c.Info.HCID = id(rapid.Uint64().Draw(t, "id") % 1024).UVCI("JM")
	if flag.Draw(t, "ends") {
		c.Info.Period.End = when("end")
	}
	if flag.Draw(t, "address") {
		c.Vaccination.CentreAddress = vaccination.Address{
			Line1: text.Draw(t, "line 1"), Line2: text.Draw(t, "line 2"), District: text.Draw(t, "district"),
			Region: text.Draw(t, "region"), PostCode: text.Draw(t, "post code"), Country: text.Draw(t, "country"),
		}
	}
	return c
}

// DrawTest is [Draw] with a test, of which anything may be missing but its date.
func DrawTest(t *rapid.T) vaccination.Certificate {
	c := Draw(t)
	d := c.Vaccination
	c.Vaccination = vaccination.Dose{}
	c.Test = vaccination.Test{
		Number: d.Number, Pathogen: d.Disease, Type: d.Vaccine, Brand: d.Brand, Manufacturer: d.Manufacturer, Lot: d.Lot, Origin: d.MAHolder,
		Country: d.Country, Centre: d.Centre, CentreAddress: d.CentreAddress, Practitioner: d.Practitioner,
		Date: time.Unix(rapid.Int64Range(1, 4102444800).Draw(t, "sample"), 0).UTC(),
	}
	if rapid.Bool().Draw(t, "a result") {
		c.Test.Result = vaccination.Coding{Code: rapid.SampledFrom([]string{"RA01.0", "QA02", "void"}).Draw(t, "result"), System: vaccination.SystemICD11}
		c.Test.ResultDate = time.Unix(rapid.Int64Range(1, 4102444800).Draw(t, "result date"), 0).UTC()
	}
	return c
}

// Date draws a date of any precision.
func Date(t *rapid.T, name string) vaccination.Date {
	d := vaccination.Date{Year: rapid.IntRange(1, 9999).Draw(t, name), Month: time.Month(rapid.IntRange(1, 12).Draw(t, name)), Day: rapid.IntRange(1, 28).Draw(t, name)}
	d.Estimated = rapid.Bool().Draw(t, name+" estimated")
	switch rapid.IntRange(0, 3).Draw(t, name+" precision") {
	case 0:
		return vaccination.Date{}
	case 1:
		d.Month, d.Day = 0, 0
	case 2:
		d.Day = 0
	}
	return d
}
