// Package stop is the page behind the link that both numbers are sent when the
// number of a person is about to change: whoever did not ask for it stops it here,
// without signing in.
package stop

import (
	"net/http"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is what the address begins with; the ticket follows.
const Path = "/my/stop/"

// Options are what the page needs.
type Options struct {
	Frame *page.Frame
	Cases *casework.Service
	// Limit counts a request of a network; the error is [vaccination.TooMany].
	Limit func(r *http.Request) error
	// Own answers a form of this site alone.
	Own func(http.Handler) http.Handler
}

type handler struct{ Options }

// Register adds the page to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	mux.HandleFunc("GET "+Path+"{ticket}", h.show)
	mux.Handle("POST "+Path+"{ticket}", o.Own(http.HandlerFunc(h.stop)))
}

// found is the case of an address. A ticket that is none, one of another kind of
// case, and too many tries are answered.
func (h *handler) found(w http.ResponseWriter, r *http.Request) (casework.Followed, bool) {
	if err := h.Limit(r); err != nil {
		w.Header().Set("Retry-After", "60")
		h.say(w, r, http.StatusTooManyRequests, "stop.toomany")
		return casework.Followed{}, false
	}
	t, err := casework.ParseTicket(r.PathValue("ticket"))
	if err != nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return casework.Followed{}, false
	}
	f, err := h.Cases.Follow(r.Context(), t)
	switch {
	case vaccination.ErrorCode(err) == vaccination.NotFound, err == nil && f.Effect == casework.NoEffect:
		h.Frame.Error(w, r, http.StatusNotFound)
	case err != nil:
		h.Frame.Error(w, r, http.StatusServiceUnavailable)
	default:
		return f, true
	}
	return f, false
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	if f, ok := h.found(w, r); ok {
		h.write(w, r, f)
	}
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, f casework.Followed) {
	switch f.Effect {
	case casework.Pending:
		h.Frame.Write(w, r, page.Page{Title: h.Frame.Locale(r).T("stop.title"), Personal: true, Body: func(v page.View) templ.Component {
			return askPage(v, Path+f.Ticket.String())
		}})
	case casework.Stopped:
		h.say(w, r, http.StatusOK, "stop.stopped")
	default:
		h.say(w, r, http.StatusOK, "stop.late")
	}
}

func (h *handler) say(w http.ResponseWriter, r *http.Request, status int, key string) {
	h.Frame.Write(w, r, page.Page{Status: status, Title: h.Frame.Locale(r).T(key + ".title"), Personal: true, Body: func(v page.View) templ.Component {
		return saidPage(v, key)
	}})
}

func (h *handler) stop(w http.ResponseWriter, r *http.Request) {
	f, ok := h.found(w, r)
	if !ok {
		return
	}
	err := h.Cases.Stop(r.Context(), access.Caller{}, f.Ticket)
	if code := vaccination.ErrorCode(err); code != "" && code != vaccination.Conflict {
		h.Frame.Error(w, r, http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, Path+f.Ticket.String(), http.StatusSeeOther)
}
