package vaccination

// Event is what a source says happened: this person got this dose, or was tested
// with this result. It becomes a [Certificate] when it is issued; what is in Contact and Address is kept to
// reach the person and never signed.
type Event struct {
	// Programme is the profile's key of the vaccination campaign. Empty means
	// the source's or the profile's default.
	Programme string `json:"programme,omitempty"`
	// EnrolmentCode is the source's lasting name for the person in the
	// programme (DIVOC: preEnrollmentCode). Programme, enrolment code and number
	// of the dose, or of the test, together name one record.
	EnrolmentCode string `json:"enrolmentCode"`
	Person        Person `json:"person"`
	// Contacts are how to reach the person, as URIs: "tel:+18765550142" in
	// E.164, "mailto:…".
	Contacts    []string `json:"contacts,omitempty"`
	Address     Address  `json:"address,omitzero"`
	Vaccination Dose     `json:"vaccination,omitzero"`
	// Test is in place of a dose, in a programme that certifies tests.
	Test Test `json:"test,omitzero"`
}
