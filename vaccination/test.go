package vaccination

import "time"

// Test is a test of one person for one agent (DDCCCoreDataSetTR element "test").
type Test struct {
	Pathogen     Coding    `json:"pathogen,omitzero"` // the agent looked for, or the disease it causes
	Type         Coding    `json:"type,omitzero"`     // of the test: NAAT, rapid antigen
	Brand        Coding    `json:"brand,omitzero"`
	Manufacturer Coding    `json:"manufacturer,omitzero"`
	Origin       Coding    `json:"origin,omitzero"` // of the sample
	Date         time.Time `json:"date,omitzero"`   // of the sample's collection; midnight UTC where only a day is known
	Result       Coding    `json:"result,omitzero"`
	Centre       string    `json:"centre,omitempty"`
	Country      Coding    `json:"country,omitzero"`
}

// IsZero reports whether there is no test.
func (t Test) IsZero() bool { return t == Test{} }

// Recovery says that a person had a disease and is over it (EU DCC, group "r").
type Recovery struct {
	Disease       Coding `json:"disease,omitzero"`
	FirstPositive Date   `json:"firstPositive,omitzero"` // of the first positive NAAT
	Country       Coding `json:"country,omitzero"`
	ValidFrom     Date   `json:"validFrom,omitzero"`
	ValidUntil    Date   `json:"validUntil,omitzero"`
}

// IsZero reports whether there is no recovery.
func (r Recovery) IsZero() bool { return r == Recovery{} }
