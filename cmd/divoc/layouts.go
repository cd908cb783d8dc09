package main

import (
	"context"

	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/render/printer"
)

// pages returns what prints certificates, with the layouts in force, and what
// keeps those.
func (h *house) pages(ctx context.Context) (*printer.Printer, *layouts.Service, error) {
	p, err := printer.New(h.profile, h.publicURL)
	if err != nil {
		return nil, nil, err
	}
	s := layouts.New(layouts.Options{Store: h.store, Profile: h.profile, Printer: p, Now: now, Log: h.log})
	return p, s, s.Refresh(ctx)
}
