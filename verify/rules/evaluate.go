package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
)

// Outcome is what a rule, or all of them, say of a certificate.
type Outcome string

// The outcomes. All rules together have the worst of theirs: failed before open
// before passed.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
	Open   Outcome = "open" // it cannot be decided
)

// Result is what one rule says.
type Result struct {
	ID      string   `json:"id"`
	Type    string   `json:"type"` // Acceptance, Invalidation or Product
	Country string   `json:"country,omitempty"`
	Version string   `json:"version,omitempty"`
	Outcome Outcome  `json:"outcome"`
	Text    string   `json:"text"`             // the rule's own description, in the language asked for where it has that
	Fields  []string `json:"fields,omitempty"` // of the certificate, that it looks at
	// Why says what an open rule lacks: "engine", "schema", "payload" (it is for
	// EU certificates) or "data".
	Why string `json:"why,omitempty"`
}

// Subject is a certificate that was found genuine, as far as rules ask.
type Subject struct {
	// Payload is an EU DCC as JSON, nil for another format; Kind is what it
	// certifies: Vaccination, Test or Recovery.
	Payload map[string]any
	Kind    string
	Issuer  string // its country, alpha-2
	KeyID   string
	Issued  time.Time
	Expires time.Time
	// Doses are the vaccinations, of any format. Domestic ones miss what other
	// countries ask for.
	Doses    []vaccination.Dose
	Domestic bool
}

// Question is what rules are asked.
type Question struct {
	At       time.Time
	Country  string // of arrival: ISO 3166-1; "" asks only for rules of any country
	Language string
}

// Evaluate returns what each rule that applies says, in the order of their names,
// and what all say together. Where none applies it is open, with no results.
func (s *Set) Evaluate(c Subject, q Question) (Outcome, []Result) {
	if s == nil {
		return Open, nil
	}
	country := q.Country
	if known, ok := catalogue.FindCountry(country); ok {
		country = known.Alpha2
	}
	var out []Result
	for _, p := range s.products {
		if (p.Country == "" || p.Country == country) && within(q.At, p.ValidFrom, p.ValidTo) {
			out = append(out, p.result(c, q))
		}
	}
	for _, r := range s.current(c, country, q.At) {
		out = append(out, s.result(r, c, country, q))
	}
	if len(out) == 0 {
		return Open, nil
	}
	slices.SortStableFunc(out, func(a, b Result) int { return strings.Compare(a.ID, b.ID) })
	all := Passed
	for _, r := range out {
		if r.Outcome == Failed || all == Passed {
			all = r.Outcome
		}
	}
	return all, out
}

func within(at, from, to time.Time) bool {
	return !at.Before(from) && (to.IsZero() || !at.After(to))
}

// current are the rules that apply to c: those of the country of arrival for
// acceptance, of the issuer's for invalidation, for what c certifies, in the
// highest version that holds at the time.
func (s *Set) current(c Subject, country string, at time.Time) []rule {
	best := map[string]rule{}
	for _, r := range s.rules {
		of := country
		if r.Type == "Invalidation" {
			of = c.Issuer
		}
		if r.Country != of || r.Region != "" || !within(at, r.ValidFrom, r.ValidTo) ||
			c.Payload != nil && r.CertificateType != "General" && r.CertificateType != c.Kind {
			continue
		}
		if b, ok := best[r.Identifier]; !ok || slices.Compare(number(r.Version), number(b.Version)) > 0 {
			best[r.Identifier] = r
		}
	}
	out := make([]rule, 0, len(best))
	for _, r := range best {
		out = append(out, r)
	}
	return out
}

// result evaluates a rule of the EU. What it throws on is open.
func (s *Set) result(r rule, c Subject, country string, q Question) Result {
	out := Result{
		ID: r.Identifier, Type: r.Type, Country: r.Country, Version: r.Version, Outcome: Open,
		Text: r.Description.in(q.Language), Fields: r.AffectedFields,
	}
	schema, _ := c.Payload["ver"].(string)
	have, want := number(schema), number(r.SchemaVersion)
	switch {
	case r.logic == nil:
		out.Why = "engine"
		return out
	case c.Payload == nil:
		out.Why = "payload"
		return out
	case have == nil || have[0] != want[0] || slices.Compare(have, want) < 0:
		out.Why = "schema"
		return out
	}
	value, err := r.logic.Eval(map[string]any{"payload": c.Payload, "external": map[string]any{
		"validationClock": q.At.UTC().Format(time.RFC3339), "valueSets": s.sets(), "countryCode": country,
		"issuerCountryCode": c.Issuer, "kid": c.KeyID, "iat": stamp(c.Issued), "exp": stamp(c.Expires),
	}})
	switch holds, ok := value.(bool); {
	case err != nil, !ok:
		out.Why = "data"
	case holds:
		out.Outcome = Passed
	default:
		out.Outcome = Failed
	}
	return out
}

func (s *Set) sets() map[string]any { return s.valueSets }

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// result looks for a dose that counts today.
func (p product) result(c Subject, q Question) Result {
	out := Result{ID: p.Identifier, Type: "Product", Country: p.Country, Outcome: Failed, Text: p.Description.in(q.Language), Fields: []string{"vaccination.disease", "vaccination.date"}}
	today := vaccination.DateOf(q.At.UTC())
	for _, d := range c.Doses {
		if d.Disease.Code != p.Disease {
			continue
		}
		given, known := d.Date.Earliest()
		if !known || d.Date.Precision() != vaccination.PrecisionDay || d.Date.Estimated || c.Domestic {
			if out.Outcome == Failed {
				out.Outcome, out.Why = Open, "data"
			}
			continue
		}
		from := vaccination.DateOf(given.AddDate(0, 0, p.AfterDays))
		until := vaccination.DateOf(given.AddDate(p.Years, 0, 0))
		if !today.Before(from) && (p.Years == 0 || !until.Before(today)) {
			out.Outcome, out.Why = Passed, ""
			return out
		}
	}
	return out
}
