package signin

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// account adds the pages of somebody's own account.
func (d *Door) account(add func(string, http.HandlerFunc)) {
	form := func(next func(http.ResponseWriter, *http.Request, staff.Session)) http.HandlerFunc {
		return d.form(func(w http.ResponseWriter, r *http.Request) { d.signed(next)(w, r) })
	}
	add("GET "+AccountPath, d.signed(func(w http.ResponseWriter, r *http.Request, at staff.Session) {
		d.accountPage(w, r, at, http.StatusOK, "")
	}))
	add("POST "+AccountPath+"/sessions", form(d.endSessions))
	add("GET "+AccountPath+"/password", d.signed(d.newPassword))
	add("POST "+AccountPath+"/password", form(d.setPassword))
	add("POST "+AccountPath+"/password/remove", form(func(w http.ResponseWriter, r *http.Request, at staff.Session) {
		d.changed(w, r, at, d.Staff.RemovePassword(r.Context(), at))
	}))
	add("POST "+AccountPath+"/recovery", form(d.newCodes))
	add("POST "+AccountPath+"/passkeys/options", d.limited(d.signed(d.addPasskeyOptions)))
	add("POST "+AccountPath+"/passkeys", d.limited(d.signed(d.addPasskey)))
	add("POST "+AccountPath+"/passkeys/remove", form(func(w http.ResponseWriter, r *http.Request, at staff.Session) {
		d.changed(w, r, at, d.Staff.RemovePasskey(r.Context(), at, r.PostForm.Get("id")))
	}))
}

// own is what the page of an account shows.
type own struct {
	Session  staff.Session
	Factors  staff.Factors
	Sessions []staff.SessionInfo
}

func (d *Door) accountPage(w http.ResponseWriter, r *http.Request, at staff.Session, status int, fault string) {
	o := own{Session: at}
	var err error
	if o.Factors, err = d.Staff.Factors(r.Context(), at); err == nil {
		o.Sessions, err = d.Staff.Sessions(r.Context(), at)
	}
	if err != nil {
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
		return
	}
	d.write(w, r, status, "account.title", "", fault, func(v page.View, f []page.Fault) templ.Component { return accountPage(v, o, f) })
}

// changed goes back to the account after an act, or says why it was not done.
func (d *Door) changed(w http.ResponseWriter, r *http.Request, at staff.Session, err error) {
	switch vaccination.ErrorCode(err) {
	case "":
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, AccountPath, http.StatusSeeOther)
	case vaccination.Unauthorized:
		http.Redirect(w, r, with(AgainPath, AccountPath), http.StatusSeeOther)
	case vaccination.Conflict:
		d.accountPage(w, r, at, http.StatusConflict, "account.fault.last")
	case vaccination.NotFound:
		d.accountPage(w, r, at, http.StatusNotFound, "account.fault.gone")
	default:
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
	}
}

func (d *Door) endSessions(w http.ResponseWriter, r *http.Request, at staff.Session) {
	if number, err := strconv.ParseInt(r.PostForm.Get("session"), 10, 64); err == nil {
		d.changed(w, r, at, d.Staff.EndSession(r.Context(), at, number))
		return
	}
	d.changed(w, r, at, d.Staff.SignOutEverywhere(r.Context(), at, true))
}

// totp is a secret for an app: to scan, to open, to type.
type totp struct {
	URL, Text string
	Code      string // the QR code, SVG
}

func (d *Door) totp(login string, secret []byte) totp {
	t := totp{URL: staff.TOTPURL(d.Staff.Issuer, login, secret), Text: staff.TOTPText(secret)}
	if code, err := qr.Encode(t.URL, qr.M); err == nil {
		t.Code = string(code.SVG(""))
	}
	return t
}

// chosen is what the form of a new password shows.
type chosen struct {
	Step string
	TOTP totp
	Has  bool
}

func (d *Door) newPassword(w http.ResponseWriter, r *http.Request, at staff.Session) {
	if at.Member.Origin != staff.Local {
		d.frame.Error(w, r, http.StatusNotFound)
		return
	}
	if !at.Fresh() {
		d.Again(w, r)
		return
	}
	step, secret, err := d.Staff.BeginPassword(r.Context(), at)
	if err != nil {
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
		return
	}
	d.passwordPage(w, r, at, http.StatusOK, step, secret, nil)
}

func (d *Door) passwordPage(w http.ResponseWriter, r *http.Request, at staff.Session, status int, step string, secret []byte, faults []page.Fault) {
	c := chosen{Step: step, TOTP: d.totp(at.Member.Login, secret)}
	d.show(w, r, status, d.frame.Locale(r).T("account.password.title"), faults, func(v page.View, f []page.Fault) templ.Component { return passwordPage(v, c, f) })
}

func (d *Door) setPassword(w http.ResponseWriter, r *http.Request, at staff.Session) {
	l := d.frame.Locale(r)
	f := r.PostForm
	step := f.Get("step")
	var faults []page.Fault
	var err error
	if f.Get("password") != f.Get("repeat") {
		faults = []page.Fault{{Field: "repeat", Message: l.T("signin.fault.repeat")}}
	} else {
		err = d.Staff.SetPassword(r.Context(), at, step, f.Get("password"), f.Get("code"))
		faults = faultsOf(l, err)
	}
	if len(faults) > 0 {
		secret, err := d.Staff.PendingTOTP(r.Context(), at, step)
		if err != nil {
			d.changed(w, r, at, err)
			return
		}
		d.passwordPage(w, r, at, http.StatusUnprocessableEntity, step, secret, faults)
		return
	}
	d.changed(w, r, at, err)
}

func (d *Door) newCodes(w http.ResponseWriter, r *http.Request, at staff.Session) {
	codes, err := d.Staff.NewRecovery(r.Context(), at)
	if err != nil {
		d.changed(w, r, at, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	d.codesPage(w, r, codes, AccountPath)
}

func (d *Door) addPasskeyOptions(w http.ResponseWriter, r *http.Request, at staff.Session) {
	options, step, err := d.Staff.AddPasskey(r.Context(), at)
	if err == nil {
		d.keep(w, stepCookie, step, stepLife)
	}
	if vaccination.ErrorCode(err) == vaccination.Unauthorized { // the page goes there
		d.reply(w, r, map[string]string{"to": with(AgainPath, AccountPath)}, nil)
		return
	}
	d.reply(w, r, asked{Options: options}, err)
}

func (d *Door) addPasskey(w http.ResponseWriter, r *http.Request, at staff.Session) {
	a, err := answer(r)
	if err == nil {
		err = d.Staff.KeepPasskey(r.Context(), at, d.cookie(r, stepCookie), a.Name, a.Answer)
	}
	d.reply(w, r, map[string]string{"to": AccountPath}, err)
}

// number is the value of a button that ends one session.
func number(n int64) string { return fmt.Sprint(n) }
