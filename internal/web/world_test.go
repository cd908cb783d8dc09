package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/internal/subject"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/trust"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

const publicURL = "https://certificates.example.org"

// world is the whole server on a database of its own, asked over HTTP.
type world struct {
	t        testing.TB
	url      string
	client   *http.Client
	service  *issuance.Service
	uploads  *upload.Service
	intake   *intake.Service
	tokens   access.Tokens
	staff    *staff.Service
	audit    *audit.Service
	counts   *statistics.Service
	token    string // of the source "check"
	now      time.Time
	log      *lines
	patterns []string // every route of the server
}

// lines is a log that goroutines write and a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// onDemand is open, and has no source to ask.
func (w *world) onDemand(box *seal.Box) *ondemand.Service {
	return ondemand.New(ondemand.Options{
		Store: w.service.Store, Box: box, Issuance: w.service, Intake: w.intake, Kind: intake.DHIS2, Demo: true, Now: w.service.Now, Random: rand.Reader, Log: w.service.Log,
	})
}

// desk is a facility desk.
func (w *world) desk(box *seal.Box) *desk.Service {
	return desk.New(desk.Options{
		Store: w.service.Store, Box: box, Issuance: w.service, Printer: must(printer.New(w.service.Profile, publicURL))(w.t), OnDemand: w.onDemand(box), Now: w.service.Now, Random: rand.Reader, Log: w.service.Log, Allow: w.audit.Allow,
	})
}

// citizens are shown their codes, as in a demonstration.
func (w *world) citizens(box *seal.Box) *citizen.Service {
	return citizen.New(citizen.Options{
		Store: w.service.Store, Box: box, Profile: w.service.Profile, OnRecord: w.service.OnRecord, Demo: true,
		Wait: func(context.Context, time.Time) {}, Now: w.service.Now, Random: rand.Reader, Log: w.service.Log,
	})
}

// messages has no gateway.
func (w *world) messages(box *seal.Box) *deliver.Service {
	s := w.service
	return deliver.New(deliver.Options{
		Store: s.Store, Box: box, Profile: s.Profile, PublicURL: publicURL, Now: s.Now, Random: rand.Reader, Log: s.Log, Contacts: s.ContactsOf,
	})
}

// recordingMux remembers what is registered: http.ServeMux cannot be asked.
type recordingMux struct {
	*http.ServeMux
	patterns []string
}

func (m *recordingMux) Handle(pattern string, h http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.Handle(pattern, h)
}

func (m *recordingMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(h))
}

// must is v, or the end of the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t testing.TB, country string) *world {
	t.Helper()
	return newTracedWorld(t, country, nil)
}

// newTracedWorld is newWorld whose server tells what it does.
func newTracedWorld(t testing.TB, country string, traces *tracing.Tracing) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), log: &lines{}}
	clock := func() time.Time { return w.now }
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, benchmark := t.(*testing.B); benchmark {
		log = slog.New(slog.DiscardHandler)
	}
	store := must(registry.Open(ctx, pgtest.URL(t)))(t)
	t.Cleanup(store.Close)
	p := must(profile.Open(country))(t)
	dir := t.TempDir()
	box := must(seal.Open(must(seal.GenerateKey(rand.Reader))(t), dir, seal.Options{Create: true}))(t)
	ring := must(keyring.Open(ctx, keyring.Options{
		Dir: dir, Box: box, Create: true, Now: clock, Random: rand.Reader, DIVOC: keyring.DIVOCAlgorithm(p.DIVOCKey),
		Identity: keyring.Identity{DID: must(trust.DIDWeb(publicURL))(t), Country: p.Country.Alpha2, Name: p.IssuerName("en")},
	}))(t)
	if err := ring.EnsureDIVOC(ctx); err != nil {
		t.Fatal(err)
	}
	w.service = issuance.New(issuance.Options{
		Store: store, Box: box, Keys: ring, Profile: p, PublicURL: publicURL, Now: clock, Random: rand.Reader, Log: log, Traces: traces,
	})
	w.uploads = upload.New(upload.Options{Store: store, Box: box, Issuance: w.service, Zone: p.TimeZone, Now: clock, Log: log})
	w.intake = intake.New(intake.Options{
		Store: store, Box: box, Issuance: w.service, Profile: p, Now: clock, Log: log, Kinds: map[intake.SourceKind]intake.Kind{
			intake.CommCare: commcare.New(commcare.Options{Now: clock, Log: log}).Kind(), intake.FHIR: fhir.New(fhir.Options{Now: clock, Log: log}).Kind(),
		},
	})
	w.tokens = access.Tokens{Store: store, Now: clock, Random: rand.Reader, Others: issuersOf(t, clock)}
	w.audit = audit.New(audit.Options{Store: store, Keys: w.service.Keys, Now: clock, Log: log})
	w.staff = must(staff.New(staff.Options{Store: store, Box: box, Now: clock, Random: rand.Reader, Log: log, PublicURL: publicURL, Issuer: "divoc test"}))(t)
	trusted := trustlist.New(trustlist.Options{Store: store, Own: ring.Issuer, Changed: w.service.Refresh, Now: clock, Log: log})
	w.service.Trusted = trusted.Public
	w.counts = &statistics.Service{Store: store, Zone: p.TimeZone, Now: clock}
	mux := &recordingMux{ServeMux: http.NewServeMux()}
	printed := must(printer.New(p, publicURL))(t)
	h := must(handler(Options{
		Layouts: layouts.New(layouts.Options{Store: store, Profile: p, Printer: printed, Now: clock, Log: log}),
		Service: w.service, Tokens: w.tokens, Printer: printed, Uploads: w.uploads, Intake: w.intake, Cases: w.cases(box), Messages: w.messages(box), Desk: w.desk(box), Audit: w.audit, Subject: subject.New(subject.Options{Store: store, Issuance: w.service, Intake: w.intake, Cases: w.cases(box), Profile: p, Now: clock}), OnDemand: w.onDemand(box), Citizens: w.citizens(box), Staff: w.staff, Log: log, Trust: trusted, Bulk: bulk.New(bulk.Options{Store: store, Issuance: w.service, Now: clock, Log: log}), Statistics: w.counts, Version: "test", Now: clock, Ready: store.Ping, Traces: traces,
	}, mux))(t)
	w.patterns = mux.patterns
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
	w.token = w.newToken(access.NewToken{Role: access.SourceRole, Source: "check", For: time.Hour})
	return w
}

func (w *world) newToken(n access.NewToken) string {
	w.t.Helper()
	return must(w.tokens.Create(context.Background(), access.System("test"), n))(w.t)
}

// revokeToken ends the newest token.
func (w *world) revokeNewest() {
	w.t.Helper()
	all := must(w.tokens.List(context.Background()))(w.t)
	if err := w.tokens.Revoke(context.Background(), access.System("test"), all[len(all)-1].ID); err != nil {
		w.t.Fatal(err)
	}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with the token of "check". body is sent as it is when it
// is text or bytes, as JSON otherwise.
func (w *world) ask(method, path string, body any) reply {
	w.t.Helper()
	return w.askAs(w.token, method, path, body)
}

func (w *world) askAs(token, method, path string, body any, headers ...string) reply {
	w.t.Helper()
	r, err := w.send(token, method, path, body, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) send(token, method, path string, body any, headers ...string) (reply, error) {
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	case []byte:
		data = b
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			return reply{}, err
		}
	}
	q, err := http.NewRequest(method, w.url+path, bytes.NewReader(data))
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	if data != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			q.Host = headers[i+1]
		}
		q.Header.Set(headers[i], headers[i+1])
	}
	r, err := w.client.Do(q)
	if err != nil {
		return reply{}, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return reply{r.StatusCode, r.Header, string(b)}, err
}

// is fails the test when the status is another.
func (r reply) is(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %.600s", r.status, status, r.body)
	}
	return r
}

// into reads the body.
func into[T any](t testing.TB, r reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v in %.600s", err, r.body)
	}
	return v
}

// m is a JSON object in the making.
type m = map[string]any

// request is a certification request of DIVOC's without a fault. changes are
// paths and their new values: "vaccination.batch", "PF2"; nil takes a field out.
func request(code string, changes ...any) m {
	r := m{
		"preEnrollmentCode": code, "programId": "covid-19", "enrollmentType": "WALK_IN", "comorbidities": []string{},
		"recipient": m{
			"name": "Marcia Ann-Louise Campbell", "dob": "1987-04-21", "gender": "Female", "nationality": "JAM",
			"identity": "123456789", "contact": []string{"tel:8765550142"},
			"address": m{"addressLine1": "1 Duke St", "addressLine2": "", "district": "Kingston", "state": "Kingston", "pincode": "00000"},
		},
		"vaccination": m{
			"name": "Comirnaty", "batch": "PF1", "manufacturer": "Pfizer", "date": "2021-11-30T10:00:00Z",
			"effectiveStart": "2021-11-30", "effectiveUntil": "2022-11-30", "dose": 1, "totalDoses": 2,
		},
		"vaccinator": m{"name": "N. Brown"},
		"facility": m{
			"name":    "Falmouth Health Centre",
			"address": m{"addressLine1": "Falmouth", "district": "Trelawny", "state": "Trelawny", "country": "JAM", "pincode": "00000"},
		},
	}
	change(r, changes...)
	return r
}

func change(r m, changes ...any) {
	for i := 0; i+1 < len(changes); i += 2 {
		at := r
		path := strings.Split(changes[i].(string), ".")
		for _, name := range path[:len(path)-1] {
			at = at[name].(m)
		}
		if last := path[len(path)-1]; changes[i+1] == nil {
			delete(at, last)
		} else {
			at[last] = changes[i+1]
		}
	}
}

// event is an event of ours without a fault, changed as request's is.
func event(code string, changes ...any) m {
	e := m{
		"enrolmentCode": code,
		"person":        m{"name": "Marcia Ann-Louise Campbell", "birthDate": "1987-04-21", "sex": "female", "nationality": "JAM", "identifier": m{"value": "123456789"}},
		"contacts":      []string{"tel:8765550142"},
		"vaccination":   m{"product": "Comirnaty", "lot": "PF1", "date": "2021-11-30", "dose": 1, "totalDoses": 2, "centre": "Falmouth Health Centre", "practitioner": "N. Brown"},
	}
	change(e, changes...)
	return e
}

func events(list ...m) m { return m{"events": list} }

// certified is one item of what a certify call of DIVOC's answers.
type certified struct {
	Item                  int
	Outcome               string
	CertificateID         string
	HCID                  string
	ProgramID             string
	Dose                  int
	Version               int
	Status                string
	PreviousCertificateID string
}

// certify sends requests that must succeed.
func (w *world) certify(method string, requests ...m) []certified {
	w.t.Helper()
	path := "/divoc/api/v1/certify"
	if method == http.MethodPut {
		path = "/divoc/api/v1/certificate"
	}
	r := w.ask(method, path, requests).is(w.t, http.StatusOK)
	return into[struct{ Certificates []certified }](w.t, r).Certificates
}

// failed is DIVOC's error body with what we add.
type failed struct {
	Code    string
	Message string
	Item    *int
	Errors  []struct{ Field, Code, Message string }
}

func (f failed) fields() []string {
	var out []string
	for _, e := range f.Errors {
		out = append(out, e.Field)
	}
	slices.Sort(out)
	return out
}

// shared reads a file that lies beside the checkout, or skips the test.
func shared(t testing.TB, env, folder, name string) []byte {
	t.Helper()
	dir := os.Getenv(env)
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", folder)
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		t.Skipf("no %s: set %s to the folder of %s", name, env, folder)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}
