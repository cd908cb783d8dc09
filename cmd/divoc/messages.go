package main

import (
	"context"
	"crypto/rand"
	"path/filepath"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
)

// demoOutbox is the file that the messages of a demonstration are written to.
const demoOutbox = "outbox.txt"

// messages is the outbox of the house. Nothing is sent until it is started.
func (h *house) messages() *deliver.Service {
	if h.outbox == nil {
		h.outbox = deliver.New(deliver.Options{
			Store: h.store, Box: h.box, Profile: h.profile, PublicURL: h.publicURL, Demo: h.demo, Outbox: filepath.Join(h.dir, demoOutbox),
			Now: now, Random: rand.Reader, Log: h.log, Contacts: h.service.ContactsOf,
		})
	}
	return h.outbox
}

// demoGateway has a demonstration write its messages to a file, unless somebody
// connected something else.
func (h *house) demoGateway(ctx context.Context) error {
	by := access.System("start")
	gateways, err := h.messages().Gateways(ctx, by)
	if err != nil || len(gateways) > 0 {
		return err
	}
	_, err = h.messages().SetGateway(ctx, by, "file", "kind: file\nperSecond: 10\n")
	return err
}
