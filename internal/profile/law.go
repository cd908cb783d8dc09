package profile

import (
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/strictyaml"
)

// Retention is for how long each class of data is kept after its use. What
// stands behind a certificate (person, certificate, why it is as it is) is kept
// for as long as the certificate, and is no class of it.
type Retention struct {
	Deliveries time.Duration // the raw text of what sources delivered, after all of it is settled
	Evidence   time.Duration // photographs of requests, after their end
	Seen       time.Duration // entries of the audit that only tell who saw something
	Messages   time.Duration // number, address and text of messages, after their end
	Sessions   time.Duration // who was signed in, after the session's end
	Prints     time.Duration // which copy was printed where
}

// Alarms say what somebody has to look at; zero values are as ours are.
type Alarms struct {
	Opened     int // records opened within an hour by one person without printing them
	Bulk       int // withdrawals within an hour by one person
	NightFrom  int // hour of the day from which nobody issues by hand
	NightUntil int // hour of the day from which they do again
}

// What becomes of certificates that stand when a person is erased.
const (
	EraseKeep   = "keep"   // they stay valid: who has the paper may go on to use it
	EraseRevoke = "revoke" // they are revoked
)

// retentionYAML is in days; a pointer tells what is left out from nothing.
type retentionYAML struct {
	Deliveries *int `yaml:"deliveriesDays"`
	Evidence   *int `yaml:"evidenceDays"`
	Seen       *int `yaml:"seenDays"`
	Messages   *int `yaml:"messagesDays"`
	Sessions   *int `yaml:"sessionsDays"`
	Prints     *int `yaml:"printsDays"`
}

type alarmsYAML struct {
	Opened int   `yaml:"opened"`
	Bulk   int   `yaml:"bulk"`
	Night  []int `yaml:"night"`
}

type privacyYAML struct {
	Contact      map[string]string `yaml:"contact"`
	Authority    map[string]string `yaml:"authority"`
	AuditorEmail string            `yaml:"auditorEmail"`
	Erased       string            `yaml:"erasedCertificates"`
}

// day is what retention is counted in.
const day = 24 * time.Hour

// takeLaw reads what the law of a country decides.
func (p *Profile) takeLaw(doc *document, f *strictyaml.Document) {
	keep := func(name string, days *int, least, otherwise int) time.Duration {
		if days == nil {
			return time.Duration(otherwise) * day
		}
		if *days < least || *days > 36600 {
			f.At("retention."+name, "write for how many days it is kept, %d to 36600, or leave it out for %d", least, otherwise)
		}
		return time.Duration(*days) * day
	}
	r := doc.Retention
	p.Retention = Retention{
		Deliveries: keep("deliveriesDays", r.Deliveries, 1, 180),
		Evidence:   keep("evidenceDays", r.Evidence, 1, 180),
		Seen:       keep("seenDays", r.Seen, 30, 1096),
		Messages:   keep("messagesDays", r.Messages, 1, 180),
		Sessions:   keep("sessionsDays", r.Sessions, 1, 30),
		Prints:     keep("printsDays", r.Prints, 1, 1096),
	}
	a := doc.Alarms
	p.Alarms = Alarms{Opened: a.Opened, Bulk: a.Bulk}
	if a.Opened < 0 || a.Opened > 10_000 {
		f.At("alarms.opened", "write how many records somebody may open within an hour without printing them, 1 to 10000, or leave it out for 30")
	}
	if a.Bulk < 0 || a.Bulk > 1_000_000 {
		f.At("alarms.bulk", "write how many withdrawals within an hour raise an alarm, 1 to 1000000, or leave it out for 100")
	}
	hour := func(n int) bool { return n >= 0 && n < 24 }
	switch {
	case a.Night == nil:
	case len(a.Night) != 2 || !hour(a.Night[0]) || !hour(a.Night[1]) || a.Night[0] == a.Night[1]:
		f.At("alarms.night", "write the hours from which until which nobody issues by hand, such as [21, 5], or leave it out for them")
	default:
		p.Alarms.NightFrom, p.Alarms.NightUntil = a.Night[0], a.Night[1]
	}
	v := doc.Privacy
	p.PrivacyContact, p.PrivacyAuthority, p.AuditorEmail = v.Contact, v.Authority, v.AuditorEmail
	if v.Contact != nil {
		p.translated(v.Contact, "privacy.contact", f)
	}
	if v.Authority != nil {
		p.translated(v.Authority, "privacy.authority", f)
	}
	if e := v.AuditorEmail; e != "" && !address(e) {
		f.At("privacy.auditorEmail", "write one address, such as auditor@example.org")
	}
	switch p.Erased = v.Erased; p.Erased {
	case "":
		p.Erased = EraseKeep
	case EraseKeep, EraseRevoke:
	default:
		f.At("privacy.erasedCertificates", "write keep or revoke, or leave it out for keep")
	}
}

// address reports whether s is one e-mail address, as far as its form says.
func address(s string) bool {
	return strings.Count(s, "@") == 1 && !strings.ContainsAny(s, " ,;<>\r\n") && !strings.HasPrefix(s, "@") && !strings.HasSuffix(s, "@")
}
