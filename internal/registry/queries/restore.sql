-- name: InsertLostStatus :execrows
INSERT INTO lost_status (status_list, status_index, status, noted_at)
SELECT @status_list::int, k.status_index, @status::smallint, @noted_at::timestamptz
FROM (SELECT unnest(@indexes::int[]) AS status_index) AS k
ON CONFLICT DO NOTHING;

-- name: PutLostCertificates :exec
-- A final state goes before one that can be lifted.
INSERT INTO lost_certificate (hash, status, noted_at)
SELECT k.hash, @status::smallint, @noted_at::timestamptz FROM (SELECT unnest(@hashes::bytea[]) AS hash) AS k
ON CONFLICT (hash) DO UPDATE SET status = greatest(lost_certificate.status, excluded.status);

-- name: LostCertificates :many
SELECT hash, status FROM lost_certificate ORDER BY hash;

-- name: LostCertificate :one
SELECT status FROM lost_certificate WHERE hash = $1;

-- name: CertificateStatesAfter :many
-- Every certificate's place and state, a page at a time.
SELECT bucket, id, status, status_list, status_index FROM certificate
WHERE (bucket, id) > (@bucket::smallint, @id::bytea)
ORDER BY bucket, id
LIMIT @max_rows::int;

-- name: CertificatesByIDs :many
SELECT c.bucket, c.dose, c.version, c.status, c.status_list, c.status_index, c.person_id, c.issued_at, c.status_at, c.id, c.replaces, c.content, c.programme, c.source, c.reason, c.sealed
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id) AS k ON c.bucket = k.bucket AND c.id = k.id;

-- name: SetStatusNext :exec
-- Moves the counter of a group of buckets on, never back.
UPDATE bucket_group SET status_next = greatest(status_next, @status_next::bigint) WHERE id = @id::smallint;

-- name: StaleStatusLists :exec
-- Makes whoever asks for any list next sign it anew.
UPDATE status_list SET issued_at = 'epoch';

-- name: DeleteSetting :execrows
DELETE FROM setting WHERE name = $1;

-- name: PeopleKeysAfter :many
-- The wrapped keys of people, a page at a time. Of somebody who was erased there
-- is none.
SELECT bucket, id, key FROM person
WHERE (bucket, id) > (@bucket::smallint, @id::bigint)
ORDER BY bucket, id
LIMIT @max_rows::int;

-- name: RewrapPeople :execrows
-- Replaces wrapped keys, each only where it is still the one that was read.
UPDATE person p SET key = k.after
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id, unnest(@befores::bytea[]) AS before, unnest(@afters::bytea[]) AS after) AS k
WHERE p.bucket = k.bucket AND p.id = k.id AND p.key = k.before;

-- name: CountPeople :one
SELECT count(*) FROM person;

-- name: AwaitPersonWriters :exec
-- Returns when every transaction that has written people has ended.
LOCK TABLE person IN SHARE MODE;

-- name: RetirePersonKey :exec
INSERT INTO retired_person_key (prefix, retired_at) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: LimitLockWait :exec
-- Of this transaction: others wait behind whoever waits for a lock.
SELECT set_config('lock_timeout', @duration::text, true);
