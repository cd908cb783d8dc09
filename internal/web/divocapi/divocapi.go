// Package divocapi is the door for clients written for DIVOC 1.x to 3.x: the
// same paths and bodies, with answers that come when the work is done. What
// differs from DIVOC is listed in docs/divoc-api.md.
package divocapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// Bounds of one call.
const (
	maxItems      = 1000
	maxBody       = 8 << 20   // bytes
	maxCredential = 256 << 10 // bytes
)

// Options are what the door opens to.
type Options struct {
	Service *issuance.Service
	Tokens  access.Tokens
	Printer *printer.Printer
	Uploads *upload.Service
	Desk    *desk.Service
	// Checked counts that somebody asked whether a certificate is revoked.
	Checked func(vaccination.CertificateID)
	Log     *slog.Logger
}

type handler struct{ Options }

// Register adds DIVOC's paths to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	for _, v := range []string{"v1", "v3"} {
		mux.HandleFunc("POST /divoc/api/"+v+"/certify", h.caller(h.issue(issuance.Certify, false)))
		mux.HandleFunc("PUT /divoc/api/"+v+"/certificate", h.caller(h.issue(issuance.Correct, false)))
	}
	mux.HandleFunc("POST /divoc/api/v1/test/certify", h.caller(h.issue(issuance.Certify, true)))
	mux.HandleFunc("GET /divoc/api/v1/ping", func(w http.ResponseWriter, _ *http.Request) {
		door.WriteJSON(w, http.StatusOK, "application/json", "pong")
	})
	mux.HandleFunc("DELETE /divoc/api/v1/certificates/{preEnrollmentCode}", h.caller(h.revoke))
	mux.HandleFunc("POST /divoc/api/v1/certificate/revoked", h.revoked)
	h.reads(mux)
	mux.HandleFunc("GET /certificate/api/beneficiaries", h.caller(h.beneficiaries))
	mux.HandleFunc("POST /certificate/api/beneficiaries", h.caller(h.beneficiaries))
	h.about(mux)
	h.files(mux)
	h.retired(mux)
	door.Missing(mux, "/divoc/", h.fail)
	door.Missing(mux, "/certificate/", h.fail)
}

// caller lets only recognised callers through. DIVOC's citizens sent their token
// in the address, from where it gets into logs and histories: it is not read.
func (h *handler) caller(next func(http.ResponseWriter, *http.Request, access.Caller) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := door.Bearer(r, h.Tokens)
		if err != nil && r.Header.Get("Authorization") == "" && r.URL.Query().Has("authToken") {
			err = vaccination.Errorf(vaccination.Unauthorized, "a token in the address is not read, because addresses are kept in logs: send the header \"Authorization: Bearer TOKEN\"")
		}
		if err == nil {
			err = next(w, r, by)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	}
}

// failure is DIVOC's error body, with what it does not have: which item, which
// field, what to do.
type failure struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Item    *int          `json:"item,omitempty"` // counted from 0
	Errors  []faultyField `json:"errors,omitempty"`
}

type faultyField struct {
	Field   string `json:"field"` // as DIVOC names it
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail answers with an error as DIVOC's clients expect it: a code in capitals,
// 400 for a body that cannot be read, 412 for a correction of what was never
// certified.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, item := door.Public(h.Log, err)
	status := door.Status(e.Code)
	f := failure{Code: strings.ToUpper(strings.ReplaceAll(string(e.Code), "-", "_")), Message: e.Message}
	switch {
	case e.Code == vaccination.Invalid && len(e.Faults) == 0:
		status = http.StatusBadRequest
	case e.Code == vaccination.NotFound && r.Method == http.MethodPut:
		status, f.Code = http.StatusPreconditionFailed, "CERTIFICATE_NOT_FOUND"
	}
	if item >= 0 {
		f.Item = &item
	}
	if e.Code == vaccination.Conflict && len(e.Faults) > 0 {
		f.Message = "this record has a certificate with other content in the fields listed; send a correction (PUT) to change it"
	}
	for _, fault := range e.Faults {
		if fault.Code == vaccination.FaultRequired {
			f.Code = "MISSING_FIELDS"
		}
		one := faultyField{field(fault.Path), fault.Code, fault.Message}
		if !slices.Contains(f.Errors, one) { // several of ours are one of DIVOC's
			f.Errors = append(f.Errors, one)
		}
	}
	door.WriteJSON(w, status, "application/json", f)
}

// issued is what a certify call answers for one item.
type issued struct {
	Item          int                       `json:"item"`
	Outcome       issuance.Outcome          `json:"outcome"`
	CertificateID vaccination.CertificateID `json:"certificateId"`
	HCID          string                    `json:"hcid"`
	ProgramID     string                    `json:"programId"`
	Dose          int                       `json:"dose"`
	Version       int                       `json:"version"`
	Status        vaccination.Status        `json:"status"`
	Replaces      vaccination.CertificateID `json:"previousCertificateId,omitzero"`
}

// issue certifies or corrects doses, or tests. The whole call is one transaction: when it
// answers 200, every item is durable; else none was written.
func (h *handler) issue(action issuance.Action, tests bool) func(http.ResponseWriter, *http.Request, access.Caller) error {
	return func(w http.ResponseWriter, r *http.Request, by access.Caller) error {
		body, err := door.ReadBody(w, r, maxBody)
		if err != nil {
			return err
		}
		requests, err := decode(body)
		if err == nil {
			err = ofKind(requests, tests)
		}
		if err != nil {
			return err
		}
		events := make([]vaccination.Event, len(requests))
		for i, request := range requests {
			event, faults := request.event(h.Service.Profile.TimeZone)
			if len(faults) > 0 {
				return &issuance.ItemError{Item: i, Err: h.Service.Faults(r.Context(), by, event, faults)}
			}
			events[i] = event
		}
		results, err := h.Service.Issue(r.Context(), by, action, events)
		if err != nil {
			return err
		}
		answer := struct {
			Certificates []issued `json:"certificates"`
		}{make([]issued, len(results))}
		for i, x := range results {
			answer.Certificates[i] = issued{i, x.Outcome, x.ID, x.HCID, x.Programme, x.Dose, x.Version, x.Status, x.Replaces}
		}
		door.WriteJSON(w, http.StatusOK, "application/json", answer)
		return nil
	}
}

func (h *handler) revoke(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q := r.URL.Query()
	var doses []int
	for _, d := range q["doses"] {
		n, err := strconv.Atoi(d)
		if err != nil || n < 1 {
			return vaccination.Errorf(vaccination.Invalid, "doses are whole numbers from 1: ?doses=1&doses=2")
		}
		doses = append(doses, n)
	}
	if (q.Get("allDoses") == "true") == (len(doses) > 0) {
		return vaccination.Errorf(vaccination.Invalid, "say which doses to revoke: ?doses=1&doses=2, or ?allDoses=true")
	}
	ids, err := h.Service.RevokeDoses(r.Context(), by, q.Get("programId"), r.PathValue("preEnrollmentCode"), doses, "revoked by its source")
	if err != nil {
		return err
	}
	door.WriteJSON(w, http.StatusOK, "application/json", map[string]any{"revoked": ids})
	return nil
}

// revoked answers 200 when a certificate no longer stands and 404 when it does,
// as DIVOC's verifiers ask. The body is the whole credential, ours or DIVOC's;
// the question is answered by its id alone, for anybody: whoever asks holds the
// certificate.
func (h *handler) revoked(w http.ResponseWriter, r *http.Request) {
	data, err := door.ReadBody(w, r, maxCredential)
	gone := false
	if err == nil {
		gone, err = h.isRevoked(r.Context(), data)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	status := http.StatusNotFound
	if gone {
		status = http.StatusOK
	}
	door.WriteJSON(w, status, "application/json", map[string]bool{"revoked": gone})
}

func (h *handler) isRevoked(ctx context.Context, data []byte) (bool, error) {
	var hcid string
	if ours, err := vc.Parse(data); err == nil {
		hcid = ours.Certificate().Info.HCID
	} else if old, err := divocqr.Decode(data); err == nil {
		hcid = old.Certificate().Info.HCID
	} else {
		return false, vaccination.Errorf(vaccination.Invalid, "the body is not a certificate: send the whole signed credential as JSON")
	}
	id, err := vaccination.ParseCertificateID(hcid)
	if err != nil {
		return false, nil //nolint:nilerr // of another system: never issued, so never revoked, here
	}
	status, known, err := h.Service.Status(ctx, id)
	if known && err == nil {
		h.Checked(id)
	}
	return known && status != vaccination.StatusValid, err
}
