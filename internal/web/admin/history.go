package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// history is everything that happened to a certificate, each part for who may see
// it: what came in, what people were told, what was printed, what was asked for, and
// about how often it was checked.
func (h *handler) history(a *asked, r *issuance.Record) ([]block, error) {
	var out []block
	for _, part := range []struct {
		heading string
		read    func(*asked, *issuance.Record) (*table, error)
	}{{"admin.deliveries", h.deliveries}, {"admin.told", h.told}, {"admin.prints", h.printsOf}, {"admin.ofperson", h.casesOf}} {
		t, err := part.read(a, r)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, block{Heading: a.v.T(part.heading), Table: t})
		}
	}
	n, err := h.Statistics.Checks(a.Context(), r.ID)
	if err != nil {
		return nil, err
	}
	out = append(out, block{Heading: a.v.T("admin.checks"), Text: a.v.T("admin.checks.text"), Lines: []line{{a.v.T("admin.checks.n"), text(n)}}})
	timeline, err := h.timeline(a, r)
	if err != nil {
		return nil, err
	}
	return append(out, block{Heading: a.v.T("admin.timeline"), Text: a.v.T("admin.timeline.text"), Table: timeline}), nil
}

// deliveries are what a source sent for the certificate, nil where none did.
func (h *handler) deliveries(a *asked, r *issuance.Record) (*table, error) {
	if mayNot := a.by.Can(access.DecideHolds); mayNot != nil || h.Intake == nil {
		return nil, nil //nolint:nilerr // it is not shown to them
	}
	items, err := h.Intake.Trace(a.Context(), a.by, r.ID)
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.deliveries"), Head: []string{a.v.T("admin.reference"), a.v.T("admin.source"), a.v.T("admin.received"), a.v.T("admin.state"), a.v.T("admin.decider")}}
	for _, i := range items {
		t.Rows = append(t.Rows, []cell{to(i.Reference, fmt.Sprintf("%s/holds/%d", Path, i.ID)), to(i.Source, Path+"/sources/"+i.Source), text(a.when(i.Received)), a.tag("admin.item.", string(i.State)), text(i.By)})
	}
	return t, nil
}

// told are the messages about the certificate, without what they say.
func (h *handler) told(a *asked, r *issuance.Record) (*table, error) {
	if mayNot := a.by.Can(access.ManageMessages); mayNot != nil || h.Messages == nil {
		return nil, nil //nolint:nilerr // it is not shown to them
	}
	list, err := h.Messages.OfCertificate(a.Context(), a.by, r.ID)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.told"), Empty: a.v.T("admin.told.none"), Head: []string{a.v.T("admin.message.number"), a.v.T("admin.template"), a.v.T("admin.to"), a.v.T("admin.state"), a.v.T("admin.why"), a.v.T("admin.made"), a.v.T("admin.changed")}}
	for _, m := range list {
		t.Rows = append(t.Rows, []cell{to(fmt.Sprint(m.ID), fmt.Sprintf("%s/messages/%d", Path, m.ID)), text(a.template(m.Template)), text(m.To), a.tag("admin.messagestate.", m.State), text(m.Code), text(a.when(m.Created)), text(a.when(m.StateAt))})
	}
	return t, nil
}

// printsOf are the copies that desks made of the certificate.
func (h *handler) printsOf(a *asked, r *issuance.Record) (*table, error) {
	rows, err := h.Service.Store.Read().PrintsOfCertificates(a.Context(), query.PrintsOfCertificatesParams{Buckets: []int16{int16(r.ID.Bucket())}, Certificates: [][]byte{r.ID[:]}})
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	t := &table{Caption: a.v.T("admin.prints"), Empty: a.v.T("admin.prints.none"), Head: []string{a.v.T("admin.copy"), a.v.T("admin.facility"), a.v.T("admin.number"), a.v.T("admin.size"), a.v.T("admin.languages"), a.v.T("admin.who"), a.v.T("admin.when")}}
	for _, p := range rows {
		languages := strings.Join(strings.Fields(p.Languages), ", ")
		if languages == "" {
			languages = a.v.T("admin.all")
		}
		t.Rows = append(t.Rows, []cell{number(int64(p.Copy)), text(p.Facility), number(p.Serial), text(a.v.T("desk.size." + p.Size)), text(languages), text(p.Actor), text(a.when(p.At))})
	}
	return t, nil
}

// casesOf are what was asked for about the person of the certificate.
func (h *handler) casesOf(a *asked, r *issuance.Record) (*table, error) {
	if mayNot := a.by.Can(access.DecideCases); mayNot != nil || h.Cases == nil {
		return nil, nil //nolint:nilerr // it is not shown to them
	}
	list, err := h.Cases.OfCertificate(a.Context(), a.by, r.ID)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.ofperson"), Empty: a.v.T("admin.ofperson.none"), Head: []string{a.v.T("admin.ticket"), a.v.T("admin.kind"), a.v.T("admin.state"), a.v.T("admin.opened"), a.v.T("admin.closed"), a.v.T("admin.certificate")}}
	for _, c := range list {
		t.Rows = append(t.Rows, []cell{to(c.Ticket.String(), Path+"/cases/"+c.Ticket.String()), text(a.v.T("admin.case." + string(c.Kind))), a.tag("admin.casestate.", string(c.State)), text(a.when(c.Opened)), text(a.when(c.Closed)), certificate(c.Result)})
	}
	return t, nil
}
