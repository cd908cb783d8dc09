package verify

import (
	"encoding/json"
	"time"

	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

// Verdict is the one answer of a [Statement].
type Verdict string

// The verdicts. Nothing lies between them.
const (
	Valid      Verdict = "valid"       // authentic, in date, not withdrawn
	NotValid   Verdict = "not-valid"   // forged, expired, not yet valid, withdrawn, or no certificate
	CannotTell Verdict = "cannot-tell" // what is needed to say either is missing
)

// ExitCode is the verdict as the exit status of a command: 0 valid, 1 not
// valid, 2 cannot tell.
func (v Verdict) ExitCode() int {
	switch v {
	case Valid:
		return 0
	case CannotTell:
		return 2
	default:
		return 1
	}
}

// The formats a Statement names.
const (
	FormatUnknown  = "unknown"
	FormatHCERT    = "hcert"           // a COSE health certificate whose content was not told apart
	FormatDDCC     = "hcert-ddcc"      // HCERT with a WHO DDCC core data set
	FormatDomestic = "hcert-domestic"  // HCERT with our own sub-claim, for use in the issuer's country
	FormatDDCCTest = "hcert-ddcc-test" // HCERT with a WHO DDCC test result
	FormatEUDCC    = "eu-dcc"          // HCERT with an EU digital COVID certificate
	FormatICVP     = "icvp"            // HCERT with WHO's certificate of vaccination or prophylaxis
	FormatSHC      = "shc"             // SMART Health Card
	FormatVDS      = "vds-nc"          // ICAO's seal for health certificates
	FormatVC       = "vc"              // W3C Verifiable Credential
	FormatDIVOC    = "divoc"           // DIVOC's own credential
)

// What a Statement says of the status, beside the states of
// [vaccination.Status].
const (
	// StatusUnknown: the issuer publishes states, but this one could not be
	// learnt; or nothing was found out because the text is not authentic.
	StatusUnknown vaccination.Status = "unknown"
	// StatusNotPublished: the issuer publishes no states.
	StatusNotPublished vaccination.Status = "not-published"
)

// Issuer says who signed and under which key. ID and Name come from the trust
// list, never from the certificate, and are empty for an unknown signer; Key is
// then what the certificate claims.
type Issuer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Note is a reason or a warning: a stable code and one sentence, in the
// language asked for, that says what to do.
type Note struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Statement is the result of a verification.
type Statement struct {
	Verdict Verdict            `json:"verdict"`
	Format  string             `json:"format"`
	Issuer  Issuer             `json:"issuer"`
	Status  vaccination.Status `json:"status"`
	// StatusAsOf is when Status was true.
	StatusAsOf time.Time `json:"statusAsOf,omitzero"`
	// ValidFrom and ValidUntil are the time in which the certificate may be
	// relied on; not the vaccine's validity, which is in Content.
	ValidFrom  time.Time `json:"validFrom,omitzero"`
	ValidUntil time.Time `json:"validUntil,omitzero"`
	Reasons    []Note    `json:"reasons"`  // why the verdict is not Valid; empty otherwise
	Warnings   []Note    `json:"warnings"` // what to do or to know beside the verdict
	// Specimen: issued by a demonstration, certifies nothing.
	Specimen bool `json:"specimen"`
	// Content is what was signed, as the WHO DDCC core data set. It is there
	// only when the signature is genuine and covers it.
	Content *vaccination.Certificate `json:"content,omitempty"`
	// More is what the same signature certifies beside Content, where a format
	// holds several doses or tests.
	More []vaccination.Certificate `json:"more,omitempty"`
	// Accepted is what the rules that were asked say together of a valid
	// certificate, Rules what each says. They change no verdict.
	Accepted rules.Outcome  `json:"accepted,omitempty"`
	Rules    []rules.Result `json:"rules,omitempty"`
}

// Has reports whether a reason or warning of this code is among s's.
func (s Statement) Has(code string) bool {
	for _, list := range [][]Note{s.Reasons, s.Warnings} {
		for _, n := range list {
			if n.Code == code {
				return true
			}
		}
	}
	return false
}

// Statements is the result for one file, which can hold several codes; they are
// never folded into one verdict.
type Statements []Statement

// ExitCode is that of the worst statement: not valid before cannot tell before
// valid. No statement at all is not valid. A valid certificate that the rules
// asked do not accept counts as not valid here, one they leave open as cannot tell.
func (s Statements) ExitCode() int {
	worst := Valid
	for _, st := range s {
		switch {
		case st.Verdict == NotValid, st.Accepted == rules.Failed:
			return NotValid.ExitCode()
		case st.Verdict != Valid, st.Accepted == rules.Open:
			worst = CannotTell
		}
	}
	if len(s) == 0 {
		worst = NotValid
	}
	return worst.ExitCode()
}

// MarshalJSON writes the statement itself when there is one, otherwise
// {"statements": […]}.
func (s Statements) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal(struct {
		Statements []Statement `json:"statements"`
	}{append([]Statement{}, s...)})
}
