package render

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/emblem"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/vaccination"
)

// All people here are made up.

func renderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := New(nil)
	if err != nil {
		t.Skipf("the fonts are not there: %v", err)
	}
	return r
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// shipped is the emblem of a country's profile.
func shipped(country string) *Emblem {
	svg, err := fs.ReadFile(profiles.FS, country+"/emblem.svg")
	if err != nil {
		panic(err)
	}
	d, err := emblem.Parse(svg)
	if err != nil {
		panic(err)
	}
	e, err := NewEmblem(d)
	if err != nil {
		panic(err)
	}
	return e
}

func hcid(country string, n byte) string {
	var id vaccination.CertificateID
	for i := range id {
		id[i] = byte(i)*17 + n
	}
	return id.UVCI(country)
}

const sampleQR = "HC1:6BFOXN%TS3DH0YOJ58S S-W5HDC *M0II5XHC9B5G2+$N IOP-IA%NFQGRJPC%OQHIZC4.OI1RM8ZA.A5:S9MKN4NN3F85QNCY0O%0VZ001HOC9JU0D0HT0HB2PL/IB*09B9LW4T*8+DCMH0LDK2%K:XFE70*LP$V25$0Q:J:4MO1P0%0L0HD+9E/HY+4J6TH48S%4K.GJ2PT3QY:GQ3TE2I+-CPHN6D7LLK*2HG%89UV-0LZ 2ZJJ524-LH/CJTK96L6SR9MU9DHGZ%P WUQRENS431T1XCNCF+47AY0-IFO0500TGPN8F5G.41Q2E4T8ALW.INSV$ 07UV5SR+BNQHNML7 /KD3TU 4V*CAT3ZGLQMI/XI%ZJNSBBXK2:UG%UJMI:TU+MMPZ5$/PMX19UE:-PSR3/$NU44CBE6DQ3D7B0FBOFX0DV2DGMB$YPF62I$60/F$Z2I6IFX21XNI-LM%3/DF/U6Z9FEOJVRLVW6K$UG+BKK57:1+D10%4K83F+1VWD1NE"

func jamaica() Document {
	dose := vaccination.Dose{
		Product: "astrazeneca", Vaccine: vaccination.Coding{Code: "XM9QW8", Display: "COVID-19 vaccine, non-replicating viral vector"},
		Brand: vaccination.Coding{Display: "Vaxzevria"}, MAHolder: vaccination.Coding{Display: "AstraZeneca AB"}, Manufacturer: vaccination.Coding{Display: "AstraZeneca AB"},
		Disease: vaccination.Coding{Code: "RA01", Display: "COVID-19"}, Lot: "ABV7764", Date: date("2021-04-09"), Number: 1, Total: 2,
		Country: vaccination.Coding{Code: "JAM", Display: "Jamaica"}, Centre: "Saint Jago Park Health Centre",
		CentreAddress: vaccination.Address{Line1: "Burke Road", District: "Spanish Town", Region: "Saint Catherine"}, Practitioner: "Nurse M. Example",
	}
	c := vaccination.Certificate{
		Person: vaccination.Person{
			Name: "Shanice Alicia Brown-Campbell", BirthDate: date("1987-04-21"), Sex: vaccination.SexFemale,
			Identifier: vaccination.Identifier{Kind: "passport", Value: "A0000001"},
		},
		Info: vaccination.CertificateInfo{
			Issuer: vaccination.Issuer{Name: "Ministry of Health & Wellness", Country: "JAM"}, HCID: hcid("JM", 1), Version: vaccination.SchemaVersion,
			Period: vaccination.Period{Start: time.Date(2021, 7, 2, 3, 4, 5, 0, time.UTC), End: time.Date(2031, 7, 2, 3, 4, 5, 0, time.UTC)},
		},
		Vaccination: dose, Programme: "covid-19",
	}
	second := c
	second.Vaccination.Number, second.Vaccination.Date, second.Vaccination.Lot = 2, date("2021-07-01"), "ABW1234"
	second.Info.HCID = hcid("JM", 2)
	return Document{
		Doses: []vaccination.Certificate{c, second}, Latest: 1, QR: sampleQR,
		Profile: Profile{
			Issuer: map[string]string{"en": "Ministry of Health & Wellness, Jamaica"}, Country: "JM", Emblem: shipped("jamaica"), Programme: map[string]string{"en": "COVID-19"},
			Languages: []string{"en"}, TimeZone: time.FixedZone("Jamaica", -5*3600), PublicURL: "https://vaccines.example.gov.jm",
			ProductName: func(string, string) string { return "Vaxzevria (ChAdOx1-S)" },
			IdentityName: func(kind, _ string) string {
				return map[string]string{"passport": "Passport", "national-id": "National ID"}[kind]
			},
			Layout: Layout{Accent: "#00573f"},
		},
	}
}

func sriLanka() Document {
	dose := vaccination.Dose{
		Product: "bbibp-corv", Vaccine: vaccination.Coding{Code: "XM1NL1", Display: "COVID-19 vaccine, inactivated virus"},
		Brand: vaccination.Coding{Display: "BBIBP-CorV"}, Manufacturer: vaccination.Coding{Display: "Beijing Institute of Biological Products"},
		Disease: vaccination.Coding{Code: "RA01", Display: "COVID-19"}, Lot: "2021040112", Date: date("2021-07-12"), Number: 1, Total: 2,
		Country: vaccination.Coding{Code: "LKA", Display: "Sri Lanka"}, Centre: "දිස්ත්‍රික් මූලික රෝහල, හෝමාගම",
		CentreAddress: vaccination.Address{Line1: "District Base Hospital", Line2: "Katuwana Road", District: "Homagama", Region: "Western Province", PostCode: "10200"},
	}
	c := vaccination.Certificate{
		Person: vaccination.Person{
			Name: "වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත චන්ද්‍රසිරි බණ්ඩාර", BirthDate: date("1964~"), Sex: vaccination.SexMale,
			Identifier: vaccination.Identifier{Kind: "national-id", Value: "196400000001"},
		},
		Info: vaccination.CertificateInfo{
			Issuer: vaccination.Issuer{Name: "Ministry of Health", Country: "LKA"}, HCID: hcid("LK", 3), Version: vaccination.SchemaVersion,
			Period: vaccination.Period{Start: time.Date(2022, 1, 10, 3, 4, 5, 0, time.UTC)},
		},
		Vaccination: dose, Programme: "covid-19",
	}
	second := c
	second.Vaccination.Number, second.Vaccination.Date, second.Vaccination.Lot = 2, date("2021-08"), ""
	second.Vaccination.ValidFrom, second.Vaccination.ValidUntil = date("2021-08-15"), date("2022-05-10")
	second.Vaccination.Centre, second.Vaccination.CentreAddress = "யாழ்ப்பாணம் போதனா வைத்தியசாலை", vaccination.Address{District: "Jaffna"}
	second.Info.HCID = hcid("LK", 4)
	return Document{
		Doses: []vaccination.Certificate{c, second}, Latest: 1, QR: sampleQR,
		Profile: Profile{
			Issuer:  map[string]string{"si": "සෞඛ්‍ය අමාත්‍යාංශය, ශ්‍රී ලංකාව", "ta": "சுகாதார அமைச்சு, இலங்கை", "en": "Ministry of Health, Sri Lanka"},
			Country: "LK", Emblem: shipped("sri-lanka"), Programme: map[string]string{"si": "කොවිඩ්-19", "ta": "கோவிட்-19", "en": "COVID-19"},
			Languages: []string{"si", "ta", "en"}, TimeZone: time.FixedZone("Colombo", 5*3600+1800), PublicURL: "https://certificates.example.health.gov.lk",
			ProductName: func(_, lang string) string {
				return map[string]string{"si": "සයිනොෆාම් (BBIBP-CorV)", "ta": "சைனோஃபார்ம் (BBIBP-CorV)", "en": "Sinopharm (BBIBP-CorV)"}[lang]
			},
			IdentityName: func(_, lang string) string {
				return map[string]string{"si": "ජාතික හැඳුනුම්පත", "ta": "தேசிய அடையாள அட்டை", "en": "National identity card"}[lang]
			},
			Layout: Layout{Accent: "#7a1f2b"},
		},
	}
}

// hard is a page of all that could break one.
func hard() Document {
	d := sriLanka()
	c := d.Doses[0]
	c.Name = strings.Repeat("වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත ", 4)
	c.BirthDate = vaccination.Date{}
	c.Specimen, c.Domestic = true, true
	d.Doses = nil
	for i := range 12 {
		dose := c
		dose.Vaccination.Number, dose.Vaccination.Total = i+1, 3
		dose.Vaccination.Lot = strings.Repeat("LOT", i+1)
		dose.Vaccination.NextDose = date("2022-02-01")
		dose.Vaccination.Practitioner = "Dr. K. Example"
		if i%3 == 2 {
			dose.Vaccination = vaccination.Dose{Number: i + 1, Date: date("2021~")}
		}
		dose.Info.HCID = hcid("LK", byte(10+i))
		d.Doses = append(d.Doses, dose)
	}
	d.Latest = 11
	return d
}

func samples() map[string]Document {
	specimen := jamaica()
	for i := range specimen.Doses {
		specimen.Doses[i].Specimen = true
	}
	// A usual page of three languages, for one who looks at the samples.
	usual := sriLanka()
	for i := range usual.Doses {
		c := &usual.Doses[i]
		c.Name, c.BirthDate = "චන්ද්‍රසිරි බණ්ඩාර", date("1964-05-17")
		c.Info.Period.End = c.Info.Period.Start.AddDate(10, 0, 0)
		c.Vaccination.Date, c.Vaccination.Lot = date("2021-08-15"), "2021040112"
		c.Vaccination.ValidFrom, c.Vaccination.ValidUntil = vaccination.Date{}, vaccination.Date{}
	}
	usual.Profile.Layout.QR = 60
	bare := jamaica()
	bare.Profile.Emblem = nil // a ring with the country's code
	bare.Doses = []vaccination.Certificate{{Domestic: true, Person: vaccination.Person{Name: "A"}}}
	bare.Latest, bare.QR = 0, ""
	return map[string]Document{"jamaica": jamaica(), "sri-lanka": sriLanka(), "usual": usual, "hard": hard(), "specimen": specimen, "bare": bare}
}

func ExampleText() {
	fmt.Println(Text{{Lang: "si", Text: "නම"}, {Lang: "ta", Text: "பெயர்"}, {Lang: "en", Text: "Name"}})
	// Output: නම / பெயர் / Name
}
