package issuance

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// News is something that happened to a certificate, for the person it is about.
type News struct {
	What        What
	Bucket      int16
	Person      int64
	Key         *seal.PersonKey
	Contacts    []string // URIs, as they stand in the person's row: "tel:+94712345678"
	Certificate vaccination.CertificateID
	// Given is when the dose was given, where it matters how old it is: a record
	// that was brought from elsewhere is no news. Zero for what somebody decided
	// here.
	Given vaccination.Date
}

// What is what happened.
type What string

// What happens to certificates. A certificate that is issued again is no news.
const (
	NewsReady     What = "ready"     // the first certificate of a dose
	NewsCorrected What = "corrected" // a new version
	NewsRevoked   What = "revoked"
	NewsSuspended What = "suspended"
	NewsRestored  What = "restored" // a suspension is over
)

// Tell puts messages about news into the transaction that makes them.
type Tell func(ctx context.Context, tx pgx.Tx, q *query.Queries, at time.Time, news []News) error

type quietly struct{}

// Quietly returns a context in which nobody is told what happens: an act on many
// certificates is told by a campaign, if at all.
func Quietly(ctx context.Context) context.Context { return context.WithValue(ctx, quietly{}, true) }

// tiding is news whose person is looked up when it is told.
type tiding struct {
	what   What
	of     *person // nil: by bucket and id
	bucket int16
	id     int64
	cert   vaccination.CertificateID
	given  vaccination.Date
}

// issuedNews notes what an issued certificate is news of.
func (w *writes) issuedNews(g *Signed) {
	d := g.draft
	t := tiding{of: d.person, cert: g.id, given: d.event.Day(w.s.Profile.TimeZone)}
	switch {
	case d.outcome == Issued && d.previous == nil:
		t.what = NewsReady
	case d.outcome == Corrected:
		t.what = NewsCorrected
		if d.byHand && w.by.Role != access.SourceRole {
			t.given = vaccination.Date{}
		}
	case d.outcome == Updated && d.previous.number() == 1 && d.previous.status() == vaccination.StatusValid:
		t.what, t.cert = NewsReady, d.previous.id() // told now if nobody could be before
	default:
		return
	}
	w.news = append(w.news, t)
}

// changedNews notes what an act on a stored certificate is news of.
func (w *writes) changedNews(p *person, row query.Certificate, act vaccination.Act) {
	what := map[vaccination.Act]What{vaccination.ActRevoke: NewsRevoked, vaccination.ActSuspend: NewsSuspended, vaccination.ActLift: NewsRestored}[act]
	if what != "" {
		w.news = append(w.news, tiding{what: what, of: p, bucket: row.Bucket, id: row.PersonID, cert: vaccination.CertificateID(row.ID)})
	}
}

// tell hands over what the transaction is news of.
func (w *writes) tell(ctx context.Context, tx pgx.Tx, q *query.Queries) error {
	if w.s.Tell == nil || w.held || len(w.news) == 0 || ctx.Value(quietly{}) != nil {
		return nil
	}
	var news []News
	for _, t := range w.news {
		p := t.of
		if p == nil {
			row, err := q.PersonByID(ctx, query.PersonByIDParams{Bucket: t.bucket, ID: t.id})
			if err != nil {
				return err
			}
			p = &person{row: row}
		}
		if p.erased() {
			continue // nobody knows how to reach them
		}
		key, err := w.s.unlock(p)
		if err != nil {
			return err
		}
		var contacts []string
		if e, ok := w.people[p]; ok {
			contacts = e.Contacts
		} else {
			known, err := w.s.particularsOf(p)
			if err != nil {
				return err
			}
			contacts = known.Contacts
		}
		news = append(news, News{What: t.what, Bucket: p.row.Bucket, Person: p.row.ID, Key: key, Contacts: contacts, Certificate: t.cert, Given: t.given})
	}
	return w.s.Tell(ctx, tx, q, w.now, news)
}

// ContactsOf is how a person is reached, as URIs, and the key that what is sent
// to them is sealed with. It is for programs, not to be shown: nothing is audited.
func (s *Service) ContactsOf(row query.Person) ([]string, *seal.PersonKey, error) {
	p := &person{row: row}
	known, err := s.particularsOf(p)
	if err != nil {
		return nil, nil, err
	}
	key, err := s.unlock(p)
	return known.Contacts, key, err
}
