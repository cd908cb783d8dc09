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
SELECT count(*) FROM (SELECT 1 FROM audit WHERE at < @before::timestamptz AND act = ANY (@acts::text[]) LIMIT 1000000) AS old;

-- name: LockActor :exec
-- One decision about an actor at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(@class::int, hashtext(@actor::text));

-- name: CountOpened :one
-- How often an actor opened what they did not print. What was opened at one
-- moment was one page.
SELECT count(*) FROM (
  SELECT o.at FROM audit o
  WHERE o.actor = @actor::text AND o.at > @since::timestamptz AND o.act = ANY (@opened::text[])
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
