-- name: CertificatesDelivered :many
-- What a source delivered, with the people, in the order it was issued, after
-- one of them.
SELECT sqlc.embed(c), sqlc.embed(p)
FROM certificate c JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id
WHERE c.source = @source AND (c.issued_at, c.id) > (@issued_at::timestamptz, @id::bytea)
ORDER BY c.issued_at, c.id
LIMIT @max_rows::int;
