package web

import (
	"crypto/ecdsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/tokenstatus"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// TestEveryMoveIsToldEverywhere goes through all states of a certificate by the
// API. After each move the certificate, its status lists, the trust bundle and
// the verification say the same, and the audit says why.
func TestEveryMoveIsToldEverywhere(t *testing.T) {
	w := &stateWorld{newWorld(t, asking(t, "ddcc, divoc", "ed25519")), map[string]stateForms{}}
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
	// A correction supersedes: the same in every form.
	id = w.report("/api/v1/events", event("S-2"))[0].Certificate
	w.now = w.now.Add(2 * time.Second)
	w.saysEverywhere("another one", id, "valid")
	w.report("/api/v1/corrections", event("S-2", "vaccination.lot", "OTHER"))
	w.now = w.now.Add(2 * time.Second)
	w.saysEverywhere("corrected", id, "superseded")
	if report, err := w.service.Check(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("afterwards: %v, %v", report, err)
	}
}

// stateWorld keeps what was signed, so that asking for it is no act in between.
type stateWorld struct {
	*world
	forms map[string]stateForms // by id
}

// stateForms is a certificate in every format.
type stateForms struct {
	document, code, eu, card, divoc string
	position                        string // of its lists: the path behind the purpose
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
	document, _ := w.formsOf(id)
	for _, entry := range document.Status() {
		_, path, _ := strings.Cut(entry.List, publicURL)
		list, err := vc.ParseStatusList([]byte(w.askAs("", http.MethodGet, path, nil).is(w.t, 200).body))
		if err != nil {
			w.t.Fatal(err)
		}
		on, err := list.Lookup(entry)
		want := entry.Purpose == "suspension" && status == "suspended" || entry.Purpose == "revocation" && (status == "revoked" || status == "superseded")
		if err != nil || on != want {
			w.t.Errorf("%s: in the list of %s: %t, %v", name, entry.Purpose, on, err)
		}
	}
	forms := w.forms[id]
	want := map[string]tokenstatus.Value{"suspended": tokenstatus.Suspended, "revoked": tokenstatus.Invalid, "superseded": tokenstatus.Invalid}[status]
	entry := document.Status()[0]
	for kind, parse := range map[string]func([]byte) (*tokenstatus.Token, error){tokenstatus.MediaType: tokenstatus.Parse, tokenstatus.MediaTypeCWT: tokenstatus.ParseCWT} {
		token, err := parse([]byte(w.askAs("", http.MethodGet, "/status/token/"+forms.position, nil, "Accept", kind).is(w.t, 200).body))
		if err != nil {
			w.t.Fatal(err)
		}
		if v, err := token.Lookup(publicURL+"/status/token/"+forms.position, entry.Index, w.now); err != nil || v != want {
			w.t.Errorf("%s: in the token status list as %s: %d, %v", name, kind, v, err)
		}
	}
	lists := w.published()
	for format, form := range map[string]string{verify.FormatDDCC: forms.code, verify.FormatVC: forms.document, verify.FormatEUDCC: forms.eu, verify.FormatSHC: forms.card, verify.FormatDIVOC: forms.divoc} {
		statement := into[verify.Statement](w.t, w.askAs("", http.MethodPost, "/api/v1/verify", m{"data": form}).is(w.t, 200))
		if string(statement.Status) != status || statement.Format != format || format != verify.FormatDIVOC && (statement.Verdict == verify.Valid) != (status == "valid") {
			w.t.Errorf("%s: %s verified as %s, %s", name, format, statement.Verdict, statement.Status)
		}
		// Who has our keys and the lists of the format alone.
		if format == verify.FormatEUDCC || format == verify.FormatSHC {
			s := verify.Text(w.t.Context(), form, verify.Options{Trust: lists, At: w.now})
			if (s.Verdict == verify.Valid) != (status == "valid") || s.Has(verify.Revoked) != (status != "valid") {
				w.t.Errorf("%s: %s by the lists of its format: %s", name, format, s.Text("en"))
			}
		}
	}
	revoked := 404
	if status != "valid" { // it has one word for all
		revoked = 200
	}
	if r := w.askAs("", http.MethodPost, "/divoc/api/v1/certificate/revoked", forms.divoc); r.status != revoked {
		w.t.Errorf("%s: DIVOC's revoked check answers %d", name, r.status)
	}
	if c := into[shown](w.t, w.ask(http.MethodGet, "/api/v1/certificates/"+id, nil).is(w.t, 200)); c.Status != status {
		w.t.Errorf("%s: shown as %q", name, c.Status)
	}
}

// published are our keys without our trust bundle, and what other formats publish
// of states.
func (w *stateWorld) published() *trust.List {
	w.t.Helper()
	keys := must(trust.Parse([]byte(w.askAs("", http.MethodGet, "/.well-known/jwks.json", nil).is(w.t, 200).body)))(w.t)
	own := trust.Bundle{Issuers: []trust.Issuer{w.service.Keys.Issuer()}}
	own.Issuers[0].ID, own.Issuers[0].Keys = publicURL, append(own.Issuers[0].Keys[:0:0], own.Issuers[0].Keys...)
	all := []*trust.Bundle{&own}
	for _, k := range keys.Issuers[0].Keys {
		thumb := shc.Thumbprint(k.Public.(*ecdsa.PublicKey))
		for i := range own.Issuers[0].Keys {
			if trust.Fingerprint(own.Issuers[0].Keys[i].Public) == trust.Fingerprint(k.Public) {
				own.Issuers[0].Keys[i].CardList = k.CardList
			}
		}
		all = append(all, must(trust.ParseNamed([]byte(w.askAs("", http.MethodGet, "/.well-known/crl/"+thumb+".json", nil).is(w.t, 200).body)))(w.t))
	}
	index := into[struct{ Batches []struct{ BatchID string } }](w.t, w.askAs("", http.MethodGet, "/status/hashes", nil).is(w.t, 200))
	for _, b := range index.Batches {
		all = append(all, must(trust.ParseNamed([]byte(w.askAs("", http.MethodGet, "/status/hashes/"+b.BatchID, nil).is(w.t, 200).body)))(w.t))
	}
	return trust.New(all...)
}

// formsOf are a certificate in every format, and its document.
func (w *stateWorld) formsOf(id string) (*vc.Credential, string) {
	w.t.Helper()
	f, known := w.forms[id]
	if !known {
		base := "/api/v1/certificates/" + id
		get := func(path string) string { return w.ask(http.MethodGet, base+path, nil).is(w.t, 200).body }
		f = stateForms{document: get("/credential"), code: get("/code"), eu: get("/exports/eu-dcc"), card: get("/exports/shc"), divoc: get("/exports/divoc")}
	}
	document, err := vc.Parse([]byte(f.document))
	if err != nil {
		w.t.Fatal(err)
	}
	_, f.position, _ = strings.Cut(document.Status()[0].List, "/status/"+document.Status()[0].Purpose+"/")
	w.forms[id] = f
	return document, f.code
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
