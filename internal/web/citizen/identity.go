package citizen

import (
	"errors"
	"net/http"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// beginIdentity sends a browser to the country's identity provider.
func (h *handler) beginIdentity(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if h.Citizens.IdentityName("") == "" {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	if err := h.Limit(r); err != nil {
		h.ask(w, r, http.StatusTooManyRequests, typed{}, page.Fault{Message: h.text(r, "my.fault.toomany")})
		return
	}
	address, secret, err := h.Citizens.BeginIdentity(r.Context(), h.Frame.Locale(r).Tag)
	if err != nil {
		h.noIdentity(w, r, err)
		return
	}
	h.set(w, awayCookie, secret)
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// endIdentity is where the provider sends the browser back to.
func (h *handler) endIdentity(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if h.Citizens.IdentityName("") == "" {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	session, born, err := h.Citizens.EndIdentity(r.Context(), h.secret(r, awayCookie), r.URL.Query(), h.session(r))
	h.clear(w, awayCookie)
	if err == nil {
		err = h.openAs(r, session, born)
	}
	if err != nil {
		h.noIdentity(w, r, err)
		return
	}
	h.clear(w, challengeCookie)
	h.set(w, sessionCookie, session)
	http.Redirect(w, r, listPath, http.StatusSeeOther)
}

// openAs opens, of what a session reaches, the records with the date of birth that
// the provider vouches for: it would be typed next, and by somebody who showed less
// of who they are. What has another date asks for it, and that counts as no try;
// what is closed stays closed.
func (h *handler) openAs(r *http.Request, session string, born vaccination.Date) error {
	if born.IsZero() {
		return nil
	}
	s, err := h.Citizens.Session(r.Context(), session)
	if err != nil {
		return err
	}
	people, err := h.Issuance.Reach(r.Context(), s, "my-identity")
	if err != nil {
		return err
	}
	for _, p := range people {
		if p.Closed || p.Factor != profile.FactorBirthDate || !h.Issuance.Right(p, born.String()) {
			continue
		}
		if err := h.Citizens.OpenRecord(r.Context(), s, p.Ref, true); err != nil && vaccination.ErrorCode(err) != vaccination.TooMany {
			return err
		}
	}
	return nil
}

// endedIdentity is what the provider itself calls when somebody signed out there.
func (h *handler) endedIdentity(w http.ResponseWriter, r *http.Request) {
	err := h.Citizens.EndedIdentity(r.Context(), r.PostForm.Get("logout_token"))
	w.Header().Set("Cache-Control", "no-store")
	switch vaccination.ErrorCode(err) {
	case "":
		w.WriteHeader(http.StatusOK)
	case vaccination.Invalid: // 400 is what the specification asks for
		door.WriteJSON(w, http.StatusBadRequest, "application/json", map[string]string{"error": "invalid_request"})
	default:
		door.WriteProblem(w, h.Log, err)
	}
}

// noIdentity shows the first page to who did not come in by the provider.
func (h *handler) noIdentity(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, party.WentBack) { // nobody's mistake
		h.ask(w, r, http.StatusOK, typed{WentBack: true})
		return
	}
	status, key := 0, ""
	switch vaccination.ErrorCode(err) {
	case vaccination.NotFound:
		status, key = http.StatusGone, "over"
	case vaccination.Forbidden:
		status, key = http.StatusForbidden, "failed"
	case vaccination.Invalid:
		status, key = http.StatusUnprocessableEntity, "nothing"
	case vaccination.Unavailable:
		status, key = http.StatusServiceUnavailable, "later"
	default:
		h.fail(w, r, err)
		return
	}
	name := h.Citizens.IdentityName(h.Frame.Locale(r).Tag)
	h.ask(w, r, status, typed{}, page.Fault{Field: "identity", Message: h.text(r, "my.fault.identity."+key, "name", name)})
}

// identityKeys are our public keys, for the provider.
func (h *handler) identityKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := h.Citizens.ClientKeys(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(keys) // the client went away
}

// languages are those in which the people of a session can be written to; nil
// where there is nothing to choose, or nobody's record was opened.
func (h *handler) languages(r *http.Request, s *who.Session) (*speech, error) {
	if len(h.Profile.Languages) < 2 || len(s.Opened) == 0 {
		return nil, nil
	}
	x := &speech{Done: r.URL.Query().Has("language")}
	for _, tag := range h.Profile.Languages {
		x.All = append(x.All, language{tag, h.Frame.LanguageName(tag)})
	}
	var err error
	x.Chosen, err = h.Issuance.LanguageOf(r.Context(), s.Opened[0])
	return x, err
}

// language says in which language those are written to whose records were opened.
func (h *handler) language(w http.ResponseWriter, r *http.Request, s *who.Session) {
	err := h.Issuance.ChooseMyLanguage(r.Context(), s, r.PostForm.Get("language"))
	switch vaccination.ErrorCode(err) {
	case "":
		http.Redirect(w, r, listPath+"?language#language", http.StatusSeeOther)
	case vaccination.Invalid, vaccination.Forbidden:
		http.Redirect(w, r, listPath, http.StatusSeeOther) // no button of ours sends that
	default:
		h.fail(w, r, err)
	}
}
