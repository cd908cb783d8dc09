package pack

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/vaccination"
)

// sampler makes the parts of invented certificates, the same ones for a seed.
type sampler struct {
	r        *rand.Rand
	products []catalogue.Product
}

func newSampler(seed uint64) *sampler {
	c, err := catalogue.Load()
	if err != nil {
		panic(err)
	}
	return &sampler{rand.New(rand.NewPCG(seed, 1)), c.Products("")}
}

// noise stands for signatures and keys.
type noise struct{ r *rand.Rand }

func (n noise) bytes(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(n.r.Uint32())
	}
	return b
}

type docSigner struct {
	noise
	id string
}

func (s docSigner) ID() string                  { return s.id }
func (s docSigner) Sign([]byte) ([]byte, error) { return s.bytes(64), nil }

type codeSigner struct {
	noise
	kid []byte
}

func (s codeSigner) KeyID() []byte               { return s.kid }
func (s codeSigner) Sign([]byte) ([]byte, error) { return s.bytes(64), nil }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (s *sampler) date(from, years int) vaccination.Date {
	return vaccination.Date{Year: from + s.r.IntN(years), Month: time.Month(1 + s.r.IntN(12)), Day: 1 + s.r.IntN(28)}
}

// country is what differs by issuer; a dictionary must serve issuers that it
// has never seen.
type country struct {
	alpha2, alpha3, name, host, issuer, phone string
	given, family, places                     []string
}

func countries() []country {
	return []country{
		{"JM", "JAM", "Jamaica", "certificates.moh.gov.jm", "Ministry of Health and Wellness, Jamaica", "+1876", strings.Fields("Marcia Andre Devon Shelly Tashana Ricardo Kerry-Ann Ann-Louise Omar Patrice"), strings.Fields("Campbell Brown Williams Grant Johnson Reid Clarke Gordon Morgan"), []string{"Falmouth", "Kingston", "Mandeville", "Montego Bay", "Spanish Town"}},
		{"LK", "LKA", "Sri Lanka", "vaccine.health.gov.lk", "Ministry of Health, Sri Lanka", "+9471", strings.Fields("අනුලා කුමාරිහාමි දමයන්ති නිමල් සුනිල් චාමරී ප්\u200dරියන්ත Nimal Kumari Ajith மீனாட்சி பாலசுப்பிரமணியம்"), strings.Fields("විජේසිංහ ජයවර්ධන පෙරේරා සිල්වා ප්\u200dරනාන්දු Perera Fernando கிருஷ்ணமூர்த்தி"), []string{"Colombo", "Anuradhapura", "අනුරාධපුරය", "Jaffna", "Galle"}},
		{"PH", "PHL", "Philippines", "vaxcert.doh.gov.ph", "Department of Health", "+6391", strings.Fields("Maria Jose Juan Angel Rosa Mark"), strings.Fields("Santos Reyes Cruz Bautista Garcia"), []string{"Manila", "Cebu City", "Davao City"}},
		{"GH", "GHA", "Ghana", "certs.ghs.gov.gh", "Ghana Health Service", "+23324", strings.Fields("Kwame Ama Kofi Abena Yaw Esi"), strings.Fields("Mensah Owusu Boateng Asante"), []string{"Accra", "Kumasi", "Tamale"}},
	}
}

// nowhere is an issuer of which nothing is known.
func nowhere() country {
	return country{"UG", "UGA", "-", "example.org", "-", "+999", []string{"-"}, []string{"-"}, []string{"-"}}
}

// record returns the parts of one certificate: event, credential, code.
func (s *sampler) record(of country) [][]byte {
	r, n := s.r, noise{s.r}
	p := pick(r, s.products...)
	var e vaccination.Event
	e.EnrolmentCode = fmt.Sprintf("%08d", r.IntN(1e8))
	e.Person = vaccination.Person{
		Name: pick(r, of.given...) + " " + pick(r, of.given...) + " " + pick(r, of.family...), BirthDate: s.date(1930, 85),
		Sex: pick(r, vaccination.SexMale, vaccination.SexFemale), Nationality: of.alpha3,
		Identifier: vaccination.Identifier{Kind: pick(r, "national-id", "passport"), Value: fmt.Sprintf("%09d", r.IntN(1e9))},
	}
	e.Contacts = []string{fmt.Sprintf("tel:%s%07d", of.phone, r.IntN(1e7))}
	place := pick(r, of.places...)
	e.Address = vaccination.Address{Line1: fmt.Sprintf("%d Main Street", r.IntN(200)), District: place, Region: place, PostCode: fmt.Sprintf("%05d", r.IntN(1e5)), Country: of.alpha3}
	d := &e.Vaccination
	p.Fill(d)
	e.Programme = d.Disease.Display
	if p.Disease != "" {
		e.Programme = p.Disease
	}
	d.Lot = strings.ToUpper(base32.StdEncoding.EncodeToString(n.bytes(4)))[:6]
	d.Date = s.date(2021, 6)
	d.ValidFrom = d.Date
	if r.IntN(2) == 0 {
		d.ValidUntil = vaccination.Date{Year: d.Date.Year + 1, Month: d.Date.Month, Day: d.Date.Day}
	}
	d.Number, d.Total = 1+r.IntN(3), 2
	d.Country = vaccination.Coding{Code: of.alpha3, System: vaccination.SystemISO3166, Display: of.name}
	d.Centre = place + pick(r, " Health Centre", " Hospital", " Clinic")
	d.CentreAddress = vaccination.Address{Line1: place, District: place, Region: place, PostCode: "00000", Country: of.alpha3}
	d.Practitioner = pick(r, of.given...) + " " + pick(r, of.family...)

	start := time.Unix(1790000000+int64(r.IntN(1e8)), 0).UTC()
	id, err := vaccination.NewCertificateID(vaccination.Bucket(r.IntN(1024)), bytes.NewReader(n.bytes(15)))
	if err != nil {
		panic(err)
	}
	did := "did:web:" + of.host
	c := vaccination.Certificate{Person: e.Person, Vaccination: *d, Programme: e.Programme, Info: vaccination.CertificateInfo{
		Issuer: vaccination.Issuer{ID: did, Name: of.issuer, Country: of.alpha3}, HCID: id.UVCI(of.alpha2), Version: vaccination.SchemaVersion,
		Period: vaccination.Period{Start: start, End: start.AddDate(2, 0, 0)},
	}}
	index := uint32(r.IntN(vc.ListSize))
	status := []vc.StatusEntry{
		{Purpose: "revocation", List: "https://" + of.host + "/status/revocation/0", Index: index},
		{Purpose: "suspension", List: "https://" + of.host + "/status/suspension/0", Index: index},
	}
	event, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	// One key per country.
	fixed := noise{rand.New(rand.NewPCG(uint64(of.alpha2[0])<<8|uint64(of.alpha2[1]), 9))}
	key := docSigner{n, did + "#" + vc.EncodeKey(ed25519.PublicKey(fixed.bytes(32)))}
	document, err := vc.Issue(c, status, key, start)
	if err != nil {
		panic(err)
	}
	kind := hcert.DDCC
	if len(hcert.Missing(c, kind)) > 0 {
		kind = hcert.Domestic
	}
	code, err := hcert.Encode(c, kind, codeSigner{n, fixed.bytes(8)}, hcert.Centre)
	if err != nil {
		panic(err)
	}
	return [][]byte{event, document, code}
}
