// Package profile is a country's configuration: one folder with profile.yaml
// and what belongs to it, loaded and checked before anything starts.
//
// A folder holds
//
//	profile.yaml      everything below; docs/new-country.md explains each key
//	emblem.svg        the country's own drawing, as theme.emblem names it
//	layouts/*.yaml    how a certificate's page is arranged (internal/render)
//	catalogue.json    products the catalogue does not have, optional
//	samples.json      synthetic people for --demo, optional
package profile

import (
	"maps"
	"slices"
	"time"
	_ "time/tzdata" // a country's zone must be known on every machine

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/emblem"
	"github.com/opendivoc/divoc/vaccination"
)

// Profile is a country's configuration, checked and immutable.
type Profile struct {
	Name       string // of the folder: "jamaica"
	Country    catalogue.Country
	Issuer     Issuer
	PublicURL  string // "https://certificates.jamaica.example"; --public-url replaces it
	TimeZone   *time.Location
	Languages  []string // BCP 47; the first is the default
	PhoneRules PhoneRules
	Identities []IdentityKind
	// OtherFactor is what a person who asks for a certificate must know beside
	// the code sent to them, where the birth date proves nothing: "dose-date" (of
	// one of their doses), "lot", or "none".
	OtherFactor      string
	CitizenIdentity  *CitizenIdentity // where citizens may sign in beside codes; nil for nowhere
	IdentityInQR     bool             // the person's identity number is part of the QR code
	Programmes       map[string]*Programme
	DefaultProgramme string
	SourceProgrammes map[string]string   // source → the programme of its records that name none
	Messages         map[string]Messages // by language, ours where the profile has none
	Messaging        Messaging           // when messages are sent
	DIVOCKey         string              // of PayloadDIVOC: "rsa" or "ed25519"; "" where no programme has it
	Networks         []string            // which the issuer has joined, see Joined
	ICVPClaim        int                 // number of ICVP's sub-claim in an HCERT; 0 for the usual one
	MaxStatusAge     time.Duration       // older knowledge of a status is "cannot tell"
	CaseTime         time.Duration       // in which a case (a correction that is asked for) is promised to be decided
	GuardianAge      int                 // at which a guardian's telephone reaches a person's certificates no more
	KeepWrongRows    time.Duration       // how long the text of wrong rows of uploads is kept; 0 leaves it to the upload
	Theme            Theme
	Retention        Retention
	Alarms           Alarms
	PrivacyContact   map[string]string // language → whom a person asks about their data, as shown on /privacy; nil for none
	PrivacyAuthority map[string]string // language → to whom they complain; nil for none
	AuditorEmail     string            // who is sent the heads of the audit, "" for nobody
	Erased           string            // what becomes of certificates when their person is erased: [EraseKeep], [EraseRevoke]
	Layouts          map[string][]byte // name → YAML, for internal/render
	Catalogue        *catalogue.Catalogue
	Samples          []vaccination.Event // synthetic people for --demo
}

// Issuer is the authority that signs.
type Issuer struct {
	ID   string            // short, for key names: "mohw"
	Name map[string]string // language → name as printed
}

// IdentityKind is a kind of identity document.
type IdentityKind struct {
	Key   string            `yaml:"key"`
	Names map[string]string `yaml:"names"`
	// Rule is how its numbers are written: "" for any letters and digits,
	// "nic-lk" for Sri Lanka's card, whose number has two forms.
	Rule string `yaml:"rule"`
}

// Programme is a vaccination campaign, or what tests are certified under.
type Programme struct {
	Key string
	// Tests says that the programme certifies results of tests and no doses: then
	// what is said of doses below is empty, and ValidHours is set.
	Tests   bool
	Names   map[string]string
	Disease string // key of the catalogue
	// Doses is how many the schedule expects; it stands in a record that does
	// not say. 0 means that the schedule is open.
	Doses    int
	Products []string // keys of the catalogue; empty means all against Disease
	// Payloads are the forms in which a certificate can be had as a QR code:
	// always PayloadDDCC, and PayloadDIVOC for verifiers that read no other. The
	// first is what DIVOC's own path answers with.
	Payloads []string
	// Incomplete says what happens to a record that misses what the
	// international formats require: "refuse" it, or issue a "domestic" one.
	Incomplete string
	ValidYears int // of a dose's certificate, from its issue
	// ValidFromDays after the dose the vaccine counts, where the record does
	// not say; 0 leaves it open. Yellow fever: 10 (IHR 2005, annex 7).
	ValidFromDays int
	// ValidHours after the sample was taken a test's certificate ends.
	ValidHours int
	// RecoveryFromAntigen: a positive rapid antigen test gives an EU certificate of
	// recovery too, as Delegated Regulation (EU) 2022/256 permits.
	RecoveryFromAntigen bool
	// Contact is whom borders ask about tests of the programme, "" for nobody: then
	// no seals (VDS-NC) are made of them.
	ContactPhone, ContactEmail string
	Layout                     string // name in Profile.Layouts
}

// The payloads of a programme.
const (
	PayloadDDCC  = "ddcc"  // HCERT with the WHO DDCC core data set
	PayloadDIVOC = "divoc" // DIVOC's own credential
)

// The networks in which certificates are recognised abroad.
const (
	NetworkGDHCN = "gdhcn" // WHO's; it took over the EU's keys too
	NetworkSHC   = "shc"   // a directory of SMART Health Card issuers
	NetworkICAO  = "icao"  // ICAO's public key directory
)

// Joined reports whether the issuer has joined a network: until then what it
// issues for it is a pilot, which nobody abroad recognises.
func (p *Profile) Joined(network string) bool { return slices.Contains(p.Networks, network) }

// Offers reports whether the programme's certificates can be had as payload.
func (pr *Programme) Offers(payload string) bool { return slices.Contains(pr.Payloads, payload) }

// Theme is how pages look.
type Theme struct {
	Primary string // #rrggbb, with white text on it
	Accent  string // #rrggbb
	Emblem  []byte // SVG
	Drawing *emblem.Drawing
}

// Programme returns the programme for a call: that of key, else the default of
// source, else the profile's. ok is false when the profile has none of the key.
func (p *Profile) Programme(key, source string) (pr *Programme, ok bool) {
	if key == "" {
		key = p.SourceProgrammes[source]
	}
	if key == "" {
		key = p.DefaultProgramme
	}
	pr, ok = p.Programmes[key]
	return pr, ok
}

// ProgrammeFor is [Profile.Programme] for a record of a test, or of a dose, of no
// source: where no programme is named and the default is none of tests, a test is
// of the only programme that certifies tests.
func (p *Profile) ProgrammeFor(key string, test bool) (pr *Programme, ok bool) {
	pr, ok = p.Programme(key, "")
	if key != "" || !test || ok && pr.Tests {
		return pr, ok
	}
	var only []*Programme
	for _, pr := range p.Programmes {
		if pr.Tests {
			only = append(only, pr)
		}
	}
	if len(only) != 1 {
		return nil, false
	}
	return only[0], true
}

// ProgrammeKeys returns the keys of all programmes, sorted.
func (p *Profile) ProgrammeKeys() []string { return slices.Sorted(maps.Keys(p.Programmes)) }

// IssuerName returns the issuer's name in a language, in the profile's first
// where there is none.
func (p *Profile) IssuerName(lang string) string { return p.name(p.Issuer.Name, lang) }

// ProgrammeName returns a programme's name in a language, in the profile's
// first where there is none, "" when there is no such programme.
func (p *Profile) ProgrammeName(key, lang string) string {
	if pr, ok := p.Programmes[key]; ok {
		return p.name(pr.Names, lang)
	}
	return ""
}

// IdentityName returns the name of a kind of identity document in a language,
// "" for a kind that the profile does not have.
func (p *Profile) IdentityName(kind, lang string) string {
	for _, k := range p.Identities {
		if k.Key == kind {
			return p.name(k.Names, lang)
		}
	}
	return ""
}

func (p *Profile) name(names map[string]string, lang string) string {
	if n := names[lang]; n != "" {
		return n
	}
	return names[p.Languages[0]]
}

// Accepts reports whether a dose of product belongs to the programme.
func (pr *Programme) Accepts(product catalogue.Product) bool {
	return product.Disease == pr.Disease && (len(pr.Products) == 0 || slices.Contains(pr.Products, product.Key))
}

// Complete sets in d what the programme's schedule says and the record does
// not: the number of doses expected, and from when the vaccine counts. It
// invents nothing about the dose itself.
func (pr *Programme) Complete(d *vaccination.Dose) {
	if d.Total == 0 {
		d.Total = pr.Doses
	}
	if first, ok := d.Date.Earliest(); ok && d.ValidFrom.IsZero() && pr.ValidFromDays > 0 && d.Date.Precision() == vaccination.PrecisionDay {
		d.ValidFrom = vaccination.DateOf(first.AddDate(0, 0, pr.ValidFromDays))
	}
}
