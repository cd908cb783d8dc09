// Package web is the server: every door on one address, behind one frame of
// security headers, logs and measures. Each door has a folder.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/opendivoc/divoc/docs"
	"github.com/opendivoc/divoc/internal/access"
	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/places"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/retention"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/internal/subject"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/internal/web/admin"
	"github.com/opendivoc/divoc/internal/web/api"
	"github.com/opendivoc/divoc/internal/web/assets"
	"github.com/opendivoc/divoc/internal/web/auditor"
	"github.com/opendivoc/divoc/internal/web/citizen"
	deskdoor "github.com/opendivoc/divoc/internal/web/desk"
	"github.com/opendivoc/divoc/internal/web/divocapi"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/fhirdoor"
	"github.com/opendivoc/divoc/internal/web/get"
	"github.com/opendivoc/divoc/internal/web/home"
	"github.com/opendivoc/divoc/internal/web/notice"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/internal/web/receipts"
	"github.com/opendivoc/divoc/internal/web/reference"
	"github.com/opendivoc/divoc/internal/web/signin"
	"github.com/opendivoc/divoc/internal/web/sourcedoor"
	"github.com/opendivoc/divoc/internal/web/stop"
	"github.com/opendivoc/divoc/internal/web/verifier"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/rules"
	"github.com/opendivoc/divoc/verify/scan"
)

// Options are what the server serves.
type Options struct {
	Service *issuance.Service
	Tokens  access.Tokens
	Printer *printer.Printer
	Layouts *layouts.Service // with what Printer prints
	Uploads *upload.Service
	Intake  *intake.Service
	// Messages are those to people, and what carries them.
	Messages *deliver.Service
	Cases    *casework.Service
	Desk     *desk.Service
	Audit    *audit.Service
	Subject  *subject.Service
	// Rules are the acceptance rules of countries; nil for none.
	Rules *rules.Set
	// Retention says what is kept for how long; nil says nothing.
	Retention *retention.Service
	// Bulk withdraws many certificates, Statistics counts what happens.
	Bulk *bulk.Service
	// Trust says whose signatures count beside ours; nil says nobody's.
	Trust      *trustlist.Service
	Statistics *statistics.Service
	// OnDemand gives certificates to people who ask.
	OnDemand *ondemand.Service
	// Citizens recognises people by a code; MailLink queues a message to an e-mail
	// address with a link to their portal, and is nil where none is sent.
	Citizens *who.Service
	MailLink func(ctx context.Context, address, language string) error
	// Staff are those who sign in; Provider is where they may do so too, nil for
	// nowhere.
	Staff    *staff.Service
	Provider *staff.Provider
	Log      *slog.Logger
	Version  string
	Demo     bool
	Now      func() time.Time
	Traces   *tracing.Tracing // nil makes none
	// Backlog is what waits in the queue, TLSEnd when the TLS certificate ends;
	// both for the measures, and nil for none.
	Backlog func(context.Context) (issuance.Backlog, error)
	TLSEnd  func() time.Time
	// Ready says whether the server can do its work.
	Ready func(context.Context) error
}

type server struct {
	Options
	// reading bounds how many pictures and files are looked at at once: each
	// takes a core for a while.
	reading chan struct{}
	trusts  trusted
}

// Handler returns the whole server.
func Handler(o Options) (http.Handler, error) { return handler(o, http.NewServeMux()) }

// handler adds every door to mux.
func handler(o Options, mux door.Mux) (http.Handler, error) {
	s := &server{Options: o, reading: make(chan struct{}, 4)}
	files, err := assets.Open()
	if err != nil {
		return nil, err
	}
	p := o.Service.Profile
	secure := strings.HasPrefix(o.Service.PublicURL, "https:")
	coming := &door.Limiter{Every: time.Second, Burst: 30, Now: o.Now}
	typing := &door.Limiter{Every: typeEvery, Burst: typeBurst, Now: o.Now}
	people := signin.New(signin.Options{Staff: o.Staff, Provider: o.Provider, Secure: secure, Limit: coming.Take, Told: typing.Take, Left: o.Desk.Forget, Log: o.Log})
	frame, err := page.New(page.Options{
		Staff: people.Signed,
		Asset: files.URL, Issuer: p.Issuer.Name, Languages: p.Languages, Zone: p.TimeZone, StaffAt: []string{"/desk", "/admin", "/account", "/sign-in", "/sign-out"},
		Primary: p.Theme.Primary, Emblem: p.Theme.Emblem, Specimen: o.Demo, Version: o.Version,
	})
	if err != nil {
		return nil, err
	}
	measured := prometheus.NewRegistry()
	measured.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), measures{s})
	measured.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "divoc_on_hold", Help: "1 while nothing is issued or published after a restore.",
	}, s.onHold))

	s.machines(mux, measured)
	s.published(mux)
	s.rules(mux)
	asking := &door.Limiter{Every: askEvery, Burst: askBurst, Now: o.Now}
	described, err := api.Register(mux, api.Options{
		OnDemand: o.OnDemand, Limit: asking,
		Service: o.Service, Tokens: o.Tokens, Printer: o.Printer, Uploads: o.Uploads, Intake: o.Intake, Bulk: o.Bulk, Trust: o.Trust, Cases: o.Cases, Messages: o.Messages, Audit: o.Audit, Subject: o.Subject, Verify: s.verifyFile, Log: o.Log, Version: o.Version})
	if err != nil {
		return nil, err
	}
	fhirdoor.Register(mux, fhirdoor.Options{Intake: o.Intake, Issuance: o.Service, Tokens: o.Tokens, PublicURL: o.Service.PublicURL, Version: o.Version, Now: o.Now, Log: o.Log})
	receipts.Register(mux, receipts.Options{Messages: o.Messages, Log: o.Log})
	sourcedoor.Register(mux, sourcedoor.Options{Intake: o.Intake, Tokens: o.Tokens, Now: o.Now, Log: o.Log})
	divocapi.Register(mux, divocapi.Options{Service: o.Service, Tokens: o.Tokens, Printer: o.Printer, Uploads: o.Uploads, Desk: o.Desk, Checked: o.Statistics.Checked, Log: o.Log})

	// Pages are forms in browsers: what another site sends is refused.
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { frame.Error(w, r, http.StatusForbidden) }))
	people.Register(mux, frame, foreign.Handler)
	deskdoor.Register(mux, deskdoor.Options{
		Frame: frame, Desk: o.Desk, Profile: p, Log: o.Log, Casework: o.Cases, Caller: people.Caller, SignIn: people.SignIn, Protect: foreign.Handler,
		Reopen: o.reopen(), Speech: o.Service,
	})
	auditor.Publish(mux, o.Audit, o.Service.PublicURL, o.Log)
	auditor.Register(mux, auditor.Options{Frame: frame, Audit: o.Audit, Caller: people.Caller, SignIn: people.SignIn, Zone: p.TimeZone, Log: o.Log, Kept: s.kept})
	mux.Handle("GET "+notice.Path, notice.Handler(notice.Options{Frame: frame, Profile: p}))
	admin.Register(mux, admin.Options{
		Frame: frame, Caller: people.Caller, SignIn: people.SignIn, Fresh: people.Fresh, Again: people.Again, Protect: foreign.Handler,
		Service: o.Service, Statistics: o.Statistics, Bulk: o.Bulk, Trust: o.Trust, Intake: o.Intake, Uploads: o.Uploads, Cases: o.Cases,
		Places: places.Service{Store: o.Service.Store, Now: o.Now}, Layouts: o.Layouts, Print: printStyle, Staff: o.Staff, Messages: o.Messages, Now: o.Now, Log: o.Log,
	})
	options := home.Options{Frame: frame}
	mux.HandleFunc("GET "+printStyle, s.printStyle)
	if o.Demo {
		options.Demo = &demo{Options: o}
		s.demo(mux)
	}
	mux.Handle("/", foreign.Handler(home.Handler(options)))
	mine := citizen.Options{
		Frame: frame, Citizens: o.Citizens, Issuance: o.Service, OnDemand: o.OnDemand, Cases: o.Cases, Printer: o.Printer, Profile: p, Mail: o.MailLink,
		Print: printStyle, Limit: typing.Take, Own: foreign.Handler, Secure: secure, Log: o.Log,
	}
	citizen.Register(mux, mine)
	stop.Register(mux, stop.Options{Frame: frame, Cases: o.Cases, Limit: typing.Take, Own: foreign.Handler})
	onDemand := foreign.Handler(get.Handler(get.Options{Frame: frame, OnDemand: o.OnDemand, Profile: p, Limit: asking.Take, Enter: citizen.NewDoor(mine).Enter}))
	mux.Handle(get.Path, onDemand)
	mux.Handle(get.Path+"/", onDemand)
	mux.Handle(verifier.Path, foreign.Handler(verifier.Handler(verifier.Options{Frame: frame, Verify: s.verifyPage, MaxStatusAge: p.MaxStatusAge, Countries: o.Rules.Countries()})))
	mux.HandleFunc("GET "+verifier.ManifestPath, verifier.Manifest(frame))
	mux.HandleFunc("GET "+verifier.EmbedPath, verifier.Embed(frame, o.Service.PublicURL))
	mux.Handle("GET "+verifier.EmbedPath+"/", files.Shared(verifier.EmbedPath+"/", verifier.Shared()...))
	guide := reference.Options{Frame: frame, API: described, PublicURL: o.Service.PublicURL, Documents: docs.Files}
	mux.Handle("GET "+reference.Path, reference.Page(guide))
	mux.Handle("GET "+reference.Path+"/{name}", reference.Document(guide))
	mux.Handle("GET "+assets.Prefix, files)
	mux.Handle("GET "+page.Prefix, frame.Theme())
	return people.Remember(door.Observe(o.Log, door.NewMetrics(measured), o.Traces, o.Now, mux)), nil
}

// How often one network may ask for certificates, each question and each code
// counted: a mobile network's customers share a few addresses.
const (
	askEvery = time.Second
	askBurst = 60
	// Forms of citizens; codes and tries are counted by number and record too.
	typeEvery = time.Second / 10
	typeBurst = 600
)

// machines adds what operators and their machines ask for.
func (s *server) machines(mux door.Mux, measured *prometheus.Registry) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		door.WriteJSON(w, http.StatusOK, "application/json", map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			s.Log.Warn("not ready", slog.String("error", err.Error()))
			door.WriteJSON(w, http.StatusServiceUnavailable, "application/json", map[string]string{"status": "not ready"})
			return
		}
		// On hold it still reads and verifies: whoever balances loads is to send
		// requests, and whoever watches is to see it.
		if hold, err := s.Service.Hold(ctx); err == nil && hold != nil {
			door.WriteJSON(w, http.StatusOK, "application/json", map[string]string{
				"status": "on hold", "detail": "restored from a backup of " + hold.Made.UTC().Format(time.RFC3339) + "; nothing is issued or published until divoc restore --reconcile",
			})
			return
		}
		door.WriteJSON(w, http.StatusOK, "application/json", map[string]string{"status": "ready"})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(measured, promhttp.HandlerOpts{}))
}

// onHold is the measure of it; where the database does not say, it is not.
func (s *server) onHold() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if hold, err := s.Service.Hold(ctx); err == nil && hold != nil {
		return 1
	}
	return 0
}

// verifyOptions are how this server verifies: with its own keys and those that
// count beside them, and its own registry for the state of what it issued.
func (s *server) verifyOptions(lang string) verify.Options {
	own := s.Service.Keys.Issuer()
	return verify.Options{
		Trust:        s.list(own),
		At:           s.Now(),
		Language:     lang,
		Catalogue:    s.Service.Profile.Catalogue,
		MaxStatusAge: s.Service.Profile.MaxStatusAge,
		Status: func(ctx context.Context, issuerID, hcid string) (vaccination.Status, time.Time, bool) {
			id, err := vaccination.ParseCertificateID(hcid)
			seal := err != nil && trust.IsHandle(hcid) // it has no room for an id
			if issuerID != own.ID || err != nil && !seal {
				return "", time.Time{}, false
			}
			var status vaccination.Status
			var known bool
			if seal {
				id, status, known, err = s.Service.SealStatus(ctx, hcid)
			} else {
				status, known, err = s.Service.Status(ctx, id)
			}
			if err != nil || !known { // an answer too: "not published" would be none
				return verify.StatusUnknown, time.Time{}, true
			}
			s.Statistics.Checked(id)
			return status, s.Now(), true
		},
	}
}

// busy takes a place among those that read files, or says that there is none.
func (s *server) busy(ctx context.Context) (release func(), err error) {
	wait, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	select {
	case s.reading <- struct{}{}:
		return func() { <-s.reading }, nil
	case <-wait.Done():
		return nil, vaccination.Errorf(vaccination.TooMany, "too many files are being read just now: try again in a moment")
	}
}

// verifyFile verifies what the API was sent. What cannot be read is a statement
// that says so.
func (s *server) verifyFile(ctx context.Context, data []byte, lang, asked string) (verify.Statements, error) {
	options, err := s.asking(lang, asked)
	if err != nil {
		return nil, err
	}
	release, err := s.busy(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	found := scan.File(ctx, data, options)
	s.Statistics.Count(registry.CountVerified, int64(len(found)))
	return found, nil
}

// verifyPage verifies what the page's form was sent. What cannot be read is an
// error for the form.
func (s *server) verifyPage(ctx context.Context, data []byte, lang, asked string) ([]verify.Statement, error) {
	options, err := s.asking(lang, asked)
	if err != nil {
		return nil, err
	}
	release, err := s.busy(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	codes, err := scan.Codes(ctx, data)
	if errors.Is(err, scan.ErrNoCode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.Statistics.Count(registry.CountVerified, int64(len(codes)))
	return scan.Statements(ctx, codes, options), nil
}

// printStyle is where a printed page finds its style.
const printStyle = "/print.css"
