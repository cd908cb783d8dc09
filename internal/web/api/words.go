package api

import (
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// word is what the description says of a field, and a value as an example:
// JSON, or nothing.
type word struct{ text, example string }

const dateText = "a date as far as it is known: YYYY-MM-DD, YYYY-MM or YYYY, with ~ at the end when it is estimated"

// words are the fields of types that have no place for a description of their
// own: those of the domain, which know nothing of this door.
func words() map[string]map[string]word {
	coding := func(what string) word { return word{what, ""} }
	return map[string]map[string]word{
		"Event": {
			"programme":     {"key of the programme, such as covid-19; left out where the source has one of its own", `"covid-19"`},
			"enrolmentCode": {"by which the source knows the person; with programme and dose number it makes the record", `"EXAMPLE-1"`},
			"person":        {"whom it is about", ""},
			"contacts":      {"how the person is reached: tel: and mailto:; never part of the certificate", `["tel:8765550142"]`},
			"address":       {"where the person lives; never part of the certificate", ""},
			"vaccination":   {"the dose that was given", ""},
			"test":          {"in place of a dose, in a programme that certifies tests", ""},
		},
		"Person": {
			"name":        {"as recorded; it is printed so", `"Marcia Campbell"`},
			"birthDate":   {dateText, `"1987-04-21"`},
			"sex":         {"male, female, other or unknown", `"female"`},
			"nationality": {"ISO 3166-1 alpha-3 where it is a code, else as recorded", `"JAM"`},
			"identifier":  {"a number in some register", ""},
		},
		"Identifier": {
			"type":  {"a kind of document that the profile knows, such as passport", `"passport"`},
			"value": {"the number as it stands there", `"A1234567"`},
		},
		"Address": {
			"line1": {"street and number", `"1 Duke Street"`}, "line2": {"what line1 has no room for", ""}, "district": {"", `"Kingston"`},
			"region": {"parish, province or state", ""}, "postCode": {"", ""}, "country": {"ISO 3166-1 alpha-3 where it is a code, else as recorded", `"JAM"`},
		},
		"Dose": {
			"product":       {"key or name of the product in the catalogue", `"Comirnaty"`},
			"vaccine":       coding("kind of vaccine; from the catalogue where the product is known"),
			"brand":         coding("brand; from the catalogue where the product is known"),
			"manufacturer":  coding("who made it; from the catalogue where the product is known"),
			"maholder":      coding("who holds the market authorisation"),
			"disease":       coding("against what; from the programme when left out"),
			"lot":           {"batch number", `"PF1"`},
			"date":          {"when it was given: " + dateText, `"2021-11-30"`},
			"validFrom":     {"from when the vaccine protects; not how long the certificate is valid", ""},
			"validUntil":    {"until when the vaccine protects; not how long the certificate is valid", ""},
			"dose":          {"number of the dose, from 1", `1`},
			"totalDoses":    {"how many the schedule expects; from the programme when left out", `2`},
			"country":       coding("where it was given, ISO 3166-1 alpha-3"),
			"centre":        {"name of the facility", `"Falmouth Health Centre"`},
			"centreAddress": {"where the facility lies", ""},
			"practitioner":  {"who gave it", `"N. Brown"`},
			"nextDose":      {"when the next one is due", ""},
			"fromEvidence":  {"recorded here from papers of a dose given abroad; no source may say so", ""},
		},
		"Test": {
			"number":   {"which of the person's tests in the programme; the test of the same sample, or the next, when left out", ""},
			"pathogen": coding("the agent looked for; from the programme when left out"), "type": coding("NAAT (RT-PCR) or RAT, as code or display"),
			"brand": coding("name of the test"), "manufacturer": coding("of the test; the code of a rapid antigen test in JRC's list makes EU DCC possible"), "lot": {"batch number of the test", `"T77"`},
			"origin": coding("of the sample"), "date": {"when the sample was taken, with its zone", `"2026-11-21T09:05:00-05:00"`}, "resultDate": {"when the result was there, with its zone", ""},
			"result": coding("Positive, Negative, Inconclusive or Void, as code or display"),
			"centre": {"name of the facility", ""}, "centreAddress": {"where the facility lies", ""}, "practitioner": {"who answers for the result", ""}, "country": coding("where it was made, ISO 3166-1"),
		},
		"Recovery": {
			"disease": coding("which the person is over"), "firstPositive": {"day of the first positive test", ""}, "country": coding("of that test, ISO 3166-1"),
			"validFrom": {"from when it counts", ""}, "validUntil": {"until when it counts", ""},
		},
		"Coding": {"code": {"", ""}, "system": {"the code system, as a URI", ""}, "display": {"the code in words", ""}},
		"Certificate": {
			"name": {"as certified", `"Marcia Campbell"`}, "birthDate": {dateText, `"1987-04-21"`}, "sex": {"male, female, other or unknown", `"female"`},
			"nationality": {"ISO 3166-1 alpha-3 where it is a code", `"JAM"`}, "identifier": {"a number in some register", ""},
			"certificate": {"who certifies, under which id, for how long", ""}, "vaccination": {"the dose; left out in a certificate of a test or a recovery", ""}, "test": {"in place of a dose", ""}, "recovery": {"in place of a dose, in certificates of others", ""}, "programme": {"key of the programme", `"covid-19"`},
			"domestic": {"it lacks something that international formats need", ""}, "specimen": {"of a demonstration, never of a real event", ""},
		},
		"CertificateInfo": {
			"issuer": {"the authority", ""}, "kid": {"id of the key that signed", ""}, "hcid": {"the id as printed, a UVCI", ""},
			"version": {"of the core data set", `"1.0.1"`}, "period": {"how long it may be relied on", ""},
		},
		"Issuer": {"id": {"a DID", `"did:web:certificates.example.org"`}, "name": {"as printed", `"Ministry of Health & Wellness"`}, "country": {"ISO 3166-1 alpha-3", `"JAM"`}},
		"Period": {"start": {"both ends included", `"2026-11-22T12:00:00Z"`}, "end": {"left out: no end", ""}},
		"ExportOffer": {
			"format": {"", `"shc"`}, "possible": {"", `true`}, "missing": {"", `[]`}, "refused": {"", ""}, "pilot": {"", `true`}, "made": {"", `false`}, "code": {"", `true`},
		},
		"IssuedCertificate": {
			"id": {"24 characters", `"0G7Q2M5VX8K3TR9ZC4WYB1NA"`}, "hcid": {"the id as printed, a UVCI", ""}, "programme": {"key of the programme", `"covid-19"`}, "dose": {"number of the dose", `1`},
			"version": {"of its record, from 1", `1`}, "status": {"", `"valid"`}, "statusAt": {"since when", `"2026-11-22T12:00:00Z"`}, "issuedAt": {"", `"2026-11-22T12:00:00Z"`},
			"source": {"who delivered it", `"commcare"`}, "reason": {"why it was revoked", ""}, "replaces": {"id of the version before it", ""},
		},
		"Result": {
			"certificate": {"", `"0G7Q2M5VX8K3TR9ZC4WYB1NA"`}, "hcid": {"", ""}, "outcome": {"what became of the event", `"issued"`}, "programme": {"", `"covid-19"`},
			"dose": {"", `1`}, "version": {"of the record, from 1", `1`}, "status": {"", `"valid"`},
		},
		"Problem": {
			"type": {"about:blank", `"about:blank"`}, "title": {"of the status", `"Unprocessable Entity"`}, "status": {"", `422`}, "detail": {"a sentence for a person; it repeats nothing that was sent", `"the event has a fault"`},
			"code": {"what to decide by; it does not change", `"invalid"`}, "item": {"which of several events, from 0", `0`}, "faults": {"every fault at once", ""},
		},
		"Fault": {"path": {"the field", `"vaccination.date"`}, "code": {"what to decide by", `"future"`}, "message": {"a sentence for a person", `"lies in the future"`}},
		"Statement": {
			"verdict": {"valid, not-valid or cannot-tell", `"valid"`}, "format": {"what it was", `"hcert"`}, "issuer": {"whose signature it is", ""},
			"status": {"valid, superseded, suspended, revoked, unknown or not-published", `"valid"`}, "statusAsOf": {"when that was so", `"2026-11-22T12:00:00Z"`},
			"validFrom": {"", ""}, "validUntil": {"", ""}, "reasons": {"why, by codes that do not change", ""}, "warnings": {"what else to know", ""},
			"specimen": {"of a demonstration", ""}, "content": {"what is certified; only of an authentic one", ""}, "more": {"other doses under the same signature", ""},
			"accepted": {"passed, failed or open: what the rules that were asked say of a valid certificate", ""}, "rules": {"what each rule says", ""},
		},
		"RuleResult": {
			"id": {"", `"VR-JM-0001"`}, "type": {"Acceptance, Invalidation or Product", `"Acceptance"`}, "country": {"whose rule it is", `"JM"`}, "version": {"", `"1.0.0"`},
			"outcome": {"passed, failed, or open where it cannot be decided", `"passed"`}, "text": {"the rule's own description, in the language asked for where it has that", `"Two doses."`},
			"fields": {"of the certificate, that it looks at", `["v.0.dn"]`}, "why": {"what an open rule lacks: engine, schema, payload or data", ""},
		},
		"StatementIssuer": {"id": {"", `"did:web:certificates.example.org"`}, "name": {"", `"Ministry of Health & Wellness"`}, "key": {"id of the key", `"b4f3v2P1VYA="`}},
		"StatementNote":   {"code": {"what to decide by", `"compare-identity"`}, "text": {"in the language that was asked for", `"Compare name and birth date with an identity document."`}},
		"Info": {
			"id": {"number of the upload", `7`}, "state": {"", `"done"`}, "filename": {"", `"people.csv"`}, "format": {"csv or json", `"csv"`}, "encoding": {"of a CSV", ""}, "source": {"who delivered it", `"commcare"`},
			"actor": {"which token", ""}, "created": {"", `"2026-11-22T12:00:00Z"`}, "rows": {"", `1000`}, "issued": {"", `950`}, "wrong": {"", `50`},
		},
		"SearchInputBody": {"programme": {"all programmes when left out", ""}, "enrolmentCode": {"as it was delivered", ""}},
	}
}

// explain puts the words where the description says nothing.
func explain(o *huma.OpenAPI) {
	all := o.Components.Schemas.Map()
	for name, fields := range words() {
		schema := all[name]
		if schema == nil {
			continue
		}
		for field, w := range fields {
			property := schema.Properties[field]
			if property == nil {
				continue
			}
			if property.Description == "" || strings.HasPrefix(property.Description, "A date as far") {
				property.Description = w.text
			}
			var example any
			if w.example != "" && json.Unmarshal([]byte(w.example), &example) == nil {
				property.Examples = []any{example}
			}
		}
	}
}

// groups are the operations by what they are for, in the order of a record's
// life; an operation belongs to that of the first part of its path.
func groups() []*huma.Tag {
	return []*huma.Tag{
		{Name: "Issuing", Description: "Report vaccination events and correct them. What is answered 200 is durable; sending the same again is harmless."},
		{Name: "Files of records", Description: "Files of any size. Every row ends as issued, unchanged, or wrong with reasons."},
		{Name: "Certificates", Description: "Find certificates, fetch them in each form, revoke them. A source sees what it delivered."},
		{Name: "On demand", Description: "A person asks for certificates that were not made yet; the source system is asked for the record."},
		{Name: "Sources", Description: "The systems that deliver by themselves: settings, mapping, state and ledger. For administrators."},
		{Name: "People", Description: "Which people, known under several enrolment codes, are one. For administrators."},
		{Name: "Trust", Description: "Whose signatures count beside our own: lists of signers, looked at before they count. For system administrators."},
		{Name: "Many certificates", Description: "Revoking, suspending and lifting many certificates at once: found first, approved by somebody else, then done."},
		{Name: "Cases", Description: "What people ask for: corrections, other telephone numbers, guardians, doses given abroad; with evidence, and decided by somebody else."},
		{Name: "What is held", Description: "Records that wait for a person, with the reason and what would help."},
		{Name: "Verifying", Description: "Anybody may ask what a certificate is worth. Nothing of it is kept."},
	}
}

// Order is where an operation's place among the others of its group stands in
// its metadata.
const Order = "order"

// group adds the groups to the description.
func group(o *huma.OpenAPI) {
	parts := []struct{ part, group string }{
		{"events", "Issuing"}, {"corrections", "Issuing"}, {"uploads", "Files of records"}, {"certificates", "Certificates"}, {"on-demand", "On demand"}, {"sources", "Sources"}, {"holds", "What is held"}, {"people", "People"}, {"cases", "Cases"}, {"withdrawals", "Many certificates"}, {"trust", "Trust"}, {"verify", "Verifying"},
	}
	o.Tags = groups()
	for path, item := range o.Paths {
		part, _, _ := strings.Cut(strings.TrimPrefix(path, prefix+"/"), "/")
		// One that nobody thought of here is named after its path.
		name, place := strings.ToUpper(part[:1])+strings.ReplaceAll(part[1:], "-", " "), len(parts)
		for i, p := range parts {
			if p.part == part {
				name, place = p.group, i
			}
		}
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.Tags == nil {
				op.Tags, op.Metadata = []string{name}, map[string]any{Order: place}
			}
		}
	}
}
