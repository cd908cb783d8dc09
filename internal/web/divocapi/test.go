package divocapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// testDetails is what DIVOC's TestCertificationRequest has in place of a dose.
type testDetails struct {
	TestName                  text `json:"testName"`
	TestType                  text `json:"testType"`
	Disease                   text `json:"disease"`
	Batch                     text `json:"batch"`
	Manufacturer              text `json:"manufacturer"`
	SampleOrigin              text `json:"sampleOrigin"`
	SampleCollectionTimestamp text `json:"sampleCollectionTimestamp"`
	ResultTimestamp           text `json:"resultTimestamp"`
	Result                    text `json:"result"`
}

// ofKind leaves of requests what their path is for: the paths of doses never read
// testDetails, and that of tests needs them.
func ofKind(requests []certificationRequest, tests bool) error {
	for i := range requests {
		switch {
		case !tests:
			requests[i].TestDetails = nil
		case requests[i].TestDetails == nil:
			return &issuance.ItemError{Item: i, Err: &vaccination.Error{Code: vaccination.Invalid, Message: "the record has faults", Faults: []vaccination.Fault{
				{Path: "test", Code: vaccination.FaultRequired, Message: "say what was tested, when, and with what result"},
			}}}
		}
	}
	return nil
}

// test is the test of a request. Its times are moments: without a zone they would
// be guessed.
func (r certificationRequest) test(fault func(path, code, message string)) vaccination.Test {
	d := r.TestDetails
	moment := func(path string, s text) time.Time {
		t, ok := readTime(string(s))
		if !ok && s != "" {
			fault(path, vaccination.FaultNotADate, "write date and time with its zone, such as 2021-11-30T09:05:00+05:30")
		}
		return t
	}
	display := func(s text) vaccination.Coding { return vaccination.Coding{Display: string(s)} }
	return vaccination.Test{
		Pathogen: display(d.Disease), Type: display(d.TestType), Brand: display(d.TestName), Manufacturer: display(d.Manufacturer), Lot: string(d.Batch),
		Origin: display(d.SampleOrigin), Date: moment("test.date", d.SampleCollectionTimestamp), ResultDate: moment("test.resultDate", d.ResultTimestamp),
		Result: display(d.Result), Country: vaccination.Coding{Code: string(r.Facility.Address.Country)}, Centre: string(r.Facility.Name),
		CentreAddress: r.Facility.Address.domain(), Practitioner: string(r.Verifier.Name),
	}
}

// testField names a field of a test as DIVOC's clients know it, "" for others.
func testField(path string) string {
	rest, ok := strings.CutPrefix(path, "test")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
	return map[string]string{
		"": "testDetails", "type": "testDetails.testType", "result": "testDetails.result", "date": "testDetails.sampleCollectionTimestamp",
		"resultDate": "testDetails.resultTimestamp", "pathogen": "testDetails.disease", "brand": "testDetails.testName",
		"manufacturer": "testDetails.manufacturer", "lot": "testDetails.batch", "origin": "testDetails.sampleOrigin",
		"country": "facility.address.country", "centre": "facility.name", "practitioner": "verifier.name",
	}[name]
}

// testPage answers with the page of the latest test of an enrolment code.
func (p page) testPage(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if err := by.Can(access.Read); err != nil {
		return err
	}
	programme, ok := p.Service.Profile.ProgrammeFor(r.URL.Query().Get("programId"), true)
	if !ok || !programme.Tests {
		return vaccination.Errorf(vaccination.NotFound, "no programme of this name certifies tests: name one in programId")
	}
	records, latest, err := p.Service.PageByCode(r.Context(), by, programme.Key, r.PathValue("preEnrollmentCode"), p.purpose)
	if err != nil {
		return err
	}
	return p.write(w, r, by, records, latest)
}
