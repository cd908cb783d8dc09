package audit_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is an issuer whose audit is looked at.
type world struct {
	*issuancetest.House
	t     testing.TB
	audit *audit.Service
	ids   []vaccination.CertificateID
}

func newWorld(t testing.TB, rules audit.Rules) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	return &world{House: h, t: t, audit: audit.New(audit.Options{Store: h.Store, Keys: h.Keys, Now: h.Now, Log: slog.New(slog.DiscardHandler), Rules: rules})}
}

// issue certifies a person for each code.
func (w *world) issue(codes ...string) {
	w.t.Helper()
	for _, code := range codes {
		r, err := w.Service.Issue(w.t.Context(), w.Admin, issuance.Certify, []vaccination.Event{event(code)})
		if err != nil {
			w.t.Fatal(err)
		}
		w.ids = append(w.ids, r[0].ID)
	}
}

// read opens a certificate as somebody.
func (w *world) read(actor string, id vaccination.CertificateID) {
	w.t.Helper()
	if _, err := w.Service.ByID(w.t.Context(), access.Caller{Actor: actor, Role: access.SystemAdmin, Source: "admin"}, id, "test"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) entry(actor string, e registry.Entry) {
	w.t.Helper()
	if err := registry.Audit(w.t.Context(), w.Store.Read(), w.Now(), actor, e); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.Store.Pool().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.Store.Pool().QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// problems is what a check finds.
func (w *world) problems() []string {
	w.t.Helper()
	r, err := w.Service.Check(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Problems
}

// rehash makes all chains anew, as somebody can who may write every table.
func (w *world) rehash() {
	w.t.Helper()
	w.exec(`DO $$ DECLARE c smallint; n bigint; head bytea; e record; BEGIN
		FOR c IN SELECT id FROM bucket_group LOOP
			n := 0; head := decode(repeat('00', 32), 'hex');
			CREATE TEMP TABLE again AS SELECT * FROM audit WHERE chain = c;
			DELETE FROM audit WHERE chain = c;
			FOR e IN SELECT * FROM again ORDER BY seq LOOP
				n := n + 1;
				head := sha256(head || convert_to(concat_ws(chr(31), n, (extract(epoch FROM e.at) * 1000000)::bigint, e.actor, e.act, e.object, e.detail), 'UTF8'));
				INSERT INTO audit VALUES (c, n, e.at, e.actor, e.act, e.object, e.detail, head);
			END LOOP;
			UPDATE bucket_group SET audit_seq = n, audit_head = head WHERE id = c;
			DROP TABLE again;
		END LOOP; END $$`)
}

func (w *world) publish() audit.Published {
	w.t.Helper()
	p, err := w.audit.Publish(w.t.Context(), w.Admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) compare(text []byte) *audit.Comparison {
	w.t.Helper()
	c, err := w.audit.Compare(w.t.Context(), text)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// open asks and opens, as a desk does.
func (w *world) open(actor string, id vaccination.CertificateID) error {
	return w.openAt(actor, id, w.Now())
}

func (w *world) openAt(actor string, id vaccination.CertificateID, at time.Time) error {
	return w.Store.Tx(w.t.Context(), func(q *query.Queries) error {
		if err := w.audit.Allow(w.t.Context(), q, actor); err != nil {
			return err
		}
		return registry.Audit(w.t.Context(), q, at, actor, registry.Entry{Chain: registry.GroupOf(int16(id.Bucket())), Act: audit.ActOpen, Object: id.String()})
	})
}

// event is one dose of a person who is known by a code.
func event(code string) vaccination.Event {
	return vaccination.Event{
		EnrolmentCode: code,
		Person:        vaccination.Person{Name: "Marcia Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale, Nationality: "JAM"},
		Vaccination: vaccination.Dose{
			Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Total: 2,
			Centre: "Falmouth Health Centre", Practitioner: "N. Brown",
		},
	}
}
