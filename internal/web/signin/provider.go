package signin

import (
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// awayCookie holds what was begun at the provider, apart from what is begun here.
const awayCookie = "staff-away"

// abroad adds the pages of a sign-in at the country's identity provider.
func (d *Door) abroad(add func(string, http.HandlerFunc)) {
	add("GET "+staff.ProviderPath, d.limited(d.leave))
	add("GET "+staff.ReturnPath, d.limited(d.back))
	add("POST "+staff.EndedPath, d.form(d.ended))
}

func (d *Door) leave(w http.ResponseWriter, r *http.Request) {
	var at *staff.Session
	if r.URL.Query().Has("again") {
		is, err := d.Session(r)
		if err != nil {
			d.SignIn(w, r)
			return
		}
		at = &is
	}
	address, step, err := d.Staff.BeginAbroad(r.Context(), d.Provider, local(r.URL.Query().Get("to")), at)
	if err != nil {
		status, key := d.status(err)
		d.choose(w, r, status, "", key)
		return
	}
	d.keep(w, awayCookie, step, stepLife)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, address, http.StatusSeeOther)
}

func (d *Door) back(w http.ResponseWriter, r *http.Request) {
	session, next, err := d.Staff.EndAbroad(r.Context(), d.Provider, d.cookie(r, awayCookie), r.URL.Query(), d.browser(r))
	d.forget(w, awayCookie)
	var refused staff.Refused
	switch {
	case errors.As(err, &refused):
		key := "signin.refused." + string(refused)
		d.write(w, r, http.StatusForbidden, "signin.refused.title", "", "", func(v page.View, _ []page.Fault) templ.Component {
			return refusedPage(v, v.T(key, "name", d.Provider.Name(v.L.Tag)))
		})
	case err != nil:
		status, key := d.status(err)
		d.choose(w, r, status, "", key)
	default:
		d.in(w, r, session, next)
	}
}

// ended is what the provider itself calls when somebody signed out there.
func (d *Door) ended(w http.ResponseWriter, r *http.Request) {
	err := d.Staff.EndedAbroad(r.Context(), d.Provider, r.PostForm.Get("logout_token"))
	w.Header().Set("Cache-Control", "no-store")
	switch vaccination.ErrorCode(err) {
	case "":
		w.WriteHeader(http.StatusOK)
	case vaccination.Invalid: // 400 is what the specification asks for
		door.WriteJSON(w, http.StatusBadRequest, "application/json", map[string]string{"error": "invalid_request"})
	default:
		door.WriteProblem(w, d.Log, err)
	}
}
