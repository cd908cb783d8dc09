-- name: PutExport :one
-- Keeps an export unless there is one already, and returns the one that counts.
INSERT INTO certificate_export (bucket, certificate, format, key_id, handle, made_at, sealed)
VALUES (@bucket, @certificate, @format, @key_id, @handle, @made_at, @sealed)
ON CONFLICT (bucket, certificate, format) DO UPDATE SET format = excluded.format
RETURNING *;

-- name: GetExport :one
SELECT * FROM certificate_export WHERE bucket = @bucket AND certificate = @certificate AND format = @format;

-- name: ExportsOf :many
-- The formats a certificate was exported to.
SELECT format, made_at FROM certificate_export WHERE bucket = @bucket AND certificate = @certificate ORDER BY format;

-- name: ExportsBetween :many
-- The exports of some buckets with their people, for the check.
SELECT e.*, sqlc.embed(p) FROM certificate_export e
JOIN certificate c ON c.bucket = e.bucket AND c.id = e.certificate
JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id
WHERE e.bucket BETWEEN @first::smallint AND @last::smallint
ORDER BY e.bucket, e.certificate, e.format;

-- name: ExportByHandle :one
-- The certificate behind the short name of an export.
SELECT bucket, certificate FROM certificate_export WHERE format = @format AND handle = @handle LIMIT 1;
