package divocapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// text is a JSON string that clients also send as a number or leave null:
// "pincode": 560024.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case bytes.Equal(b, []byte("null")):
	case b[0] == '"':
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	case b[0] == '{' || b[0] == '[':
		return fmt.Errorf("a text is expected")
	default:
		s = string(b)
	}
	*t = text(strings.TrimSpace(s))
	return nil
}

// number is a JSON number that clients also send as a string.
type number int

func (n *number) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(bytes.Trim(b, `"`), &f); err != nil || f != float64(int(f)) {
		return fmt.Errorf("a whole number is expected")
	}
	*n = number(f)
	return nil
}

// certificationRequest is DIVOC's CertificationRequest, v1 and v3. What is not
// listed (enrollmentType, comorbidities, meta) is not used.
type certificationRequest struct {
	PreEnrollmentCode text `json:"preEnrollmentCode"`
	ProgramID         text `json:"programId"`
	Recipient         struct {
		Name        text    `json:"name"`
		DOB         text    `json:"dob"`
		Age         text    `json:"age"`
		Gender      text    `json:"gender"`
		Nationality text    `json:"nationality"`
		Identity    text    `json:"identity"`
		Contact     []text  `json:"contact"`
		Address     address `json:"address"`
	} `json:"recipient"`
	Vaccination struct {
		Name           text   `json:"name"`
		Batch          text   `json:"batch"`
		Manufacturer   text   `json:"manufacturer"`
		Date           text   `json:"date"`
		EffectiveStart text   `json:"effectiveStart"`
		EffectiveUntil text   `json:"effectiveUntil"`
		Dose           number `json:"dose"`
		TotalDoses     number `json:"totalDoses"`
	} `json:"vaccination"`
	Vaccinator struct {
		Name text `json:"name"`
	} `json:"vaccinator"`
	Facility struct {
		Name    text    `json:"name"`
		Address address `json:"address"`
	} `json:"facility"`
}

type address struct {
	Line1    text `json:"addressLine1"`
	Line2    text `json:"addressLine2"`
	District text `json:"district"`
	State    text `json:"state"`
	Country  text `json:"country"`
	Pincode  text `json:"pincode"`
}

func (a address) domain() vaccination.Address {
	return vaccination.Address{
		Line1: string(a.Line1), Line2: string(a.Line2), District: string(a.District),
		Region: string(a.State), PostCode: string(a.Pincode), Country: string(a.Country),
	}
}

// decode reads the body of a certify call: an array, or one bare object taken
// as an array of one.
func decode(body []byte) ([]certificationRequest, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	var out []certificationRequest
	var err error
	if len(body) > 0 && body[0] == '{' {
		out = make([]certificationRequest, 1)
		err = json.Unmarshal(body, &out[0])
	} else {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		return nil, &vaccination.Error{Code: vaccination.Invalid, Message: "the body is not a JSON array of certification requests" + where(err)}
	}
	if len(out) == 0 {
		return nil, vaccination.Errorf(vaccination.Invalid, "the body holds no certification request")
	}
	if len(out) > maxItems {
		return nil, vaccination.Errorf(vaccination.Invalid, "at most %d certification requests in one call: send them in parts", maxItems)
	}
	return out, nil
}

// where says where reading failed without repeating what was read.
func where(err error) string {
	switch e := err.(type) { //nolint:errorlint // encoding/json returns them bare
	case *json.SyntaxError:
		return fmt.Sprintf(": it breaks at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Sprintf(": %s has the wrong type", e.Field)
	default:
		return ": a number is expected where there is none"
	}
}

// event turns a request into an event. Dates with a time are read in zone.
func (r certificationRequest) event(zone *time.Location) (vaccination.Event, []vaccination.Fault) {
	var faults []vaccination.Fault
	date := func(path string, t text) vaccination.Date {
		d, ok := readDate(string(t), zone)
		if !ok {
			faults = append(faults, vaccination.Fault{Path: path, Code: vaccination.FaultNotADate, Message: "write YYYY-MM-DD, or a date and time with its zone"})
		}
		return d
	}
	e := vaccination.Event{
		Programme:     string(r.ProgramID),
		EnrolmentCode: string(r.PreEnrollmentCode),
		Person: vaccination.Person{
			Name:        string(r.Recipient.Name),
			BirthDate:   date("person.birthDate", r.Recipient.DOB),
			Sex:         vaccination.Sex(r.Recipient.Gender),
			Nationality: string(r.Recipient.Nationality),
			Identifier:  identifier(string(r.Recipient.Identity)),
		},
		Address: r.Recipient.Address.domain(),
		Vaccination: vaccination.Dose{
			Product:       string(r.Vaccination.Name),
			Manufacturer:  vaccination.Coding{Display: string(r.Vaccination.Manufacturer)},
			Lot:           string(r.Vaccination.Batch),
			Date:          date("vaccination.date", r.Vaccination.Date),
			ValidFrom:     date("vaccination.validFrom", r.Vaccination.EffectiveStart),
			ValidUntil:    date("vaccination.validUntil", r.Vaccination.EffectiveUntil),
			Number:        int(r.Vaccination.Dose),
			Total:         int(r.Vaccination.TotalDoses),
			Country:       vaccination.Coding{Code: string(r.Facility.Address.Country)},
			Centre:        string(r.Facility.Name),
			CentreAddress: r.Facility.Address.domain(),
			Practitioner:  string(r.Vaccinator.Name),
		},
	}
	for _, c := range r.Recipient.Contact {
		e.Contacts = append(e.Contacts, contact(string(c)))
	}
	// DIVOC wants an age where there is no date of birth. It stays an age: no
	// birth date is made of it.
	if r.Recipient.DOB == "" && r.Recipient.Age == "" {
		faults = append(faults, vaccination.Fault{Path: "person.birthDate", Code: vaccination.FaultRequired, Message: "give the date of birth, or the age where it is not known"})
	}
	return e, faults
}

// readDate reads a calendar date, or the date of a time in zone.
func readDate(s string, zone *time.Location) (vaccination.Date, bool) {
	if d, err := vaccination.ParseDate(s); err == nil {
		return d, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return vaccination.DateOf(t.In(zone)), true
		}
	}
	if t, err := time.Parse("02-Jan-2006", s); err == nil {
		return vaccination.DateOf(t), true
	}
	return vaccination.Date{}, false
}

// identifier reads DIVOC's identity: "did:Passport:P123", or a bare number.
func identifier(s string) vaccination.Identifier {
	if rest, ok := strings.CutPrefix(s, "did:"); ok {
		if kind, value, ok := strings.Cut(rest, ":"); ok {
			return vaccination.Identifier{Kind: kind, Value: value}
		}
	}
	return vaccination.Identifier{Value: s}
}

func contact(s string) string {
	switch {
	case s == "" || strings.HasPrefix(s, "tel:") || strings.HasPrefix(s, "mailto:"):
		return s
	case strings.Contains(s, "@"):
		return "mailto:" + s
	default:
		return "tel:" + s
	}
}

// field names a field of an event as DIVOC's clients know it.
func field(path string) string {
	names := map[string]string{
		"programme":                        "programId",
		"enrolmentCode":                    "preEnrollmentCode",
		"person.name":                      "recipient.name",
		"person.birthDate":                 "recipient.dob",
		"person.sex":                       "recipient.gender",
		"person.nationality":               "recipient.nationality",
		"person.identifier.type":           "recipient.identity",
		"person.identifier.value":          "recipient.identity",
		"vaccination.product":              "vaccination.name",
		"vaccination.lot":                  "vaccination.batch",
		"vaccination.manufacturer.display": "vaccination.manufacturer",
		"vaccination.validFrom":            "vaccination.effectiveStart",
		"vaccination.validUntil":           "vaccination.effectiveUntil",
		"vaccination.country":              "facility.address.country",
		"vaccination.country.code":         "facility.address.country",
		"vaccination.centre":               "facility.name",
		"vaccination.practitioner":         "vaccinator.name",
	}
	if n, ok := names[path]; ok {
		return n
	}
	parts := map[string]string{
		".line1": ".addressLine1", ".line2": ".addressLine2", ".district": ".district",
		".region": ".state", ".postCode": ".pincode", ".country": ".country",
	}
	for prefix, name := range map[string]string{"address": "recipient.address", "vaccination.centreAddress": "facility.address"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && parts[rest] != "" {
			return name + parts[rest]
		}
	}
	if rest, ok := strings.CutPrefix(path, "contacts"); ok {
		return "recipient.contact" + rest
	}
	return path
}

// ReadEvents reads a file of certification requests. Times are read in zone.
func ReadEvents(body []byte, zone *time.Location) ([]vaccination.Event, error) {
	requests, err := decode(body)
	if err != nil {
		return nil, err
	}
	events := make([]vaccination.Event, len(requests))
	for i, r := range requests {
		event, faults := r.event(zone)
		if len(faults) > 0 {
			return nil, &vaccination.Error{Code: vaccination.Invalid, Message: fmt.Sprintf("record %d has faults", i+1), Faults: faults}
		}
		events[i] = event
	}
	return events, nil
}
