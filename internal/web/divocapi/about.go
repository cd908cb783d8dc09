package divocapi

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/door"
)

// about adds the paths by which a client finds its way: who it is, what it can
// certify.
func (h *handler) about(mux door.Mux) {
	mux.HandleFunc("GET /divoc/api/v1/users/me", h.caller(h.me))
	mux.HandleFunc("GET /divoc/api/v1/programs/current", h.caller(h.programmes))
}

// me answers with what the caller's token says of them here.
func (h *handler) me(w http.ResponseWriter, _ *http.Request, by access.Caller) error {
	door.WriteJSON(w, http.StatusOK, "application/json", struct {
		Roles  []access.Role `json:"roles"`
		Source string        `json:"source,omitempty"`
		Actor  string        `json:"actor"` // as the audit names them
	}{[]access.Role{by.Role}, by.Source, by.Actor})
	return nil
}

// programme is DIVOC's Program, as far as it means something here.
type programme struct {
	ID         string     `json:"id"` // to send as programId
	Name       string     `json:"name"`
	Status     string     `json:"status"`
	TotalDoses int        `json:"totalDoses,omitempty"`
	Medicines  []medicine `json:"medicines"`
}

type medicine struct {
	Name     string `json:"name"` // to send as vaccination.name
	Provider string `json:"provider,omitempty"`
	Status   string `json:"status"`
}

const active = "Active" // DIVOC's word

// programmes answers with the profile's programmes, by key.
func (h *handler) programmes(w http.ResponseWriter, _ *http.Request, by access.Caller) error {
	if err := by.Can(access.Certify); err != nil {
		return err
	}
	out := []programme{}
	for _, key := range h.Service.Profile.ProgrammeKeys() {
		p := h.Service.Profile.Programmes[key]
		one := programme{ID: p.Key, Name: h.inEnglish(p.Names), Status: active, TotalDoses: p.Doses, Medicines: []medicine{}}
		for _, product := range products(h.Service.Profile, p) {
			one.Medicines = append(one.Medicines, medicine{product.Name("en"), cmp.Or(product.MAHolder.Display, product.Manufacturer.Display), active})
		}
		out = append(out, one)
	}
	door.WriteJSON(w, http.StatusOK, "application/json", out)
	return nil
}

// inEnglish is a name in English, else in the country's first language.
func (h *handler) inEnglish(names map[string]string) string {
	return cmp.Or(names["en"], names[h.Service.Profile.Languages[0]])
}

// products are those a record of a programme can name: the ones the profile
// lists, or all against its disease. Where incomplete records are refused, those
// without a product are not among them.
func products(p *profile.Profile, of *profile.Programme) []catalogue.Product {
	if of.Tests {
		return nil
	}
	all := p.Catalogue.Products(of.Disease)
	if len(of.Products) > 0 {
		all = nil
		for _, key := range of.Products {
			if product, ok := p.Catalogue.Product(key); ok {
				all = append(all, product)
			}
		}
	}
	return slices.DeleteFunc(all, func(product catalogue.Product) bool { return product.Generic && of.Incomplete == "refuse" })
}

// retired adds DIVOC's paths that have no meaning here. Each says why, and what
// to use in its place: an answer as if it had worked would be a lie, and "not
// found" would be taken for a mistake in the address.
func (h *handler) retired(mux door.Mux) {
	for _, p := range Retired() {
		mux.HandleFunc(p.Pattern, func(w http.ResponseWriter, _ *http.Request) {
			door.WriteJSON(w, http.StatusNotImplemented, "application/json", failure{Code: "NOT_SUPPORTED", Message: p.Why})
		})
	}
}

// RetiredPath is a path of DIVOC's that is answered 501 to everybody.
type RetiredPath struct {
	Pattern string
	Why     string
}

// Retired are DIVOC's paths that have no meaning here.
func Retired() []RetiredPath {
	const (
		v4      = "there are no schemas of one's own: send a vaccination to /divoc/api/v1/certify, which asks for the least"
		enrol   = "there is no enrolment here: a record is certified when its source delivers it, with /divoc/api/v1/certify"
		effects = "side effects are not collected here: report them to the country's system for vaccine safety"
		login   = "there is no password grant here: make a token with `divoc token create`, or connect an identity provider (docs/divoc-api.md)"
		other   = "certificates in this form are not made here: GET /certificate/api/certificatePDF/{code} has the page, whose code follows WHO DDCC"
	)
	return []RetiredPath{
		{"POST /divoc/api/v4/{entityType}/certify", v4},
		{"GET /certificate/api/v2/{entityType}/certificate", v4},
		{"GET /divoc/api/v1/preEnrollments", enrol},
		{"GET /divoc/api/v1/preEnrollments/{preEnrollmentCode}", enrol},
		{"GET /divoc/api/v1/vaccinators", "there is no register of vaccinators here: send the name as vaccinator.name"},
		{"GET /divoc/api/v1/sideEffects", effects},
		{"POST /divoc/api/v1/report-side-effects", effects},
		{"POST /divoc/api/v1/events", "what clients do is not collected here; what is done to a record is in the audit by itself, and /metrics counts requests"},
		{"GET /divoc/api/v1/divoc/configuration", "a client needs no configuration from here: GET /divoc/api/v1/programs/current says what can be certified"},
		{"POST /divoc/api/v1/authorize", login},
		{"POST /divoc/api/v1/identity/verify", "identities are not proved here: the source that delivers a record says whose it is"},
		{"GET /certificate/api/fhir-certificate", other},
		{"POST /certificate/api/eu-certificate", other},
		{"GET /certificate/api/shc-certificate", other},
	}
}
