package main

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// cases are what people ask for, of the house.
func (h *house) cases() *casework.Service {
	return casework.New(casework.Options{
		Store: h.store, Box: h.box, Issuance: h.service, Profile: h.profile, Now: now, Random: rand.Reader, Log: h.log,
		Tell: h.tellCases(h.messages()),
	})
}

// tellCases queues messages about cases.
func (h *house) tellCases(messages *deliver.Service) func(context.Context, *query.Queries, casework.Notice) error {
	return func(ctx context.Context, q *query.Queries, n casework.Notice) error {
		m := deliver.Message{
			Template: n.Template, Class: deliver.Notice, Person: deliver.Person{Bucket: n.Bucket, ID: n.Person}, Language: n.Language, Once: n.Once,
			To: strings.TrimPrefix(strings.TrimPrefix(n.To, "tel:"), "mailto:"),
		}
		if n.Person == 0 {
			m.Person = deliver.Person{}
		}
		if !messages.Reachable(m.To) {
			return nil // whom no message can be sent is told by the page
		}
		switch n.Template {
		case casework.MessageDecided:
			m.Values = map[string]string{"reference": n.Ticket.String(), "link": h.publicURL + "/my"}
		case casework.MessageContactChanged:
			m.Values = map[string]string{"link": h.publicURL + "/my/stop/" + n.Ticket.String()}
		default:
			m.Values = map[string]string{"link": h.publicURL + "/my"}
		}
		return messages.Queue(ctx, q, m)
	}
}
