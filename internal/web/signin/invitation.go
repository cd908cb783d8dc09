package signin

import (
	"net/http"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/page"
)

// invitation shows what a link is for. Opening it uses nothing up.
func (d *Door) invitation(w http.ResponseWriter, r *http.Request) {
	d.startPage(w, r, http.StatusOK, nil)
}

func (d *Door) startPage(w http.ResponseWriter, r *http.Request, status int, faults []page.Fault) {
	link := r.PathValue("link")
	i, err := d.Staff.Invitation(r.Context(), link)
	if err != nil {
		d.linkOver(w, r, err)
		return
	}
	s := start{Link: link, Name: i.Member.Name, Login: i.Member.Login, Role: string(i.Member.Role), Facility: i.Member.Facility, TOTP: d.totp(i.Member.Login, i.TOTP)}
	d.show(w, r, status, d.frame.Locale(r).T("signin.start.title"), faults, func(v page.View, f []page.Fault) templ.Component { return startPage(v, s, f) })
}

func (d *Door) linkOver(w http.ResponseWriter, r *http.Request, err error) {
	if status, _ := d.status(err); status != http.StatusGone {
		d.frame.Error(w, r, status)
		return
	}
	d.write(w, r, http.StatusGone, "signin.start.over.title", "", "", func(v page.View, _ []page.Fault) templ.Component { return overPage(v) })
}

// start is what the page of a link shows.
type start struct {
	Link, Name, Login, Role, Facility string
	TOTP                              totp
}

func (d *Door) accept(w http.ResponseWriter, r *http.Request) {
	l := d.frame.Locale(r)
	f := r.PostForm
	if f.Get("password") != f.Get("repeat") {
		d.startPage(w, r, http.StatusUnprocessableEntity, []page.Fault{{Field: "repeat", Message: l.T("signin.fault.repeat")}})
		return
	}
	session, codes, err := d.Staff.Accept(r.Context(), r.PathValue("link"), f.Get("password"), f.Get("code"), d.browser(r))
	if faults := faultsOf(l, err); len(faults) > 0 {
		d.startPage(w, r, http.StatusUnprocessableEntity, faults)
		return
	}
	if err != nil {
		d.linkOver(w, r, err)
		return
	}
	next := d.arrive(w, r, session, "")
	d.codesPage(w, r, codes, next)
}

// codesPage shows recovery codes, the only time that anybody sees them.
func (d *Door) codesPage(w http.ResponseWriter, r *http.Request, codes []string, next string) {
	d.write(w, r, http.StatusOK, "signin.codes.title", "", "", func(v page.View, _ []page.Fault) templ.Component { return codesPage(v, codes, next) })
}
