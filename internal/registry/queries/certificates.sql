-- name: CertificatesOfPeople :many
-- Every version of every dose of these people, oldest first.
SELECT c.bucket, c.dose, c.version, c.status, c.status_list, c.status_index, c.person_id, c.issued_at, c.status_at, c.id, c.replaces, c.content, c.programme, c.source, c.reason, c.sealed
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k
  ON c.bucket = k.bucket AND c.person_id = k.person_id
ORDER BY c.bucket, c.person_id, c.programme, c.dose, c.version;

-- name: CertificateByID :one
SELECT bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, replaces, content, programme, source, reason, sealed
FROM certificate WHERE bucket = $1 AND id = $2;

-- name: CertificateStatus :one
SELECT status, status_at FROM certificate WHERE bucket = $1 AND id = $2;

-- name: InsertCertificates :exec
INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, replaces, content, programme, source, sealed)
SELECT k.bucket, k.dose, k.version, 0, k.status_list, k.status_index, k.person_id, k.issued_at, k.issued_at, k.id, k.replaces, k.content, k.programme, k.source, k.sealed
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@doses::smallint[]) AS dose, unnest(@versions::smallint[]) AS version, unnest(@status_lists::int[]) AS status_list, unnest(@status_indexes::int[]) AS status_index, unnest(@people::bigint[]) AS person_id, unnest(@issued_ats::timestamptz[]) AS issued_at, unnest(@ids::bytea[]) AS id, unnest(@replaces::bytea[]) AS replaces, unnest(@contents::bytea[]) AS content, unnest(@programmes::text[]) AS programme, unnest(@sources::text[]) AS source, unnest(@sealeds::bytea[]) AS sealed) AS k;

-- name: SetStatus :execrows
-- Moves certificates to a state, each only from the state it was read in.
UPDATE certificate c SET status = k.status, status_at = @status_at::timestamptz, reason = @reason::text
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id, unnest(@befores::smallint[]) AS before, unnest(@since::timestamptz[]) AS since, unnest(@statuses::smallint[]) AS status) AS k
WHERE c.bucket = k.bucket AND c.id = k.id AND c.status = k.before AND c.status_at = k.since;

-- name: LatestCertificates :many
-- The newest current certificates, for the demonstration's list.
SELECT bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, replaces, content, programme, source, reason, sealed
FROM certificate WHERE status < 2 AND octet_length(sealed) > 0 -- not of somebody who was erased
ORDER BY issued_at DESC, bucket, id
LIMIT @max_rows::int;

-- name: CertificatesAfter :many
-- All certificates of some buckets with their person, by person, record and
-- version, a page at a time.
SELECT sqlc.embed(c), sqlc.embed(p)
FROM certificate c JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id
WHERE (c.bucket, c.person_id, c.programme, c.dose, c.version) > (@bucket::smallint, @person_id::bigint, @programme::text, @dose::smallint, @version::smallint)
  AND c.bucket <= @last::smallint
ORDER BY c.bucket, c.person_id, c.programme, c.dose, c.version
LIMIT @max_rows::int;

-- name: CountCertificates :many
SELECT status, count(*) AS n FROM certificate GROUP BY status ORDER BY status;

-- name: UpdateContacts :execrows
-- Stores events that differ only in how to reach the person: the hashes of all
-- such events stay, newest first.
UPDATE certificate c SET content = k.content, sealed = k.sealed
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id, unnest(@befores::bytea[]) AS before, unnest(@contents::bytea[]) AS content, unnest(@sealeds::bytea[]) AS sealed) AS k
WHERE c.bucket = k.bucket AND c.id = k.id AND c.content = k.before AND c.status < 2;
