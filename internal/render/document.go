package render

import (
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Document is what one page is made from: all current doses of a person in a
// programme, and which of them the QR code on the page certifies.
type Document struct {
	// Doses are the current certificates, one per dose, ordered by dose number.
	Doses []vaccination.Certificate
	// Latest is the index in Doses of the certificate whose QR and HCID are shown.
	Latest int
	// QR is the text of the QR code, encoded at level M. Empty prints a page
	// without a code that says so.
	QR string
	// Created goes into the PDF's metadata. Zero means the issue date of Latest.
	Created time.Time
	// Languages on the page, first one first; empty means Profile.Languages.
	Languages []string
	Profile   Profile
	// Size is the paper, Copy which print of the certificate it is: nil prints
	// nothing of it.
	Size Size
	Copy *Copy
}

// Profile is what a page needs to know of the country and its programme.
// Names are by language ("si"), falling back to "en".
type Profile struct {
	Issuer    map[string]string // the public health authority
	Country   string            // issuer's ISO 3166-1 alpha-2, where there is no emblem
	Emblem    *Emblem           // nil prints a ring with the country
	Programme map[string]string // goes into the title: "COVID-19"
	Languages []string
	TimeZone  *time.Location // nil means UTC
	PublicURL string         // where to verify, without "/verify"
	Layout    Layout         // zero means DefaultLayout

	// ProductName names a product of the catalogue; "" leaves it to the coding.
	ProductName func(key, lang string) string
	// IdentityName names a kind of identity document; "" or nil shows the kind as it is.
	IdentityName func(kind, lang string) string
	// CountryName names a country by its alpha-3 code; "" or nil leaves it to the coding.
	CountryName func(alpha3, lang string) string
}
