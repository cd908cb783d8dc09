package main

import (
	"crypto/rand"

	"github.com/opendivoc/divoc/internal/casework"
)

// cases are what people ask for, of the house.
func (h *house) cases() *casework.Service {
	return casework.New(casework.Options{
		Store: h.store, Box: h.box, Issuance: h.service, Profile: h.profile, Now: now, Random: rand.Reader, Log: h.log,
	})
}
