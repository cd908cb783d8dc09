-- name: AddChecks :exec
-- Adds to the numbers of certificates, in their order. Those of nobody any more,
-- or of another database, get none.
INSERT INTO certificate_check AS c (bucket, certificate, n)
SELECT k.bucket, k.id, k.n
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id, unnest(@ns::bigint[]) AS n) AS k
WHERE EXISTS (SELECT FROM certificate x WHERE x.bucket = k.bucket AND x.id = k.id AND x.sealed <> '')
ORDER BY k.bucket, k.id
ON CONFLICT (bucket, certificate) DO UPDATE SET n = c.n + excluded.n;

-- name: ChecksOf :one
SELECT n FROM certificate_check WHERE bucket = $1 AND certificate = $2;

-- name: ForgetChecksOf :exec
DELETE FROM certificate_check WHERE bucket = $1 AND certificate = ANY (@certificates::bytea[]);
