package dhis2

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// Certificate is what is written back of one certificate.
type Certificate struct {
	Person  string
	ID      string // as printed
	Version int
	Status  vaccination.Status
	Issued  time.Time
	Link    string // where it is verified
}

// Issued tells which certificates of a source are to be written back.
type Issued interface {
	// Issued returns certificates issued or changed behind a mark, in order, of at
	// most max doses, the next mark, and whether there may be more. The first mark
	// is empty. A certificate may come more than once.
	Issued(ctx context.Context, source, mark string, max int) (list []Certificate, next string, more bool, err error)
}

// Back tells what was issued for what a source delivered: every version of each
// record, so that one which was superseded says so there.
type Back struct {
	Intake   *intake.Service
	Issuance *issuance.Service
	By       access.Caller
	Link     string // where certificates are verified
}

// Issued implements [Issued].
func (b Back) Issued(ctx context.Context, source, mark string, max int) (list []Certificate, next string, more bool, err error) {
	doses, next, more, err := b.Intake.IssuedSince(ctx, source, mark, max)
	if err != nil {
		return nil, "", false, err
	}
	for _, d := range doses {
		versions, err := b.Issuance.Versions(ctx, b.By, d.Certificate, "write-back")
		if err != nil {
			return nil, "", false, err
		}
		for _, v := range versions {
			list = append(list, Certificate{Person: d.Person, ID: v.Certificate.Info.HCID, Version: v.Version, Status: v.Status, Issued: v.IssuedAt, Link: b.Link})
		}
	}
	return list, next, more, nil
}

const writeBatch = 50

// writeBack writes certificates into the source's certificate stage, if it has
// one, and remembers how far. An event's id is made of the certificate's, so that
// writing again changes the same event.
func (p *polling) writeBack(ctx context.Context) error {
	if p.o.config.Certificates == nil || p.s.Issued == nil {
		return nil
	}
	for more := true; more; {
		var list []Certificate
		var next string
		var err error
		list, next, more, err = p.s.Issued.Issued(ctx, p.src.Name, p.p.Told, writeBatch)
		if err != nil {
			return err
		}
		if next == p.p.Told {
			return nil
		}
		if err := p.write(ctx, list); err != nil {
			return err
		}
		p.p.Told = next
		if err := p.store(ctx, nil, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func (p *polling) write(ctx context.Context, list []Certificate) error {
	if len(list) == 0 {
		return nil
	}
	var ids []string
	for _, c := range list {
		ids = append(ids, c.Person)
	}
	found, err := p.o.poll.Entities(ctx, ids)
	if err != nil {
		return err
	}
	var events []map[string]any
	for _, c := range list {
		raw, ok := found[c.Person]
		if !ok {
			continue // gone, or not ours to see: there is nowhere to write
		}
		e, err := readEntity(raw)
		if err != nil {
			return err
		}
		if v := p.event(c, e); v != nil {
			events = append(events, v)
		}
	}
	if len(events) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return err
	}
	var report struct {
		Status           string
		ValidationReport struct{ ErrorReports []struct{ ErrorCode string } }
	}
	q := url.Values{"async": {"false"}, "importStrategy": {"CREATE_AND_UPDATE"}}
	if err := p.o.poll.ask(ctx, http.MethodPost, "tracker", q, body, &report); err != nil {
		return err
	}
	if report.Status == "ERROR" {
		code := ""
		if r := report.ValidationReport.ErrorReports; len(r) > 0 {
			code = r[0].ErrorCode
		}
		return vaccination.Errorf(vaccination.Conflict, "DHIS2 does not take the certificates that are written back (%s): look at the stage and its data elements in the source's settings", code)
	}
	return nil
}

func (p *polling) event(c Certificate, e *entity) map[string]any {
	w := p.o.config.Certificates
	for _, n := range e.Enrollments {
		if n.Program != p.o.config.Program || n.Deleted {
			continue
		}
		values := []map[string]string{}
		for _, v := range [][2]string{
			{w.ID, c.ID}, {w.Version, strconv.Itoa(c.Version)}, {w.Status, string(c.Status)},
			{w.Issued, c.Issued.In(p.info.Zone).Format(stampForm)}, {w.Link, c.Link},
		} {
			if v[0] != "" {
				values = append(values, map[string]string{"dataElement": v[0], "value": v[1]})
			}
		}
		return map[string]any{
			"event": eventID(c.ID), "program": n.Program, "programStage": w.Stage, "enrollment": n.Enrollment, "trackedEntity": e.id(),
			"orgUnit": n.OrgUnit, "status": "COMPLETED", "occurredAt": c.Issued.In(p.info.Zone).Format(stampForm), "dataValues": values,
		}
	}
	return nil
}

// eventID is the id of the event for a certificate, of DHIS2's form: a letter
// and ten letters or digits, 64 bits of a hash of the certificate's own.
func eventID(certificate string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	sum := sha256.Sum256([]byte("divoc certificate " + certificate))
	out := make([]byte, 11)
	for i := range out {
		n := len(letters)
		if i == 0 {
			n = 52
		}
		out[i] = letters[(int(sum[2*i])<<8|int(sum[2*i+1]))%n]
	}
	return string(out)
}
