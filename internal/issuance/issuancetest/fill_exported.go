package issuancetest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// FillExported is [Fill] for what is published of certificates: each bucket has one
// person with thousands of doses, a hundredth is withdrawn, some are suspended, and
// each tenth was exported as EU DCC and as SMART Health Card, cards with the key of
// this thumbprint.
func FillExported(t testing.TB, pool *pgxpool.Pool, thumbprint string, n int) {
	t.Helper()
	fill(t, pool, n, []string{"person", "certificate", "certificate_export"}, func(exec execute) {
		exec("INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source) SELECT b, b, '\\x00', '', '', now(), '' FROM generate_series(0, 1023) b")
		for first := 0; first < n; first += 1_000_000 {
			last := min(first+1_000_000, n) - 1
			exec(`INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, content, programme, source, sealed)
				SELECT i % 1024, 1 + i / 1024 % 30000, 1 + i / 1024 / 30000, CASE WHEN i / 16 % 100 = 0 THEN 2 + i % 2 WHEN i % 5000 = 1 THEN 1 ELSE 0 END,
					(i % 1024 / 64) << 16 | i / 1024 * 64 / 131072, (i / 1024 * 64 + i % 64) % 131072, i % 1024, now(), now(),
					substring(sha256(i::text::bytea) FOR 15), '\x00', 'covid-19', 'check', decode(md5(i::text), 'hex')
				FROM generate_series($1::int, $2::int) i`, first, last)
			exec(`INSERT INTO certificate_export (bucket, certificate, format, key_id, handle, made_at, sealed)
				SELECT i % 1024, substring(sha256(i::text::bytea) FOR 15), f.format, f.key_id, translate(encode(substring(sha256(i::text::bytea) FOR f.size), 'base64'), f."from", f."to"), now(), decode(repeat(md5(i::text), 20), 'hex')
				FROM generate_series($1::int, $2::int) i, (VALUES ('eu-dcc', 'AQEBAQEBAQE=', 16, '', ''), ('shc', $3::text, 15, '+/', '-_')) AS f (format, key_id, size, "from", "to") WHERE i / 1024 % 10 = 0`, first, last, thumbprint)
		}
	})
}
