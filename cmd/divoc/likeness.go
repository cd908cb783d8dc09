package main

import "github.com/opendivoc/divoc/internal/intake/matching"

// likeness compares people whom callers name by codes of their own.
func (h *house) likeness() matching.Watch {
	return matching.Watch{Issuance: h.service, Log: h.log}
}
