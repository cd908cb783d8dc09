-- name: InsertWithdrawal :one
-- No row where the same form came before.
INSERT INTO withdrawal (once, act, reason, filter, state, asked_by, asked_at)
VALUES (@once, @act, @reason, @filter, @state, @asked_by, @asked_at)
ON CONFLICT (once) DO NOTHING RETURNING id;

-- name: WithdrawalOnce :one
SELECT id, asked_by FROM withdrawal WHERE once = @once;

-- name: WithdrawalByID :one
SELECT id, once, act, reason, filter, state, position, looked, found, changed, skipped, asked_by, asked_at, ready_at, decided_by, decided_at, ended_at
FROM withdrawal WHERE id = @id;

-- name: LockWithdrawal :one
SELECT id, once, act, reason, filter, state, position, looked, found, changed, skipped, asked_by, asked_at, ready_at, decided_by, decided_at, ended_at
FROM withdrawal WHERE id = @id FOR UPDATE;

-- name: Withdrawals :many
SELECT id, once, act, reason, filter, state, position, looked, found, changed, skipped, asked_by, asked_at, ready_at, decided_by, decided_at, ended_at
FROM withdrawal WHERE id < @before::bigint ORDER BY id DESC LIMIT @max_rows::int;

-- name: OpenWithdrawals :many
-- Those that a job works on, and those that nobody approved in time.
SELECT id FROM withdrawal WHERE state IN ('looking', 'approved') OR state = 'ready' AND ready_at < @overdue::timestamptz ORDER BY id;

-- name: MoveWithdrawal :execrows
-- Moves a withdrawal from one state to another.
UPDATE withdrawal SET state = @state, decided_by = @decided_by, decided_at = @at::timestamptz,
  ended_at = CASE WHEN @state::text = 'approved' THEN NULL ELSE @at::timestamptz END
WHERE id = @id AND state = @before;

-- name: WithdrawalReady :exec
UPDATE withdrawal SET state = 'ready', ready_at = @at::timestamptz WHERE id = @id AND state = 'looking';

-- name: WithdrawalDone :exec
UPDATE withdrawal SET state = 'done', ended_at = @at::timestamptz WHERE id = @id AND state = 'approved';

-- name: WithdrawalLooked :execrows
-- Adds what a step of the search found, from where it stood.
UPDATE withdrawal SET position = @position, looked = looked + @looked::bigint, found = found + @found::bigint, skipped = skipped + @skipped::bigint
WHERE id = @id AND position = @before AND state = 'looking';

-- name: WithdrawalChanged :exec
UPDATE withdrawal SET changed = changed + @changed::bigint, skipped = skipped + @skipped::bigint WHERE id = @id;

-- name: InsertWithdrawalItems :execrows
INSERT INTO withdrawal_item (withdrawal, bucket, id, state, why)
SELECT @withdrawal::bigint, k.bucket, k.id, k.state, k.why
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id, unnest(@states::text[]) AS state, unnest(@whys::text[]) AS why) AS k
ON CONFLICT DO NOTHING;

-- name: WaitingWithdrawalItems :many
SELECT bucket, id FROM withdrawal_item WHERE withdrawal = @withdrawal AND state = 'waiting' ORDER BY bucket, id LIMIT @max_rows::int;

-- name: SetWithdrawalItems :execrows
UPDATE withdrawal_item w SET state = k.state, why = k.why
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bytea[]) AS id, unnest(@states::text[]) AS state, unnest(@whys::text[]) AS why) AS k
WHERE w.withdrawal = @withdrawal::bigint AND w.bucket = k.bucket AND w.id = k.id AND w.state = 'waiting';

-- name: WithdrawalItems :many
-- What a withdrawal is about, a page at a time, with what is so now.
SELECT w.bucket, w.id, w.state, w.why, coalesce(c.status, -1)::smallint AS status, coalesce(c.programme, '')::text AS programme, coalesce(c.dose, 0)::smallint AS dose, coalesce(c.source, '')::text AS source, coalesce(c.issued_at, 'epoch')::timestamptz AS issued_at
FROM withdrawal_item w LEFT JOIN certificate c ON c.bucket = w.bucket AND c.id = w.id
WHERE w.withdrawal = @withdrawal AND (w.bucket, w.id) > (@bucket::smallint, @after::bytea)
ORDER BY w.bucket, w.id LIMIT @max_rows::int;

-- name: ScanCertificates :many
-- Certificates in some states by id, a page at a time; "looked" at the end of a
-- page is where it ended.
SELECT c.bucket, c.dose, c.version, c.status, c.status_list, c.status_index, c.person_id, c.issued_at, c.status_at, c.id, c.replaces, c.content, c.programme, c.source, c.reason, c.sealed
FROM certificate c
WHERE (c.bucket, c.id) > (@bucket::smallint, @after::bytea) AND c.status = ANY (@statuses::smallint[])
  AND c.issued_at >= @since::timestamptz AND c.issued_at < @until::timestamptz AND (@source::text = '' OR c.source = @source::text)
ORDER BY c.bucket, c.id LIMIT @max_rows::int;

-- name: ScanDelivered :many
-- The same of one source, in the order in which they were issued.
SELECT c.bucket, c.dose, c.version, c.status, c.status_list, c.status_index, c.person_id, c.issued_at, c.status_at, c.id, c.replaces, c.content, c.programme, c.source, c.reason, c.sealed
FROM certificate c
WHERE c.source = @source::text AND c.issued_at >= @since::timestamptz AND c.issued_at < @until::timestamptz
  AND (c.issued_at, c.id) > (@issued_at::timestamptz, @after::bytea) AND c.status = ANY (@statuses::smallint[])
ORDER BY c.issued_at, c.id LIMIT @max_rows::int;

-- name: IssuedBy :many
-- What an actor issued, by the audit, in the order of time.
SELECT chain, seq, at, object FROM audit
WHERE actor = @actor::text AND act IN ('issued', 'corrected') AND at >= @since::timestamptz AND at < @until::timestamptz
  AND (at, chain, seq) > (@at::timestamptz, @chain::smallint, @seq::bigint)
ORDER BY at, chain, seq LIMIT @max_rows::int;

-- name: AuditOfCertificate :many
-- What was recorded of one certificate but its issue, newest first.
SELECT at, actor, act, detail FROM audit
WHERE object = @object::text AND act <> 'issued' AND chain = @chain::smallint ORDER BY at DESC, seq DESC LIMIT @max_rows::int;

-- name: IssueOfCertificate :one
-- Who issued a certificate: found by the time of its issue.
SELECT at, actor, act, detail FROM audit
WHERE at >= @since::timestamptz AND at < @until::timestamptz AND chain = @chain::smallint AND object = @object::text AND act = 'issued'
ORDER BY at LIMIT 1;
