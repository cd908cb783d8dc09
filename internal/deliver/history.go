package deliver

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Told is a message about a certificate, with to whom it went as far as that is
// shown: "" where it is not kept any more.
type Told struct {
	Stored
	To string
}

// OfCertificate lists the messages about a certificate, the newest first, at most
// 1,000. Whoever shows them records that the certificate was seen.
func (s *Service) OfCertificate(ctx context.Context, by access.Caller, id vaccination.CertificateID) ([]Told, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	rows, err := s.queries().MessagesAbout(ctx, query.MessagesAboutParams{Bucket: int16(id.Bucket()), Certificate: id[:], MaxRows: 1000})
	if err != nil {
		return nil, err
	}
	out := make([]Told, len(rows))
	for i, r := range rows {
		out[i].Stored = stored(query.MessageByIDRow{
			ID: r.ID, Certificate: r.Certificate, Channel: r.Channel, Class: r.Class, Template: r.Template, Language: r.Language, Campaign: r.Campaign, State: r.State, Code: r.Code,
			Gateway: r.Gateway, Attempts: r.Attempts, Parts: r.Parts, CreatedAt: r.CreatedAt, DueAt: r.DueAt, ExpiresAt: r.ExpiresAt, StateAt: r.StateAt,
		})
		if c, err := s.unseal(Person{r.Bucket, r.PersonID}, r.Key, r.Once, r.Sealed); err == nil { // else it is gone
			out[i].To = masked(c.To)
		}
	}
	return out, nil
}
