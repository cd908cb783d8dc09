-- name: TrustSources :many
SELECT * FROM trust_source ORDER BY name;

-- name: TrustSource :one
SELECT * FROM trust_source WHERE name = @name;

-- name: LockTrustSource :one
SELECT * FROM trust_source WHERE name = @name FOR UPDATE;

-- name: PutTrustSource :exec
INSERT INTO trust_source (name, kind, url, issuer, issuer_name, anchors, every_hours, max_loss, changed_at, changed_by)
VALUES (@name, @kind, @url, @issuer, @issuer_name, @anchors, @every_hours, @max_loss, @changed_at, @changed_by)
ON CONFLICT (name) DO UPDATE SET url = excluded.url, issuer = excluded.issuer, issuer_name = excluded.issuer_name, anchors = excluded.anchors,
  every_hours = excluded.every_hours, max_loss = excluded.max_loss, changed_at = excluded.changed_at, changed_by = excluded.changed_by;

-- name: DeleteTrustSource :exec
DELETE FROM trust_source WHERE name = @name;

-- name: DropWaitingTrust :exec
-- What waited was never believed; nobody asks for it again.
DELETE FROM trust_version WHERE source = @source AND state = 'waiting';

-- name: AddTrustVersion :one
INSERT INTO trust_version (source, kind, state, base, digest, issued, serial, signed, keys, added, removed, changed, left_out, list, made_at, made_by)
VALUES (@source, @kind, 'waiting', @base, @digest, @issued, @serial, @signed, @keys, @added, @removed, @changed, @left_out, @list, @made_at, @made_by)
RETURNING id;

-- name: TrustVersion :one
SELECT * FROM trust_version WHERE id = @id;

-- name: TrustVersions :many
-- The versions of a source without their lists, the newest first.
SELECT id, source, state, base, digest, issued, serial, signed, keys, added, removed, changed, left_out, made_at, made_by, decided_at, decided_by
FROM trust_version WHERE source = @source ORDER BY id DESC LIMIT @max_rows::int;

-- name: TrustVersionsAfter :many
-- All versions with their lists, for the check.
SELECT * FROM trust_version WHERE id > @id::bigint ORDER BY id LIMIT @max_rows::int;

-- name: TrustTrail :many
-- What the audit says of trust, in its order.
SELECT seq, at, actor, act, object, detail FROM audit
WHERE chain = @chain::smallint AND seq > @seq::bigint AND act = ANY (@acts::text[]) ORDER BY seq LIMIT @max_rows::int;

-- name: DecideTrustVersion :exec
UPDATE trust_version SET state = 'applied', decided_at = @at, decided_by = @by WHERE id = @id;

-- name: PointTrustSource :exec
-- Makes a version the one that counts.
UPDATE trust_source SET version = @version::bigint, seen_at = @at, fault = '' WHERE name = @name;

-- name: SawTrustSource :exec
-- Its URL was asked; what it gave is what counts already, or what was wrong.
UPDATE trust_source SET asked_at = @at, fault = @fault, seen_at = CASE WHEN @good::boolean THEN @at ELSE seen_at END WHERE name = @name;

-- name: TrustStamp :one
-- Changes whenever what counts does.
SELECT coalesce(string_agg(name || ' ' || coalesce(version, 0)::text, ',' ORDER BY name), '')::text FROM trust_source;

-- name: CurrentTrust :many
-- What counts.
SELECT s.name, s.kind, s.issuer, v.id, v.list FROM trust_source s JOIN trust_version v ON v.id = s.version ORDER BY s.name;
