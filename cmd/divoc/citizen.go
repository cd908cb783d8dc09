package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// citizens recognises people by a code that messages sends, nil for nobody who
// does. A demonstration shows the code instead.
func (h *house) citizens(messages *deliver.Service) *citizen.Service {
	o := citizen.Options{
		Store: h.store, Box: h.box, Profile: h.profile, OnRecord: h.service.OnRecord, Demo: h.demo, Wait: waitUntil, Now: now, Random: rand.Reader, Log: h.log,
	}
	if messages != nil {
		o.Budget = func(ctx context.Context, number string, network netip.Addr) (time.Duration, error) {
			return messages.Budget.Take(ctx, budget.Ask{To: number, Network: network})
		}
	}
	if messages != nil && !h.demo {
		o.Sender, o.Carries = codeSender{messages}, messages.Carries
	}
	if at := h.profile.CitizenIdentity; at != nil {
		o.Identity, o.PublicURL = party.ClientOf(at.Issuer), h.publicURL
	}
	return citizen.New(o)
}

// waitUntil returns at a time, or when ctx ends.
func waitUntil(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// codeSender sends the codes of citizens.
type codeSender struct{ messages *deliver.Service }

// SendCode implements [citizen.Sender].
func (c codeSender) SendCode(ctx context.Context, q *query.Queries, number, email, language, code string, after, expires time.Time) error {
	m := deliver.Message{
		Template: "code", Class: deliver.Code, To: number, Language: language, Values: map[string]string{"code": code, "minutes": "5"},
		Once: "citizen " + rand.Text(), After: after, Expires: expires,
	}
	if email != "" {
		m.Template, m.To = "code-email", email
	}
	return c.messages.Queue(ctx, q, m)
}

// Wake implements [citizen.Sender].
func (c codeSender) Wake() { c.messages.Wake(deliver.Code) }

// mailLink sends a link to the citizens' portal to an address.
func (h *house) mailLink(messages *deliver.Service) func(ctx context.Context, address, language string) error {
	if messages == nil {
		return nil
	}
	return func(ctx context.Context, address, language string) error {
		defer messages.Wake(deliver.Code)
		return messages.Queue(ctx, h.store.Read(), deliver.Message{
			Template: "mail-link", Class: deliver.Code, To: address, Language: language, Values: map[string]string{"link": h.publicURL + "/my"},
			Once: "link " + address + " " + now().UTC().Format("2006-01-02T15"), // once an hour
		})
	}
}

// opened says to whom the cases of a record are shown.
func (h *house) opened(citizens *citizen.Service) func(ctx context.Context, by access.Caller, id vaccination.CertificateID) (bool, error) {
	return func(ctx context.Context, by access.Caller, id vaccination.CertificateID) (bool, error) {
		p, err := h.service.PersonOf(ctx, id)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return citizens.Opened(ctx, by, p)
	}
}

// askAgainEvery is how often sources are asked for certificates that wait.
const askAgainEvery = 5 * time.Minute

// askAgain asks for what waits until ctx ends.
func (h *house) askAgain(ctx context.Context, s *ondemand.Service) {
	every := time.NewTicker(askAgainEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := s.AskAgain(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("asking again for certificates that wait", slog.String("error", err.Error()))
			}
		}
	}
}
