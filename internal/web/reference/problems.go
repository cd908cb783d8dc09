package reference

// problems are what errors mean to a client: status, code, what to do.
func problems() [][3]string {
	return [][3]string{
		{"400", "invalid", "The body is not what it says it is, such as broken JSON. Mend it; the same again fails again."},
		{"401", "unauthorized", "No token, or one that is unknown, expired or revoked. Ask for a new one."},
		{"403", "forbidden", "The token may not do this."},
		{"404", "not-found", "There is no such thing, or it is not this source’s to see."},
		{"405", "not-allowed", "The path exists and is asked otherwise: the header Allow names the methods."},
		{"409", "conflict", "The record is certified with other content; faults names the fields. Send a correction to change it."},
		{"410", "revoked", "The record was revoked. Only other content, or a re-issue by an administrator, makes a new certificate."},
		{"413", "too-large", "More than is taken at once: send it in parts, or as a file."},
		{"422", "invalid", "Something in the records is wrong; faults names every field. Mend it; the same again fails again."},
		{"429", "too-many", "Too much at once: wait for as long as Retry-After says."},
		{"500", "internal", "A fault on our side, which is in the log. Try again, and tell those who run the service if it stays."},
		{"503", "unavailable", "Not just now: send the same again in a moment. What was done already is not done twice."},
	}
}
