-- name: LinkedTo :many
-- Whom people are linked to now.
SELECT l.bucket, l.person_id, l.other_bucket, l.other_id
FROM person_link l
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k ON l.bucket = k.bucket AND l.person_id = k.id
WHERE l.ended_at IS NULL AND ((l.bucket, l.person_id) < (l.other_bucket, l.other_id) OR EXISTS (
  SELECT 1 FROM person_link t
  WHERE t.bucket = l.other_bucket AND t.person_id = l.other_id AND t.other_bucket = l.bucket AND t.other_id = l.person_id AND t.ended_at IS NULL))
ORDER BY l.bucket, l.person_id, l.other_bucket, l.other_id;

-- name: LinksOfPerson :many
-- All links that a person has or had, the oldest first.
SELECT bucket, person_id, other_bucket, other_id, made_at, made_by, made_why, ended_at, ended_by, ended_why
FROM person_link WHERE bucket = @bucket AND person_id = @person_id
ORDER BY made_at, other_bucket, other_id;

-- name: InsertLink :execrows
-- One row of a link, where it does not stand already.
INSERT INTO person_link (bucket, person_id, other_bucket, other_id, made_at, made_by, made_why)
VALUES (@bucket, @person_id, @other_bucket, @other_id, @made_at, @made_by, @made_why)
ON CONFLICT (bucket, person_id, other_bucket, other_id) WHERE ended_at IS NULL DO NOTHING;

-- name: EndLink :execrows
-- Ends one row of a link.
UPDATE person_link SET ended_at = @at::timestamptz, ended_by = @by, ended_why = @why
WHERE bucket = @bucket AND person_id = @person_id AND other_bucket = @other_bucket AND other_id = @other_id AND ended_at IS NULL;

-- name: LinksBetween :many
-- All links of some buckets, for the check. paired says that the row in the
-- other person's bucket stands too where this one does.
SELECT sqlc.embed(l), coalesce(l.ended_at IS NOT NULL OR EXISTS (
  SELECT 1 FROM person_link t
  WHERE t.bucket = l.other_bucket AND t.person_id = l.other_id AND t.other_bucket = l.bucket AND t.other_id = l.person_id
    AND t.ended_at IS NULL), false)::bool AS paired
FROM person_link l
WHERE l.bucket BETWEEN @first::smallint AND @last::smallint
ORDER BY l.bucket, l.person_id, l.other_bucket, l.other_id, l.made_at;

-- name: PeopleWithIndexes :many
-- Who is found by blind indexes, at most so many by each.
SELECT k.value::bytea AS value, i.bucket, i.person_id
FROM (SELECT unnest(@vals::bytea[]) AS value) AS k
CROSS JOIN LATERAL (SELECT p.bucket, p.person_id FROM person_index p WHERE p.value = k.value ORDER BY p.bucket, p.person_id LIMIT @most::int) AS i;

-- name: LockIndexes :exec
-- Lets one transaction at a time add people who are found by what is behind
-- these stripes. They are in order.
SELECT pg_advisory_xact_lock(@class::int, k.stripe) FROM (SELECT unnest(@stripes::int[]) AS stripe) AS k;

-- name: StandingDoses :many
-- The certificates that stand of doses of people.
SELECT c.bucket, c.dose, c.version, c.status, c.status_list, c.status_index, c.person_id, c.issued_at, c.status_at, c.id, c.replaces, c.content, c.programme, c.source, c.reason, c.sealed
FROM certificate c
JOIN (SELECT DISTINCT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id, unnest(@programmes::text[]) AS programme, unnest(@doses::smallint[]) AS dose) AS k
  ON c.bucket = k.bucket AND c.person_id = k.person_id AND c.programme = k.programme AND c.dose = k.dose
WHERE c.status < 2
ORDER BY c.bucket, c.person_id, c.programme, c.dose;

-- name: AnyCertificates :many
-- One certificate of each of these people: one that stands where there is one.
SELECT DISTINCT ON (c.bucket, c.person_id) c.bucket, c.person_id, c.id
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k ON c.bucket = k.bucket AND c.person_id = k.person_id
ORDER BY c.bucket, c.person_id, (c.status < 2) DESC, c.issued_at DESC, c.id;

-- name: SharedIndexes :many
-- The next blind indexes by which a few people are found, with these people.
SELECT i.value, i.bucket, i.person_id
FROM (
  SELECT g.value FROM person_index g WHERE g.value > @after::bytea
  GROUP BY g.value HAVING count(*) BETWEEN 2 AND @most::int
  ORDER BY g.value LIMIT @max_rows::int
) AS v JOIN person_index i ON i.value = v.value
ORDER BY i.value, i.bucket, i.person_id;

-- name: DosesOfPeople :many
-- Which doses of people are certified.
SELECT c.bucket, c.person_id, c.programme, c.dose, c.id
FROM certificate c
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k ON c.bucket = k.bucket AND c.person_id = k.person_id
WHERE c.status < 2
ORDER BY c.bucket, c.person_id, c.programme, c.dose;
