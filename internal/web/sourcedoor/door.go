// Package sourcedoor is the door for systems that push what happens: CommCare's
// forwarders and whatever else can post a body and sign in. What is posted is
// stored before it is answered, and looked at after that; a body that means
// nothing is stored too, and waits for a person.
package sourcedoor

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// maxBody bounds one delivery, in bytes.
const maxBody = 4 << 20

// Options are what the door opens to.
type Options struct {
	Intake *intake.Service
	Tokens access.Tokens
	Now    func() time.Time
	Log    *slog.Logger
}

type handler struct{ Options }

// Register adds the door's paths to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	mux.HandleFunc("POST /api/v1/intake/{source}", h.answer(h.receive))
	mux.HandleFunc("PUT /api/v1/intake/{source}", h.answer(h.receive))
	mux.HandleFunc("GET /api/v1/intake/{source}/{reference}", h.answer(h.outcomes))
	mux.HandleFunc("POST /api/v1/token", h.answer(h.token))
}

func (h *handler) answer(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			door.WriteProblem(w, h.Log, err)
		}
	}
}

// source recognises who calls, by a token of the source in any of the ways in
// which forwarders can send one, and opens the source.
func (h *handler) source(r *http.Request) (access.Caller, intake.Source, error) {
	secret, err := door.SourceSecret(r)
	if err != nil {
		return access.Caller{}, intake.Source{}, err
	}
	by, err := h.Tokens.Authenticate(r.Context(), secret)
	if err != nil {
		return by, intake.Source{}, err
	}
	if err := by.CanWhole(access.Certify); err != nil {
		return by, intake.Source{}, err
	}
	name := r.PathValue("source")
	missing := vaccination.Errorf(vaccination.NotFound, "there is no such source of yours: the address ends with the name that the token was made for")
	if !by.Owns(access.Certify, name) {
		return by, intake.Source{}, missing
	}
	src, err := h.Intake.Source(r.Context(), name)
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		return by, src, missing
	}
	return by, src, err
}

// receipt is what a forwarder hears. The reference says nothing of a person, so
// that it can stand in logs and be stored in a case.
type receipt struct {
	Status    string `json:"status"`
	Reference string `json:"reference"`
}

func (h *handler) receive(w http.ResponseWriter, r *http.Request) error {
	_, src, err := h.source(r)
	if err != nil {
		return err
	}
	if err := allowed(src, r.RemoteAddr); err != nil {
		return err
	}
	body, err := door.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	hints := map[string]string{}
	for _, name := range commcare.Hints() {
		if v := r.Header.Get(name); v != "" && len(v) < 100 {
			hints[name] = v
		}
	}
	reference, err := h.Intake.Receive(r.Context(), src.Name, intake.Arrival{
		Channel: intake.Push, ContentType: r.Header.Get("Content-Type"), Body: body, Received: h.Now(), Hints: hints,
	})
	if err != nil {
		return err
	}
	door.WriteJSON(w, http.StatusAccepted, "application/json", receipt{"stored", reference})
	return nil
}

// allowed refuses what a source of this kind is not pushed, and addresses that
// the source's settings leave out.
func allowed(src intake.Source, from string) error {
	if src.Kind != intake.CommCare {
		// Nothing could read it: it is not stored, and the sender tries again.
		return vaccination.Errorf(vaccination.Unavailable, "this source is not set up to be pushed to: `divoc source show %s` says what it is", src.Name)
	}
	c, err := commcare.ReadConfig(src.Config)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddrPort(from)
	if err != nil || !c.Allows(address.Addr()) {
		return vaccination.Errorf(vaccination.Forbidden, "this address may not deliver for the source: its settings list the networks that may")
	}
	return nil
}

// outcome is what became of one dose of a delivery.
type outcome struct {
	State       intake.ItemState    `json:"state"`
	Class       intake.HoldClass    `json:"class,omitempty"`
	Problems    []vaccination.Fault `json:"problems,omitempty"`
	Certificate string              `json:"certificateId,omitempty"`
}

func (h *handler) outcomes(w http.ResponseWriter, r *http.Request) error {
	_, src, err := h.source(r)
	if err != nil {
		return err
	}
	reference := r.PathValue("reference")
	items, err := h.Intake.Outcomes(r.Context(), src.Name, reference)
	if err != nil {
		return err
	}
	answer := struct {
		Reference string    `json:"reference"`
		Doses     []outcome `json:"doses"`
	}{reference, []outcome{}}
	for _, i := range items {
		o := outcome{State: i.State, Class: i.Class, Problems: i.Problems}
		if i.Certificate != (vaccination.CertificateID{}) {
			o.Certificate = i.Certificate.String()
		}
		answer.Doses = append(answer.Doses, o)
	}
	door.WriteJSON(w, http.StatusOK, "application/json", answer)
	return nil
}

// tokenLife is how long a client may keep what it was handed before it asks
// again.
const tokenLife = time.Hour

// token hands a client that can only sign in by OAuth 2.0 (RFC 6749, sections 4.3
// and 4.4) its own token: the client's id is the source's name and its secret the
// token, so that there is one secret to make, revoke and let expire.
func (h *handler) token(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		return vaccination.Errorf(vaccination.Invalid, "send a form with grant_type=client_credentials")
	}
	secret := r.PostForm.Get("client_secret")
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
	case "password":
		secret = r.PostForm.Get("password")
	default:
		return vaccination.Errorf(vaccination.Invalid, "send a form with grant_type=client_credentials")
	}
	if secret == "" {
		var err error
		if secret, err = door.SourceSecret(r); err != nil {
			return err
		}
	}
	by, err := h.Tokens.Authenticate(r.Context(), secret)
	if err != nil {
		return err
	}
	if by.Role != access.SourceRole {
		return vaccination.Errorf(vaccination.Forbidden, "only a source's token is handed out here")
	}
	door.WriteJSON(w, http.StatusOK, "application/json", map[string]any{
		"access_token": secret, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()),
	})
	return nil
}
