package citizen

import (
	"net/http"

	who "github.com/opendivoc/divoc/internal/access/citizen"
)

// The cookies. Their names are made longer where the site is reached by https.
const (
	sessionCookie   = "my"
	challengeCookie = "my-code"
	awayCookie      = "my-away" // apart from a code, so that neither ends the other
)

func (h *handler) cookie(name string) string {
	if h.Secure {
		return "__Host-" + name
	}
	return name
}

func (h *handler) secret(r *http.Request, name string) string {
	c, err := r.Cookie(h.cookie(name))
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}

func (h *handler) session(r *http.Request) string { return h.secret(r, sessionCookie) }

func (h *handler) challenge(r *http.Request) string { return h.secret(r, challengeCookie) }

// set gives the browser a secret until it is closed.
func (h *handler) set(w http.ResponseWriter, name, secret string) {
	http.SetCookie(w, &http.Cookie{Name: h.cookie(name), Value: secret, Path: "/", HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode})
}

func (h *handler) clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: h.cookie(name), Path: "/", MaxAge: -1, HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode})
}

// Door lets other pages of this site sign somebody in who proved there who they
// are.
type Door struct{ h *handler }

// Enter begins a session with these people's records opened, and goes to the list
// of their certificates.
func (d Door) Enter(w http.ResponseWriter, r *http.Request, people []who.Person) error {
	secret, err := d.h.Citizens.Grant(r.Context(), d.h.session(r), people)
	if err != nil {
		return err
	}
	d.h.set(w, sessionCookie, secret)
	http.Redirect(w, r, listPath, http.StatusSeeOther)
	return nil
}

// NewDoor returns a Door of a portal with these options.
func NewDoor(o Options) Door { return Door{&handler{o}} }
