-- name: PeopleByCode :many
-- People by bucket and blind index of their enrolment code.
SELECT p.bucket, p.id, p.code_index, p.key, p.sealed, p.updated_at, p.source
FROM person p
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@codes::bytea[]) AS code) AS k
  ON p.bucket = k.bucket AND p.code_index = k.code;

-- name: PersonByID :one
SELECT bucket, id, code_index, key, sealed, updated_at, source FROM person WHERE bucket = $1 AND id = $2;

-- name: InsertPeople :execrows
-- Inserts nobody whose key is wrapped by a key-encryption key that is being
-- retired: its first bytes name it.
INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source)
SELECT k.bucket, k.id, k.code_index, k.key, k.sealed, @updated_at::timestamptz, k.source
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id, unnest(@codes::bytea[]) AS code_index, unnest(@keys::bytea[]) AS key, unnest(@sealeds::bytea[]) AS sealed, unnest(@sources::text[]) AS source) AS k
WHERE NOT EXISTS (SELECT 1 FROM retired_person_key r WHERE r.prefix = substring(k.key FROM 1 FOR 5));

-- name: LockPeople :exec
-- Lets one transaction at a time change what belongs to a person. Everybody
-- locks in the same order, so that nobody waits for each other.
SELECT 1 FROM person p
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k ON p.bucket = k.bucket AND p.id = k.id
ORDER BY p.bucket, p.id
FOR NO KEY UPDATE OF p;

-- name: UpdatePeople :execrows
-- Writes rows of people, each only where it is still the one that was read.
UPDATE person p SET sealed = k.sealed, updated_at = @updated_at::timestamptz
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id, unnest(@befores::bytea[]) AS before, unnest(@sealeds::bytea[]) AS sealed) AS k
WHERE p.bucket = k.bucket AND p.id = k.id AND p.sealed = k.before;

-- name: CountVersions :many
-- How many certificates people have, of whatever state.
SELECT c.bucket, c.person_id, count(*) AS n
FROM certificate c JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k ON c.bucket = k.bucket AND c.person_id = k.id
GROUP BY c.bucket, c.person_id;

-- name: DeletePersonIndexes :exec
DELETE FROM person_index i
USING (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k
WHERE i.bucket = k.bucket AND i.person_id = k.id;

-- name: InsertPersonIndexes :exec
INSERT INTO person_index (value, bucket, person_id)
SELECT k.value, k.bucket, k.person_id
FROM (SELECT unnest(@vals::bytea[]) AS value, unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS person_id) AS k;

-- name: PeopleByIndex :many
-- People found by a blind index (mobile number, date of birth, national id).
SELECT p.bucket, p.id, p.code_index, p.key, p.sealed, p.updated_at, p.source
FROM person_index i JOIN person p ON p.bucket = i.bucket AND p.id = i.person_id
WHERE i.value = @value::bytea
ORDER BY p.bucket, p.id
LIMIT @max_rows::int;

-- name: IndexesOfPeople :many
-- The blind indexes that people are found by.
SELECT i.bucket, i.person_id, i.value
FROM person_index i
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k ON i.bucket = k.bucket AND i.person_id = k.id
ORDER BY i.bucket, i.person_id, i.value;

-- name: Strays :one
-- People without a certificate, indexes of nobody, audit entries of no chain,
-- pairs of people that are none, checks of certificates that nobody has any more:
-- there must be none.
SELECT
  (SELECT count(*) FROM person p WHERE NOT EXISTS (SELECT 1 FROM certificate c WHERE c.bucket = p.bucket AND c.person_id = p.id)) AS people,
  (SELECT count(*) FROM person_index i WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.bucket = i.bucket AND p.id = i.person_id)) AS indexes,
  (SELECT count(*) FROM audit a WHERE NOT EXISTS (SELECT 1 FROM bucket_group g WHERE g.id = a.chain)) AS entries,
  (SELECT count(*) FROM likeness l WHERE NOT EXISTS (SELECT 1 FROM person p WHERE p.bucket = l.bucket AND p.id = l.person_id)
    OR NOT EXISTS (SELECT 1 FROM person p WHERE p.bucket = l.other_bucket AND p.id = l.other_id)) AS likenesses,
  (SELECT count(*) FROM certificate_check k JOIN certificate c ON c.bucket = k.bucket AND c.id = k.certificate WHERE c.sealed = ''::bytea) AS checks;
