// Package audit answers for who did what: it searches the entries, lets the ends
// of their chains leave the machine as signed statements, compares such a
// statement with the database of today, removes entries that only tell who saw
// something after their time, and raises alarms about what somebody should look
// at.
//
// Entries are written by [registry.Audit], in the transaction of the act.
package audit

import (
	"log/slog"
	"time"

	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/registry"
)

// Acts of people who see records. They are of no other use to us than to be
// counted and searched, so that they can be removed after their time.
const (
	ActRead   = "read"        // a certificate was opened; the detail says what for
	ActOpen   = "desk.open"   // a record was opened at a desk; an entry for each certificate of it
	ActPrint  = "desk.print"  // it was printed and handed over; the object is one of them
	ActSearch = "desk.search" // people were looked for; masked results were shown
)

// Service answers for the audit of one database. It is safe for concurrent use.
type Service struct {
	Options
}

// Options are what a Service needs.
type Options struct {
	Store *registry.Store
	Keys  *keyring.Ring
	Now   func() time.Time
	Log   *slog.Logger
	Rules Rules
	// Send gives a statement of heads to the auditor; nil keeps it here. What it
	// returns is durable; an error has it tried again.
	Send Send
	// SearchTime bounds how long the database looks for one page of a search; zero
	// is five seconds.
	SearchTime time.Duration
}

// New returns a Service. It reads nothing yet.
func New(o Options) *Service {
	o.Rules = o.Rules.orDefault()
	return &Service{o}
}

// Rules say what is an alarm. What is zero is as [DefaultRules] has it.
type Rules struct {
	Opened     int            // records opened within an hour by one person without printing them
	Bulk       int            // acts of withdrawing within an hour by one actor
	NightFrom  int            // hour of the day, 0 to 23, from which people issue nothing
	NightUntil int            // hour of the day, 0 to 23, from which they do again
	Zone       *time.Location // of the hours
}

// DefaultRules are those of a country that says nothing else.
func DefaultRules() Rules {
	return Rules{Opened: 30, Bulk: 100, NightFrom: 21, NightUntil: 5, Zone: time.UTC}
}

func (r Rules) orDefault() Rules {
	d := DefaultRules()
	if r.Opened == 0 {
		r.Opened = d.Opened
	}
	if r.Bulk == 0 {
		r.Bulk = d.Bulk
	}
	if r.NightFrom == 0 && r.NightUntil == 0 {
		r.NightFrom, r.NightUntil = d.NightFrom, d.NightUntil
	}
	if r.Zone == nil {
		r.Zone = d.Zone
	}
	return r
}

// Night reports whether an hour of the clock at a time is one in which people do
// not work, and when the night began.
func (r Rules) Night(at time.Time) (began time.Time, night bool) {
	local := at.In(r.Zone)
	hour := local.Hour()
	if r.NightFrom == r.NightUntil {
		return time.Time{}, false
	}
	day := local
	switch {
	case r.NightFrom < r.NightUntil:
		night = hour >= r.NightFrom && hour < r.NightUntil
	case hour >= r.NightFrom:
		night = true
	case hour < r.NightUntil:
		night, day = true, local.AddDate(0, 0, -1)
	}
	if !night {
		return time.Time{}, false
	}
	return time.Date(day.Year(), day.Month(), day.Day(), r.NightFrom, 0, 0, 0, r.Zone), true
}
