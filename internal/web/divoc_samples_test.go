package web

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fromCredential is the certification request that a certificate DIVOC
// published was made of.
func fromCredential(t testing.TB, data []byte) m {
	t.Helper()
	type place struct {
		Street1  string `json:"streetAddress"`
		Street2  string `json:"streetAddress2"`
		District string `json:"district"`
		Region   string `json:"addressRegion"`
		Country  string `json:"addressCountry"`
		PostCode string `json:"postalCode"`
	}
	var c struct {
		CredentialSubject struct {
			ID, RefID, Name, Gender, Age, DOB, Nationality string
			Address                                        place
		}
		Evidence []struct {
			Batch, Vaccine, Manufacturer, Date, EffectiveStart, EffectiveUntil string
			Dose, TotalDoses                                                   any
			Verifier                                                           struct{ Name string }
			Facility                                                           struct {
				Name    string
				Address place
			}
		}
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	address := func(p place) m {
		return m{"addressLine1": p.Street1, "addressLine2": p.Street2, "district": p.District, "state": p.Region, "country": p.Country, "pincode": p.PostCode}
	}
	s, e := c.CredentialSubject, c.Evidence[0]
	r := m{
		"preEnrollmentCode": s.RefID,
		"recipient":         m{"name": s.Name, "gender": s.Gender, "age": s.Age, "nationality": s.Nationality, "identity": s.ID, "contact": []string{}, "address": address(s.Address)},
		"vaccination":       m{"name": e.Vaccine, "batch": e.Batch, "manufacturer": e.Manufacturer, "date": e.Date, "effectiveStart": e.EffectiveStart, "effectiveUntil": e.EffectiveUntil, "dose": e.Dose, "totalDoses": e.TotalDoses},
		"vaccinator":        m{"name": e.Verifier.Name},
		"facility":          m{"name": e.Facility.Name, "address": address(e.Facility.Address)},
	}
	if s.DOB != "" {
		change(r, "recipient.dob", s.DOB)
	}
	return r
}

// TestDIVOCsPublishedSamples replays what DIVOC published: its samples of
// requests, and its certificates turned back into requests. Each ends in a
// certificate, or in a refusal that names what a sample leaves out or makes up.
func TestDIVOCsPublishedSamples(t *testing.T) {
	w := newWorld(t, "jamaica")
	vector := func(name string) func(*testing.T) m {
		return func(t *testing.T) m { return fromCredential(t, shared(t, "DIVOC_VECTORS", "vectors", "divoc/"+name)) }
	}
	fixture := func(name string) func(*testing.T) m {
		return func(t *testing.T) m {
			data := shared(t, "DIVOC_FIXTURES", "fixtures", name)
			var r m
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			if r["evidence"] != nil {
				return fromCredential(t, data)
			}
			return r
		}
	}
	shaped := func(changes ...any) func(*testing.T) m {
		return func(*testing.T) m { return request("SHAPE", changes...) }
	}
	for name, test := range map[string]struct {
		body   func(*testing.T) m
		faults []string // nil: a certificate
	}{
		"request of the DHIS2 connector":                        {fixture("dhis2-covac/divoc-certify-request-sample.json"), nil},
		"WHO's sample of a DIVOC certificate":                   {fixture("ddcc-fhir/example-divoc-payload-vaccine.json"), nil},
		"certificate of 1.x":                                    {vector("rsa-valid.json"), []string{"vaccination.dose", "vaccination.name"}},
		"certificate of 1.x, Ed25519":                           {vector("ed25519-valid.json"), []string{"vaccination.dose", "vaccination.name"}},
		"certificate of 2.x":                                    {vector("rsa-v2-valid.json"), nil},
		"certificate of 2.x with an unsigned subject":           {vector("rsa-v2-subject-not-signed-must-be-refused.json"), nil},
		"certificate of 1.24":                                   {vector("rsa-tampered-must-fail.json"), nil},
		"shape of the load test: pin, no dose, no programme":    {shaped("facility.address", m{"addressLine1": "1 Main St", "addressLine2": "", "district": "Trelawny", "state": "Trelawny", "pin": 560034}, "vaccination.dose", nil, "vaccination.totalDoses", nil, "programId", nil, "recipient.address", nil), []string{"vaccination.dose"}},
		"shape of the end-to-end test: ids of its own registry": {shaped("programId", "1234", "preEnrollmentCode", ""), []string{"preEnrollmentCode", "programId"}},
		"shape of the end-to-end test: a vaccine made up":       {shaped("vaccination.name", "CoVax", "vaccination.manufacturer", "COVPharma"), []string{"vaccination.name"}},
		"shape of 1.x: numbers for pin codes":                   {shaped("recipient.address.pincode", 560024, "facility.address.pincode", 560034), nil},
		"shape of a walk-in: age, no date of birth":             {shaped("recipient.dob", json.RawMessage("null"), "recipient.age", "34", "enrollmentType", "WALK_IN"), nil},
		"shape of V2: enrolment beside the person":              {shaped("enrollmentType", nil, "recipient.enrollmentType", "SELF_ENRL", "recipient.programId", "x", "meta", m{"vaccinationApp": m{"a": 1}}), nil},
		"shape of V3: the least": {func(*testing.T) m {
			return m{"preEnrollmentCode": "V3", "recipient": m{"name": "A B", "nationality": "JAM", "identity": "did:passport:A1", "contact": []string{"tel:8765550142"}, "dob": "1987-04-21"},
				"vaccination": m{"name": "Comirnaty", "manufacturer": "Pfizer", "date": "2021-11-30T10:00:00Z", "effectiveStart": "2021-11-30", "effectiveUntil": "2022-11-30", "dose": 1, "totalDoses": 2}, "facility": m{"name": "F"}}
		}, nil},
	} {
		for _, version := range []string{"v1", "v3"} {
			t.Run(name+" "+version, func(t *testing.T) {
				body := test.body(t)
				if body["preEnrollmentCode"] != "" { // a person for each
					body["preEnrollmentCode"] = name + version
				}
				r := w.ask(http.MethodPost, "/divoc/api/"+version+"/certify", []m{body})
				if test.faults == nil {
					r.is(t, 200)
					w.ask(http.MethodPut, "/divoc/api/"+version+"/certificate", []m{body}).is(t, 200)
					return
				}
				r.is(t, 422)
				if diff := cmp.Diff(test.faults, into[failed](t, r).fields()); diff != "" {
					t.Errorf("fields (-want +got):\n%s in %s", diff, r.body)
				}
			})
		}
	}
}

// TestDIVOCsPublishedHeaders uploads files that begin as DIVOC's templates do.
func TestDIVOCsPublishedHeaders(t *testing.T) {
	w := newWorld(t, "jamaica")
	row := strings.Join([]string{
		"H-1", "Marcia Campbell", "8765550142", "1987-04-21", "", "Female", "JAM", "did:passport:A1", "1 Duke St", "", "Kingston", "Kingston", "00000",
		"PF1", "2021-11-30T10:00:00Z", "1", "2", "2021-11-30", "2022-11-30", "Pfizer", "Comirnaty", "N. Brown", "Falmouth Health Centre", "Falmouth", "", "Trelawny", "Trelawny", "00000",
	}, ",")
	for name, missing := range map[string]string{ // what DIVOC's message begins with
		"certificates.csv":     "",
		"testCertificates.csv": "Missing Headers: recipientAge, vaccinationBatch, vaccinationDate",
		"enrollments.csv":      "Missing Headers: the first line is not the template's header: preEnrollmentCode, recipientName",
		"facilities.csv":       "Missing Headers: preEnrollmentCode, recipientName",
		"vaccinators.csv":      "Missing Headers: the first line is not the template's header: preEnrollmentCode, recipientName",
	} {
		t.Run(name, func(t *testing.T) {
			header := bytes.TrimSpace(shared(t, "DIVOC_VECTORS", "vectors", "divoc/"+name))
			var form bytes.Buffer
			parts := multipart.NewWriter(&form)
			file := must(parts.CreateFormFile("file", name))(t)
			_, _ = file.Write(append(append(header, '\n'), row...))
			if err := parts.Close(); err != nil {
				t.Fatal(err)
			}
			r := w.askAs(w.token, http.MethodPost, "/divoc/api/v1/bulkCertify", form.Bytes(), "Content-Type", parts.FormDataContentType())
			if missing == "" {
				w.process(into[struct{ UploadID int64 }](t, r.is(t, 200)).UploadID)
				rows := into[[]listed](t, w.ask(http.MethodGet, listPath+"/H-1", nil).is(t, 200))
				if len(rows) != 1 || rows[0].Status != "valid" {
					t.Errorf("rows = %+v", rows)
				}
				uploads := into[[]m](t, w.ask(http.MethodGet, "/divoc/api/v1/certify/uploads", nil).is(t, 200))
				if u := uploads[0]; len(uploads) != 1 || u["Filename"] != name || u["Status"] != "Success" || u["TotalErrorRows"] != 0.0 || u["TotalRecords"] != 1.0 || u["DeletedAt"] != nil {
					t.Errorf("uploads = %+v", uploads)
				}
				return
			}
			if f := into[failed](t, r.is(t, 400)); f.Code != "INVALID_TEMPLATE" || !strings.HasPrefix(f.Message, missing) {
				t.Errorf("%s", r.body)
			}
		})
	}
}
