package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
)

// listed is a row of DIVOC's lists.
type listed struct {
	CertificateID, PreEnrollmentCode, ProgramID, Name, Status string
	Dose, Version                                             int
	Certificate                                               m
}

const listPath = "/divoc/api/v1/certificates"

func TestDIVOCListsWhatASourceDelivered(t *testing.T) {
	w := newWorld(t, "jamaica")
	var want []string
	for i := range 7 {
		want = append(want, w.certify(http.MethodPost, request(fmt.Sprintf("L-%d", i)))[0].CertificateID)
		if i%3 == 0 { // several of one moment
			w.now = w.now.Add(time.Second)
		}
	}
	want = append(want, w.certify(http.MethodPut, request("L-3", "vaccination.batch", "PF2"))[0].CertificateID)
	foreign := w.newToken(access.NewToken{Role: access.SourceRole, Source: "other", For: time.Hour})
	theirs := into[struct{ Certificates []certified }](t, w.askAs(foreign, http.MethodPost, "/divoc/api/v1/certify", request("THEIRS")).is(t, 200)).Certificates[0].CertificateID

	all := into[[]listed](t, w.ask(http.MethodGet, listPath, nil).is(t, 200))
	byID := map[string]listed{}
	for _, r := range all {
		byID[r.CertificateID] = r
	}
	for _, id := range want {
		if byID[id].Certificate["proof"] == nil || byID[id].Name == "" || byID[id].ProgramID != "covid-19" {
			t.Errorf("%s = %+v", id, byID[id])
		}
	}
	if old := byID[want[3]]; len(all) != len(want) || old.Status != "superseded" || old.PreEnrollmentCode != "L-3" || all[len(all)-1].Version != 2 {
		t.Errorf("the list = %+v", all)
	}
	// Part after part, each after the last row of the one before.
	for limit := 1; limit <= len(want)+1; limit++ {
		var parts []listed
		next := fmt.Sprintf("%s?limit=%d", listPath, limit)
		for next != "" {
			before := w.audited()
			r := w.ask(http.MethodGet, next, nil).is(t, 200)
			rows := into[[]listed](t, r)
			if len(rows) > limit || w.audited() != before+len(rows) {
				t.Fatalf("%d rows with %d audit entries", len(rows), w.audited()-before)
			}
			parts = append(parts, rows...)
			link, _, _ := strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
			if next = link; (next == "") != (len(parts) == len(want)) {
				t.Fatalf("after %d of %d rows the next is at %q", len(parts), len(want), next)
			}
		}
		if diff := cmp.Diff(all, parts); diff != "" {
			t.Errorf("in parts of %d (-whole +parts):\n%s", limit, diff)
		}
	}
	for query, says := range map[string]string{
		"limit=0": "1 to 1000", "limit=1001": "1 to 1000", "limit=MARKED": "1 to 1000", "limit=": "1 to 1000",
		"after=": "certificateId", "after=MARKED": "certificateId", "after=" + theirs: "of yours", "after=0G7Q2M5VX8K3TR9ZC4WYB1NA": "of yours",
	} {
		r := w.ask(http.MethodGet, listPath+"?"+query, nil).is(t, 400)
		if f := into[failed](t, r); f.Code != "INVALID" || !strings.Contains(f.Message, says) || strings.Contains(r.body, "MARKED") {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	// An administrator lists what administrators delivered.
	if rows := into[[]listed](t, w.askAs(w.admin(), http.MethodGet, listPath, nil).is(t, 200)); len(rows) != 0 {
		t.Errorf("an administrator's list = %+v", rows)
	}
	if head := w.ask(http.MethodHead, listPath, nil).is(t, 200); head.body != "" {
		t.Errorf("HEAD with a body")
	}
}

func TestDIVOCTellsIDsFromCodes(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.certify(http.MethodPost, request("C-1"))[0]
	for name, text := range map[string]string{"id": first.CertificateID, "small letters": strings.ToLower(first.CertificateID), "UVCI": url.PathEscape(first.HCID)} {
		if one := into[listed](t, w.ask(http.MethodGet, listPath+"/"+text, nil).is(t, 200)); one.CertificateID != first.CertificateID || one.PreEnrollmentCode != "C-1" {
			t.Errorf("by %s: %+v", name, one)
		}
	}
	// A code that could be an id is still a code; one that is an id is the id.
	const like = "0G7Q2M5VX8K3TR9ZC4WYB1NA"
	w.certify(http.MethodPost, request(like))
	if rows := into[[]listed](t, w.ask(http.MethodGet, listPath+"/"+like, nil).is(t, 200)); len(rows) != 1 || rows[0].PreEnrollmentCode != like {
		t.Errorf("a code like an id: %+v", rows)
	}
	w.certify(http.MethodPost, request(first.CertificateID))
	if one := into[listed](t, w.ask(http.MethodGet, listPath+"/"+first.CertificateID, nil).is(t, 200)); one.PreEnrollmentCode != "C-1" {
		t.Errorf("an id that is a code too: %+v", one)
	}
}

func TestDIVOCShowsByID(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.certify(http.MethodPost, request("P-1"))[0].CertificateID
	second := w.certify(http.MethodPost, request("P-1", "vaccination.dose", 2, "vaccination.batch", "PF8"))[0].CertificateID
	for path, kind := range map[string]string{"certificatePDF?certificateId=": "application/pdf", "certificate/": "application/pdf", "certificate/QRCode/": "image/png"} {
		path = "/certificate/api/" + path
		for _, id := range []string{first, second} {
			got := w.ask(http.MethodGet, path+id, nil).is(t, 200)
			if got.header.Get("Content-Type") != kind || !strings.Contains(got.body[:8], map[string]string{"application/pdf": "%PDF-", "image/png": "PNG"}[kind]) {
				t.Errorf("%s: %v", path, got.header)
			}
			if head := w.ask(http.MethodHead, path+id, nil).is(t, 200); head.body != "" || head.header.Get("Content-Type") != kind {
				t.Errorf("HEAD %s: %v", path, head.header)
			}
			if kind == "image/png" { // it is that certificate's code, not the latest's
				said := into[struct {
					Content struct{ Vaccination struct{ Dose int } }
				}](t, w.askAs("", http.MethodPost, "/api/v1/verify", got.body, "Content-Type", kind).is(t, 200))
				if want := map[string]int{first: 1, second: 2}[id]; said.Content.Vaccination.Dose != want {
					t.Errorf("%s shows dose %d", path, said.Content.Vaccination.Dose)
				}
			}
		}
		for _, wrong := range []string{"0G7Q2M5VX8K3TR9ZC4WYB1NA", "MARKED"} {
			if r := w.ask(http.MethodGet, path+wrong, nil).is(t, 404); strings.Contains(r.body, "MARKED") {
				t.Error(r.body)
			}
		}
	}
	w.ask(http.MethodGet, "/certificate/api/certificatePDF", nil).is(t, 404)
	w.certify(http.MethodPut, request("P-1", "vaccination.batch", "PF2"))
	if r := w.ask(http.MethodGet, "/certificate/api/certificate/"+first, nil).is(t, 409); !strings.Contains(r.body, "superseded") || into[failed](t, r).Code != "CONFLICT" {
		t.Errorf("a superseded one: %s", r.body)
	}
	// DIVOC's citizens sent their token in the address.
	for _, path := range []string{"/certificate/api/certificate/" + second, "/certificate/api/certificate/QRCode/" + second} {
		r := w.askAs("", http.MethodGet, path+"?authToken="+w.token, nil).is(t, 401)
		if !strings.Contains(into[failed](t, r).Message, "Authorization") || strings.Contains(r.body, w.token) {
			t.Errorf("a token in the address: %s", r.body)
		}
		w.ask(http.MethodGet, path+"?authToken=x", nil).is(t, 200)
	}
	if strings.Contains(w.log.String(), w.token) {
		t.Error("a token is in the log")
	}
}

// TestDIVOCsRecipientsSeeTheirOwn asks as people whose mobile number an identity
// provider vouches for.
func TestDIVOCsRecipientsSeeTheirOwn(t *testing.T) {
	w := newWorld(t, "jamaica")
	contact := func(number string) []any { return []any{"recipient.contact", []string{"tel:" + number}} }
	mine := w.certify(http.MethodPost, request("ME", contact("8765550101")...))[0].CertificateID
	mine2 := w.certify(http.MethodPost, request("ME", append(contact("8765550101"), "vaccination.dose", 2)...))[0].CertificateID
	child := w.certify(http.MethodPost, request("CHILD", append(contact("+1 876 555 0101"), "recipient.name", "Tia Campbell")...))[0].CertificateID
	other := w.certify(http.MethodPost, request("OTHER", contact("8765550102")...))[0].CertificateID
	for i := range 21 {
		w.certify(http.MethodPost, request(fmt.Sprintf("CLINIC-%d", i), contact("8765550103")...))
	}
	ids := func(r reply) (out []string) {
		t.Helper()
		for _, row := range into[[]listed](t, r.is(t, 200)) {
			if row.Certificate["proof"] == nil || row.PreEnrollmentCode == "" {
				t.Errorf("row %+v", row)
			}
			out = append(out, row.CertificateID)
		}
		slices.Sort(out)
		return out
	}
	sorted := func(ids ...string) []string { slices.Sort(ids); return ids }
	as := func(number string) string { return w.vouched("recipient", "preferred_username", number) }
	me := as("8765550101")
	if diff := cmp.Diff(sorted(mine, mine2, child), ids(w.askAs(me, http.MethodGet, listPath, nil))); diff != "" {
		t.Errorf("mine (-want +got):\n%s", diff)
	}
	if got := ids(w.askAs(as("+18765550199"), http.MethodGet, listPath, nil)); got != nil {
		t.Errorf("a number nobody has: %v", got)
	}
	for name, number := range map[string]string{"a clinic's": "8765550103", "no": "nobody", "half a": "87655", "a user's name for a": "admin"} {
		r := w.askAs(as(number), http.MethodGet, listPath, nil).is(t, 403)
		if strings.Contains(r.body, number) || into[failed](t, r).Code != "FORBIDDEN" {
			t.Errorf("%s number: %s", name, r.body)
		}
	}
	before := w.audited()
	for _, path := range []string{"/certificate/api/certificatePDF?certificateId=", "/certificate/api/certificate/", "/certificate/api/certificate/QRCode/"} {
		w.askAs(me, http.MethodGet, path+mine, nil).is(t, 200)
		w.askAs(me, http.MethodHead, path+child, nil).is(t, 200)
		for _, id := range []string{other, "0G7Q2M5VX8K3TR9ZC4WYB1NA", "x"} {
			w.askAs(me, http.MethodGet, path+id, nil).is(t, 404)
		}
	}
	if got := w.audited() - before; got != 3*(2+1) { // my page has two doses
		t.Errorf("%d audit entries", got)
	}
	// A corrected certificate gives way to the new one; a number that moved away
	// sees nothing any more.
	again := w.certify(http.MethodPut, request("ME", append(contact("8765550101"), "vaccination.batch", "PF9")...))[0].CertificateID
	if diff := cmp.Diff(sorted(again, mine2, child), ids(w.askAs(me, http.MethodGet, listPath, nil))); diff != "" {
		t.Errorf("after a correction (-want +got):\n%s", diff)
	}
	w.askAs(me, http.MethodGet, "/certificate/api/certificate/"+mine, nil).is(t, 404)
	w.certify(http.MethodPut, request("CHILD", append(contact("8765550107"), "recipient.name", "Tia Campbell")...))
	if diff := cmp.Diff(sorted(again, mine2), ids(w.askAs(me, http.MethodGet, listPath, nil))); diff != "" {
		t.Errorf("after the child moved (-want +got):\n%s", diff)
	}
	var actors int
	if err := w.tokens.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM audit WHERE actor LIKE '%876555%'").Scan(&actors); err != nil || actors != 0 {
		t.Errorf("%d entries name a telephone number, %v", actors, err)
	}
	if strings.Contains(w.log.String(), "5550101") {
		t.Error("the log names a telephone number")
	}
}

func TestDIVOCSaysWhoAndWhat(t *testing.T) {
	w := newWorld(t, "jamaica")
	for name, test := range map[string]struct{ token, want string }{
		"a source":                {w.token, `{"roles":["source"],"source":"check","actor":"token:1 check"}`},
		"a source by its issuer":  {w.vouched("facility-staff"), `{"roles":["source"],"source":"check","actor":"moh:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"}`},
		"a person by their phone": {w.vouched("recipient"), `{"roles":["recipient"],"actor":"moh:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"}`},
	} {
		if got := w.askAs(test.token, http.MethodGet, "/divoc/api/v1/users/me", nil).is(t, 200).body; strings.TrimSpace(got) != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	// What the programmes name can be sent as it stands.
	programmes := into[[]struct {
		ID, Name   string
		TotalDoses int
		Medicines  []struct{ Name, Provider, Status string }
	}](t, w.ask(http.MethodGet, "/divoc/api/v1/programs/current", nil).is(t, 200))
	if len(programmes) != len(w.service.Profile.Programmes) {
		t.Errorf("%d programmes", len(programmes))
	}
	n := 0
	for _, p := range programmes {
		if p.Name == "" || len(p.Medicines) == 0 {
			t.Errorf("programme %+v", p)
		}
		for _, medicine := range p.Medicines {
			n++
			r := w.ask(http.MethodPost, "/divoc/api/v1/certify", request(fmt.Sprintf("M-%d", n), "programId", p.ID,
				"vaccination.name", medicine.Name, "vaccination.manufacturer", medicine.Provider, "vaccination.dose", 1, "vaccination.totalDoses", 1))
			if r.status != 200 {
				t.Errorf("%s of %s for %s: %s", medicine.Name, medicine.Provider, p.ID, r.body)
			}
		}
	}
}
