// Package profile is a country's configuration: one folder with profile.yaml,
// loaded and checked before anything starts.
package profile

import (
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
)

// Profile is a country's configuration, checked and immutable.
type Profile struct {
	Name             string
	Country          catalogue.Country
	Issuer           Issuer
	PublicURL        string // "https://certificates.jamaica.example"; --public-url overrides
	TimeZone         *time.Location
	Languages        []string // BCP 47, the first is the default
	PhoneRules       PhoneRules
	Identities       []IdentityKind
	Programmes       map[string]*Programme
	DefaultProgramme string
	SourceProgrammes map[string]string // source → its default programme
	Messages         map[string]Messages
	Theme            Theme
	Catalogue        *catalogue.Catalogue
	Samples          []vaccination.Event // synthetic people for --demo
}

// Issuer is the authority that signs.
type Issuer struct {
	ID   string            // short: "mohw"
	Name map[string]string // language → name as printed
}

// PhoneRules say which numbers a person of the country types.
type PhoneRules struct {
	CountryCode string
	National    []string // regular expressions of national numbers, digits only
	Unreachable string   // "keep" or "refuse"
}

// IdentityKind is a kind of identity document.
type IdentityKind struct {
	Key   string
	Names map[string]string
}

// Programme is a vaccination campaign.
type Programme struct {
	Key        string
	Names      map[string]string
	Disease    string
	Doses      int      // the schedule; 0 = not fixed
	Products   []string // catalogue keys; empty = all of the disease
	Payloads   []string // "ddcc"
	Incomplete string   // "refuse" or "domestic": a record that misses what the international formats require
	ValidYears int      // of the certificate, from issue
	Layout     string   // name of layouts/<name>.yaml
}

// Messages are the texts sent to a person, in one language.
type Messages struct {
	Ready, Corrected, Revoked string // with {link}
}

// Theme is how pages look.
type Theme struct {
	Primary, Accent string // #rrggbb
	Emblem          []byte // SVG
}

// Open reads a shipped profile by name ("jamaica") or a folder.
func Open(nameOrDir string) (*Profile, error) { return &Profile{}, nil }

// Phone returns the E.164 form of a number as a person types it.
func (p *Profile) Phone(text string) (e164 string, err error) { return "", nil }

// Programme returns the programme for a call: key, else that of the source,
// else the default. ok is false when the profile has none of that key.
func (p *Profile) Programme(key, source string) (pr *Programme, ok bool) { return nil, false }
