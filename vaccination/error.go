package vaccination

import (
	"errors"
	"fmt"
	"strings"
)

// Code is one of the few kinds of error that divoc tells the outside. The web
// package maps each to one HTTP status.
type Code string

// The whole vocabulary of errors.
const (
	Invalid      Code = "invalid"      // the input is wrong; Faults say where
	Conflict     Code = "conflict"     // it contradicts what is stored; Faults name the fields
	NotFound     Code = "not-found"    // no such thing, or not yours to see
	Unauthorized Code = "unauthorized" // no or no valid credentials
	Forbidden    Code = "forbidden"    // known, but may not
	Revoked      Code = "revoked"      // the record's certificate was revoked
	TooMany      Code = "too-many"     // a limit was reached
	TooLarge     Code = "too-large"    // more bytes than are taken at once
	NotAllowed   Code = "not-allowed"  // a path that exists, asked in another way
	Unavailable  Code = "unavailable"  // try again later
	Internal     Code = "internal"     // a fault of ours
)

// Fault is one thing wrong with an input: where, which kind, and a sentence
// that says what to do. It never repeats a value of a person.
type Fault struct {
	Path    string `json:"path"` // in the terms of Event's JSON: "person.birthDate"
	Code    string `json:"code"` // stable: "required", "format", "in-future", …
	Message string `json:"message"`
}

// Error is an error that may be shown to whoever asked. Message and Faults hold
// nothing personal.
type Error struct {
	Code    Code
	Message string
	Faults  []Fault
}

// Error returns the message and every fault on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Faults {
		if i == 0 && e.Message != "" {
			b.WriteString(": ")
		} else if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Path + ": " + f.Message)
	}
	return b.String()
}

// Errorf returns an [Error] of the given kind.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrorCode returns the kind of err: that of the [Error] it wraps, "" for nil,
// [Internal] for every other.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
