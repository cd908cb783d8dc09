package divocapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// beneficiary is a person as DIVOC's print desk lists them.
type beneficiary struct {
	PreEnrollmentCode string `json:"preEnrollmentCode"`
	Name              string `json:"name"`
	Gender            string `json:"gender"`
	DOB               string `json:"dob"`
}

// beneficiaries answers the search of DIVOC's print desk: by mobile number and
// date of birth, both, with the bounds and the records of a desk. DIVOC sends the
// two in the address; a body with the same names keeps them out of the logs of
// whatever stands in front.
func (h *handler) beneficiaries(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q := r.URL.Query()
	in := struct{ PhoneNo, DOB, Reason string }{q.Get("phoneno"), q.Get("dob"), q.Get("reason")}
	if r.Method == http.MethodPost {
		data, err := door.ReadBody(w, r, 4096)
		if err != nil {
			return err
		}
		if json.Unmarshal(data, &in) != nil {
			return vaccination.Errorf(vaccination.Invalid, `the body is {"phoneno": "8765550142", "dob": "1987-04-21"}`)
		}
	}
	birth, err := vaccination.ParseDate(strings.TrimSpace(in.DOB))
	if err != nil {
		birth = vaccination.Date{} // told by what follows
	}
	people, err := h.Desk.Beneficiaries(r.Context(), by, strings.TrimSpace(in.PhoneNo), birth, in.Reason)
	if err != nil {
		return err
	}
	out := make([]beneficiary, len(people))
	for i, p := range people {
		out[i] = beneficiary{p.EnrolmentCode, p.Person.Name, gender(p.Person.Sex), p.Person.BirthDate.String()}
	}
	door.WriteJSON(w, http.StatusOK, "application/json", out)
	return nil
}

// gender is DIVOC's word for a sex; empty where it is not known.
func gender(s vaccination.Sex) string {
	switch s {
	case vaccination.SexMale:
		return "Male"
	case vaccination.SexFemale:
		return "Female"
	case vaccination.SexOther:
		return "Other"
	}
	return ""
}
