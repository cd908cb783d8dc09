package vaccination

import "time"

// Code systems of the codings in a [Certificate] (DDCC implementation guide
// 1.0.1; HL7 terminology for the rest).
const (
	SystemICD11     = "http://id.who.int/icd/release/11/mms"
	SystemSNOMED    = "http://snomed.info/sct"
	SystemCVX       = "http://hl7.org/fhir/sid/cvx"
	SystemISO3166   = "urn:iso:std:iso:3166"
	SystemEUBrand   = "https://ec.europa.eu/health/documents/community-register/html/"
	SystemLOINC     = "http://loinc.org"
	SystemEUDevice  = "https://covid-19-diagnostics.jrc.ec.europa.eu/devices" // rapid antigen tests
	SystemEUOrg     = "https://spor.ema.europa.eu/v1/organisations"
	SystemCatalogue = "https://opendivoc.github.io/catalogue"
)

// SchemaVersion is what certificate.version says: the version of the core data
// set that our certificates follow (DDCC implementation guide 1.0.1).
const SchemaVersion = "1.0.1"

// Coding is a code in a code system with a text to show. An empty Coding means
// "not recorded".
type Coding struct {
	Code    string `json:"code,omitempty"`
	System  string `json:"system,omitempty"`
	Display string `json:"display,omitempty"`
}

// IsZero reports whether c says nothing.
func (c Coding) IsZero() bool { return c == Coding{} }

// Sex is FHIR's administrative-gender: male, female, other or unknown.
type Sex string

// The values of [Sex]; empty means not recorded.
const (
	SexMale    Sex = "male"
	SexFemale  Sex = "female"
	SexOther   Sex = "other"
	SexUnknown Sex = "unknown"
)

// Identifier is a person's number in some register: a national id, a passport.
type Identifier struct {
	// Kind is one of the profile's identity document kinds ("passport",
	// "national-id"), or what the source said, or empty.
	Kind  string `json:"type,omitempty"`
	Value string `json:"value,omitempty"`
}

// IsZero reports whether no identifier was recorded.
func (i Identifier) IsZero() bool { return i == Identifier{} }

// Person is what a certificate says of its holder.
type Person struct {
	Name        string     `json:"name"`
	BirthDate   Date       `json:"birthDate,omitzero"`
	Sex         Sex        `json:"sex,omitempty"`
	Nationality string     `json:"nationality,omitempty"` // ISO 3166-1 alpha-3 where the source gave a code, else as recorded
	Identifier  Identifier `json:"identifier,omitzero"`
}

// Address is a postal address as recorded. It is never part of a certificate
// of ours except as where a facility lies.
type Address struct {
	Line1    string `json:"line1,omitempty"`
	Line2    string `json:"line2,omitempty"`
	District string `json:"district,omitempty"`
	Region   string `json:"region,omitempty"`
	PostCode string `json:"postCode,omitempty"`
	Country  string `json:"country,omitempty"` // ISO 3166-1 alpha-3 where the source gave a code, else as recorded
}

// IsZero reports whether nothing was recorded.
func (a Address) IsZero() bool { return a == Address{} }

// Dose is one vaccination: which product, when, where (DDCCCoreDataSetVS
// element "vaccination"). ValidFrom and ValidUntil are the vaccine's validity,
// never the certificate's.
type Dose struct {
	// Product is the key of the product in catalogue/, empty when it was not
	// recorded or is not ours to know.
	Product       string  `json:"product,omitempty"`
	Vaccine       Coding  `json:"vaccine,omitzero"`
	Brand         Coding  `json:"brand,omitzero"`
	Manufacturer  Coding  `json:"manufacturer,omitzero"`
	MAHolder      Coding  `json:"maholder,omitzero"`
	Disease       Coding  `json:"disease,omitzero"`
	Lot           string  `json:"lot,omitempty"`
	Date          Date    `json:"date,omitzero"`
	ValidFrom     Date    `json:"validFrom,omitzero"`
	ValidUntil    Date    `json:"validUntil,omitzero"`
	Number        int     `json:"dose,omitempty"`       // 1 for the first dose
	Total         int     `json:"totalDoses,omitempty"` // doses expected by the schedule
	Country       Coding  `json:"country,omitzero"`     // ISO 3166-1 alpha-3
	Centre        string  `json:"centre,omitempty"`     // the facility's name
	CentreAddress Address `json:"centreAddress,omitzero"`
	Practitioner  string  `json:"practitioner,omitempty"`
	NextDose      Date    `json:"nextDose,omitzero"`
	// FromEvidence marks a dose that no source of the country reported: it was
	// recorded from papers that the person showed, of a dose given abroad.
	FromEvidence bool `json:"fromEvidence,omitempty"`
}

// Issuer is the public health authority that signs.
type Issuer struct {
	ID      string `json:"id,omitempty"`      // a DID, for ours did:web of the public URL
	Name    string `json:"name,omitempty"`    // as printed
	Country string `json:"country,omitempty"` // ISO 3166-1 alpha-3
}

// Period is the time in which a certificate may be relied on, both ends
// included; whole seconds, UTC. A zero End means no end.
type Period struct {
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
}

// CertificateInfo is the DDCC element "certificate": who certifies, under which
// id, for how long.
type CertificateInfo struct {
	Issuer  Issuer `json:"issuer,omitzero"`
	KeyID   string `json:"kid,omitempty"`     // of the key that signed; set by the codec that decodes
	HCID    string `json:"hcid,omitempty"`    // health certificate id; ours is a UVCI
	Version string `json:"version,omitempty"` // of the core data set: SchemaVersion
	Period  Period `json:"period,omitzero"`   // Start is when it was issued
}

// Certificate is what a credential says: the WHO DDCC core data set, one dose or
// one test of one person, or, as read from others, a recovery in its place. Its
// JSON is the "content" of a verification statement.
type Certificate struct {
	Person
	Info        CertificateInfo `json:"certificate"`
	Vaccination Dose            `json:"vaccination,omitzero"`
	Test        Test            `json:"test,omitzero"`
	Recovery    Recovery        `json:"recovery,omitzero"`
	Programme   string          `json:"programme,omitempty"`
	// Domestic marks a certificate that misses an element the international
	// formats require: it is for use in the issuer's country.
	Domestic bool `json:"domestic,omitempty"`
	// Specimen marks a certificate from a demonstration, never of a real event.
	Specimen bool `json:"specimen,omitempty"`
}

// ID returns the certificate's own id, from its HCID. A certificate of another
// system has an HCID that is none: ok is false.
func (c Certificate) ID() (id CertificateID, ok bool) {
	id, err := ParseCertificateID(c.Info.HCID)
	return id, err == nil
}
