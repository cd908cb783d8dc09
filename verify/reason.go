package verify

// Reasons: why a verdict is not Valid. The codes are stable.
const (
	// What was scanned.
	NotACertificate    = "not-a-certificate"
	OneOfSeveral       = "one-of-several" // one code of those that make a certificate
	Damaged            = "damaged"        // a certificate's outer form, not to be read
	TooLarge           = "too-large"      // beyond the bounds of a certificate
	UnsupportedFormat  = "unsupported-format"
	UnsupportedContent = "unsupported-content" // genuine, but nothing that can be read here

	// Who signed.
	NoTrustList      = "no-trust-list"
	UnknownIssuer    = "unknown-issuer"
	BadSignature     = "bad-signature"
	SubjectNotSigned = "subject-not-signed"
	FieldsNotBound   = "fields-not-bound"
	ValuesMoved      = "values-moved"      // moved between fields after signing
	KeyOutOfPeriod   = "key-out-of-period" // not issued within the life of the signer's certificate
	KeyRetired       = "key-retired"       // issued after the key was retired
	KeyNotAllowed    = "key-not-allowed"   // the key may not sign vaccination certificates
	IssuerMismatch   = "issuer-mismatch"   // names another issuer than the key's

	// When.
	NotYetValid = "not-yet-valid"
	Expired     = "expired"
	ClockBehind = "clock-behind" // the clock is earlier than the trust list

	// In which state.
	Superseded    = "superseded"
	Suspended     = "suspended"
	Revoked       = "revoked"
	StatusMissing = "status-unknown"
	StatusStale   = "status-stale"

	Interrupted = "interrupted" // the time allowed was used up

	// Why no code was found in a file.
	NoCodeFound     = "no-code-found"
	FileTooLarge    = "file-too-large"
	FileLocked      = "file-locked"
	FileUnsupported = "file-unsupported"
)

// Warnings: what to do or to know beside the verdict.
const (
	CompareIdentity     = "compare-identity"
	PrintedWords        = "printed-words"
	StatusNotPublishedW = "status-not-published"
	SpecimenW           = "specimen"
	DomesticOnly        = "domestic-only"
	BirthDateUncertain  = "birth-date-uncertain"
	VaccineNotYet       = "vaccine-not-yet-effective"
	VaccineOver         = "vaccine-validity-over"
	TestPositive        = "test-positive"  // it certifies that the agent was found
	TestNoResult        = "test-no-result" // inconclusive, void, or not said
)

// verdicts is the whole law of verdicts: what each reason makes of a statement.
// A statement with several takes the worst, not valid before cannot tell; one
// with none is valid.
func verdicts() map[string]Verdict {
	return map[string]Verdict{
		NotACertificate:    NotValid,
		Damaged:            NotValid,
		OneOfSeveral:       CannotTell,
		TooLarge:           NotValid,
		UnsupportedFormat:  CannotTell,
		UnsupportedContent: CannotTell,
		NoTrustList:        CannotTell,
		UnknownIssuer:      CannotTell,
		BadSignature:       NotValid,
		SubjectNotSigned:   NotValid,
		FieldsNotBound:     CannotTell,
		ValuesMoved:        NotValid,
		KeyOutOfPeriod:     NotValid,
		KeyRetired:         NotValid,
		KeyNotAllowed:      NotValid,
		IssuerMismatch:     NotValid,
		NotYetValid:        NotValid,
		Expired:            NotValid,
		ClockBehind:        CannotTell,
		Superseded:         NotValid,
		Suspended:          NotValid,
		Revoked:            NotValid,
		StatusMissing:      CannotTell,
		StatusStale:        CannotTell,
		Interrupted:        CannotTell,
		NoCodeFound:        CannotTell,
		FileTooLarge:       CannotTell,
		FileLocked:         CannotTell,
		FileUnsupported:    CannotTell,
	}
}

// verdictOf applies [verdicts]. A reason the table does not know makes the
// statement not valid: forgetting a row must never accept a certificate.
func verdictOf(reasons []Note) Verdict {
	if len(reasons) == 0 {
		return Valid
	}
	table := verdicts()
	for _, r := range reasons {
		if table[r.Code] != CannotTell {
			return NotValid
		}
	}
	return CannotTell
}
