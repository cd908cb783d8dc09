package matching

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// BenchmarkMatch asks about 500 new people at a time beside DIVOC_MATCH_PEOPLE
// (20,000 where it is not set) others: strangers, and members of families of
// four that have a telephone in common.
func BenchmarkMatch(b *testing.B) {
	people := 20_000
	if n, err := strconv.Atoi(os.Getenv("DIVOC_MATCH_PEOPLE")); err == nil {
		people = n
	}
	w := newWorld(b)
	w.t = b
	// People whom nobody looks for: rows as wide as real ones, indexes of random
	// values.
	const id = "(i::bigint * 7919)"
	w.exec("ALTER TABLE person_index DROP CONSTRAINT person_index_bucket_person_id_fkey")
	w.exec("DROP INDEX person_index_person")
	w.exec(`INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source)
		SELECT i % 1024, `+id+`, substring(sha256(i::text::bytea) FROM 1 FOR 16), decode(repeat('07', 61), 'hex'), decode(repeat('07', 330), 'hex'), now(), 'clinic' FROM generate_series(1, $1::int) i`, people)
	w.exec(`INSERT INTO person_index (value, bucket, person_id)
		SELECT substring(sha256((k || CASE k WHEN 'birth' THEN i % 30000 ELSE i END)::text::bytea) FROM 1 FOR 16), i % 1024, `+id+`
		FROM generate_series(1, $1::int) i, unnest(ARRAY['birth', 'name', 'number', 'phone']) k`, people)
	w.exec("CREATE INDEX person_index_person ON person_index (bucket, person_id)")
	w.exec("ANALYZE person, person_index")
	event := func(code string, n, member int) vaccination.Event {
		return vaccination.Event{
			EnrolmentCode: code, Contacts: []string{fmt.Sprintf("tel:+9477%07d", n)},
			Person: vaccination.Person{
				Name: fmt.Sprintf("%s %s", []string{"Nimal", "Kumari", "Sunil", "Anoma"}[member], []string{"Perera", "Fernando", "Silva", "Bandara", "Fonseka"}[n%5]), Sex: vaccination.SexMale,
				BirthDate:  vaccination.Date{Year: 1940 + n%60 + member, Month: 1 + 3, Day: 1 + n%28},
				Identifier: vaccination.Identifier{Kind: "national-id", Value: fmt.Sprintf("19%02d%03d%05d", (40+n%60+member)%100, 1+n%300, n)},
			},
			Vaccination: vaccination.Dose{Product: "comirnaty", Lot: "L", Date: vaccination.Date{Year: 2021, Month: 6, Day: 1}, Number: 1, Centre: "Colombo"},
		}
	}
	const batch, families = 500, 2000
	by := access.Caller{Actor: "intake:clinic", Role: access.SourceRole, Source: "clinic"}
	for start := 0; start < families; start += batch / 3 {
		var told []issuance.Told
		for n := start; n < min(families, start+batch/3); n++ {
			for member := range 3 {
				told = append(told, issuance.Told{Event: event(fmt.Sprintf("f%d-%d", n, member), n, member)})
			}
		}
		if _, err := w.Service.Settle(b.Context(), by, told, nil); err != nil {
			b.Fatal(err)
		}
	}
	m := Matcher{Issuance: w.Service}
	for name, of := range map[string]func(i int) vaccination.Event{
		"strangers": func(i int) vaccination.Event { return event(fmt.Sprint("s", i), 1_000_000+i, i%4) },
		"families":  func(i int) vaccination.Event { return event(fmt.Sprint("m", i), i%families, 3) },
		"known":     func(i int) vaccination.Event { n := i % families; return event(fmt.Sprintf("f%d-1", n), n, 1) },
	} {
		b.Run(name, func(b *testing.B) {
			next, before := 0, cpu(b)
			for b.Loop() {
				asks := make([]issuance.Ask, batch)
				for i := range asks {
					asks[i].Event = of(next)
					next++
				}
				answers, err := m.Match(b.Context(), "clinic", asks)
				if err != nil {
					b.Fatal(err)
				}
				for i, a := range answers {
					if a.Hold != "" {
						b.Fatalf("event %d is held: %+v", i, a.Problems)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "µs/event")
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(next), "µs-CPU/event") // of this process
		})
	}
}

// cpu is what this process took of the processors.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
