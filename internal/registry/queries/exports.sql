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

-- name: WithdrawnExports :many
-- Exports signed by a key whose certificate is withdrawn or suspended now.
SELECT e.handle, c.status, c.status_at FROM certificate_export e
JOIN certificate c ON c.bucket = e.bucket AND c.id = e.certificate
LEFT JOIN suspension s ON s.bucket = c.bucket AND s.id = c.id AND s.since = c.status_at
WHERE e.format = @format AND e.key_id = @key_id AND c.status > 0
  AND NOT (c.status = 1 AND s.until IS NOT NULL AND s.until <= @now::timestamptz)
ORDER BY e.handle;

-- name: ExportsBetween :many
-- The exports of some buckets, for the check.
SELECT e.*, c.person_id FROM certificate_export e
JOIN certificate c ON c.bucket = e.bucket AND c.id = e.certificate
WHERE e.bucket BETWEEN @first::smallint AND @last::smallint
ORDER BY e.bucket, e.certificate, e.format;

-- name: LastExportChange :one
-- When the state of an exported certificate of a key changed last, in
-- microseconds since 1970; 0 where none ever did. A suspension that is over
-- changed it when it ended.
SELECT coalesce(max((extract(epoch FROM greatest(c.status_at, CASE WHEN s.until <= @now::timestamptz THEN s.until END)) * 1000000)::bigint), 0)::bigint AS last
FROM certificate_export e
JOIN certificate c ON c.bucket = e.bucket AND c.id = e.certificate AND c.status_at > c.issued_at
LEFT JOIN suspension s ON s.bucket = c.bucket AND s.id = c.id AND s.since = c.status_at
WHERE e.format = @format AND e.key_id = @key_id;
