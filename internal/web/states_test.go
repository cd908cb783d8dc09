package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// TestEveryMoveIsToldEverywhere goes through all states of a certificate by the
// API. After each move the certificate, its status lists, the trust bundle and
// the verification say the same, and the audit says why.
func TestEveryMoveIsToldEverywhere(t *testing.T) {
	w := &stateWorld{newWorld(t, "jamaica"), map[string][2]string{}}
	id := w.report("/api/v1/events", event("S-1"))[0].Certificate
	base := "/api/v1/certificates/"
	moves := []struct {
		name, path string
		body       m
		by         string // "admin" for an administrator
		wait       time.Duration
		status     string
	}{
		{"nothing", "", nil, "", 0, "valid"},
		{"suspended", "/suspension", m{"reason": "looked into"}, "", 0, "suspended"},
		{"lifted", "/suspension/lift", m{"reason": "all is well"}, "", 0, "valid"},
		{"suspended for ten minutes", "/suspension", m{"reason": "looked into again", "until": "2026-11-22T12:10:00Z"}, "", 0, "suspended"},
		{"suspended for twenty minutes", "/suspension", m{"reason": "takes longer", "until": "2026-11-22T12:20:00Z"}, "", 15 * time.Minute, "suspended"},
		{"the twenty minutes are over, and no job runs", "", nil, "", 6 * time.Minute, "valid"},
		{"suspended without an end", "/suspension", m{}, "", 0, "suspended"},
		{"revoked while suspended", "/revocation", m{"reason": "issued in error"}, "", 0, "revoked"},
		{"issued again", "/reissue", m{"reason": "it was none"}, "admin", 0, "valid"},
		{"revoked", "/revocation", m{"reason": "died"}, "", 0, "revoked"},
	}
	for _, move := range moves {
		w.now = w.now.Add(2 * time.Second)
		if move.path != "" {
			token := w.token
			if move.by == "admin" {
				token = w.admin()
			}
			r := w.askAs(token, http.MethodPost, base+id+move.path, move.body).is(t, 200)
			if s := into[struct{ Status string }](t, r).Status; s != move.status {
				t.Errorf("%s: answered %q", move.name, s)
			}
			if move.path == "/reissue" {
				id = into[result](t, r).Certificate
			}
			reason, _ := move.body["reason"].(string)
			if reason != "" && !w.auditSays(reason) {
				t.Errorf("%s: the audit does not say why", move.name)
			}
		}
		w.now = w.now.Add(2*time.Second + move.wait)
		w.saysEverywhere(move.name, id, move.status)
	}
	if report, err := w.service.Check(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("afterwards: %v, %v", report, err)
	}
}

// stateWorld keeps what was signed, so that asking for it is no act in between.
type stateWorld struct {
	*world
	forms map[string][2]string // by id: document and code
}

// saysEverywhere asks for the state of a certificate in every way there is, the
// public ones first: reading it lifts a suspension that is over.
func (w *stateWorld) saysEverywhere(name, id, status string) {
	w.t.Helper()
	parsed, err := vaccination.ParseCertificateID(id)
	if err != nil {
		w.t.Fatal(err)
	}
	bundle, err := trust.Parse([]byte(w.askAs("", http.MethodGet, "/trust/bundle.json", nil).is(w.t, 200).body))
	if err != nil {
		w.t.Fatal(err)
	}
	snapshot, hash := bundle.Status[0], trust.HashOf(parsed.UVCI("JM"))
	for state, listed := range map[string]bool{"suspended": snapshot.Suspended.Has(hash), "revoked": snapshot.Revoked.Has(hash), "superseded": snapshot.Superseded.Has(hash)} {
		if listed != (state == status) {
			w.t.Errorf("%s: %s in the trust bundle: %t", name, state, listed)
		}
	}
	document, code := w.formsOf(id)
	for _, entry := range document.Status() {
		_, path, _ := strings.Cut(entry.List, publicURL)
		list, err := vc.ParseStatusList([]byte(w.askAs("", http.MethodGet, path, nil).is(w.t, 200).body))
		if err != nil {
			w.t.Fatal(err)
		}
		on, err := list.Lookup(entry)
		want := map[string]string{"suspension": "suspended", "revocation": "revoked"}[entry.Purpose] == status
		if err != nil || on != want {
			w.t.Errorf("%s: in the list of %s: %t, %v", name, entry.Purpose, on, err)
		}
	}
	statement := into[struct{ Verdict, Status string }](w.t, w.askAs("", http.MethodPost, "/api/v1/verify", m{"data": code}).is(w.t, 200))
	if statement.Status != status || (statement.Verdict == "valid") != (status == "valid") {
		w.t.Errorf("%s: verified as %+v", name, statement)
	}
	if c := into[shown](w.t, w.ask(http.MethodGet, "/api/v1/certificates/"+id, nil).is(w.t, 200)); c.Status != status {
		w.t.Errorf("%s: shown as %q", name, c.Status)
	}
}

// formsOf are the document and the code of a certificate.
func (w *stateWorld) formsOf(id string) (*vc.Credential, string) {
	w.t.Helper()
	if _, known := w.forms[id]; !known {
		base := "/api/v1/certificates/" + id
		w.forms[id] = [2]string{w.ask(http.MethodGet, base+"/credential", nil).is(w.t, 200).body, w.ask(http.MethodGet, base+"/code", nil).is(w.t, 200).body}
	}
	document, err := vc.Parse([]byte(w.forms[id][0]))
	if err != nil {
		w.t.Fatal(err)
	}
	return document, w.forms[id][1]
}

func (w *stateWorld) auditSays(reason string) bool {
	w.t.Helper()
	var n int
	if err := w.tokens.Store.Pool().QueryRow(w.t.Context(), "SELECT count(*) FROM audit WHERE detail = $1", reason).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n > 0
}

// TestSuspensionsThatAreRefused asks for what cannot be.
func TestSuspensionsThatAreRefused(t *testing.T) {
	w := newWorld(t, "jamaica")
	path := "/api/v1/certificates/" + w.report("/api/v1/events", event("S-1"))[0].Certificate + "/suspension"
	for name, body := range map[string]m{
		"over already":          {"until": "2026-11-22T11:59:59Z"},
		"over at once":          {"until": "2026-11-22T12:00:00.9Z"},
		"not a time":            {"until": "tomorrow"},
		"a day without a time":  {"until": "2026-11-23"},
		"a reason of two lines": {"reason": "a\nb", "until": "2026-11-23T00:00:00Z"},
		"an unknown field":      {"untill": "2026-11-23T00:00:00Z"}, //nolint:misspell // the fault
	} {
		t.Run(name, func(t *testing.T) { w.ask(http.MethodPost, path, body).fails(t, 422, "invalid") })
	}
	w.ask(http.MethodPost, path+"/lift", m{}).fails(t, 409, "conflict")
}
