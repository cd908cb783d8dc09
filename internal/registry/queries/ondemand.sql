-- name: ForgetOnDemand :exec
-- Forgets challenges that ended, some at a time.
DELETE FROM on_demand_challenge c USING (
  SELECT o.bucket, o.id FROM on_demand_challenge o WHERE o.expires_at < @before::timestamptz ORDER BY o.expires_at LIMIT 100) AS k
WHERE c.bucket = k.bucket AND c.id = k.id;

-- name: LockOnDemandRecord :one
-- The counts of a record, locked until the transaction ends.
INSERT INTO on_demand_record AS r (bucket, record) VALUES (@bucket, @record)
ON CONFLICT (bucket, record) DO UPDATE SET bucket = r.bucket
RETURNING sends, sends_at, tries, tries_at;

-- name: CountOnDemandSend :exec
-- Counts one more code for a record; the count begins anew after a quiet time.
UPDATE on_demand_record SET sends = CASE WHEN sends_at < @since::timestamptz THEN 1 ELSE sends + 1 END, sends_at = @at::timestamptz
WHERE bucket = @bucket AND record = @record;

-- name: EndOnDemandChallenges :exec
-- A new code ends the ones before it.
DELETE FROM on_demand_challenge WHERE bucket = $1 AND record = $2 AND proven_at IS NULL;

-- name: InsertOnDemandChallenge :exec
INSERT INTO on_demand_challenge (bucket, id, record, code, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: TryOnDemandChallenge :one
-- Takes one of the tries of a challenge that may still be proven.
UPDATE on_demand_challenge SET tries = tries + 1
WHERE bucket = @bucket AND id = @id AND proven_at IS NULL AND tries < @max_tries::smallint AND expires_at > @at::timestamptz
RETURNING record, code, sealed, tries;

-- name: CountOnDemandTry :exec
-- Counts one more try for a record; the count begins anew after a quiet time.
INSERT INTO on_demand_record AS r (bucket, record, tries, tries_at)
VALUES (@bucket, @record, 1, @at::timestamptz)
ON CONFLICT (bucket, record) DO UPDATE SET
  tries = CASE WHEN r.tries_at < @since::timestamptz THEN 1 ELSE r.tries + 1 END,
  tries_at = @at::timestamptz;

-- name: ProveOnDemandChallenge :execrows
-- Consumes a challenge, once.
UPDATE on_demand_challenge SET proven_at = @at::timestamptz, expires_at = @until::timestamptz
WHERE bucket = @bucket AND id = @id AND proven_at IS NULL;

-- name: ClearOnDemandRecord :exec
-- Whose record it is has proven it: what others tried does not count any more.
UPDATE on_demand_record SET tries = 0, sends = 0 WHERE bucket = $1 AND record = $2;

-- name: ProvenOnDemandChallenge :one
-- What somebody who gave the code may have for a while.
SELECT sealed FROM on_demand_challenge WHERE bucket = $1 AND id = $2 AND proven_at IS NOT NULL AND expires_at > @at::timestamptz;

-- name: KeepOnDemandResult :exec
-- Remembers what was issued.
UPDATE on_demand_challenge SET sealed = $3 WHERE bucket = $1 AND id = $2 AND proven_at IS NOT NULL;
