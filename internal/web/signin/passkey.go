package signin

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// answer reads what a script sent: at most maxJSON bytes.
func answer(r *http.Request) (a struct {
	Step   string          `json:"step"`
	Name   string          `json:"name"`
	To     string          `json:"to"`
	Answer json.RawMessage `json:"answer"`
}, err error) {
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil {
		return a, vaccination.Errorf(vaccination.Invalid, "this is not what the page sends")
	}
	return a, nil
}

// asked is what a script is told to ask the browser for.
type asked struct {
	Options any    `json:"options"`
	Step    string `json:"step"`
}

// reply answers a script: v, or a sentence in the page's language.
func (d *Door) reply(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		door.WriteJSON(w, http.StatusOK, "application/json", v)
		return
	}
	status, key := d.status(err)
	if key == "signin.fault.wrong" {
		key = "signin.fault.passkey"
	}
	door.WriteJSON(w, status, "application/json", map[string]string{"error": d.frame.Locale(r).T(key)})
}

func (d *Door) passkeyOptions(w http.ResponseWriter, r *http.Request) {
	var a asked
	var err error
	a.Options, a.Step, err = d.Staff.AskPasskey(r.Context())
	if at, none := d.Session(r); none == nil && r.URL.Query().Has("again") {
		a.Options, a.Step, err = d.Staff.AskPasskeyAgain(r.Context(), at)
	}
	if err == nil {
		d.keep(w, stepCookie, a.Step, stepLife) // bound to this browser
		a.Step = ""
	}
	d.reply(w, r, a, err)
}

func (d *Door) passkey(w http.ResponseWriter, r *http.Request) {
	a, err := answer(r)
	if err != nil {
		d.reply(w, r, nil, err)
		return
	}
	session, err := d.Staff.Passkey(r.Context(), d.cookie(r, stepCookie), a.Answer, d.browser(r))
	if err != nil {
		d.reply(w, r, nil, err)
		return
	}
	d.reply(w, r, map[string]string{"to": d.arrive(w, r, session, a.To)}, nil)
}

func (d *Door) firstPasskeyOptions(w http.ResponseWriter, r *http.Request) {
	options, step, err := d.Staff.AddFirstPasskey(r.Context(), r.PathValue("link"))
	if err == nil {
		d.keep(w, stepCookie, step, stepLife)
	}
	d.reply(w, r, asked{Options: options}, err)
}

func (d *Door) firstPasskey(w http.ResponseWriter, r *http.Request) {
	a, err := answer(r)
	if err != nil {
		d.reply(w, r, nil, err)
		return
	}
	session, err := d.Staff.AcceptPasskey(r.Context(), r.PathValue("link"), d.cookie(r, stepCookie), a.Name, a.Answer, d.browser(r))
	if err != nil {
		d.reply(w, r, nil, err)
		return
	}
	d.reply(w, r, map[string]string{"to": d.arrive(w, r, session, AccountPath)}, nil)
}
