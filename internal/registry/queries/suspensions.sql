-- name: PutSuspension :exec
INSERT INTO suspension (bucket, id, status_list, since, until) VALUES (@bucket, @id, @status_list, @since, @until)
ON CONFLICT (bucket, id) DO UPDATE SET since = excluded.since, until = excluded.until;

-- name: DeleteSuspensions :exec
DELETE FROM suspension s
USING (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id) AS k
WHERE s.bucket = k.bucket AND s.id = k.id;

-- name: SuspensionsOf :many
-- When the suspensions of these certificates end; none for those without an end.
SELECT s.bucket, s.id, s.status_list, s.since, s.until FROM suspension s
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id) AS k ON s.bucket = k.bucket AND s.id = k.id
JOIN certificate c ON c.bucket = s.bucket AND c.id = s.id AND c.status = 1 AND c.status_at = s.since;

-- name: SuspensionsBetween :many
-- The suspensions with an end in some buckets, for the check.
SELECT s.bucket, s.id, s.status_list, s.since, s.until FROM suspension s
JOIN certificate c ON c.bucket = s.bucket AND c.id = s.id AND c.status = 1 AND c.status_at = s.since
WHERE s.bucket BETWEEN @first::smallint AND @last::smallint;

-- name: DueSuspensions :many
-- Certificates whose suspension is over.
SELECT sqlc.embed(c) FROM suspension s
JOIN certificate c ON c.bucket = s.bucket AND c.id = s.id AND c.status = 1 AND c.status_at = s.since
WHERE s.until <= @now::timestamptz ORDER BY s.until, s.bucket, s.id LIMIT @max_rows::int;

-- name: DeleteStaleSuspensions :exec
-- Forgets the ends of suspensions that were lifted by a divoc that knows nothing
-- of ends.
DELETE FROM suspension s USING certificate c
WHERE s.until <= @now::timestamptz AND c.bucket = s.bucket AND c.id = s.id AND (c.status <> 1 OR c.status_at <> s.since);

-- name: ListOutlived :one
-- Whether a suspension in a list ended after the list was signed.
SELECT EXISTS (SELECT 1 FROM suspension WHERE status_list = @list::int AND until > @issued_at::timestamptz AND until <= @now::timestamptz) AS outlived;
