package desk

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// How says what a person was found by.
type How string

// The ways to find a person.
const (
	ByMobile      How = "mobile"
	ByBirthDate   How = "birth-date" // with a name or a place
	ByCode        How = "code"       // the enrolment code
	ByCertificate How = "certificate"
	ByScan        How = "scan" // the QR code
)

// Shown reports whether who was found so showed their certificate: it takes no
// second fact then.
func (h How) Shown() bool { return h == ByCertificate || h == ByScan }

// Question is what somebody asks a desk.
type Question struct {
	// Text is one field for what is typed or scanned: a mobile number, an
	// enrolment code, a certificate's number, the text of a QR code.
	Text      string
	BirthDate vaccination.Date
	Name      string // how it begins, two letters or more
	Centre    string // how the place of vaccination begins, three letters or more
	Reason    string // one of [Reasons]; needed above a bound
}

// maxFound bounds the people a search shows.
const maxFound = 10

// Match is somebody who was found, masked.
type Match struct {
	Initials  string                    `json:"initials"`
	BirthYear int                       `json:"birthYear,omitempty"` // 0 where it is not known
	CodeEnd   string                    `json:"codeEnd"`             // the last four of the enrolment code
	Doses     int                       `json:"doses"`
	ID        vaccination.CertificateID `json:"id"`
}

// Found is what a search found.
type Found struct {
	How     How       `json:"how"`
	Matches []Match   `json:"matches"`
	More    bool      `json:"more"`
	Facts   []string  `json:"facts"` // what may be asked to open a record: see [Service.Open]
	At      time.Time `json:"at"`
}

// wanted reads a question. What is not enough, or cannot be read, is
// [vaccination.Invalid]: the path of its fault is "text", "birthDate", "name".
func (s *Service) wanted(ctx context.Context, q Question) (How, issuance.Wanted, error) {
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, q.Text))
	if text == "" {
		switch {
		case q.BirthDate.IsZero() && q.Name == "" && q.Centre == "":
			return "", issuance.Wanted{}, wrong("text", "empty", "type a number or scan a code")
		case q.BirthDate.Precision() != vaccination.PrecisionDay:
			return "", issuance.Wanted{}, wrong("birthDate", "birth-date", "give the whole date of birth: day, month and year")
		case utf8.RuneCountInString(strings.TrimSpace(q.Name)) < 2 && utf8.RuneCountInString(strings.TrimSpace(q.Centre)) < 3:
			return "", issuance.Wanted{}, wrong("name", "more", "a date of birth is that of many people: add how the name begins (two letters or more), or the place of vaccination")
		}
		return ByBirthDate, issuance.Wanted{BirthDate: q.BirthDate, Name: strings.TrimSpace(q.Name), Centre: strings.TrimSpace(q.Centre)}, nil
	}
	if len(text) > 4096 {
		return "", issuance.Wanted{}, wrong("text", "too-long", "this is too long to be a number or a code")
	}
	if how, id, ok := s.certificate(ctx, text); ok {
		if id.IsZero() {
			return "", issuance.Wanted{}, wrong("text", "foreign", "this code is not of a certificate of this system, or it was not read whole")
		}
		return how, issuance.Wanted{Certificate: id}, nil
	}
	if looksLikePhone(text) {
		if _, err := s.Issuance.Profile.Phone(text); err == nil {
			return ByMobile, issuance.Wanted{Mobile: text}, nil
		}
	}
	if utf8.RuneCountInString(text) > 60 {
		return "", issuance.Wanted{}, wrong("text", "too-long", "this is too long to be a number or a code")
	}
	return ByCode, issuance.Wanted{EnrolmentCode: text}, nil
}

// wrong is a fault of a question; its code is stable.
func wrong(path, code, message string) error {
	return &vaccination.Error{Code: vaccination.Invalid, Message: message, Faults: []vaccination.Fault{{Path: path, Code: code, Message: message}}}
}

// certificate reads the number of a certificate, as printed or from its barcode,
// or the text of its QR code; ok says that the text is one of these, id is zero
// where it is none of ours.
func (s *Service) certificate(ctx context.Context, text string) (how How, id vaccination.CertificateID, ok bool) {
	if strings.HasPrefix(text, "HC1:") || strings.HasPrefix(text, "{") {
		return ByScan, s.scanned(ctx, text), true
	}
	number := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if strings.HasPrefix(number, "URN:UVCI:") {
		id, err := vaccination.ParseCertificateID(number)
		if err != nil {
			id = vaccination.CertificateID{} // a wrong check character, or another system's
		}
		return ByCertificate, id, true
	}
	if id, err := vaccination.ParseCertificateID(number); err == nil {
		return ByCertificate, id, true
	}
	return "", vaccination.CertificateID{}, false
}

// scanned is the certificate in a code that we signed, zero for any other: a code
// that was made up must not open what it names. Whatever became of it since, who
// holds a replaced or expired one is the same person.
func (s *Service) scanned(ctx context.Context, text string) vaccination.CertificateID {
	own := s.Issuance.Keys.Issuer()
	statement := verify.Text(ctx, text, verify.Options{
		Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{own}}), At: s.Now(), Catalogue: s.Issuance.Profile.Catalogue,
	})
	if statement.Content == nil || statement.Issuer.ID != own.ID { // it is there only where the signature covers it
		return vaccination.CertificateID{}
	}
	id, err := vaccination.ParseCertificateID(statement.Content.Info.HCID)
	if err != nil {
		return vaccination.CertificateID{}
	}
	return id
}

// looksLikePhone reports whether a text has the form of a telephone number.
func looksLikePhone(text string) bool {
	digits := 0
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+-() .", r):
			return false
		}
	}
	return digits >= 7
}

// Search looks for a person and keeps what was found, masked, under a name. It is
// counted before it is done and recorded whatever it finds. Above the bounds of a
// day it is [vaccination.TooMany], and [ErrReason] where a reason is due.
func (s *Service) Search(ctx context.Context, by access.Caller, q Question) (name string, found Found, err error) {
	if err := by.Can(access.SearchPeople); err != nil {
		return "", Found{}, err
	}
	how, wanted, err := s.wanted(ctx, q)
	if err != nil {
		return "", Found{}, err
	}
	if err := s.allow(ctx, by, Today{Searches: 1}, q.Reason); err != nil {
		return "", Found{}, err
	}
	people, more, err := s.Issuance.FindPeople(ctx, by, wanted, maxFound)
	if err != nil {
		return "", Found{}, err
	}
	if err := s.searched(ctx, by, how, len(people), q.Reason); err != nil {
		return "", Found{}, err
	}
	found = Found{How: how, More: more, Facts: facts(how), At: s.Now().UTC()}
	for _, p := range people {
		found.Matches = append(found.Matches, mask(p))
	}
	name, err = s.add(ctx, by, kindFound, recordLife, found)
	return name, found, err
}

// searched records a search: what kind, and how many were found.
func (s *Service) searched(ctx context.Context, by access.Caller, how How, n int, reason string) error {
	return registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.AdminChain, Act: ActSearch, Object: by.Facility, Detail: withReason(fmt.Sprintf("%s, %d found", how, n), reason),
	})
}

// Found returns what a search of the caller's found.
func (s *Service) Found(ctx context.Context, by access.Caller, name string) (found Found, err error) {
	if err := by.Can(access.SearchPeople); err != nil {
		return found, err
	}
	return found, s.get(ctx, by, name, kindFound, &found)
}

// mask hides who somebody is from those who only look.
func mask(p issuance.Found) Match {
	m := Match{Doses: p.Doses, ID: p.Certificate, CodeEnd: lastRunes(p.EnrolmentCode, 4)}
	for _, word := range strings.Fields(p.Person.Name) {
		r, _ := utf8.DecodeRuneInString(word)
		if unicode.IsLetter(r) && utf8.RuneCountInString(m.Initials) < 12 {
			m.Initials += string(unicode.ToUpper(r)) + ". "
		}
	}
	m.Initials = strings.TrimSpace(m.Initials)
	if p.Person.BirthDate.Precision() != vaccination.PrecisionUnknown {
		m.BirthYear = p.Person.BirthDate.Year
	}
	return m
}

// lastRunes is the end of a text, at most half of it.
func lastRunes(text string, n int) string {
	r := []rune(text)
	n = min(n, len(r)/2)
	return string(r[len(r)-n:])
}
