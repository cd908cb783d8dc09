package profile

// document is the form of profile.yaml. Every key is explained in
// docs/new-country.md; a test compares the two.
type document struct {
	Country      string                    `yaml:"country"`
	Issuer       issuerDocument            `yaml:"issuer"`
	PublicURL    string                    `yaml:"publicUrl"`
	TimeZone     string                    `yaml:"timeZone"`
	Languages    []string                  `yaml:"languages"`
	Phone        phoneDocument             `yaml:"phone"`
	Identities   []IdentityKind            `yaml:"identities"`
	OtherFactor  string                    `yaml:"otherFactor"`
	Citizens     *CitizenIdentity          `yaml:"citizenIdentity"`
	IdentityInQR bool                      `yaml:"identityInQr"`
	Programmes   map[string]*programmeYAML `yaml:"programmes"`
	Default      string                    `yaml:"defaultProgramme"`
	Sources      map[string]string         `yaml:"sourceProgrammes"`
	DIVOCKey     string                    `yaml:"divocKey"`
	Networks     []string                  `yaml:"networks"`
	ICVPClaim    int                       `yaml:"icvpSubClaim"`
	MaxStatusAge int                       `yaml:"maxStatusAgeHours"`
	KeepRows     *int                      `yaml:"keepWrongRowsDays"`
	CaseHours    *int                      `yaml:"caseHours"`
	GuardianAge  *int                      `yaml:"guardianAge"`
	Messages     map[string]Messages       `yaml:"messages"`
	Messaging    messagingDocument         `yaml:"messaging"`
	Theme        themeDocument             `yaml:"theme"`
	Retention    retentionYAML             `yaml:"retention"`
	Alarms       alarmsYAML                `yaml:"alarms"`
	Privacy      privacyYAML               `yaml:"privacy"`
}

type issuerDocument struct {
	ID   string            `yaml:"id"`
	Name map[string]string `yaml:"name"`
}

type phoneDocument struct {
	CountryCode string   `yaml:"countryCode"`
	Trunk       string   `yaml:"trunk"`
	National    []string `yaml:"national"`
	Shared      string   `yaml:"shared"`
	Example     string   `yaml:"example"`
	Unreachable string   `yaml:"unreachable"`
}

type programmeYAML struct {
	Kind                string            `yaml:"kind"`
	Names               map[string]string `yaml:"names"`
	Disease             string            `yaml:"disease"`
	Doses               int               `yaml:"doses"`
	Products            []string          `yaml:"products"`
	Payloads            []string          `yaml:"payloads"`
	Incomplete          string            `yaml:"incomplete"`
	ValidYears          int               `yaml:"validYears"`
	ValidFromDays       int               `yaml:"validFromDays"`
	ValidHours          int               `yaml:"validHours"`
	RecoveryFromAntigen bool              `yaml:"recoveryFromAntigen"`
	Contact             *contactYAML      `yaml:"contact"`
	Layout              string            `yaml:"layout"`
}

type contactYAML struct {
	Phone string `yaml:"phone"`
	Email string `yaml:"email"`
}

type themeDocument struct {
	Primary string `yaml:"primary"`
	Accent  string `yaml:"accent"`
	Emblem  string `yaml:"emblem"`
}
