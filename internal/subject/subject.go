// Package subject gives a person what the law promises them: everything that is
// held on them, and who saw it; and its destruction. It gathers what every room
// holds of them.
package subject

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs.
type Options struct {
	Store    *registry.Store
	Issuance *issuance.Service
	Intake   *intake.Service
	Cases    *casework.Service
	Profile  *profile.Profile
	Now      func() time.Time
}

// Service exports and erases. It is safe for concurrent use.
type Service struct{ Options }

// New returns a Service.
func New(o Options) *Service { return &Service{o} }

// Document is everything that is held on one person.
type Document struct {
	Made       time.Time                    `json:"made"`
	Issuer     string                       `json:"issuer"`
	Person     *issuance.Held               `json:"person"`
	Deliveries Deliveries                   `json:"deliveries"`
	Cases      *casework.Held               `json:"cases"`
	Seen       []Seen                       `json:"audit"` // who did or saw what
	Rows       map[string][]json.RawMessage `json:"rows"`  // of every other table; what is sealed is in the parts above
}

// Deliveries are what sources told of the person.
type Deliveries struct {
	States   []intake.Delivered `json:"states"`
	Arrivals []intake.Arrived   `json:"arrivals"`
}

// Seen is an entry of the audit about the person.
type Seen struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Act    string    `json:"act"`
	Object string    `json:"object"`
	Detail string    `json:"detail,omitempty"`
}

// Table says how the rows of one person are found in a table. $1 is the bucket,
// $2 the person's number, $3 their certificates.
type Table struct {
	Name  string
	Where string
	Drop  []string // columns that are sealed, secret, or say nothing outside
}

const ofPerson = "bucket = $1 AND person_id = $2"

// Tables are all tables with rows about people; a test compares them with the
// database. Those that packages open themselves are named too, so that what is
// not opened of them is handed out as it is.
func Tables() []Table {
	ofCertificate := "certificate = ANY ($3)"
	return []Table{
		{"person", "bucket = $1 AND id = $2", []string{"key", "sealed"}},
		{"person_index", ofPerson, nil},
		{"certificate", ofPerson, []string{"sealed"}},
		{"certificate_export", "bucket = $1 AND " + ofCertificate, []string{"sealed"}},
		{"suspension", "bucket = $1 AND id = ANY ($3)", nil},
		{"told", ofPerson, nil},
		{"person_link", ofPerson, nil},
		// Whose certificate the other is, is not for this person to know.
		{"likeness", "(bucket = $1 AND person_id = $2 OR other_bucket = $1 AND other_id = $2)", []string{"bucket", "person_id", "certificate", "other_bucket", "other_id", "other_certificate"}},
		{"item", ofCertificate, []string{"sealed"}},
		{"upload_row", ofCertificate, []string{"sealed"}},
		{"message", ofPerson, []string{"sealed"}},
		{"suppression", ofPerson, nil},
		{"citizen_opened", ofPerson, []string{"session"}},
		{"citizen_person", ofPerson, nil},
		{"person_language", ofPerson, nil},
		{"certificate_check", "bucket = $1 AND " + ofCertificate, nil},
		{"case_file", "bucket = $1 AND (person_id = $2 OR person_id IS NULL AND result = ANY ($3))", []string{"sealed"}},
		{"guardian", ofPerson, nil},
		{"deceased", ofPerson, nil},
		{"print", "bucket = $1 AND " + ofCertificate, nil},
		{"erasure", ofPerson, nil},
		{"withdrawal_item", "bucket = $1 AND id = ANY ($3)", nil},
	}
}

// Opened are tables that are opened by their rooms, row by row, and Passing those
// that hold something for minutes or hours, under no name of a person.
func Opened() []string { return []string{"fragment", "arrival", "case_event", "case_evidence"} }

// Passing are tables of what is in the middle of being asked; it is forgotten
// within a day.
func Passing() []string { return []string{"on_demand_challenge", "on_demand_record"} }

// maxSeen bounds the entries of the audit of one person.
const maxSeen = 100_000

// Export returns everything that is held on the person of a certificate, and who
// saw it. That it was taken is an entry of the audit, in it.
func (s *Service) Export(ctx context.Context, by access.Caller, id vaccination.CertificateID) (*Document, error) {
	held, who, err := s.Issuance.Held(ctx, by, id)
	if err != nil {
		return nil, err
	}
	d := &Document{Made: s.Now().UTC().Truncate(time.Second), Issuer: s.Issuance.Issuer().Name, Person: held, Rows: map[string][]json.RawMessage{}}
	if d.Deliveries.States, d.Deliveries.Arrivals, err = s.Intake.Held(ctx, who); err != nil {
		return nil, err
	}
	if d.Cases, err = s.Cases.Held(ctx, who.Bucket, who.Person); err != nil {
		return nil, err
	}
	for _, t := range Tables() {
		if d.Rows[t.Name], err = s.rows(ctx, t, who); err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	objects := []string{who.Object()}
	for _, c := range who.Certificates {
		objects = append(objects, c.String())
	}
	for _, c := range d.Cases.Cases {
		objects = append(objects, fmt.Sprint("case ", c.Ticket))
	}
	entries, err := s.Store.Read().EntriesAbout(ctx, query.EntriesAboutParams{Objects: objects, MaxRows: maxSeen})
	for _, e := range entries {
		d.Seen = append(d.Seen, Seen{e.At.UTC(), e.Actor, e.Act, e.Object, e.Detail})
	}
	return d, err
}

func (s *Service) rows(ctx context.Context, t Table, who issuance.Whom) ([]json.RawMessage, error) {
	drop := append([]string{}, t.Drop...)
	sql := "SELECT to_jsonb(t) - $4::text[] FROM " + pgx.Identifier{t.Name}.Sanitize() + " AS t WHERE $1::smallint IS NOT NULL AND $2::bigint IS NOT NULL AND $3::bytea[] IS NOT NULL AND " + t.Where
	rows, err := s.Store.Pool().Query(ctx, sql, who.Bucket, who.Person, who.IDs(), drop)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m json.RawMessage, err error) {
		var text string
		err = row.Scan(&text)
		return json.RawMessage(text), err
	})
}

// forget destroys what rooms beside issuance hold of a person.
func (s *Service) forget(by access.Caller) []issuance.Forget {
	return []issuance.Forget{
		intake.Forget,
		func(ctx context.Context, q *query.Queries, who issuance.Whom) error {
			return casework.Erase(ctx, q, by, who.At, who.Bucket, who.Person)
		},
		func(ctx context.Context, q *query.Queries, who issuance.Whom) error {
			if err := q.ForgetMessagesOf(ctx, query.ForgetMessagesOfParams{Bucket: who.Bucket, PersonID: &who.Person}); err != nil {
				return err
			}
			if err := q.ForgetSuppressionsOf(ctx, query.ForgetSuppressionsOfParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
				return err
			}
			if err := q.ForgetOpenedOf(ctx, query.ForgetOpenedOfParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
				return err
			}
			if err := q.ForgetLikenessesOf(ctx, query.ForgetLikenessesOfParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
				return err
			}
			if err := q.ForgetLanguageOf(ctx, query.ForgetLanguageOfParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
				return err
			}
			if err := q.ForgetChecksOf(ctx, query.ForgetChecksOfParams{Bucket: who.Bucket, Certificates: who.IDs()}); err != nil {
				return err
			}
			return q.ForgetTriesOf(ctx, query.ForgetTriesOfParams{Bucket: who.Bucket, PersonID: who.Person})
		},
	}
}
