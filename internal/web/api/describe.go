package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/rules"
)

// schemas is where types are described: each under its name, those of packages
// whose names others have too behind what they are part of.
func schemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for _, of := range []struct {
			part string
			of   reflect.Type
		}{{"Statement", reflect.TypeFor[verify.Statement]()}, {"Rule", reflect.TypeFor[rules.Result]()}, {"Case", reflect.TypeFor[casework.Case]()}, {"Message", reflect.TypeFor[deliver.Message]()}} {
			if t.PkgPath() == of.of.PkgPath() {
				return of.part + strings.TrimPrefix(name, of.part)
			}
		}
		return name
	})
	r.RegisterTypeAlias(reflect.TypeFor[vaccination.Date](), reflect.TypeFor[date]())
	// huma's errors are sent as ours: see ourProblem.
	r.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[door.Problem]())
	return r
}

// date describes [vaccination.Date].
type date struct{}

// Schema is a text of the form that [vaccination.ParseDate] reads; it lets
// through one day in four years that the calendar does not have.
func (date) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type:               huma.TypeString,
		Description:        "A date as far as it is known: YYYY-MM-DD, YYYY-MM or YYYY, with ~ at the end when it is estimated.",
		Pattern:            `^([0-9]{4}(-(0[1-9]|1[0-2]))?|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-9])|[0-9]{4}-(0[13-9]|1[0-2])-30|[0-9]{4}-(0[13578]|1[02])-31)~?$|^$`,
		PatternDescription: "a date: YYYY-MM-DD, YYYY-MM or YYYY",
		Examples:           []any{"1987-04-21"},
	}
	s.PrecomputeMessages()
	return s
}

// describe adds examples, which make run's token can try.
func describe(o *huma.OpenAPI) {
	example := func(path, body string) {
		o.Paths[prefix+path].Post.RequestBody.Content["application/json"].Example = json.RawMessage(body)
	}
	example("/events", exampleEvents)
	example("/corrections", exampleEvents)
	example("/certificates/search", `{"enrolmentCode": "EXAMPLE-1", "programme": "covid-19"}`)
	example("/certificates/{id}/revocation", `{"reason": "issued in error"}`)
	example("/certificates/{id}/suspension", `{"reason": "being looked into", "until": "2031-01-31T12:00:00Z"}`)
	example("/certificates/{id}/suspension/lift", `{"reason": "all is well"}`)
	example("/certificates/{id}/reissue", `{"reason": "revoked by mistake"}`)
	example("/on-demand", `{"kind": "national-id", "number": "871120015V", "language": "si"}`)
	example("/on-demand/proofs", `{"challenge": "as the first answer gave it", "code": "123456"}`)
	example("/on-demand/pages", `{"challenge": "as the first answer gave it", "certificate": "13FB6BBKS21CTAP4DP2TN9NA", "languages": ["si", "en"]}`)
	example("/sources", exampleSource)
	example("/sources/{source}/pause", `{"reason": "maintenance on their side"}`)
	example("/holds/decisions", `{"action": "retry", "source": "commcare", "class": "unmapped-code"}`)
	example("/people/exports", `{"certificate": "13FB6BBKS21CTAP4DP2TN9NA"}`)
	example("/people/erasures", `{"certificate": "13FB6BBKS21CTAP4DP2TN9NA", "certificates": "keep", "reason": "the person asked for it in writing"}`)
	example("/people/erasures/{erasure}/decision", `{"approve": true}`)
	example("/alarms/{alarm}/close", `{"reason": "a vaccination day, seen with the facility"}`)
	example("/people/merges", `{"certificates": ["13FB6BBKS21CTAP4DP2TN9NA", "13H0GYYTBKA32TC6A65Z6SQ2"], "reason": "one identity card shown"}`)
	example("/people/unmerges", `{"certificates": ["13FB6BBKS21CTAP4DP2TN9NA", "13H0GYYTBKA32TC6A65Z6SQ2"], "reason": "father and son"}`)
	example("/cases", `{"kind": "correction", "certificate": "13FB6BBKS21CTAP4DP2TN9NA", "changes": [{"field": "person.name", "value": "Marcia Campbell-Brown"}], "message": "I married before the first dose", "key": "5f3a"}`)
	example("/trust/sources/{source}/imports", `{"list": "-----BEGIN CERTIFICATE-----…"}`)
	example("/withdrawals", `{"act": "revoke", "reason": "a recalled batch", "common": {"lot": "PF1"}, "key": "recall-1"}`)
	example("/withdrawals/{id}/approval", `{"found": 12}`)
	example("/withdrawals/{id}/refusal", `{"reason": "the batch is another"}`)
	example("/cases/{ticket}/preview", `{"changes": [{"field": "person.name", "value": "Marcia Campbell-Brown"}]}`)
	example("/cases/{ticket}/decisions", `{"action": "approve", "note": "as in the marriage certificate", "version": "13FB6BBKS21CTAP4DP2TN9NA"}`)
	example("/holds/{item}/mapping", `{"value": "Comirnaty"}`)
	example("/holds/{item}/edits", `{"field": "vaccination.lot", "value": "PF1", "reason": "as on the card"}`)
	example("/messages/resend", `{"messages": [4711]}`)
	example("/messages/suppressions", `{"to": "876 555 0142", "reason": "opted-out"}`)
	example("/campaigns", `{"name": "cards with the old name", "template": "corrected", "filter": {"programme": "covid-19", "issuedFrom": "2026-05-01T00:00:00Z"}}`)
	replaced := func(path, body string) {
		o.Paths[prefix+path].Put.RequestBody.Content["application/json"].Example = json.RawMessage(body)
	}
	replaced("/sources/{source}", `{"hourlyLimit": 5000, "scope": ["/country/parish"]}`)
	replaced("/trust/sources/{source}", `{"kind": "certificates", "issuerName": "Ministry of Health of Utopia", "issuer": "https://health.example"}`)
	replaced("/sources/{source}/mapping", `{"text": "person:\n  name: full_name\ndose:\n  product: vaccine\n  number: dose_number\n  date: given_on\n"}`)
	conflict := &door.Problem{
		Type: "about:blank", Title: "Conflict", Status: 409, Code: string(vaccination.Conflict), Item: new(int),
		Detail: "this record has a certificate with other content in vaccination.lot; send a correction to change it",
		Faults: []door.Fault{{Path: "vaccination.lot", Code: "differs", Message: "differs from what is certified"}},
	}
	o.Paths[prefix+"/events"].Post.Responses["409"].Content["application/problem+json"].Example = conflict
	explain(o)
	group(o)
	for _, s := range o.Components.Schemas.Map() {
		slices.Sort(s.Required) // the same description from every build
	}
}

const exampleEvents = `{"events": [{
  "programme": "covid-19", "enrolmentCode": "EXAMPLE-1",
  "person": {"name": "Marcia Campbell", "birthDate": "1987-04-21", "sex": "female", "nationality": "JAM", "identifier": {"type": "passport", "value": "A1234567"}},
  "contacts": ["tel:8765550142"],
  "vaccination": {"product": "Comirnaty", "lot": "PF1", "date": "2021-11-30", "dose": 1, "totalDoses": 2, "country": {"code": "JAM"}, "centre": "Falmouth Health Centre", "practitioner": "N. Brown"}
}]}`

// exampleSource is a source of events that came as FHIR.
const exampleSource = `{"name": "hospital", "kind": "fhir", "programme": "covid-19", "hourlyLimit": 5000}`
