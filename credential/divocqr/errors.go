package divocqr

import (
	"errors"
	"strings"
)

// The kinds of failure. Errors wrap one of them; their texts name members of
// the format, never values.
var (
	// ErrNotDIVOC: the input is no DIVOC certificate at all.
	ErrNotDIVOC = errors.New("not a DIVOC certificate")
	// ErrTooLarge: a bound on size, depth or work was reached.
	ErrTooLarge = errors.New("larger than any DIVOC certificate")
	// ErrMalformed: it is meant to be one, and is damaged or put together wrongly.
	ErrMalformed = errors.New("malformed DIVOC certificate")
	// ErrUnsupported: a form of DIVOC credential that is not read here, such as a
	// context nobody vouches for.
	ErrUnsupported = errors.New("unsupported form of DIVOC certificate")
	// ErrSignature: the signature is not of this key over this credential.
	ErrSignature = errors.New("the signature does not verify")
	// ErrSubjectNotSigned: the signature verifies, yet does not cover the
	// holder's data, which anyone can have changed.
	ErrSubjectNotSigned = errors.New("the signature does not cover the holder's data")
	// ErrCannotCarry: what a certificate says has no place in the format, or does
	// not fit into a code. Its text names the element.
	ErrCannotCarry = errors.New("a DIVOC certificate cannot carry this")
)

// MissingError says which elements the format requires that a certificate does
// not have.
type MissingError struct {
	Fields []string // paths in the JSON of vaccination.Certificate
}

// Error names the missing elements, no values.
func (e *MissingError) Error() string {
	return "a DIVOC certificate requires what is not recorded: " + strings.Join(e.Fields, ", ")
}
