package dhis2

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Certificate is what is written back of one certificate.
type Certificate struct {
	Seq     int64 // orders them; the next poll asks for those behind the last
	Person  string
	ID      string // as printed
	Version int
	Status  vaccination.Status
	Issued  time.Time
	Link    string // where it is verified
}

// Issued tells which certificates of a source are to be written back.
type Issued interface {
	// Issued returns certificates issued or changed behind a number, in order,
	// at most max.
	Issued(ctx context.Context, source string, after int64, max int) ([]Certificate, error)
}

const writeBatch = 50

// writeBack writes certificates into the source's certificate stage, if it has
// one, and remembers how far. An event's id is made of the certificate's, so that
// writing again changes the same event.
func (p *polling) writeBack(ctx context.Context) error {
	if p.o.config.Certificates == nil || p.s.Issued == nil {
		return nil
	}
	for {
		list, err := p.s.Issued.Issued(ctx, p.src.Name, p.p.Written, writeBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := p.write(ctx, list); err != nil {
			return err
		}
		p.p.Written = list[len(list)-1].Seq
		if err := p.store(ctx, nil, time.Time{}); err != nil {
			return err
		}
	}
}

func (p *polling) write(ctx context.Context, list []Certificate) error {
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
