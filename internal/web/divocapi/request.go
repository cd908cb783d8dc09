package divocapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// text is a JSON string that clients also send as a number or leave null:
// "pincode": 560024, "dose": "1".
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*t = text(b)
	default:
		return &json.UnmarshalTypeError{Type: reflect.TypeFor[string]()}
	}
	return nil
}

// whole reads a whole number: 2, "2" or 2.0. Nothing is 0.
func (t text) whole() (n int, ok bool) {
	if t == "" {
		return 0, true
	}
	f, err := strconv.ParseFloat(string(t), 64)
	return int(f), err == nil && math.Abs(f) <= math.MaxInt32 && f == math.Trunc(f)
}

// certificationRequest is DIVOC's CertificationRequest, v1 and v3, and, with
// TestDetails, its TestCertificationRequest. What is not listed (enrollmentType,
// comorbidities, meta) is not used.
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
		Name           text `json:"name"`
		Batch          text `json:"batch"`
		Manufacturer   text `json:"manufacturer"`
		Date           text `json:"date"`
		EffectiveStart text `json:"effectiveStart"`
		EffectiveUntil text `json:"effectiveUntil"`
		Dose           text `json:"dose"`
		TotalDoses     text `json:"totalDoses"`
	} `json:"vaccination"`
	Vaccinator struct {
		Name text `json:"name"`
	} `json:"vaccinator"`
	Facility struct {
		Name    text    `json:"name"`
		Address address `json:"address"`
	} `json:"facility"`
	TestDetails *testDetails `json:"testDetails"`
	Verifier    struct {
		Name text `json:"name"`
	} `json:"verifier"`
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
// as an array of one. An error of one item is an [*issuance.ItemError].
func decode(body []byte) ([]certificationRequest, error) {
	invalid := func(err error) error {
		return vaccination.Errorf(vaccination.Invalid, "send a JSON array of certification requests: %s", err)
	}
	var one json.RawMessage
	if err := door.ReadJSON(body, &one); err != nil {
		return nil, invalid(err)
	}
	items := []json.RawMessage{one}
	if one[0] != '{' {
		if err := door.ReadJSON(one, &items); err != nil {
			return nil, invalid(err)
		}
	}
	if len(items) == 0 {
		return nil, vaccination.Errorf(vaccination.Invalid, "the body holds no certification request")
	}
	if len(items) > maxItems {
		return nil, vaccination.Errorf(vaccination.Invalid, "at most %d certification requests in one call: send them in parts", maxItems)
	}
	out := make([]certificationRequest, len(items))
	for i, item := range items {
		err := errors.New("an object is expected")
		if item[0] == '{' {
			err = door.ReadJSON(item, &out[i])
		}
		if err != nil {
			return nil, &issuance.ItemError{Item: i, Err: vaccination.Errorf(vaccination.Invalid, "this is no certification request: %s", err)}
		}
	}
	return out, nil
}

// event turns a request into an event. Dates with a time are read in zone.
func (r certificationRequest) event(zone *time.Location) (vaccination.Event, []vaccination.Fault) {
	var faults []vaccination.Fault
	fault := func(path, code, message string) {
		faults = append(faults, vaccination.Fault{Path: path, Code: code, Message: message})
	}
	day := func(path string, t text) vaccination.Date {
		d, ok := readDay(string(t))
		if !ok {
			fault(path, vaccination.FaultNotADate, "write YYYY-MM-DD, without a time")
		}
		return d
	}
	whole := func(path string, t text) int {
		n, ok := t.whole()
		if !ok {
			fault(path, vaccination.FaultFormat, "a whole number is expected")
		}
		return n
	}
	e := vaccination.Event{
		Programme:     string(r.ProgramID),
		EnrolmentCode: string(r.PreEnrollmentCode),
		Person: vaccination.Person{
			Name:        string(r.Recipient.Name),
			BirthDate:   day("person.birthDate", r.Recipient.DOB),
			Sex:         vaccination.Sex(r.Recipient.Gender),
			Nationality: string(r.Recipient.Nationality),
			Identifier:  identifier(string(r.Recipient.Identity)),
		},
		Address: r.Recipient.Address.domain(),
	}
	if r.TestDetails != nil {
		e.Test = r.test(fault)
	} else {
		given, ok := readMoment(string(r.Vaccination.Date), zone)
		if !ok {
			fault("vaccination.date", vaccination.FaultNotADate, "write YYYY-MM-DD, or a date and time with its zone")
		}
		e.Vaccination = vaccination.Dose{
			Product:       string(r.Vaccination.Name),
			Manufacturer:  vaccination.Coding{Display: string(r.Vaccination.Manufacturer)},
			Lot:           string(r.Vaccination.Batch),
			Date:          given,
			ValidFrom:     day("vaccination.validFrom", r.Vaccination.EffectiveStart),
			ValidUntil:    day("vaccination.validUntil", r.Vaccination.EffectiveUntil),
			Number:        whole("vaccination.dose", r.Vaccination.Dose),
			Total:         whole("vaccination.totalDoses", r.Vaccination.TotalDoses),
			Country:       vaccination.Coding{Code: string(r.Facility.Address.Country)},
			Centre:        string(r.Facility.Name),
			CentreAddress: r.Facility.Address.domain(),
			Practitioner:  string(r.Vaccinator.Name),
		}
	}
	for _, c := range r.Recipient.Contact {
		e.Contacts = append(e.Contacts, contact(string(c)))
	}
	// DIVOC wants an age where there is no date of birth. It stays an age: no
	// birth date is made of it.
	age, ok := r.Recipient.Age.whole()
	switch {
	case r.Recipient.DOB != "":
	case r.Recipient.Age == "":
		fault("person.birthDate", vaccination.FaultRequired, "give the date of birth, or the age where it is not known")
	case !ok || age < 0 || age > maxAge:
		fault("person.age", vaccination.FaultRange, fmt.Sprintf("an age is a whole number of years from 0 to %d", maxAge))
	}
	return e, faults
}

// maxAge is the highest age in years that is believed.
const maxAge = 130

// readDay reads a calendar date. A time is only taken where it says nothing:
// midnight, as programs write that keep dates as times. Any other time would
// leave the day open.
func readDay(s string) (vaccination.Date, bool) {
	if d, err := vaccination.ParseDate(s); err == nil {
		return d, true
	}
	if t, err := time.Parse("02-Jan-2006", s); err == nil {
		return vaccination.DateOf(t), true
	}
	if t, ok := readTime(s); ok && t.Equal(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())) {
		return vaccination.DateOf(t), true
	}
	return vaccination.Date{}, false
}

// readMoment reads a calendar date, or the date that a time is in zone.
func readMoment(s string, zone *time.Location) (vaccination.Date, bool) {
	if t, ok := readTime(s); ok {
		return vaccination.DateOf(t.In(zone)), true
	}
	return readDay(s)
}

func readTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
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
		"programme":                "programId",
		"enrolmentCode":            "preEnrollmentCode",
		"person.name":              "recipient.name",
		"person.birthDate":         "recipient.dob",
		"person.age":               "recipient.age",
		"person.sex":               "recipient.gender",
		"person.nationality":       "recipient.nationality",
		"vaccination.product":      "vaccination.name",
		"vaccination.lot":          "vaccination.batch",
		"vaccination.validFrom":    "vaccination.effectiveStart",
		"vaccination.validUntil":   "vaccination.effectiveUntil",
		"vaccination.country":      "facility.address.country",
		"vaccination.centre":       "facility.name",
		"vaccination.practitioner": "vaccinator.name",
	}
	if n, ok := names[path]; ok {
		return n
	}
	if n := testField(path); n != "" {
		return n
	}
	parts := map[string]string{
		"line1": "addressLine1", "line2": "addressLine2", "district": "district",
		"region": "state", "postCode": "pincode", "country": "country",
	}
	group, last := path, ""
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		group, last = path[:i], path[i+1:]
	}
	switch group {
	case "address":
		return "recipient.address." + parts[last]
	case "vaccination.centreAddress", "test.centreAddress":
		return "facility.address." + parts[last]
	case "person.identifier":
		return "recipient.identity"
	case "vaccination.vaccine", "vaccination.brand", "vaccination.maholder", "vaccination.disease": // they follow from the product
		return "vaccination.name"
	case "vaccination.manufacturer":
		return "vaccination.manufacturer"
	case "vaccination.country":
		return "facility.address.country"
	}
	if rest, ok := strings.CutPrefix(path, "contacts"); ok {
		return "recipient.contact" + rest
	}
	return path
}

// ReadEvents reads a file of certification requests. Times are read in zone.
// Faults name DIVOC's fields.
func ReadEvents(body []byte, zone *time.Location) ([]vaccination.Event, error) {
	requests, err := decode(body)
	if err != nil {
		return nil, err
	}
	events := make([]vaccination.Event, len(requests))
	for i, r := range requests {
		event, faults := r.event(zone)
		if len(faults) > 0 {
			for j := range faults {
				faults[j].Path = field(faults[j].Path)
			}
			return nil, &vaccination.Error{Code: vaccination.Invalid, Message: fmt.Sprintf("record %d has faults", i+1), Faults: faults}
		}
		events[i] = event
	}
	return events, nil
}
