-- name: ToldOf :many
-- What sources told last of the records of these people.
SELECT t.bucket, t.person_id, t.dose, t.programme, t.as_of, t.content FROM told t
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k ON t.bucket = k.bucket AND t.person_id = k.person_id;

-- name: InsertTold :exec
INSERT INTO told (bucket, person_id, dose, programme, as_of, content)
SELECT k.bucket, k.person_id, k.dose, k.programme, k.as_of, k.content
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id, unnest(@doses::smallint[]) AS dose, unnest(@programmes::text[]) AS programme, unnest(@as_ofs::timestamptz[]) AS as_of, unnest(@contents::bytea[]) AS content) AS k;

-- name: MoveTold :execrows
-- Replaces what was told, each only where it is what was read.
UPDATE told t SET as_of = k.as_of, content = k.content
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id, unnest(@doses::smallint[]) AS dose, unnest(@programmes::text[]) AS programme, unnest(@befores::timestamptz[]) AS before, unnest(@before_contents::bytea[]) AS before_content, unnest(@as_ofs::timestamptz[]) AS as_of, unnest(@contents::bytea[]) AS content) AS k
WHERE t.bucket = k.bucket AND t.person_id = k.person_id AND t.dose = k.dose AND t.programme = k.programme AND t.as_of = k.before AND t.content = k.before_content;

-- name: ToldBetween :many
-- What sources told of records in some buckets, with the certificates that hold
-- it, for the check.
SELECT t.bucket, t.person_id, t.dose, t.programme, EXISTS (
  SELECT 1 FROM certificate c WHERE c.bucket = t.bucket AND c.person_id = t.person_id AND c.programme = t.programme AND c.dose = t.dose
    AND position(t.content IN c.content) % 16 = 1) AS held
FROM told t WHERE t.bucket BETWEEN @first::smallint AND @last::smallint;

-- name: TokensAll :many
-- Every token, for the check.
SELECT id, role, source, programme, facility, created_at, created_by, expires_at, revoked_at FROM token ORDER BY id;
