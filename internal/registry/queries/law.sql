-- name: LockAuditChain :one
-- Lets one transaction at a time add to a chain.
SELECT audit_seq, audit_head FROM bucket_group WHERE id = @chain::smallint FOR UPDATE;

-- name: LastStatement :one
SELECT number, made_at, hash, text, sent_at FROM audit_statement ORDER BY number DESC LIMIT 1;

-- name: StatementByNumber :one
SELECT number, made_at, hash, text, sent_at FROM audit_statement WHERE number = @number;

-- name: StatementsBefore :many
-- The newest statements with numbers below one.
SELECT number, made_at, hash FROM audit_statement WHERE number < @before::bigint ORDER BY number DESC LIMIT @max_rows::int;

-- name: InsertStatement :exec
INSERT INTO audit_statement (number, made_at, hash, text) VALUES (@number, @made_at, @hash, @text);

-- name: StatementsUnsent :many
SELECT number, made_at, hash, text, sent_at FROM audit_statement WHERE sent_at IS NULL ORDER BY number LIMIT @max_rows::int;

-- name: StatementSent :exec
UPDATE audit_statement SET sent_at = @at::timestamptz WHERE number = @number;

-- name: AuditHashAt :one
SELECT hash FROM audit WHERE chain = @chain::smallint AND seq = @seq::bigint;

-- name: CutsOfChain :many
SELECT chain, seq, made_at, hash, removed, digest, key, signed FROM audit_cut WHERE chain = @chain::smallint ORDER BY seq;

-- name: InsertCut :exec
INSERT INTO audit_cut (chain, seq, made_at, hash, removed, digest, key, signed) VALUES (@chain, @seq, @made_at, @hash, @removed, @digest, @key, @signed);

-- name: FirstSeen :one
-- The first entry of a chain, after one, that may be removed; 0 for none.
SELECT coalesce((SELECT a.seq FROM audit a WHERE a.chain = @chain::smallint AND a.seq > @after::bigint AND a.at < @before::timestamptz AND a.act = ANY (@acts::text[]) ORDER BY a.seq LIMIT 1), 0)::bigint;

-- name: EndOfOld :one
-- The last entry of a chain before the first, after one, that is not older than
-- a time; the end of the chain where all are.
SELECT coalesce((SELECT a.seq - 1 FROM audit a WHERE a.chain = @chain::smallint AND a.seq > @after::bigint AND a.at >= @before::timestamptz ORDER BY a.seq LIMIT 1),
  (SELECT g.audit_seq FROM bucket_group g WHERE g.id = @chain::smallint))::bigint;

-- name: DeleteSeen :execrows
-- Removes entries of a chain that only tell who saw something.
DELETE FROM audit WHERE chain = @chain::smallint AND seq > @after::bigint AND seq <= @upto::bigint AND act = ANY (@acts::text[]);

-- name: CountSeenBefore :one
-- That none of them is "issued" is said so that the index of the others is used.
SELECT count(*) FROM (SELECT 1 FROM audit WHERE at < @before::timestamptz AND act = ANY (@acts::text[]) AND act <> 'issued' LIMIT 1000000) AS old;

-- name: LockActor :exec
-- One decision about an actor at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(@class::int, hashtext(@actor::text));

-- name: CountOpened :one
-- How many records an actor opened and did not print. What was opened at one
-- moment was one record; what a desk read of one that it has open is no other.
SELECT count(DISTINCT first) FROM (
  SELECT min(o.object) AS first FROM audit o
  WHERE o.actor = @actor::text AND o.at > @since::timestamptz AND o.act = ANY (@opened::text[]) AND NOT (o.act = 'read' AND (o.detail LIKE 'desk%' OR o.object LIKE 'case %'))
  GROUP BY o.at
  HAVING NOT bool_or(EXISTS (SELECT 1 FROM audit p WHERE p.actor = @actor::text AND p.at > @since::timestamptz AND p.act = ANY (@printed::text[]) AND p.object = o.object))
) AS pages;

-- name: OpenAlarm :one
SELECT id, kind, actor, n, raised_at, latest_at, closed_at, closed_by, closed_why FROM alarm WHERE kind = @kind AND actor = @actor AND closed_at IS NULL;

-- name: LastClosed :one
-- When somebody looked last at alarms of a kind about an actor.
SELECT coalesce(max(closed_at), 'epoch')::timestamptz FROM alarm WHERE kind = @kind AND actor = @actor;

-- name: RaiseAlarm :one
-- Tells whether it is a new one.
INSERT INTO alarm AS a (kind, actor, n, raised_at, latest_at) VALUES (@kind, @actor, @n, @at::timestamptz, @at::timestamptz)
ON CONFLICT (kind, actor) WHERE closed_at IS NULL DO UPDATE SET n = greatest(a.n, excluded.n), latest_at = excluded.latest_at
RETURNING id, (xmax = 0)::bool AS fresh;

-- name: CloseAlarm :execrows
UPDATE alarm SET closed_at = @at::timestamptz, closed_by = @by::text, closed_why = @why::text WHERE id = @id AND closed_at IS NULL;

-- name: AlarmByID :one
SELECT id, kind, actor, n, raised_at, latest_at, closed_at, closed_by, closed_why FROM alarm WHERE id = @id;

-- name: Alarms :many
-- Open ones first, then the newest.
SELECT id, kind, actor, n, raised_at, latest_at, closed_at, closed_by, closed_why FROM alarm
WHERE NOT @open::bool OR closed_at IS NULL
ORDER BY (closed_at IS NOT NULL), raised_at DESC, id DESC LIMIT @max_rows::int;

-- name: CountOpenAlarms :many
SELECT kind, count(*) AS n FROM alarm WHERE closed_at IS NULL GROUP BY kind ORDER BY kind;

-- name: ActsSince :many
-- How often each actor did one of some acts, apart from those that are not looked at.
SELECT a.actor, count(*) AS n FROM audit a
WHERE a.at > @since::timestamptz AND a.at <= @until::timestamptz AND a.act = ANY (@acts::text[]) AND a.actor NOT LIKE ALL (@besides::text[])
  AND a.at > coalesce((SELECT max(m.closed_at) FROM alarm m WHERE m.kind = @kind::text AND m.actor = a.actor), 'epoch')
GROUP BY a.actor HAVING count(*) >= @least::bigint ORDER BY a.actor;

-- name: ActorsOpened :many
-- Who opened anything since a time.
SELECT DISTINCT actor FROM audit WHERE at > @since::timestamptz AND act = ANY (@opened::text[]) AND actor LIKE @actors::text ORDER BY actor;

-- name: ErasePerson :execrows
-- Destroys the key of a person, where it is still the one that was read, and
-- gives them a name of nobody.
UPDATE person SET key = '', sealed = '', code_index = @code_index::bytea, updated_at = @at::timestamptz WHERE bucket = @bucket AND id = @id AND key = @before;

-- name: EraseCertificates :execrows
UPDATE certificate SET sealed = '', content = decode(repeat('00', 16), 'hex') WHERE bucket = @bucket AND person_id = @person_id;

-- name: ForgetTold :exec
DELETE FROM told WHERE bucket = @bucket AND person_id = @person_id;

-- name: FragmentsOfCertificates :many
-- Whose doses at their sources certificates are, and all that is known there of
-- the same people.
SELECT f.bucket, f.key, f.source, f.kind, f.person, f.version, f.arrival, f.hash, f.deleted, f.settled, f.facility, f.record, f.content, f.certificate, f.sealed
FROM fragment f WHERE f.person IN (SELECT g.person FROM item i JOIN fragment g ON g.bucket = i.bucket AND g.key = i.fragment WHERE i.certificate = ANY (@certificates::bytea[]))
ORDER BY f.bucket, f.key;

-- name: ArrivalsOfFragments :many
-- The deliveries that told of fragments, or of which certificates came.
SELECT DISTINCT a.id, a.source, a.channel, a.received_at, a.latest_at, a.times, a.size, a.hash, a.cleared_at FROM arrival a JOIN item i ON i.arrival = a.id
WHERE i.fragment = ANY (@keys::bytea[]) OR i.certificate = ANY (@certificates::bytea[]) ORDER BY a.id;

-- name: ForgetItems :execrows
-- What the ledger counts stays; what it says of whom goes.
UPDATE item SET fragment = NULL, code = NULL, sealed = NULL, note = '', problems = '', field = '', facility = '',
  state = CASE WHEN state = 'held' THEN 'rejected' ELSE state END, decided_at = coalesce(decided_at, @at::timestamptz)
WHERE fragment = ANY (@keys::bytea[]) OR certificate = ANY (@certificates::bytea[]);

-- name: DeleteFragments :execrows
DELETE FROM fragment WHERE key = ANY (@keys::bytea[]);

-- name: ClearArrivals :execrows
-- Removes the raw text of deliveries; hash, size and counts stay.
UPDATE arrival SET sealed = '', cleared_at = @at::timestamptz, state = 'done' WHERE id = ANY (@ids::bigint[]) AND cleared_at IS NULL;

-- name: MoveTurns :exec
-- Whoever is settling one of these sources begins again.
UPDATE source SET turn = turn + 1 WHERE name = ANY (@names::text[]);

-- name: ArrivalsToClear :many
-- Deliveries of which nothing waits, that came last before a time.
SELECT a.id FROM arrival a
WHERE a.cleared_at IS NULL AND a.state = 'done' AND a.latest_at < @before::timestamptz
  AND NOT EXISTS (SELECT 1 FROM item i WHERE i.arrival = a.id AND i.state = 'held')
ORDER BY a.latest_at LIMIT @max_rows::int;

-- name: CountArrivalsToClear :one
SELECT count(*) FROM (SELECT 1 FROM arrival a
WHERE a.cleared_at IS NULL AND a.state = 'done' AND a.latest_at < @before::timestamptz
  AND NOT EXISTS (SELECT 1 FROM item i WHERE i.arrival = a.id AND i.state = 'held') LIMIT 1000000) AS old;

-- name: ArrivalBack :exec
-- A delivery whose text was removed, and that came again.
UPDATE arrival SET sealed = @sealed, cleared_at = NULL WHERE id = @id AND cleared_at IS NOT NULL;

-- name: ForgetMessagesOf :exec
DELETE FROM message WHERE bucket = @bucket AND person_id = @person_id;

-- name: ForgetSuppressionsOf :exec
DELETE FROM suppression WHERE bucket = @bucket AND person_id = @person_id;

-- name: ForgetOpenedOf :exec
DELETE FROM citizen_opened WHERE bucket = @bucket AND person_id = @person_id;

-- name: ForgetTriesOf :exec
DELETE FROM citizen_person WHERE bucket = @bucket AND person_id = @person_id;

-- name: AskErasure :one
INSERT INTO erasure (bucket, person_id, certificate, certificates, reason, asked_at, asked_by)
VALUES (@bucket, @person_id, @certificate, @certificates, @reason, @asked_at, @asked_by) RETURNING id;

-- name: ErasureByID :one
SELECT id, bucket, person_id, certificate, certificates, reason, asked_at, asked_by, ended_at, ended_by, done FROM erasure WHERE id = @id;

-- name: EndErasure :execrows
UPDATE erasure SET ended_at = @at::timestamptz, ended_by = @by::text, done = @done WHERE id = @id AND ended_at IS NULL;

-- name: Erasures :many
-- Open ones first, then the newest.
SELECT id, bucket, person_id, certificate, certificates, reason, asked_at, asked_by, ended_at, ended_by, done FROM erasure
ORDER BY (ended_at IS NOT NULL), asked_at DESC, id DESC LIMIT @max_rows::int;

-- name: EntriesAbout :many
-- What the audit says of objects, the oldest first.
SELECT chain, seq, at, actor, act, object, detail FROM audit WHERE object = ANY (@objects::text[]) AND act <> 'issued' ORDER BY at, chain, seq LIMIT @max_rows::int;

-- name: InsertRetentionRun :exec
INSERT INTO retention_run (class, ran_at, keep, removed, due) VALUES (@class, @ran_at, @keep, @removed, @due) ON CONFLICT (class, ran_at) DO NOTHING;

-- name: LastRetentionRuns :many
SELECT DISTINCT ON (class) class, ran_at, keep, removed, due FROM retention_run ORDER BY class, ran_at DESC;

-- name: ForgetRetentionRuns :exec
DELETE FROM retention_run WHERE ran_at < @before::timestamptz;

-- name: CountOldMessages :one
SELECT count(*) FROM (SELECT 1 FROM message WHERE state_at < @before::timestamptz AND state IN (1, 2, 3, 4, 5) AND claimed_until IS NULL LIMIT 1000000) AS old;

-- name: DeleteOldMessages :execrows
DELETE FROM message m USING (SELECT o.bucket, o.id FROM message o WHERE o.state_at < @before::timestamptz AND o.state IN (1, 2, 3, 4, 5) AND o.claimed_until IS NULL LIMIT @max_rows::int) AS k WHERE m.bucket = k.bucket AND m.id = k.id;

-- name: DeleteOldPrints :execrows
-- The last copy of a certificate stays: the next one is numbered after it.
DELETE FROM print p USING (SELECT o.bucket, o.certificate, o.copy FROM print o WHERE o.at < @before::timestamptz AND EXISTS (SELECT 1 FROM print y WHERE y.bucket = o.bucket AND y.certificate = o.certificate AND y.copy > o.copy) LIMIT @max_rows::int) AS k WHERE p.bucket = k.bucket AND p.certificate = k.certificate AND p.copy = k.copy;

-- name: CountOldPrints :one
SELECT count(*) FROM (SELECT 1 FROM print o WHERE o.at < @before::timestamptz AND EXISTS (SELECT 1 FROM print y WHERE y.bucket = o.bucket AND y.certificate = o.certificate AND y.copy > o.copy) LIMIT 1000000) AS old;

-- name: DeleteOldStaffSessions :execrows
DELETE FROM staff_session WHERE id IN (SELECT o.id FROM staff_session o WHERE o.ends_at < @before::timestamptz LIMIT @max_rows::int);

-- name: DeleteOldCitizenSessions :execrows
DELETE FROM citizen_session WHERE id IN (SELECT o.id FROM citizen_session o WHERE o.ends_at < @before::timestamptz LIMIT @max_rows::int);

-- name: CountOldSessions :one
SELECT (SELECT count(*) FROM staff_session WHERE ends_at < @before::timestamptz)::bigint + (SELECT count(*) FROM citizen_session WHERE ends_at < @before::timestamptz)::bigint;

-- name: ClearSettled :execrows
-- Removes the raw text of deliveries, where nothing came of them meanwhile.
UPDATE arrival a SET sealed = '', cleared_at = @at::timestamptz
WHERE a.id = ANY (@ids::bigint[]) AND a.cleared_at IS NULL AND a.state = 'done' AND a.latest_at < @before::timestamptz
  AND NOT EXISTS (SELECT 1 FROM item i WHERE i.arrival = a.id AND i.state = 'held');

-- name: CountUploadsToClear :one
-- Files that ended before a time and still hold the text of wrong rows.
SELECT count(*) FROM upload WHERE state IN ('done', 'failed') AND touched_at < @before::timestamptz AND rows_wrong > 0 AND cleared_at IS NULL;

-- name: CountOldEvidence :one
-- Requests that ended before a time and still have photographs.
SELECT count(*) FROM (SELECT 1 FROM case_file c
WHERE c.closed_at < @before::timestamptz AND c.effect <> 'pending'
  AND EXISTS (SELECT 1 FROM case_evidence e WHERE e.bucket = c.bucket AND e.case_id = c.id AND e.sealed IS NOT NULL) LIMIT 1000000) AS old;
