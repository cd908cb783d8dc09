package commcare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// fixture reads a body from the folder of fixtures.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "fixtures")
	}
	data, err := os.ReadFile(filepath.Join(dir, "commcare", name))
	if os.IsNotExist(err) {
		t.Skipf("no fixtures at %s: set DIVOC_FIXTURES", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, text string) *mapping.Mapping {
	t.Helper()
	p, err := profile.Open("jamaica")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse("mapping.yaml", []byte(text), p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const cases = `
person: {name: case_name, birthDate: dob, types: [patient, mscase, child, pregnancy]}
dose: {date: date_given, number: {from: dose, codes: {"1": 1}}}
stages: {vaccination: {}, checkup: {}}
`

const beside = `
person: {name: case_name, types: [patient]}
dose: {date: date}
slots:
  - {prefix: dose1_, number: 1, when: date}
  - {prefix: dose2_, number: 2, when: date}
`

func read(t *testing.T, m *mapping.Mapping, body string, hints map[string]string) intake.Reading {
	t.Helper()
	r, err := Reader{}.Read(intake.Arrival{Body: []byte(body), Hints: hints}, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func instant(s string) time.Time { return parseTime(s) }

// The bodies of CommCare HQ's own documentation ("docs samples") and recorded
// ones of an older server.
func TestFixtures(t *testing.T) {
	trees := intake.Fragment{Kind: intake.PersonFragment, ID: "b0916685-7247-4c44-b712-633d3d64e0c0", Status: "open", Version: instant("2012-04-05T23:56:41Z")}
	tests := []struct {
		file  string
		hints map[string]string
		want  []intake.Fragment // without fields
		needs []string
		value string // of a field of the first: "name=value"
	}{
		{file: "hq-docs-case-forward.json", want: []intake.Fragment{trees}, value: "case_name=Trees"},
		{file: "hq-docs-case-forward.xml", hints: map[string]string{HintServerModified: "2012-04-05T23:56:41.000000Z"}, want: []intake.Fragment{trees}, value: "owner_id=d0e472a6b36dfd3ee5059222e12b8c1b"},
		{file: "hq-docs-form-forward.xml", hints: map[string]string{HintReceivedOn: "2012-04-05T23:56:41Z"}, want: []intake.Fragment{trees}, value: "case_type=mscase"},
		{file: "hq-docs-form-stub.json", needs: []string{"b0916685-7247-4c44-b712-633d3d64e0c0"}},
		{file: "hq-docs-case-v2-list.json"}, // an assignment is no type of the mapping
		{file: "hq-docs-case-v2-bulk-fetch.json"},
		{file: "motech/single-case-response.json", value: "external_id=Gddd", want: []intake.Fragment{
			{Kind: intake.DoseFragment, ID: "JQHFW1DBNQRQJ8VVKZ0M7RKJ4", Person: "ca43088e-471b-451c-b036-44edf63ad123", Stage: "checkup", Status: "open", Version: instant("2012-04-12T18:59:04Z")}}},
		{file: "motech/registrationForm.json", value: "mobile_phone_number=2525252222", want: []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "6bc2f8f6-b1da-4be2-98d4-1cb2d557a329", Status: "open", Version: instant("2012-06-22T14:26:54.046462Z")}}},
		{file: "motech/register_child.xml", value: "dob=2014-02-25", want: []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "bdf2224face444ea895523ab29ec302a", Status: "open", Version: instant("2016-02-02T10:46:06.577Z")}}},
		{file: "motech/sampleForm.json", needs: []string{"8f8fd909-684f-402d-a892-f50e607fffef"}},
		{file: "motech/sample_form_xml.xml"},
	}
	m := parse(t, cases)
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			r := read(t, m, string(fixture(t, tt.file)), tt.hints)
			if name, value, ok := strings.Cut(tt.value, "="); ok && r.Fragments[0].Fields[name] != value {
				t.Errorf("field %s = %q, want %q", name, r.Fragments[0].Fields[name], value)
			}
			for i := range r.Fragments {
				r.Fragments[i].Fields = nil
			}
			if diff := cmp.Diff(intake.Reading{Fragments: tt.want, Needs: tt.needs}, r); diff != "" {
				t.Error(diff)
			}
		})
	}
	if r := read(t, m, string(fixture(t, "motech/cases.json")), nil); len(r.Fragments) != 4 || r.Fragments[0].Fields["weight"] != "54" {
		t.Errorf("a list of four cases: %+v", r)
	}
}

func TestCases(t *testing.T) {
	tests := map[string]struct {
		mapping, body string
		want          []intake.Fragment
	}{
		"a dose under a person": {cases, `{"case_id":"d1","closed":true,"server_date_modified":"2021-06-01T10:00:00Z","properties":{"case_type":"vaccination","date_given":"2021-06-01","dose":1,"lot":null,"tags":{"a":1}},
			"indices":{"facility":{"case_id":"f1","case_type":"facility"},"parent":{"case_id":"p1","case_type":"patient"}}}`, []intake.Fragment{
			{Kind: intake.DoseFragment, ID: "d1", Person: "p1", Stage: "vaccination", Status: "closed", Version: instant("2021-06-01T10:00:00Z"),
				Fields: mapping.Fields{"case_id": "d1", "case_type": "vaccination", "date_given": "2021-06-01", "dose": "1"}}}},
		"an index of another name": {cases, `{"case_id":"d1","case_type":"vaccination","server_last_modified":"2021-06-01T10:00:00Z","properties":{},
			"indices":{"parent":{"case_id":"f1","case_type":"facility"},"recipient":{"case_id":"p1","case_type":"patient"}}}`, []intake.Fragment{
			{Kind: intake.DoseFragment, ID: "d1", Person: "p1", Stage: "vaccination", Status: "open", Version: instant("2021-06-01T10:00:00Z"),
				Fields: mapping.Fields{"case_id": "d1", "case_type": "vaccination"}}}},
		"doses beside the person": {beside, `{"case_id":"p1","date_modified":"2021-06-01T05:00:00-05:00","properties":{"case_type":"patient","case_name":"Ama","dose1_date":"2021-05-01","dose1_lot":"A1","dose2_lot":""}}`, []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "p1", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "p1", "case_type": "patient", "case_name": "Ama"}},
			{Kind: intake.DoseFragment, ID: "p1#dose1_", Person: "p1", Stage: "dose1_", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"date": "2021-05-01", "lot": "A1"}},
			{Kind: intake.DoseFragment, ID: "p1#dose2_", Person: "p1", Stage: "dose2_", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Deleted: true},
		}},
		"a type of no interest": {cases, `{"case_id":"x","properties":{"case_type":"household"}}`, nil},
		"two cases of one form": {cases, `<data xmlns="http://f"><group><case case_id="p1" date_modified="2021-06-01T10:00:00Z" xmlns="http://commcarehq.org/case/transaction/v2"><create><case_type>patient</case_type><case_name>Ama</case_name></create></case></group>
			<case case_id="d1" date_modified="2021-06-01T10:00:00Z" xmlns="http://commcarehq.org/case/transaction/v2"><create><case_type>vaccination</case_type></create><update><date_given>2021-06-01</date_given></update><close/><index><parent case_type="patient">p1</parent></index></case></data>`, []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "p1", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "p1", "case_type": "patient", "case_name": "Ama"}},
			{Kind: intake.DoseFragment, ID: "d1", Person: "p1", Stage: "vaccination", Status: "closed", Version: instant("2021-06-01T10:00:00Z"),
				Fields: mapping.Fields{"case_id": "d1", "case_type": "vaccination", "date_given": "2021-06-01"}}}},
		"a list of forms, one taken back": {cases, `{"objects":[{"received_on":"2021-06-01T10:00:00Z","archived":false,"form":{"group":[{"case":{"@case_id":"p1","create":{"case_type":"patient","case_name":"Ama"}}},{"case":{"@case_id":"p2","create":{"case_type":"patient"}}}]}},
			{"archived":true,"form":{"case":{"@case_id":"p3","create":{"case_type":"patient"}}}}]}`, []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "p1", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "p1", "case_type": "patient", "case_name": "Ama"}},
			{Kind: intake.PersonFragment, ID: "p2", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "p2", "case_type": "patient"}},
		}},
		"a case that was deleted": {cases, `{"case_id":"d1","case_type":"vaccination","error":"not found","server_date_modified":"2021-06-01T10:00:00Z"}`, []intake.Fragment{
			{Kind: intake.DoseFragment, ID: "d1", Stage: "vaccination", Status: "open", Deleted: true, Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "d1", "case_type": "vaccination"}}}},
		"a case that is not there": {cases, `{"cases":[{"case_id":"d1","error":"not found"},{"external_id":"x","error":"not found"}]}`, nil},
		"several values": {cases, `{"case_id":"p1","date_modified":"2021-06-01T10:00:00Z","properties":{"case_type":"patient","tags":"a b","external_id":null,"empty":""}}`, []intake.Fragment{
			{Kind: intake.PersonFragment, ID: "p1", Status: "open", Version: instant("2021-06-01T10:00:00Z"), Fields: mapping.Fields{"case_id": "p1", "case_type": "patient", "tags": "a b"}}}},
		"an empty list": {cases, `{"matching_records":0,"cases":[]}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(t, parse(t, tt.mapping), tt.body, nil).Fragments); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedBodies(t *testing.T) {
	m := parse(t, cases)
	for name, body := range map[string]string{
		"empty":                     " \n",
		"neither JSON nor XML":      "case_id=1",
		"a list of nothing":         `{"cases":[{"properties":{}}]}`,
		"cut JSON":                  `{"case_id":"1","prop`,
		"JSON of something else":    `{"hello":"world"}`,
		"JSON, far too deep":        `{"form":` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 101),
		"cut XML":                   `<case case_id="1" xmlns="http://commcarehq.org/case/transaction/v2"><create>`,
		"XML that defines entities": `<!DOCTYPE x [<!ENTITY a "b">]><x/>`,
		"XML, far too deep":         strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
		"XML of another encoding":   `<?xml version="1.0" encoding="UTF-7"?><a/>`,
		"too many cases":            `{"form_id":"f","case_ids":[` + strings.Repeat(`"a",`, maxCases) + `"a"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Reader{}.Read(intake.Arrival{Body: []byte(body)}, m)
			if vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error %v, %+v", err, r)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	m := parse(f, cases)
	f.Add([]byte(`{"case_id":"d1","properties":{"case_type":"vaccination"},"indices":{"parent":{"case_id":"p"}}}`))
	f.Add([]byte(`{"form":{"case":{"@case_id":"a","create":{"case_type":"patient"}}}}`))
	f.Add([]byte(`<data><case case_id="1" xmlns="http://commcarehq.org/case/transaction/v2"><create><case_type>patient</case_type></create><index><parent>x</parent></index></case></data>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Reader{}.Read(intake.Arrival{Body: body}, m)
		if err != nil {
			if vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, fragment := range r.Fragments {
			if fragment.ID == "" || fragment.Kind == "" {
				t.Errorf("a fragment of nothing: %+v", fragment)
			}
		}
	})
}
