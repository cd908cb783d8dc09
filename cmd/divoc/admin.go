package main

import (
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/statistics"
)

// bulk is the house's withdrawals of many certificates.
func (h *house) bulk() *bulk.Service {
	return bulk.New(bulk.Options{Store: h.store, Issuance: h.service, Now: now, Log: h.log})
}

// statistics are the house's counts, in the country's own hours.
func (h *house) statistics() *statistics.Service {
	return &statistics.Service{Store: h.store, Zone: h.profile.TimeZone, Now: now}
}
