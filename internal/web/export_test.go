package web

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan"
)

// asking is a folder with the profile of Jamaica whose first programme has
// these payloads.
func asking(t *testing.T, payloads, key string) string {
	t.Helper()
	all := t.TempDir()
	if err := os.CopyFS(all, profiles.FS); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(all, "jamaica", "profile.yaml")
	text := strings.Replace(string(must(os.ReadFile(file))(t)), "payloads: [ddcc]", "payloads: ["+payloads+"]", 1)
	text = strings.Replace(text, "maxStatusAgeHours", "divocKey: "+key+"\nmaxStatusAgeHours", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(file)
}

// readBy is what our verifier says of a file under the world's trust bundle.
func readBy(t *testing.T, w *world, data string) verify.Statement {
	t.Helper()
	bundle, err := trust.Parse([]byte(w.askAs("", http.MethodGet, "/trust/bundle.json", nil).is(t, 200).body))
	if err != nil {
		t.Fatal(err)
	}
	all := scan.File(context.Background(), []byte(data), verify.Options{Trust: trust.New(bundle), At: w.now})
	if len(all) != 1 {
		t.Fatalf("%d statements", len(all))
	}
	return all[0]
}

func codes(notes []verify.Note) string {
	var out []string
	for _, n := range notes {
		out = append(out, n.Code)
	}
	return strings.Join(out, " ")
}

func TestACertificateInDIVOCsFormat(t *testing.T) {
	for _, key := range []string{"rsa", "ed25519"} {
		t.Run(key, func(t *testing.T) {
			w := newWorld(t, asking(t, "ddcc, divoc", key))
			id := w.report("/api/v1/events", event("A"))[0].Certificate
			path := "/api/v1/certificates/" + id + "/credentials/divoc"
			before := w.audited()
			credential := w.ask(http.MethodGet, path, nil).is(t, 200)
			if w.audited() != before+2 { // read, export
				t.Errorf("%d entries of the audit", w.audited()-before)
			}
			if credential.header.Get("Content-Type") != "application/ld+json" || credential.header.Get("Vary") != "Accept" {
				t.Errorf("header %v", credential.header)
			}
			if strings.Contains(credential.body, "8765550142") || strings.Contains(credential.body, "123456789") || strings.Contains(credential.body, `"A"`) {
				t.Errorf("more than a code may say: %s", credential.body)
			}
			for form, want := range map[string]string{
				"?format=json": "application/ld+json", "?format=png": "image/png", "?format=svg": "image/svg+xml", "?format=code": "text/plain; charset=utf-8",
				"image/png": "image/png", "text/html, image/svg+xml;q=0.9": "image/svg+xml", "text/plain": "text/plain; charset=utf-8", "*/*": "application/ld+json", "text/html": "application/ld+json",
			} {
				query, accept := "", ""
				if strings.HasPrefix(form, "?") {
					query = form
				} else {
					accept = form
				}
				r := w.askAs(w.token, http.MethodGet, path+query, nil, "Accept", accept).is(t, 200)
				if got := r.header.Get("Content-Type"); got != want {
					t.Errorf("%s: %s", form, got)
				}
				if want == "image/svg+xml" {
					if !strings.HasPrefix(r.body, "<svg") {
						t.Errorf("%s: %.100s", form, r.body)
					}
					continue
				}
				s := readBy(t, w, r.body)
				if s.Verdict != verify.CannotTell || s.Format != verify.FormatDIVOC || codes(s.Reasons) != verify.FieldsNotBound || s.Status != vaccination.StatusValid {
					t.Errorf("%s: %s %s %s", form, s.Verdict, codes(s.Reasons), s.Status)
				}
				if s.Content == nil || s.Content.Name != "Marcia Ann-Louise Campbell" || s.Content.Vaccination.Brand.Display != "Comirnaty" || s.Issuer.ID == "" {
					t.Errorf("%s: %+v", form, s.Content)
				}
			}
			w.ask(http.MethodGet, path+"?format=pdf", nil).is(t, 422)
			code := w.ask(http.MethodGet, path+"?format=code", nil).is(t, 200).body
			if s := into[verify.Statement](t, w.askAs("", http.MethodPost, "/api/v1/verify", m{"data": code}).is(t, 200)); s.Verdict != verify.CannotTell || codes(s.Reasons) != verify.FieldsNotBound || s.Status != vaccination.StatusValid {
				t.Errorf("the server says %s %s %s", s.Verdict, codes(s.Reasons), s.Status)
			}

			// DIVOC's verifiers ask with the credential; so does the question reach it.
			revoked := func(want int) {
				t.Helper()
				w.askAs("", http.MethodPost, "/divoc/api/v1/certificate/revoked", credential.body).is(t, want)
			}
			revoked(404)
			// What is suspended is not signed anew: the format cannot say it.
			w.ask(http.MethodPost, "/api/v1/certificates/"+id+"/suspension", m{}).is(t, 200)
			w.ask(http.MethodGet, path, nil).is(t, 409)
			w.ask(http.MethodPost, "/api/v1/certificates/"+id+"/suspension/lift", m{}).is(t, 200)
			w.ask(http.MethodGet, path, nil).is(t, 200)
			w.ask(http.MethodPost, "/api/v1/certificates/"+id+"/revocation", m{}).is(t, 200)
			revoked(200)
			w.now = w.now.Add(2 * time.Minute) // a trust bundle is kept for a moment
			if s := readBy(t, w, credential.body); s.Verdict != verify.NotValid || s.Status != vaccination.StatusRevoked {
				t.Errorf("revoked: %s %s", s.Verdict, codes(s.Reasons))
			}
			w.ask(http.MethodGet, path, nil).is(t, 409)
		})
	}
}

func TestWhatIsNotHadInDIVOCsFormat(t *testing.T) {
	w := newWorld(t, asking(t, "ddcc, divoc", "ed25519"))
	path := func(e m) string {
		return "/api/v1/certificates/" + w.report("/api/v1/events", e)[0].Certificate + "/credentials/divoc"
	}
	for name, c := range map[string]struct {
		event m
		want  int
		says  string
	}{
		"a programme that does not ask": {event("A", "programme", "yellow-fever", "vaccination.product", "stamaril", "vaccination.totalDoses", 1), 404, "does not ask"},
		"a year of birth":               {event("B", "person.birthDate", "1961"), 422, "birthDate"},
		"a domestic certificate":        {event("C", "vaccination.lot", nil), 422, "domestic"},
	} {
		r := w.ask(http.MethodGet, path(c.event), nil).is(t, c.want)
		if !strings.Contains(r.body, c.says) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	long := event("D", "person.name", strings.Repeat("ශ්\u200dරීකිරි ", 20), "vaccination.centre", strings.Repeat("නුවරඑළිය කොළඹ ", 14), "vaccination.practitioner", strings.Repeat("ජයවර්ධන අනුලා ", 14))
	at := path(long)
	w.ask(http.MethodGet, at, nil).is(t, 200)
	if r := w.ask(http.MethodGet, at+"?format=png", nil); r.status != 200 && (r.status != 422 || !strings.Contains(r.body, "QR code")) {
		t.Errorf("texts beyond a code: %d %s", r.status, r.body)
	}
	other := newWorld(t, "jamaica")
	id := other.report("/api/v1/events", event("A"))[0].Certificate
	other.ask(http.MethodGet, "/api/v1/certificates/"+id+"/credentials/divoc", nil).is(t, 404)
}

// TestDIVOCsPathGivesTheCodeThatVerifiersRead: the first payload decides.
func TestDIVOCsPathGivesTheCodeThatVerifiersRead(t *testing.T) {
	for payloads, format := range map[string]string{"ddcc, divoc": verify.FormatDDCC, "divoc, ddcc": verify.FormatDIVOC} {
		w := newWorld(t, asking(t, payloads, "rsa"))
		w.report("/api/v1/events", event("A"))
		before := w.audited()
		r := w.ask(http.MethodGet, "/certificate/api/certificateQRCode/A", nil).is(t, 200)
		if s := readBy(t, w, r.body); s.Format != format || s.Content == nil {
			t.Errorf("%s: %s, %s", payloads, s.Format, codes(s.Reasons))
		}
		if exported := w.audited() - before - 1; exported != map[string]int{verify.FormatDDCC: 0, verify.FormatDIVOC: 1}[format] {
			t.Errorf("%s: %d exports in the audit", payloads, exported)
		}
		w.report("/api/v1/events", event("B", "person.birthDate", "1961"))
		want := map[string]int{verify.FormatDDCC: 200, verify.FormatDIVOC: 400}[format]
		w.ask(http.MethodGet, "/certificate/api/certificateQRCode/B", nil).is(t, want)
	}
}

// TestExportsSayTheSame: what is exported twice differs in nothing
// but the proof.
func TestExportsSayTheSame(t *testing.T) {
	w := newWorld(t, asking(t, "ddcc, divoc", "rsa"))
	path := "/api/v1/certificates/" + w.report("/api/v1/events", event("A"))[0].Certificate + "/credentials/divoc"
	var statements []string
	for range 2 {
		cred, err := divocqr.Decode([]byte(w.ask(http.MethodGet, path, nil).is(t, 200).body))
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, string(cred.NQuads()))
	}
	if statements[0] != statements[1] {
		t.Errorf("%s\n%s", statements[0], statements[1])
	}
	if !json.Valid([]byte(w.ask(http.MethodGet, path, nil).body)) {
		t.Error("no JSON")
	}
}
