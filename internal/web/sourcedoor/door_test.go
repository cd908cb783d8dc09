package sourcedoor

import (
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/test/commcare/hq"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

type world struct {
	*issuancetest.House
	t      *testing.T
	intake *intake.Service
	server *httptest.Server
	token  string
	hq     *hq.Server
}

func newWorld(t *testing.T, config string) *world {
	t.Helper()
	w := &world{House: issuancetest.New(t, "jamaica"), t: t}
	pull := commcare.New(commcare.Options{Now: w.Now, Log: w.Log})
	w.intake = intake.New(intake.Options{
		Store: w.Store, Box: w.Box, Issuance: w.Service, Profile: w.Profile, Now: w.Now, Log: w.Log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.CommCare: pull.Kind()},
	})
	if err := w.intake.Create(t.Context(), w.Admin, intake.NewSource{Name: "commcare", Kind: intake.CommCare, Mapping: hq.Mapping(), Config: json.RawMessage(config)}); err != nil {
		t.Fatal(err)
	}
	w.token = w.Token(t, "commcare")
	mux := http.NewServeMux()
	Register(mux, Options{Intake: w.intake, Tokens: w.Tokens(), Now: w.Now, Log: slog.New(slog.DiscardHandler)})
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	w.hq = hq.New(hq.Options{Domain: "jamaica", Now: w.Now})
	return w
}

func (w *world) ask(method, path, body string, header ...string) (int, map[string]any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	a, err := w.server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		w.t.Fatalf("%d %s", a.StatusCode, data)
	}
	return a.StatusCode, v
}

func TestPushBecomesCertificates(t *testing.T) {
	w := newWorld(t, "")
	person, doses := hq.Invent(3) // two doses
	for _, c := range append(doses, person) {
		w.hq.Put(c)
	}
	f := &hq.Forwarder{Server: w.hq, URL: w.server.URL + "/api/v1/intake/commcare", Client: w.server.Client(), Workers: 4, Random: rand.New(rand.NewPCG(1, 2)),
		Authorize: func(r *http.Request) { r.SetBasicAuth("commcare", w.token) }}
	if sent := f.Step(); sent.Statuses[http.StatusAccepted] != 1+len(doses) {
		t.Fatalf("%+v", sent)
	}
	if err := w.intake.Process(t.Context(), "commcare"); err != nil {
		t.Fatal(err)
	}
	counts, err := w.intake.Counts(t.Context())
	if err != nil || counts["commcare"].Issued != int64(len(doses)) || counts["commcare"].Held != 0 {
		t.Errorf("%+v, %v", counts["commcare"], err)
	}
	// The same case again is the same reference, from which the certificate is found.
	status, v := w.ask("POST", "/api/v1/intake/commcare", string(doseBody(doses[0], w)), "Authorization", "Bearer "+w.token)
	if status != http.StatusAccepted || v["status"] != "stored" {
		t.Fatalf("%d %v", status, v)
	}
	if err := w.intake.Process(t.Context(), "commcare"); err != nil {
		t.Fatal(err)
	}
	status, v = w.ask("GET", "/api/v1/intake/commcare/"+v["reference"].(string), "", "X-API-Key", w.token)
	found, _ := json.Marshal(v)
	if status != http.StatusOK || !strings.Contains(string(found), `"certificateId":"`) {
		t.Errorf("%d %s", status, found)
	}
	if strings.Contains(string(found), person.Properties["last_name"]) {
		t.Errorf("an answer names a person: %s", found)
	}
}

func doseBody(c hq.Case, w *world) []byte {
	b, err := json.Marshal(map[string]any{
		"case_id": c.ID, "properties": map[string]string{"case_type": c.Type, "dose_number": c.Properties["dose_number"], "vaccine": c.Properties["vaccine"], "batch_number": "X",
			"date_given": c.Properties["date_given"]},
		"server_date_modified": w.Now().Add(-1e12).Format("2006-01-02T15:04:05Z"), "indices": map[string]any{"parent": map[string]string{"case_id": c.Parent, "case_type": "patient"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func TestWhoMayPush(t *testing.T) {
	w := newWorld(t, `{"allow":["127.0.0.0/8","::1/128"]}`)
	other := w.Token(t, "another")
	basic := func(user, password string) string {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	tests := map[string]struct {
		header []string
		want   int
	}{
		"nobody":                 {nil, 401},
		"a Bearer token":         {[]string{"Authorization", "Bearer " + w.token}, 202},
		"Basic":                  {[]string{"Authorization", basic("anything", w.token)}, 202},
		"an API key":             {[]string{"X-API-Key", w.token}, 202},
		"a wrong password":       {[]string{"Authorization", basic("commcare", "secret")}, 401},
		"a cut token":            {[]string{"X-API-Key", w.token[:len(w.token)-1]}, 401},
		"Digest":                 {[]string{"Authorization", "Digest x"}, 401},
		"no base64":              {[]string{"Authorization", "Basic ***"}, 401},
		"two credentials":        {[]string{"Authorization", "Bearer " + w.token, "X-API-Key", w.token}, 401},
		"a key twice":            {[]string{"X-API-Key", w.token, "X-API-Key", w.token}, 401},
		"another source's token": {[]string{"X-API-Key", other}, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if status, v := w.ask("POST", "/api/v1/intake/commcare", `{"form_id":"f","case_ids":[]}`, tt.header...); status != tt.want {
				t.Errorf("%d %v, want %d", status, v, tt.want)
			}
		})
	}
	// Of its own address the other source hears that it is not pushed to, and tries again.
	if status, _ := w.ask("POST", "/api/v1/intake/another", `{}`, "X-API-Key", other); status != http.StatusServiceUnavailable {
		t.Errorf("a source of another kind: %d", status)
	}
	if err := w.intake.Set(t.Context(), w.Admin, "commcare", intake.Settings{Config: json.RawMessage(`{"allow":["192.0.2.0/24"]}`)}); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.ask("POST", "/api/v1/intake/commcare", `{}`, "X-API-Key", w.token); status != http.StatusForbidden {
		t.Errorf("from an address that may not: %d", status)
	}
}

// What means nothing is stored like everything else and waits for a person.
func TestNonsenseIsHeld(t *testing.T) {
	w := newWorld(t, "")
	for _, body := range []string{"", "hello", `{"case_id":"x","properties":{"case_type":"vaccination"}}`} {
		status, v := w.ask("POST", "/api/v1/intake/commcare", body, "X-API-Key", w.token)
		if status != http.StatusAccepted {
			t.Fatalf("%q: %d %v", body, status, v)
		}
		if err := w.intake.Process(t.Context(), "commcare"); err != nil {
			t.Fatal(err)
		}
		items, err := w.intake.Outcomes(t.Context(), "commcare", v["reference"].(string))
		if err != nil || len(items) != 1 || items[0].State != intake.Held {
			t.Errorf("%q: %+v, %v", body, items, err)
		}
	}
	if status, _ := w.ask("POST", "/api/v1/intake/commcare", strings.Repeat("x", maxBody+1), "X-API-Key", w.token); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body without an end: %d", status)
	}
}

func TestClientCredentials(t *testing.T) {
	w := newWorld(t, "")
	form := func(v ...string) string {
		q := url.Values{}
		for i := 0; i+1 < len(v); i += 2 {
			q.Set(v[i], v[i+1])
		}
		return q.Encode()
	}
	const kind = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"client credentials": {form("grant_type", "client_credentials", "client_id", "commcare", "client_secret", w.token), 200},
		"a password":         {form("grant_type", "password", "username", "commcare", "password", w.token), 200},
		"a wrong secret":     {form("grant_type", "client_credentials", "client_secret", "x"), 401},
		"no secret":          {form("grant_type", "client_credentials"), 401},
		"another grant":      {form("grant_type", "refresh_token", "refresh_token", w.token), 422},
	} {
		t.Run(name, func(t *testing.T) {
			status, v := w.ask("POST", "/api/v1/token", tt.body, "Content-Type", kind)
			if status != tt.want {
				t.Fatalf("%d %v, want %d", status, v, tt.want)
			}
			if status != 200 {
				return
			}
			if status, _ = w.ask("POST", "/api/v1/intake/commcare", "{}", "Authorization", "Bearer "+v["access_token"].(string)); status != 202 {
				t.Errorf("what was handed out is not taken: %d", status)
			}
		})
	}
}
