package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/render/printer"
)

// desk is the facility desk of the house.
func (h *house) desk(pages *printer.Printer, onDemand *ondemand.Service) *desk.Service {
	return desk.New(desk.Options{
		Store: h.store, Box: h.box, Issuance: h.service, Printer: pages, OnDemand: onDemand, Now: now, Random: rand.Reader, Log: h.log,
		Allow: h.audit().Allow,
	})
}

// clearDesk forgets what desks were in the middle of, once that ended.
func (h *house) clearDesk(ctx context.Context, d *desk.Service) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Minute):
		}
		if err := d.Clear(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("desk: drafts that ended are not removed yet", slog.String("error", err.Error()))
		}
	}
}
