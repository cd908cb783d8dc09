package issuance_test

import (
	"context"
	"crypto/md5" //nolint:gosec // the same in SQL and here; no secret
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// TestLookupsCostTheSameWithTenMillion compares a database of ten million
// certificates (DIVOC_CERTIFICATES) with one of ten thousand: finding one must
// not cost twice as much. The rows are slim, with filler where something is
// sealed; tables, constraints and indexes are those of the schema.
func TestLookupsCostTheSameWithTenMillion(t *testing.T) {
	if os.Getenv("DIVOC_SOAK") == "" {
		t.Skip("only with DIVOC_SOAK=1: takes half an hour and 15 GB")
	}
	many := 10_000_000
	if v := os.Getenv("DIVOC_CERTIFICATES"); v != "" {
		var err error
		if many, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	small, large := newFilled(t, 10_000), newFilled(t, many)
	for _, what := range []struct {
		name  string
		find  func(f *filled, i int) error
		limit float64
	}{
		{"certificate by id", (*filled).byID, 2},
		{"person and certificates by enrolment code", (*filled).byCode, 2},
		{"person by mobile number", (*filled).byMobile, 2},
		{"state by id", (*filled).state, 2},
		{"whole certificate by id, opened and audited", (*filled).open, 2},
		{"event sent again, unchanged", (*filled).again, 2},
	} {
		a, b := compare(t, small, large, what.find)
		t.Logf("%-45s %6.0f µs, %6.0f µs, %.2f times", what.name, a, b, b/a)
		if b > what.limit*a {
			t.Errorf("%s costs %.1f times as much among %d as among %d", what.name, b/a, large.n, small.n)
		}
	}
	for _, f := range []*filled{small, large} {
		f.publish(t)
	}
}

// filled is a world with n invented certificates and some real ones.
type filled struct {
	*world
	n    int
	ids  []vaccination.CertificateID // of the real ones
	size int64
}

const realOnes = 500

func newFilled(t *testing.T, n int) *filled {
	t.Helper()
	f := &filled{world: newWorld(t, "jamaica"), n: n}
	began := time.Now()
	issuancetest.Fill(t, f.store.Pool(), f.by.Source, n)
	for i := range realOnes {
		f.ids = append(f.ids, f.must(issuance.Certify, event(fmt.Sprintf("REAL-%d", i), 1)).ID)
	}
	if err := f.store.Pool().QueryRow(f.ctx, "SELECT pg_database_size(current_database())").Scan(&f.size); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d certificates made in %v, %d MB", n, time.Since(began).Round(time.Second), f.size>>20)
	return f
}

// digest is md5(kind || i) as package issuancetest fills it in.
func digest(kind string, i int) []byte {
	sum := md5.Sum([]byte(kind + strconv.Itoa(i))) //nolint:gosec // as above
	return sum[:]
}

func (f *filled) id(i int) vaccination.CertificateID {
	return vaccination.CertificateID(digest("id", i)[:15])
}

func (f *filled) byID(i int) error {
	id := f.id(i)
	row, err := f.store.Read().CertificateByID(f.ctx, query.CertificateByIDParams{Bucket: int16(id.Bucket()), ID: id[:]})
	if err == nil && row.PersonID != int64(i) {
		err = fmt.Errorf("certificate %d is of person %d", i, row.PersonID)
	}
	return err
}

func (f *filled) byCode(i int) error {
	buckets := []int16{int16(f.id(i).Bucket())}
	people, err := f.store.Read().PeopleByCode(f.ctx, query.PeopleByCodeParams{Buckets: buckets, Codes: [][]byte{digest("code", i)}})
	if err != nil || len(people) != 1 {
		return fmt.Errorf("%d people: %w", len(people), err)
	}
	rows, err := f.store.Read().CertificatesOfPeople(f.ctx, query.CertificatesOfPeopleParams{Buckets: buckets, People: []int64{people[0].ID}})
	if err != nil || len(rows) != 1 {
		return fmt.Errorf("%d certificates: %w", len(rows), err)
	}
	return nil
}

func (f *filled) byMobile(i int) error {
	people, err := f.store.Read().PeopleByIndex(f.ctx, query.PeopleByIndexParams{Value: digest("mobile", i), MaxRows: 20})
	if err != nil || len(people) != 1 {
		return fmt.Errorf("%d people: %w", len(people), err)
	}
	return nil
}

func (f *filled) state(i int) error {
	id := f.id(i)
	_, err := f.store.Read().CertificateStatus(f.ctx, query.CertificateStatusParams{Bucket: int16(id.Bucket()), ID: id[:]})
	return err
}

func (f *filled) open(i int) error {
	_, err := f.ByID(f.ctx, f.by, f.ids[i%realOnes], "soak")
	return err
}

func (f *filled) again(i int) error {
	r, err := f.issue(issuance.Certify, event(fmt.Sprintf("REAL-%d", i%realOnes), 1))
	if err == nil && r[0].Outcome != issuance.Unchanged {
		err = fmt.Errorf("it was %s", r[0].Outcome)
	}
	return err
}

// compare returns what a look-up costs in each of two, in microseconds: the
// quickest quarter of many short rounds that take turns, so that both see the
// same machine, and little of what else it does.
func compare(t *testing.T, a, b *filled, find func(*filled, int) error) (ofA, ofB float64) {
	t.Helper()
	const rounds, each = 80, 100
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	round := func(f *filled) float64 {
		began := time.Now()
		for range each {
			if err := find(f, 1+random.IntN(f.n)); err != nil {
				t.Fatal(err)
			}
		}
		return float64(time.Since(began).Microseconds()) / each
	}
	var as, bs []float64
	for range rounds {
		as, bs = append(as, round(a)), append(bs, round(b))
	}
	slices.Sort(as)
	slices.Sort(bs)
	return as[rounds/4], bs[rounds/4]
}

// publish signs every status list and the trust bundle.
func (f *filled) publish(t *testing.T) {
	t.Helper()
	lists, began := 0, time.Now()
	for group := range int32(16) {
		for n := range int32(f.n/16/131072 + 1) {
			if err := f.PublishList(context.Background(), group<<16|n); err != nil {
				t.Fatal(err)
			}
			lists++
		}
	}
	took := time.Since(began)
	began = time.Now()
	bundle, err := f.TrustBundle(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d certificates, %d withdrawn: %d pairs of lists published in %v, %v each; trust bundle of %d kB in %v", f.n, f.n/100+f.n/5000, lists,
		took.Round(time.Millisecond), (took / time.Duration(lists)).Round(time.Millisecond), len(bundle)>>10, time.Since(began).Round(time.Millisecond))
}
