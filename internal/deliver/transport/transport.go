// Package transport hands one message at a time to somebody who carries it: a
// provider's or operator's HTTP interface ([NewHTTP]), a mail server ([NewSMTP]),
// or, in a demonstration, a file ([NewFile]).
//
// A transport knows nothing of people, queues or retries. Its errors say what the
// caller is to do next, and never repeat a number, an address, a text, a
// credential, or what the other side said beyond a code.
package transport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Message is one message on its way.
type Message struct {
	// Ref is our name of the message: letters and digits that tell nothing. It is
	// the same for each attempt.
	Ref     string
	To      string // E.164 ("+94712345678"), or an address
	Subject string // of an e-mail
	Text    string
	Code    bool // proves a number; it is of no use after Expires
	Expires time.Time
	// ReceiptURL is where receipts of the gateway go.
	ReceiptURL string
}

// Sent is what the other side answered who took a message over.
type Sent struct {
	ProviderID string // its name of the message, "" where it gives none
	Final      bool   // nothing more will be heard: it counts as delivered
}

// Transport hands messages over. It is safe for concurrent use.
type Transport interface {
	// Send returns when the other side took the message over, or an [*Error].
	Send(ctx context.Context, m Message) (Sent, error)
	// Again reports whether the same message handed over twice is delivered once,
	// by its Ref.
	Again() bool
}

// Class says what to do after a failure.
type Class string

// The classes.
const (
	Permanent Class = "permanent" // this message will never go
	Temporary Class = "temporary" // this message may go later
	Throttled Class = "throttled" // all messages: slower
	Down      Class = "down"      // all messages: it cannot be reached, or refuses us
	Unknown   Class = "unknown"   // it may have been taken over
)

// Error is a failure. Code is for machines: the other side's, or a word of ours.
type Error struct {
	Class Class
	Code  string
	After time.Duration // how long to leave it alone, 0 where it does not say
	// Suppress says why the number gets nothing any more: "opted-out" or
	// "unreachable", "" where it may.
	Suppress string
	// Credentials says that it does not accept ours: a person must act.
	Credentials bool
}

// Error says class and code.
func (e *Error) Error() string {
	return fmt.Sprintf("the gateway's answer is %s (%s)", e.Class, e.Code)
}

// errorOf is err as an [*Error]; what is none is unknown.
func errorOf(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: Unknown, Code: "error"}
}

// AsError is what to do after err; nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	return errorOf(err)
}

// State is what became of a message.
type State int16

// The states, in the order in which a message moves: the higher one counts,
// whichever is heard of first.
const (
	Queued    State = 0
	Accepted  State = 1 // somebody carries it
	Uncertain State = 2 // nobody knows
	Expired   State = 3
	Failed    State = 4
	Delivered State = 5
)

// String is the state's name.
func (s State) String() string {
	names := []string{"queued", "accepted", "unknown", "expired", "failed", "delivered"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// ParseState is the inverse of String.
func ParseState(name string) (State, bool) {
	for s := Queued; s <= Delivered; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Receipt is what the other side says later of a message.
type Receipt struct {
	ProviderID string // its name of the message, or
	Ref        string // ours
	State      State
	Code       string
}
