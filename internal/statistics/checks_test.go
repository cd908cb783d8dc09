package statistics_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/vaccination"
)

// checked is a house with certificates and what counts their checks.
func checked(t *testing.T, certificates int) (*issuancetest.House, *statistics.Service, []vaccination.CertificateID) {
	t.Helper()
	h := issuancetest.New(t, "jamaica") // noon in UTC is seven in the morning there
	source := access.Caller{Actor: "token:1 a", Role: access.SourceRole, Source: "a"}
	var ids []vaccination.CertificateID
	for i := range certificates {
		r, err := h.Service.Issue(t.Context(), source, issuance.Certify, []vaccination.Event{event(fmt.Sprint("E", i), "Galle", "1")})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r[0].ID)
	}
	return h, &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}, ids
}

// stored are the exact numbers in the database.
func stored(t *testing.T, h *issuancetest.House) map[vaccination.CertificateID]int64 {
	t.Helper()
	rows, err := h.Store.Pool().Query(t.Context(), "SELECT certificate, n FROM certificate_check")
	if err != nil {
		t.Fatal(err)
	}
	out := map[vaccination.CertificateID]int64{}
	var id []byte
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { out[vaccination.CertificateID(id)] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestChecksAreAddedOnceADayAndToldAbout(t *testing.T) {
	h, s, ids := checked(t, 1)
	ctx := t.Context()
	flush := func(end bool) {
		t.Helper()
		if err := s.FlushChecks(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	tells := func(want string) {
		t.Helper()
		if got, err := s.Checks(ctx, ids[0]); err != nil || got != want {
			t.Errorf("it tells %q, %v, want %q", got, err, want)
		}
	}
	tells("0")
	s.Checked(ids[0])
	var other vaccination.CertificateID
	s.Checked(other) // of no database of ours
	for range 16 {   // until 23 o'clock there
		h.Pass(time.Hour)
		flush(false)
	}
	tells("0")
	h.Pass(time.Hour)
	flush(false)
	tells("1–9")
	for _, c := range []struct {
		more int
		want string
	}{{8, "1–9"}, {1, "10–99"}, {89, "10–99"}, {1, "100+"}, {10_000, "100+"}} {
		for range c.more {
			s.Checked(ids[0])
		}
		h.Pass(24 * time.Hour)
		flush(false)
		tells(c.want)
	}
	s.Checked(ids[0])
	flush(false)
	flush(true) // the server ends
	if got := stored(t, h); len(got) != 1 || got[ids[0]] != 10_101 {
		t.Errorf("stored: %v", got)
	}
}

// TestNoTimeCanBeLearntOfChecks: the table has no column that could hold a time, its
// rows lie in an order of their own, and neither audit nor counts tell of a check.
func TestNoTimeCanBeLearntOfChecks(t *testing.T) {
	h, s, ids := checked(t, 40)
	ctx := t.Context()
	rows, err := h.Store.Pool().Query(ctx, "SELECT column_name::text || ' ' || data_type::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'certificate_check' ORDER BY ordinal_position")
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if want := []string{"bucket smallint", "certificate bytea", "n bigint"}; err != nil || !slices.Equal(columns, want) {
		t.Errorf("columns %q, %v, want %q", columns, err, want)
	}
	others := func() (n int) {
		err := h.Store.Pool().QueryRow(ctx, "SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM count_event) + (SELECT count(*) FROM count_hour)").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := others()
	for i, id := range ids { // each a second after the other
		s.Checked(id)
		if i%2 == 0 {
			s.Checked(id)
		}
		h.Pass(time.Second)
	}
	h.Pass(24 * time.Hour)
	if err := s.FlushChecks(ctx, false); err != nil {
		t.Fatal(err)
	}
	if after := others(); after != before {
		t.Errorf("%d rows of audit and counts tell of checks", after-before)
	}
	rows, err = h.Store.Pool().Query(ctx, "SELECT certificate FROM certificate_check ORDER BY ctid")
	if err != nil {
		t.Fatal(err)
	}
	lie, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(lie) != 40 || !slices.IsSortedFunc(lie, bytes.Compare) {
		t.Errorf("the rows lie in another order than that of their ids: %v, %d", err, len(lie))
	}
	var transactions int
	if err := h.Store.Pool().QueryRow(ctx, "SELECT count(DISTINCT xmin::text) FROM certificate_check").Scan(&transactions); err != nil || transactions != 1 {
		t.Errorf("%d transactions tell them apart, %v", transactions, err)
	}
}

func TestChecksThatAreNotPersistedAreAddedLater(t *testing.T) {
	h, s, ids := checked(t, 2)
	s.Checked(ids[0])
	h.Pass(24 * time.Hour)
	heal := pgtest.Fail(t, h.Store.Pool(), "INSERT ON certificate_check")
	if err := s.FlushChecks(t.Context(), false); err == nil {
		t.Fatal("it did not fail")
	}
	s.Checked(ids[0])
	s.Checked(ids[1])
	heal()
	h.Pass(30 * time.Second)
	if err := s.FlushChecks(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, h); got[ids[0]] != 2 || got[ids[1]] != 1 {
		t.Errorf("stored: %v", got)
	}
}

// TestManyChecksAreBounded: so many that they hide each other are written at once,
// and of more than twice as many none is held.
func TestManyChecksAreBounded(t *testing.T) {
	h, s, ids := checked(t, 1)
	var id vaccination.CertificateID
	for i := range 250_000 {
		id[14], id[13], id[12] = byte(i), byte(i>>8), byte(i>>16)
		s.Checked(id)
	}
	s.Checked(ids[0]) // one too many
	if err := s.FlushChecks(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.Checked(ids[0])
	if err := s.FlushChecks(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, h); got[ids[0]] != 1 {
		t.Errorf("stored: %v", got)
	}
}

func TestWhoWasErasedIsCountedNoMore(t *testing.T) {
	h, s, ids := checked(t, 1)
	s.Checked(ids[0])
	if _, err := h.Service.Erase(t.Context(), h.Admin, ids[0], false, "asked in writing"); err != nil {
		t.Fatal(err)
	}
	if err := s.FlushChecks(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, h); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

// BenchmarkChecked is what counting adds to a verification.
func BenchmarkChecked(b *testing.B) {
	s := &statistics.Service{Zone: time.UTC, Now: time.Now}
	var ids [4096]vaccination.CertificateID
	for i := range ids {
		copy(ids[i][:], strings.Repeat(fmt.Sprintf("%04d", i), 4))
	}
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			s.Checked(ids[i%len(ids)])
		}
	})
}
