-- name: IssuedItems :many
-- What was issued for the doses of a source behind a number, in order.
SELECT (i.id >> 10)::bigint AS number, i.certificate, f.sealed, f.key
FROM item i JOIN fragment f ON f.bucket = i.bucket AND f.key = i.fragment
WHERE i.source = @source AND i.state = 'issued' AND (i.id >> 10) > @after::bigint AND i.certificate IS NOT NULL
ORDER BY (i.id >> 10) LIMIT @max_rows::int;

-- name: ChangedCertificates :many
-- Certificates of a source that changed their state or replaced another, in the
-- order of the changes, with a dose that any version of each was issued for.
SELECT c.id, c.status_at, f.sealed, f.key
FROM certificate c
CROSS JOIN LATERAL (
  SELECT f.sealed, f.key FROM certificate v
  JOIN item i ON i.certificate = v.id AND i.source = c.source
  JOIN fragment f ON f.bucket = i.bucket AND f.key = i.fragment
  WHERE v.bucket = c.bucket AND v.person_id = c.person_id AND v.programme = c.programme AND v.dose = c.dose LIMIT 1
) f
WHERE c.source = @source AND (c.status_at > c.issued_at OR c.version > 1) AND (c.status_at, c.id) > (@after::timestamptz, @after_id::bytea)
ORDER BY c.status_at, c.id LIMIT @max_rows::int;
