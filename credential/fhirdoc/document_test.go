package fhirdoc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

func icd(code string) vaccination.Coding {
	return vaccination.Coding{System: vaccination.SystemICD11, Code: code}
}

// recorded is a certificate that has every element a document has a place for.
func recorded() vaccination.Certificate {
	id, _ := vaccination.ParseCertificateID("13FB6BBKS21CTAP4DP2TN9NA")
	return vaccination.Certificate{
		Person: vaccination.Person{Name: "Ama Reid", BirthDate: vaccination.Date{Year: 1980, Month: 2, Day: 3}, Sex: vaccination.SexFemale, Identifier: vaccination.Identifier{Kind: "passport", Value: "X1"}},
		Info: vaccination.CertificateInfo{
			HCID: id.UVCI("JM"), Issuer: vaccination.Issuer{ID: "did:web:example.org", Name: "Ministry", Country: "JAM"},
			Period: vaccination.Period{Start: time.Date(2021, 6, 2, 10, 0, 0, 0, time.UTC), End: time.Date(2023, 6, 2, 10, 0, 0, 0, time.UTC)},
		},
		Vaccination: vaccination.Dose{
			Vaccine: icd("XM0GQ8"), Brand: icd("XM8NQ0"), Disease: icd("RA01"), Manufacturer: vaccination.Coding{Code: "ORG-1", System: vaccination.SystemEUOrg, Display: "Maker"}, MAHolder: icd("XM8"),
			Lot: "L1", Date: vaccination.Date{Year: 2021, Month: 6, Day: 1}, ValidFrom: vaccination.Date{Year: 2021, Month: 6, Day: 15}, Number: 1, Total: 2,
			Country: vaccination.Coding{System: vaccination.SystemISO3166, Code: "JAM"}, Centre: "Kingston", Practitioner: "N7", NextDose: vaccination.Date{Year: 2021, Month: 7, Day: 1},
		},
	}
}

func written(t *testing.T, c vaccination.Certificate, covid bool) []byte {
	t.Helper()
	data, err := fhirdoc.Write(fhirdoc.Document{Certificate: c, COVID: covid, Code: "HC1:CODE", Image: []byte("picture")})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type document struct {
	ID, Type, Timestamp string
	Identifier          struct{ System, Value string }
	Link                []struct{ Relation, URL string }
	Meta                struct{ Security []struct{ Code string } }
	Entry               []struct {
		FullURL  string
		Resource map[string]any
	}
}

func opened(t *testing.T, data []byte) (d document) {
	t.Helper()
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// A document begins with its Composition, names the certificate, refers to nothing
// outside it, carries the code, and is the same when written again.
func TestDocument(t *testing.T) {
	data := written(t, recorded(), true)
	if !bytes.Equal(data, written(t, recorded(), true)) {
		t.Error("it is another document when written again")
	}
	d := opened(t, data)
	var kinds, urls []string
	for _, e := range d.Entry {
		kinds, urls = append(kinds, e.Resource["resourceType"].(string)), append(urls, e.FullURL)
	}
	if diff := cmp.Diff([]string{"Composition", "Patient", "Organization", "Immunization", "ImmunizationRecommendation", "DocumentReference"}, kinds); diff != "" {
		t.Error(diff)
	}
	hcid := recorded().Info.HCID
	if d.Type != "document" || d.ID != "13FB6BBKS21CTAP4DP2TN9NA" || d.Identifier.Value != hcid || len(d.Link) != 1 || d.Link[0].Relation != "publication" || d.Link[0].URL != hcid || d.Timestamp != "2021-06-02T10:00:00Z" {
		t.Errorf("%+v", d)
	}
	if slices.Sort(urls); len(slices.Compact(urls)) != len(d.Entry) {
		t.Error("two resources have one address")
	}
	rest := string(data)
	for range strings.Count(rest, `"reference":"`) {
		_, after, _ := strings.Cut(rest, `"reference":"`)
		to, _, _ := strings.Cut(after, `"`)
		if rest = after; !slices.Contains(urls, to) {
			t.Errorf("%s is not in the document", to)
		}
	}
	if !strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte("HC1:CODE"))) || !strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte("picture"))) {
		t.Error("the code is not in the document")
	}
}

// What is written is read back as it was certified.
func TestDocumentIsReadBack(t *testing.T) {
	v, err := jcs.Parse(written(t, recorded(), true))
	if err != nil {
		t.Fatal(err)
	}
	all, err := fhirdoc.Read(v)
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	want := recorded()
	want.Info, want.Identifier.Kind = vaccination.CertificateInfo{}, ""
	d := &want.Vaccination // what health cards have no place for
	d.Brand, d.MAHolder, d.Country, d.Practitioner, d.NextDose, d.ValidFrom = vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, "", vaccination.Date{}, vaccination.Date{}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
}

// Nothing stands in a document that the certificate does not say.
func TestDocumentInventsNothing(t *testing.T) {
	c := recorded()
	v := &c.Vaccination
	c.Sex, c.Identifier, c.Info.Issuer.ID, c.Info.Period.End = "", vaccination.Identifier{}, "", time.Time{}
	v.Disease, v.Manufacturer, v.MAHolder, v.Lot, v.ValidFrom, v.Total, v.Practitioner, v.NextDose = vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, "", vaccination.Date{}, 0, "", vaccination.Date{}
	text := string(written(t, c, false))
	for _, name := range []string{"gender", "manufacturer", "lotNumber", "performer", "seriesDoses", "targetDisease", "ImmunizationRecommendation", "MarketAuthorization", "ValidFrom", `"end"`, "primarySource", "HTEST", "COVID-19", "null", `""`} {
		if strings.Contains(text, name) {
			t.Errorf("%s stands in %s", name, text)
		}
	}
	about := vaccination.Date{Year: 2021, Month: 6, Estimated: true}
	c.Vaccination.FromEvidence, c.Specimen, c.Vaccination.ValidFrom, c.Vaccination.NextDose = true, true, about, about
	text = string(written(t, c, true))
	for _, name := range []string{`"primarySource":false`, "HTEST", "COVID-19"} {
		if !strings.Contains(text, name) {
			t.Errorf("%s is not in %s", name, text)
		}
	}
	if strings.Contains(text, "~") {
		t.Error("an estimated date is written")
	}
}

func TestDocumentIsRefusedWithout(t *testing.T) {
	for path, take := range map[string]func(*vaccination.Certificate){
		"name":                     func(c *vaccination.Certificate) { c.Name = "" },
		"birthDate":                func(c *vaccination.Certificate) { c.BirthDate = vaccination.Date{Year: 1980, Estimated: true} },
		"certificate.hcid":         func(c *vaccination.Certificate) { c.Info.HCID = "" },
		"certificate.issuer":       func(c *vaccination.Certificate) { c.Info.Issuer.Name = "" },
		"certificate.period.start": func(c *vaccination.Certificate) { c.Info.Period.Start = time.Time{} },
		"vaccination.vaccine":      func(c *vaccination.Certificate) { c.Vaccination.Vaccine = vaccination.Coding{Display: "a vaccine"} },
		"vaccination.brand":        func(c *vaccination.Certificate) { c.Vaccination.Brand = vaccination.Coding{} },
		"vaccination.date":         func(c *vaccination.Certificate) { c.Vaccination.Date.Estimated = true },
		"vaccination.dose":         func(c *vaccination.Certificate) { c.Vaccination.Number = 0 },
		"vaccination.country":      func(c *vaccination.Certificate) { c.Vaccination.Country = vaccination.Coding{} },
		"vaccination.centre":       func(c *vaccination.Certificate) { c.Vaccination.Centre = "" },
	} {
		c := recorded()
		take(&c)
		if diff := cmp.Diff([]string{path}, fhirdoc.Missing(c)); diff != "" {
			t.Error(diff)
		}
		_, err := fhirdoc.Write(fhirdoc.Document{Certificate: c, Code: "HC1:"})
		if !errors.Is(err, fhirdoc.ErrMissing) || !strings.Contains(err.Error(), path) {
			t.Errorf("without %s: %v", path, err)
		}
	}
}
