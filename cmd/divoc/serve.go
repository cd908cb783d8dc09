package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/issuers"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/internal/web"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

type serveCmd struct {
	dataFlags
	createFlags
	Listen        string         `default:"127.0.0.1:8080" env:"DIVOC_LISTEN" placeholder:"ADDR" help:"Address to listen on."`
	TLSCert       string         `name:"tls-cert" type:"path" env:"DIVOC_TLS_CERT" placeholder:"FILE" help:"Certificate chain (PEM) for https."`
	TLSKey        string         `name:"tls-key" type:"path" env:"DIVOC_TLS_KEY" placeholder:"FILE" help:"Private key (PEM) for https."`
	TrustedProxy  []netip.Prefix `name:"trusted-proxy" env:"DIVOC_TRUSTED_PROXY" placeholder:"CIDR" help:"Proxy in front whose X-Forwarded headers count, such as 10.0.0.0/8."`
	TokenIssuers  string         `name:"token-issuers" type:"path" env:"DIVOC_TOKEN_ISSUERS" placeholder:"FILE" help:"Identity providers (Keycloak) whose tokens count beside ours; docs/divoc-api.md has the form."`
	StaffProvider string         `name:"staff-provider" type:"path" env:"DIVOC_STAFF_PROVIDER" placeholder:"FILE" help:"Identity provider (OpenID Connect) where staff sign in; docs/access.md has the form."`
	StaffShift    time.Duration  `name:"staff-shift" default:"10h" env:"DIVOC_STAFF_SHIFT" placeholder:"TIME" help:"After this long every member of staff signs in again."`
	Rules         string         `type:"path" env:"DIVOC_RULES" placeholder:"FILE" help:"Acceptance rules of countries that the verifying page and the API can ask; docs/embed.md has the form."`
	LogLevel      slog.Level     `name:"log-level" default:"info" env:"DIVOC_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error."`
	DemoDHIS2     string         `name:"demo-dhis2" env:"DIVOC_DEMO_DHIS2" placeholder:"URL" help:"In a demonstration: where the replay of DHIS2 listens (make run PROFILE=sri-lanka starts one)."`
	Check         bool           `help:"Check profile and flags, say what is wrong, start nothing."`

	tlsPair *certificate // of https, nil without
}

// How long a client may take, so that slow ones cannot hold the server.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 20 * time.Second
)

// Run runs the server until it is told to stop.
func (c *serveCmd) Run(s streams) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key belong together")
	}
	if c.TokenIssuers != "" { // told before anything is opened
		if err := issuers.Check(c.TokenIssuers); err != nil {
			return err
		}
	}
	var abroad *staff.Provider
	if c.StaffProvider != "" {
		var err error
		if abroad, err = staff.ReadProvider(c.StaffProvider, staff.ProviderClient()); err != nil {
			return err
		}
	}
	accepted, err := readRules(c.Rules)
	if err != nil {
		return err
	}
	if c.Check {
		return c.check(s)
	}
	log := slog.New(slog.NewJSONHandler(s.err, &slog.HandlerOptions{Level: c.LogLevel}))
	// Listening first: an address in use is told before anything is opened.
	listener, err := c.listen(s.ctx, log)
	if err != nil {
		return err
	}
	defer listener.Close()
	c.Listen = listener.Addr().String() // port 0 is one now
	h, err := openHouse(s.ctx, c.dataFlags, &c.createFlags, c.Listen, log)
	if err != nil {
		return err
	}
	defer h.close()
	return c.serve(s, h, listener, abroad, accepted)
}

// listen opens the address, for https where there is a certificate.
func (c *serveCmd) listen(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	secure, err := c.tls(log)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program listens on %s already: end it, or choose another address with --listen HOST:PORT", c.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("--listen %s is no address to listen on, which looks like 127.0.0.1:8080: %w", c.Listen, err)
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	return listener, nil
}

// tls reads the certificate for https, if there is to be one.
func (c *serveCmd) tls(log *slog.Logger) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	c.tlsPair = &certificate{cert: c.TLSCert, key: c.TLSKey, now: now, log: log}
	if err := c.tlsPair.load(); err != nil {
		return nil, err
	}
	return c.tlsPair.config(), nil
}

// tlsEnd says when the served certificate ends; nil where none is served.
func (c *serveCmd) tlsEnd() func() time.Time {
	if c.tlsPair == nil {
		return nil
	}
	return c.tlsPair.end
}

// check reads everything a first start would read and starts nothing.
func (c *serveCmd) check(s streams) error {
	if _, err := c.tls(slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if err := refuse(c.dataFlags, &c.createFlags, c.Listen); err != nil {
		return err
	}
	p, err := profile.Open(c.Profile)
	if err != nil {
		return err
	}
	if _, err := printer.New(p, c.PublicURL); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "profile %s (%s) and flags are good\n", p.Name, p.Country.Name)
	return err
}

func (c *serveCmd) serve(s streams, h *house, listener net.Listener, abroad *staff.Provider, accepted *rules.Set) error {
	traces, err := tracing.Start(s.ctx, tracing.Options{Getenv: os.Getenv, Version: version, Log: h.log})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := traces.Stop(ctx); err != nil {
			h.log.Warn("sending the last traces", slog.String("error", err.Error()))
		}
	}()
	h.service.Traces = traces
	uploads := h.uploads()
	sources := h.intake()
	messages := h.messages()
	cases := h.cases()
	citizens := h.citizens(messages)
	cases.Opened = h.opened(citizens)
	watch := h.audit()
	keeps := h.retention()
	many, counts := h.bulk(), h.statistics()
	queue, err := issuance.NewQueue(h.store, h.service, quiet(h.log), uploads.Work(), sources.intake.Work(), cases.Work(), messages.Work(), auditWork(watch), retentionWork(keeps), many.Work(), counts.Work(), trustWork(h.trust()), h.likeness().Work())
	if err != nil {
		return err
	}
	pages, arranged, err := h.pages(s.ctx)
	if err != nil {
		return err
	}
	go arranged.Run(s.ctx)
	tokens := h.tokens()
	if c.TokenIssuers != "" {
		others, err := issuers.Open(s.ctx, c.TokenIssuers, issuers.Options{Now: now, Client: issuers.Client(), Log: h.log})
		if err != nil {
			return err
		}
		go others.Run(s.ctx)
		tokens.Others = others
	}
	people, err := h.staff(c.StaffShift)
	if err != nil {
		return err
	}
	onDemand := h.onDemand(sources)
	go h.askAgain(s.ctx, onDemand)
	facilities := h.desk(pages, onDemand)
	go h.clearDesk(s.ctx, facilities)
	h.service.Rules = accepted.Source()
	handler, err := web.Handler(web.Options{
		Desk: facilities,
		Bulk: many, Statistics: counts, Trust: h.trust(),
		Staff:    people,
		Provider: abroad,
		Service:  h.service, Tokens: tokens, Printer: pages, Layouts: arranged, Uploads: uploads, Intake: sources.intake, Cases: cases, Audit: watch, Subject: h.subject(), Retention: keeps, OnDemand: onDemand, Citizens: citizens, MailLink: h.mailLink(messages), Messages: messages, Log: h.log, Version: version, Demo: h.demo, Now: now, Traces: traces, Backlog: queue.Backlog, TLSEnd: c.tlsEnd(),
		Rules: accepted,
		Ready: func(ctx context.Context) error { return errors.Join(h.store.Ping(ctx), h.ring.Check(ctx)) },
	})
	if err != nil {
		return err
	}
	if err := queue.Start(context.WithoutCancel(s.ctx)); err != nil {
		return err
	}
	uploads.Start(context.WithoutCancel(s.ctx), queue)
	if h.demo {
		if err := h.demoGateway(s.ctx); err != nil {
			return err
		}
	}
	messages.Start(context.WithoutCancel(s.ctx), queue)
	many.Start(queue)
	counting, stopCounting := context.WithCancel(context.WithoutCancel(s.ctx))
	counted := make(chan struct{})
	go func() { defer close(counted); counts.Run(counting) }()
	defer func() { stopCounting(); <-counted }()
	sources.intake.Start(context.WithoutCancel(s.ctx), queue)
	sources.run(s.ctx)
	defer func() {
		messages.Stop()
		uploads.Stop()
		sources.intake.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := queue.Stop(ctx); err != nil {
			h.log.Error("stopping the jobs", slog.String("error", err.Error()))
		}
	}()
	hold, err := h.service.Hold(s.ctx)
	if err != nil {
		return err
	}
	if hold != nil {
		h.log.Warn("on hold after a restore: nothing is issued or published until divoc restore --reconcile", slog.Time("backup", hold.Made))
	}
	if h.demo && hold == nil && c.DemoDHIS2 != "" {
		if err := h.demoDHIS2(s.ctx, sources, c.DemoDHIS2); err != nil {
			return err
		}
	}
	if h.demo && hold == nil {
		if err := c.welcome(s, h); err != nil {
			return err
		}
	}
	server := &http.Server{
		Handler:           door.TrustProxy(c.TrustedProxy, handler),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	go h.renewKeys(s.ctx)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	h.log.Info("listening", slog.String("address", listener.Addr().String()), slog.String("profile", h.profile.Name), slog.Bool("demo", h.demo))
	var databaseEnded <-chan struct{}
	if h.server != nil {
		databaseEnded = h.server.Done()
	}
	select {
	case err = <-failed:
	case <-databaseEnded:
		err = errors.New("PostgreSQL ended and could not be started again; its own words are above")
	case <-s.ctx.Done():
		h.log.Info("stopping")
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if stopErr := server.Shutdown(ctx); err == nil {
		err = stopErr
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// renewKeys makes new signing keys when the current ones have signed for half
// their life, so that no certificate is cut short by its signer's end.
func (h *house) renewKeys(ctx context.Context) {
	every := time.NewTicker(time.Hour)
	defer every.Stop()
	for {
		renewed, err := h.ring.RotateIfDue(ctx)
		if renewed && err == nil {
			err = h.audited(ctx, "keys.renew", "signing", func() error { return nil })
		}
		if err != nil {
			h.log.Error("renewing the signing keys", slog.String("error", err.Error()))
		} else if renewed {
			h.log.Info("signing keys renewed")
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// quiet is a logger for the job queue, whose own lines matter only when they
// warn.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

// Enabled lets warnings and errors through.
func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// welcome certifies the profile's synthetic people and says where to look.
func (c *serveCmd) welcome(s streams, h *house) error {
	for i, e := range h.profile.Samples {
		_, err := h.service.Issue(s.ctx, web.DemoCaller(), issuance.Certify, []vaccination.Event{e})
		switch vaccination.ErrorCode(err) {
		case "", vaccination.Revoked, vaccination.Conflict: // somebody played with it
		default:
			return fmt.Errorf("sample %d of the profile: %w", i+1, err)
		}
	}
	token, err := h.tokens().Create(s.ctx, web.DemoCaller(), access.NewToken{Name: "demo", Role: access.SourceRole, Source: "demo-client", For: 24 * time.Hour})
	if err != nil {
		return err
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	ask := ""
	if c.DemoDHIS2 != "" {
		ask = fmt.Sprintf("\n  On demand          %s://%s/get, with the identity card 871120015V and the day 16 6 2021", scheme, c.Listen)
	}
	_, err = fmt.Fprintf(s.out, `
divoc is running: a demonstration for %s. Everything it issues is a SPECIMEN.

  Look around        %[2]s://%[3]s/
  Verify             %[2]s://%[3]s/verify%[6]s
  API reference      %[2]s://%[3]s/docs
  API token (1 day)  %[4]s

Stop with Ctrl-C. What is issued stays in %[5]s.
`, h.profile.Country.Name, scheme, c.Listen, token, h.dir, ask)
	return err
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
