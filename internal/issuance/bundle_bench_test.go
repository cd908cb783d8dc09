package issuance_test

import (
	"fmt"
	"testing"
	"time"
)

// withdrawn fills the registry with rows of withdrawn certificates that hold no
// more than what is published of them needs.
func (w *world) withdrawn(n int) {
	w.t.Helper()
	w.exec("INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source) SELECT b, b, '\\x00', '', '', now(), '' FROM generate_series(0, 1023) b")
	w.exec(fmt.Sprintf(`INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, content, programme, source, sealed)
		SELECT i %% 1024, 1 + i / 1024 / 30000, 1 + i / 1024 %% 30000, 2 + i %% 2, (i %% 1024 / 64) << 16 | i / 16 / 131072, i / 16 %% 131072, i %% 1024, now(), now(),
			substring(sha256(i::text::bytea) FOR 15), '\x00', 'covid-19', 'check', decode(md5(i::text), 'hex')
		FROM generate_series(0, %d - 1) i`, n))
	w.exec("VACUUM ANALYZE certificate")
}

// BenchmarkTrustBundle makes bundles of very many withdrawn certificates, each
// after a change.
func BenchmarkTrustBundle(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, "jamaica")
			w.withdrawn(n)
			size := 0
			for b.Loop() {
				w.now = w.now.Add(time.Hour)
				packed, err := w.PackedTrustBundle(w.ctx)
				if err != nil {
					b.Fatal(err)
				}
				size = len(packed.Gzip)
			}
			b.ReportMetric(float64(size)/1e6, "MB-packed")
		})
	}
}

// BenchmarkPublishList publishes a list of which everything is withdrawn.
func BenchmarkPublishList(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 2_000_000} {
		b.Run(fmt.Sprint(n/16), func(b *testing.B) {
			w := newWorld(b, "jamaica")
			w.withdrawn(n)
			for b.Loop() {
				if err := w.PublishList(w.ctx, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
