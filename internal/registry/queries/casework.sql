-- name: InsertCase :execrows
-- Inserts nothing where the same caller asked the same under the same key.
INSERT INTO case_file (bucket, id, turn, kind, state, person_id, certificate, programme, facility, opened_as, opened_by, opened_at, deadline, once, asked, sealed)
VALUES (@bucket, @id, 1, @kind, 'open', @person_id, @certificate, @programme, @facility, @opened_as, @opened_by, @opened_at, @deadline, @once, @asked, @sealed)
ON CONFLICT (bucket, once) DO NOTHING;

-- name: CaseByOnce :one
SELECT id, asked FROM case_file WHERE bucket = $1 AND once = $2;

-- name: CaseByID :one
SELECT sqlc.embed(c), (SELECT count(*) FROM case_evidence e WHERE e.bucket = c.bucket AND e.case_id = c.id)::int AS evidence
FROM case_file c WHERE c.bucket = $1 AND c.id = $2;

-- name: MoveCase :execrows
-- Does one act to a case that is as it was read.
UPDATE case_file SET turn = turn + 1, state = @state, taken_by = @taken_by, approved_by = @approved_by, closed_at = @closed_at,
  effect = @effect, effect_at = @effect_at, result = @result, sealed = @sealed
WHERE bucket = @bucket AND id = @id AND turn = @turn;

-- name: InsertCaseEvent :exec
INSERT INTO case_event (bucket, case_id, turn, at, actor, act, note) VALUES (@bucket, @case_id, @turn, @at, @actor, @act, @note);

-- name: CaseEvents :many
SELECT turn, at, actor, act, note FROM case_event WHERE bucket = $1 AND case_id = $2 ORDER BY turn;

-- name: CasesOfPerson :many
-- The newest cases of a person behind one, also the case of a dose abroad that was
-- opened before its person was known.
SELECT sqlc.embed(c), (SELECT count(*) FROM case_evidence e WHERE e.bucket = c.bucket AND e.case_id = c.id)::int AS evidence
FROM case_file c WHERE c.bucket = @bucket AND (c.person_id = @person_id::bigint OR c.person_id IS NULL AND c.result IN (SELECT x.id FROM certificate x WHERE x.bucket = @bucket AND x.person_id = @person_id::bigint))
  AND (c.opened_at, c.id) < (@before::timestamptz, @before_id::bigint)
ORDER BY c.opened_at DESC, c.id DESC LIMIT @max_rows::int;

-- name: CountCasesOfPerson :one
-- How many cases of a person are not decided, and how many were opened lately, by
-- citizens or by others.
SELECT (count(*) FILTER (WHERE state IN ('open', 'waiting-for-evidence', 'second-approval')))::int AS undecided,
  (count(*) FILTER (WHERE opened_at > @since::timestamptz))::int AS lately
FROM case_file WHERE bucket = @bucket AND person_id = @person_id::bigint AND (opened_as = 'citizen') = @by_citizen::bool;

-- name: Cases :many
-- A page of cases, by deadline. Empty texts stand for all.
SELECT sqlc.embed(c), (SELECT count(*) FROM case_evidence e WHERE e.bucket = c.bucket AND e.case_id = c.id)::int AS evidence
FROM case_file c
WHERE c.state = ANY(@states::text[]) AND (c.deadline, c.id) > (@after_deadline::timestamptz, @after_id::bigint)
  AND (@kind::text = '' OR c.kind = @kind::text) AND (@programme::text = '' OR c.programme = @programme::text)
  AND (@facility::text = '' OR c.facility = @facility::text) AND (@taken_by::text = '' OR c.taken_by = @taken_by::text)
  AND (@due_before::timestamptz = 'epoch' OR c.deadline < @due_before::timestamptz)
ORDER BY c.deadline, c.id
LIMIT @max_rows::int;

-- name: CasesHeldBy :many
-- The cases that somebody works on.
SELECT sqlc.embed(c) FROM case_file c
WHERE c.taken_by = @taken_by AND c.state IN ('open', 'waiting-for-evidence', 'second-approval')
ORDER BY c.bucket, c.id
FOR UPDATE OF c;

-- name: PendingCases :many
-- Changes of contact that are due.
SELECT bucket, id FROM case_file WHERE effect = 'pending' AND effect_at <= @now::timestamptz ORDER BY effect_at LIMIT @max_rows::int;

-- name: CountCases :many
-- How many cases are open, and how many of them late.
SELECT kind, state, count(*) AS n, count(*) FILTER (WHERE deadline < @now::timestamptz) AS late FROM case_file
WHERE state IN ('open', 'waiting-for-evidence', 'second-approval') GROUP BY kind, state ORDER BY kind, state;

-- name: InsertCaseEvidence :execrows
INSERT INTO case_evidence (bucket, case_id, n, added_at, added_by, size, width, height, hash, sealed)
VALUES (@bucket, @case_id, @n, @added_at, @added_by, @size, @width, @height, @hash, @sealed)
ON CONFLICT (bucket, case_id, hash) DO NOTHING;

-- name: CaseEvidenceOf :many
SELECT n, added_at, added_by, size, width, height, hash, (sealed IS NULL)::bool AS gone FROM case_evidence WHERE bucket = $1 AND case_id = $2 ORDER BY n;

-- name: CaseEvidenceByN :one
SELECT sealed FROM case_evidence WHERE bucket = $1 AND case_id = $2 AND n = $3;

-- name: OldEvidence :many
-- Decided cases whose evidence is to be deleted.
SELECT c.bucket, c.id FROM case_file c
WHERE c.closed_at < @before::timestamptz AND c.effect <> 'pending'
  AND EXISTS (SELECT 1 FROM case_evidence e WHERE e.bucket = c.bucket AND e.case_id = c.id AND e.sealed IS NOT NULL)
ORDER BY c.closed_at LIMIT @max_rows::int;

-- name: ForgetCaseEvidence :execrows
UPDATE case_evidence SET sealed = NULL WHERE bucket = $1 AND case_id = $2 AND sealed IS NOT NULL;

-- name: EraseCases :execrows
-- What was asked, and what people were told, of an erased person.
UPDATE case_file c SET sealed = '', effect = CASE WHEN effect = 'pending' THEN 'stopped' ELSE effect END
WHERE c.bucket = @bucket AND (c.person_id = @person_id::bigint OR c.person_id IS NULL AND c.result IN (SELECT x.id FROM certificate x WHERE x.bucket = @bucket AND x.person_id = @person_id::bigint)) AND c.sealed <> '';

-- name: EraseCaseNotes :exec
UPDATE case_event e SET note = NULL FROM case_file c
WHERE c.bucket = @bucket AND (c.person_id = @person_id::bigint OR c.person_id IS NULL AND c.result IN (SELECT x.id FROM certificate x WHERE x.bucket = @bucket AND x.person_id = @person_id::bigint)) AND e.bucket = c.bucket AND e.case_id = c.id AND e.note IS NOT NULL;

-- name: EraseCaseEvidence :execrows
UPDATE case_evidence e SET sealed = NULL FROM case_file c
WHERE c.bucket = @bucket AND (c.person_id = @person_id::bigint OR c.person_id IS NULL AND c.result IN (SELECT x.id FROM certificate x WHERE x.bucket = @bucket AND x.person_id = @person_id::bigint)) AND e.bucket = c.bucket AND e.case_id = c.id AND e.sealed IS NOT NULL;

-- name: InsertGuardian :exec
INSERT INTO guardian (bucket, person_id, case_id, mobile, made_at, made_by, until) VALUES (@bucket, @person_id, @case_id, @mobile, @made_at, @made_by, @until);

-- name: GuardiansOf :many
SELECT case_id, made_at, made_by, until, ended_at, ended_by FROM guardian WHERE bucket = $1 AND person_id = $2 ORDER BY made_at, case_id;

-- name: WardsOf :many
-- The children that a number reaches.
SELECT g.bucket, g.person_id FROM guardian g
WHERE g.mobile = @mobile::bytea AND g.ended_at IS NULL AND g.until > @now::timestamptz
  AND NOT EXISTS (SELECT 1 FROM deceased d WHERE d.bucket = g.bucket AND d.person_id = g.person_id)
ORDER BY g.bucket, g.person_id LIMIT @max_rows::int;

-- name: GuardianContacts :many
-- The cases behind the guardians of a person whose links stand.
SELECT g.case_id FROM guardian g WHERE g.bucket = $1 AND g.person_id = $2 AND g.ended_at IS NULL AND g.until > @now::timestamptz ORDER BY g.made_at, g.case_id;

-- name: EndGuardian :execrows
UPDATE guardian SET ended_at = @at::timestamptz, ended_by = @by WHERE bucket = @bucket AND case_id = @case_id AND ended_at IS NULL;

-- name: EndGuardiansOf :execrows
-- Ends the links of a person who is erased; the numbers are forgotten.
UPDATE guardian SET ended_at = coalesce(ended_at, @at::timestamptz), ended_by = CASE WHEN ended_at IS NULL THEN @by ELSE ended_by END, mobile = '\x00000000000000000000000000000000'
WHERE bucket = @bucket AND person_id = @person_id;

-- name: GuardiansDue :many
SELECT bucket, case_id FROM guardian WHERE ended_at IS NULL AND until <= @now::timestamptz ORDER BY until LIMIT @max_rows::int;

-- name: InsertDeceased :exec
INSERT INTO deceased (bucket, person_id, case_id, at) VALUES (@bucket, @person_id, @case_id, @at) ON CONFLICT DO NOTHING;

-- name: EndMessagesOf :exec
-- What waits to be sent about somebody who died is not.
UPDATE message SET state = 3, code = 'deceased', state_at = @now::timestamptz
WHERE bucket = @bucket AND person_id = @person_id::bigint AND state = 0 AND claimed_until IS NULL;

-- name: IsDeceased :one
SELECT EXISTS (SELECT 1 FROM deceased WHERE bucket = $1 AND person_id = $2);

-- name: CasesBetween :many
-- All cases of some buckets, for the check.
SELECT sqlc.embed(c), (SELECT max(e.turn) FROM case_event e WHERE e.bucket = c.bucket AND e.case_id = c.id)::int AS events
FROM case_file c WHERE (c.bucket, c.id) > (@bucket::smallint, @id::bigint) ORDER BY c.bucket, c.id LIMIT @max_rows::int;

-- name: CaseStrays :one
-- Guardians and deaths that their case does not stand for.
SELECT
  (SELECT count(*) FROM guardian g JOIN case_file c ON c.bucket = g.bucket AND c.id = g.case_id WHERE c.kind <> 'guardian' OR c.state <> 'approved' OR c.person_id IS DISTINCT FROM g.person_id) AS guardians,
  (SELECT count(*) FROM deceased d JOIN case_file c ON c.bucket = d.bucket AND c.id = d.case_id WHERE c.kind <> 'death' OR c.state <> 'approved' OR c.person_id IS DISTINCT FROM d.person_id) AS deaths,
  (SELECT count(*) FROM case_file c WHERE c.result IS NOT NULL AND NOT EXISTS (SELECT 1 FROM certificate t WHERE t.bucket = c.bucket AND t.id = c.result)) AS results;
