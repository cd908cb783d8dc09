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
	add("POST "+staff.EndedPath, d.ended)
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
		d.choosing(w, r, status, choice{To: local(r.URL.Query().Get("to"))}, "provider", key)
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
	case errors.As(err, &refused) && refused == staff.WentBack: // nobody's mistake
		if _, err := d.Session(r); err == nil { // they were to prove once more who they are
			http.Redirect(w, r, with(AgainPath, local(next)), http.StatusSeeOther)
			return
		}
		d.choosing(w, r, http.StatusOK, choice{To: next, WentBack: true}, "", "")
	case errors.As(err, &refused):
		d.refused(w, r, refused)
	case err != nil:
		status, key := d.status(err)
		d.choosing(w, r, status, choice{To: next}, "provider", key)
	default:
		d.in(w, r, session, next)
	}
}

// refused says why somebody whom the provider vouches for does not come in, and what
// they can do.
func (d *Door) refused(w http.ResponseWriter, r *http.Request, why staff.Refused) {
	l := d.frame.Locale(r)
	name, title := d.Provider.Name(l.Tag), "signin.refused.title"
	there := "" // perhaps they have another account
	if why == staff.NoGoodReply {
		title = "signin.refused.failed.title"
	} else {
		there = d.Staff.SignOutURL(r.Context(), d.Provider, "")
	}
	d.write(w, r, http.StatusForbidden, title, "", "", func(v page.View, _ []page.Fault) templ.Component {
		return refusedPage(v, v.T(title), v.T("signin.refused."+string(why), "name", name), there, name)
	})
}

// ended is what the provider itself calls when somebody signed out there. All of a
// country's come from its one address.
func (d *Door) ended(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := d.Told(r); err != nil {
		door.WriteProblem(w, d.Log, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	_ = r.ParseForm() // what cannot be read is no token
	err := d.Staff.EndedAbroad(r.Context(), d.Provider, r.PostForm.Get("logout_token"))
	switch vaccination.ErrorCode(err) {
	case "":
		w.WriteHeader(http.StatusOK)
	case vaccination.Invalid: // 400 is what the specification asks for
		door.WriteJSON(w, http.StatusBadRequest, "application/json", map[string]string{"error": "invalid_request"})
	default:
		door.WriteProblem(w, d.Log, err)
	}
}
