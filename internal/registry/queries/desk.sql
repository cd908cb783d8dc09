-- name: PeopleOfCertificates :many
-- Whom certificates are about.
SELECT c.id AS certificate, p.bucket, p.id, p.code_index, p.key, p.sealed, p.updated_at, p.source
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id) AS k ON c.bucket = k.bucket AND c.id = k.id
JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id;

-- name: StandingOfPeople :many
-- Which certificates of people stand, without what is in them.
SELECT c.bucket, c.person_id, c.id, c.programme, c.dose
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k
  ON c.bucket = k.bucket AND c.person_id = k.person_id
WHERE c.status < 2
ORDER BY c.bucket, c.person_id, c.programme, c.dose;

-- name: CountDesk :one
-- Counts what a member of staff did today and says what it comes to.
INSERT INTO desk_day AS d (actor, day, searches, opened, refused, printed)
VALUES (@actor, @day::date, @searches::int, @opened::int, @refused::int, @printed::int)
ON CONFLICT (actor, day) DO UPDATE SET searches = d.searches + excluded.searches, opened = d.opened + excluded.opened,
  refused = d.refused + excluded.refused, printed = d.printed + excluded.printed
RETURNING searches, opened, refused, printed;

-- name: ForgetDeskDays :exec
-- Forgets the counts of days before.
DELETE FROM desk_day WHERE day < @before::date;

-- name: PutDeskDraft :exec
INSERT INTO desk_draft (id, actor, kind, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at
WHERE desk_draft.actor = excluded.actor AND desk_draft.kind = excluded.kind;

-- name: DeskDraft :one
SELECT sealed, tries FROM desk_draft WHERE id = $1 AND actor = $2 AND kind = $3 AND expires_at > @at::timestamptz;

-- name: TryDeskDraft :one
-- Takes one of the tries of a draft.
UPDATE desk_draft SET tries = tries + 1
WHERE id = $1 AND actor = $2 AND kind = $3 AND expires_at > @at::timestamptz AND tries < @max_tries::smallint
RETURNING tries;

-- name: GiveBackDeskTry :exec
UPDATE desk_draft SET tries = tries - 1 WHERE id = $1 AND actor = $2;

-- name: DropDeskDraft :execrows
DELETE FROM desk_draft WHERE id = $1 AND actor = $2;

-- name: ForgetDeskDrafts :exec
-- Forgets drafts that ended, some at a time.
DELETE FROM desk_draft d USING (
  SELECT o.id FROM desk_draft o WHERE o.expires_at < @before::timestamptz ORDER BY o.expires_at LIMIT 100) AS k
WHERE d.id = k.id;

-- name: ForgetDeskDraftsOf :exec
-- Forgets everything that somebody was in the middle of.
DELETE FROM desk_draft WHERE actor = $1;

-- name: LockPrintCounter :one
-- The last number of a facility, locked until the transaction ends.
INSERT INTO print_counter AS c (facility, last) VALUES (@facility, 0)
ON CONFLICT (facility) DO UPDATE SET facility = c.facility
RETURNING last;

-- name: MovePrintCounter :exec
UPDATE print_counter SET last = @last WHERE facility = @facility;

-- name: PrintsOfAct :many
SELECT bucket, certificate, copy, serial, facility, act, at, actor, size, languages FROM print WHERE act = $1 ORDER BY serial;

-- name: LastCopies :many
-- How often certificates were printed.
SELECT k.bucket::smallint AS bucket, k.certificate::bytea AS certificate, coalesce((SELECT max(p.copy) FROM print p WHERE p.bucket = k.bucket AND p.certificate = k.certificate), 0)::int AS copies
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@certificates::bytea[]) AS certificate) AS k;

-- name: PrintedSince :one
-- Whether somebody printed, since a time, a certificate of whoever one of these is
-- about.
SELECT EXISTS (
  SELECT 1 FROM certificate c
  JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@certificates::bytea[]) AS certificate) AS k ON c.bucket = k.bucket AND c.id = k.certificate
  JOIN certificate o ON o.bucket = c.bucket AND o.person_id = c.person_id
  JOIN print p ON p.bucket = o.bucket AND p.certificate = o.id
  WHERE p.actor = @actor AND p.at >= @since::timestamptz);

-- name: InsertPrints :exec
INSERT INTO print (bucket, certificate, copy, serial, facility, act, at, actor, size, languages)
SELECT k.bucket, k.certificate, k.copy, k.serial, @facility::text, @act::bytea, @at::timestamptz, @actor::text, @size::text, @languages::text
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@certificates::bytea[]) AS certificate, unnest(@copies::int[]) AS copy, unnest(@serials::bigint[]) AS serial) AS k;

-- name: PrintsOfFacility :many
-- The prints of a facility since a time, the newest first.
SELECT bucket, certificate, copy, serial, facility, act, at, actor, size, languages FROM print
WHERE facility = @facility AND at >= @since::timestamptz AND serial < @before::bigint
ORDER BY serial DESC LIMIT @max_rows::int;

-- name: PrintOfFacility :one
SELECT bucket, certificate, copy, serial, facility, act, at, actor, size, languages FROM print
WHERE facility = @facility AND serial = @serial AND at >= @since::timestamptz;

-- name: PrintsOfCertificates :many
-- Every print of certificates, for their history.
SELECT p.bucket, p.certificate, p.copy, p.serial, p.facility, p.act, p.at, p.actor, p.size, p.languages FROM print p
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@certificates::bytea[]) AS certificate) AS k ON p.bucket = k.bucket AND p.certificate = k.certificate
ORDER BY p.at;

-- name: PassPrints :exec
-- After a restore: numbers that were given since the backup are not known, and
-- are passed over. No facility prints as many between two backups.
UPDATE print_counter SET last = last + 100000;
