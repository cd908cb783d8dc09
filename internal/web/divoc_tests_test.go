package web

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/profile"
)

const testPath = "/divoc/api/v1/test/"

// newTests is a world whose profile certifies tests beside doses.
func newTests(t *testing.T, country string) *world {
	w := newWorld(t, country)
	names := map[string]string{"en": "COVID-19", "si": "කොවිඩ්-19", "ta": "கோவிட்-19"}
	w.service.Profile.Programmes["covid-19-test"] = &profile.Programme{
		Key: "covid-19-test", Tests: true, Names: names, Disease: "covid-19", Payloads: []string{profile.PayloadDDCC}, Incomplete: "refuse", ValidHours: 72, Layout: "standard",
	}
	return w
}

// testRequest is DIVOC's TestCertificationRequest with every field it has.
func testRequest(code string, changes ...any) m {
	address := m{"addressLine1": "1 Duke St", "addressLine2": "", "district": "Trelawny", "state": "Trelawny", "country": "JAM", "pincode": 560024}
	r := m{
		"preEnrollmentCode": code,
		"recipient": m{
			"name": "Marcia Campbell", "gender": "Female", "dob": "1987-04-21", "nationality": "JAM", "identity": "did:passport:A1234567",
			"contact": []string{"tel:8765550142"}, "address": address,
		},
		"testDetails": m{
			"testName": "Panbio COVID-19 Ag Rapid Test", "testType": "RAT", "disease": "COVID-19", "batch": "T77", "manufacturer": "1232", "sampleOrigin": "Nasopharyngeal",
			"sampleCollectionTimestamp": "2026-11-21T09:05:00-05:00", "resultTimestamp": "2026-11-21T14:25:00.000Z", "result": "Negative",
		},
		"verifier": m{"name": "N. Brown"}, "facility": m{"name": "Falmouth Health Centre", "address": address},
		"meta": m{"anything": 1},
	}
	for i := 0; i < len(changes); i += 2 {
		change(r, changes[i].(string), changes[i+1])
	}
	return r
}

func TestDIVOCsTestsAreCertified(t *testing.T) {
	w := newTests(t, "jamaica")
	first := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, testPath+"certify", []m{testRequest("T-1")}).is(t, 200)).Certificates[0]
	again := into[struct{ Certificates []certified }](t, w.ask(http.MethodPost, testPath+"certify", testRequest("T-1")).is(t, 200)).Certificates[0]
	if first.Outcome != "issued" || again.Outcome != "unchanged" || again.CertificateID != first.CertificateID {
		t.Errorf("%+v, then %+v", first, again)
	}
	w.ask(http.MethodPost, testPath+"certify", testRequest("T-1", "testDetails.result", "Positive")).is(t, 409)
	row := into[m](t, w.ask(http.MethodGet, listPath+"/"+first.CertificateID, nil).is(t, 200))
	subject := row["certificate"].(m)["credentialSubject"].(m)
	want := m{
		"number": 1.0, "lot": "T77", "date": "2026-11-21T14:05:00Z", "resultDate": "2026-11-21T14:25:00Z", "centre": "Falmouth Health Centre", "practitioner": "N. Brown",
		"pathogen": m{"code": "XN109", "system": "http://id.who.int/icd/release/11/mms", "display": "SARS-CoV-2"},
		"testType": m{"code": "2056159157", "system": "http://id.who.int/icd/release/11/mms", "display": "Rapid antigen test"},
		"brand":    m{"display": "Panbio COVID-19 Ag Rapid Test"},
		"manufacturer": m{
			"code": "1232", "system": "https://covid-19-diagnostics.jrc.ec.europa.eu/devices", "display": "Abbott Rapid Diagnostics, Panbio COVID-19 Ag Rapid Test",
		},
		"origin":        m{"code": "JAM.AH.XF", "system": "http://id.who.int/icd/release/11/mms", "display": "Nasopharyngeal"},
		"result":        m{"code": "QA02", "system": "http://id.who.int/icd/release/11/mms", "display": "Not detected"},
		"country":       m{"code": "JAM", "system": "urn:iso:std:iso:3166"},
		"centreAddress": m{"line1": "1 Duke St", "district": "Trelawny", "region": "Trelawny", "country": "JAM", "postCode": "560024"},
	}
	if diff := cmp.Diff(want, subject["test"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, path := range []string{
		"/certificate/api/test/certificatePDF/T-1", "/certificate/api/certificate/" + first.CertificateID,
		"/certificate/api/certificate/QRCode/" + first.CertificateID, "/certificate/api/certificatePDF/T-1?programId=covid-19-test",
	} {
		w.ask(http.MethodGet, path, nil).is(t, 200)
	}
	w.ask(http.MethodGet, "/certificate/api/test/certificatePDF/T-9", nil).is(t, 404)
	w.ask(http.MethodGet, "/certificate/api/test/certificatePDF/T-1?programId=covid-19", nil).is(t, 404)
	w.ask(http.MethodGet, "/certificate/api/certificatePDF/T-1", nil).is(t, 404) // of the programme of doses
	w.ask(http.MethodPost, "/divoc/api/v1/certificate/revoked", row["certificate"]).is(t, 404)
	w.ask(http.MethodDelete, listPath+"/T-1?allDoses=true&programId=covid-19-test", nil).is(t, 200)
	w.ask(http.MethodPost, "/divoc/api/v1/certificate/revoked", row["certificate"]).is(t, 200)
	w.ask(http.MethodPost, testPath+"certify", testRequest("T-1")).is(t, 410)
	if strings.Contains(w.log.String(), "Negative") || strings.Contains(w.log.String(), "QA02") {
		t.Error("a result is in the log")
	}
}

func TestDIVOCsTestsThatAreWrong(t *testing.T) {
	w := newTests(t, "jamaica")
	for name, c := range map[string]struct {
		field string
		value any
		want  string // field and code
	}{
		"no test":                    {"testDetails", nil, "testDetails required"},
		"a kind that nobody knows":   {"testDetails.testType", "Horoscope", "testDetails.testType unknown"},
		"no kind":                    {"testDetails.testType", nil, "testDetails.testType required"},
		"a result that is none":      {"testDetails.result", "Perhaps", "testDetails.result unknown"},
		"a time without its zone":    {"testDetails.sampleCollectionTimestamp", "2026-11-21T09:05:00", "testDetails.sampleCollectionTimestamp not-a-date"},
		"no time of the sample":      {"testDetails.sampleCollectionTimestamp", "", "testDetails.sampleCollectionTimestamp required"},
		"a result before it":         {"testDetails.resultTimestamp", "2026-11-20T09:05:00Z", "testDetails.resultTimestamp out-of-order"},
		"a sample of next week":      {"testDetails.sampleCollectionTimestamp", "2026-11-29T09:05:00Z", "testDetails.sampleCollectionTimestamp in-future, testDetails.resultTimestamp out-of-order"},
		"a sample of last week":      {"testDetails.sampleCollectionTimestamp", "2026-11-15T09:05:00Z", "testDetails.sampleCollectionTimestamp too-old"},
		"another disease":            {"testDetails.disease", "Plague", "testDetails.disease not-in-programme"},
		"no name":                    {"recipient.name", nil, "recipient.name required"},
		"neither birth date nor age": {"recipient.dob", nil, "recipient.dob required"},
		"a country that is none":     {"facility.address.country", "Atlantis", "facility.address.country unknown"},
		"a programme of doses":       {"programId", "covid-19", "testDetails wrong-kind"},
		"a programme that is none":   {"programId", "plague", "programId unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.ask(http.MethodPost, testPath+"certify", []m{testRequest("T-9"), testRequest("T-1", c.field, c.value)}).is(t, 422)
			f := into[failed](t, r)
			var got []string
			for _, e := range f.Errors {
				got = append(got, e.Field+" "+e.Code)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("%s\n%s", diff, r.body)
			}
			for _, secret := range []string{"Horoscope", "Perhaps", "Plague", "Atlantis"} {
				if strings.Contains(r.body, secret) {
					t.Errorf("the answer repeats %s", secret)
				}
			}
		})
	}
	w.ask(http.MethodGet, listPath+"/T-9?programId=covid-19-test", nil).is(t, 404) // all or none
	// The paths of doses pass over it, as they always did.
	w.ask(http.MethodPost, "/divoc/api/v1/certify", testRequest("T-1")).is(t, 422)
}

func TestDIVOCsFilesOfTests(t *testing.T) {
	w := newTests(t, "jamaica")
	header := bytes.TrimSpace(shared(t, "DIVOC_VECTORS", "vectors", "divoc/testCertificates.csv"))
	row := func(code, kind, taken string) string {
		return strings.Join([]string{
			code, "Marcia Campbell", "8765550142", "1987-04-21", "Female", "JAM", "did:passport:A1", "1 Duke St", "", "Kingston", "Kingston", "00000",
			"T77", "COVID-19", "Panbio", kind, "Negative", "2026-11-21T15:00:00Z", "Abbott", taken, "Nasal", "N. Brown", "Falmouth", "Falmouth", "", "Trelawny", "Trelawny", "00000",
		}, ",")
	}
	send := func(path string, lines ...string) reply {
		var form bytes.Buffer
		parts := multipart.NewWriter(&form)
		file := must(parts.CreateFormFile("file", "tests.csv"))(t)
		fmt.Fprintf(file, "%s\n%s\n", header, strings.Join(lines, "\n"))
		if err := parts.Close(); err != nil {
			t.Fatal(err)
		}
		return w.askAs(w.token, http.MethodPost, path, form.Bytes(), "Content-Type", parts.FormDataContentType())
	}
	good := row("F-1", "RT-PCR", "2026-11-21T09:05:00-05:00")
	if f := into[failed](t, send("/divoc/api/v1/bulkCertify", good).is(t, 400)); f.Code != "INVALID_TEMPLATE" {
		t.Errorf("a file of tests where doses belong: %+v", f)
	}
	id := into[struct{ UploadID int64 }](t, send(testPath+"bulkCertify", good,
		row("F-1", "RT-PCR", "2026-11-21T08:05:00-05:00"), row("F-2", "Horoscope", "2026-11-21T09:05:00-05:00"), row("F-3", "RAT", "noon"), good, "too,few").is(t, 200)).UploadID
	w.process(id)
	uploads := into[[]m](t, w.ask(http.MethodGet, testPath+"certify/uploads", nil).is(t, 200))
	if len(uploads) != 1 || uploads[0]["Status"] != "Failed" || uploads[0]["TotalErrorRows"] != 3.0 || uploads[0]["TotalIssuedRows"] != 2.0 || uploads[0]["TotalRecords"] != 6.0 {
		t.Errorf("%+v", uploads)
	}
	if others := into[[]m](t, w.ask(http.MethodGet, "/divoc/api/v1/certify/uploads", nil).is(t, 200)); len(others) != 0 {
		t.Errorf("among files of doses: %+v", others)
	}
	errors := into[struct {
		Columns   []string
		ErrorRows []m
	}](t, w.ask(http.MethodGet, fmt.Sprintf("%scertify/uploads/%d/errors", testPath, id), nil).is(t, 200))
	w.ask(http.MethodGet, fmt.Sprintf("/divoc/api/v1/certify/uploads/%d/errors", id), nil).is(t, 404)
	if len(errors.ErrorRows) != 3 || errors.Columns[len(errors.Columns)-1] != "errors" || errors.ErrorRows[0]["preEnrollmentCode"] != "F-2" {
		t.Fatalf("%+v", errors)
	}
	for i, want := range []string{"testType: no test of this kind", "sampleCollectionTimestamp: write date and time", "row: this row has 2 cells"} {
		if got := errors.ErrorRows[i]["errors"].(string); !strings.HasPrefix(got, want) {
			t.Errorf("row %d: %s", i, got)
		}
	}
	rows := into[[]listed](t, w.ask(http.MethodGet, listPath+"/F-1?programId=covid-19-test", nil).is(t, 200))
	if len(rows) != 2 || rows[0].Dose != 1 || rows[1].Dose != 2 {
		t.Errorf("%+v", rows)
	}
}

func TestOurOwnDoorTakesTests(t *testing.T) {
	w := newTests(t, "jamaica")
	event := func(date any) m {
		return m{"events": []m{{
			"enrolmentCode": "N-1", "person": m{"name": "Marcia Campbell", "birthDate": "1987-04-21"},
			"test": m{"type": m{"display": "NAAT"}, "result": m{"display": "Negative"}, "date": date, "centre": "Falmouth"},
		}}}
	}
	got := into[struct{ Results []m }](t, w.ask(http.MethodPost, "/api/v1/events", event("2026-11-21T09:05:00-05:00")).is(t, 200))
	if r := got.Results[0]; r["programme"] != "covid-19-test" || r["dose"] != 1.0 {
		t.Errorf("%+v", r)
	}
	for _, wrong := range []any{"SECRET", "2026-13-21T09:05:00Z", 7} {
		if r := w.ask(http.MethodPost, "/api/v1/events", event(wrong)).is(t, 422); strings.Contains(r.body, "SECRET") || strings.Contains(r.body, "2026-13") {
			t.Errorf("the answer repeats the time: %s", r.body)
		}
	}
}
