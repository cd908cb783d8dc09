-- name: GetSetting :one
SELECT value FROM setting WHERE name = $1;

-- name: PutSettingOnce :one
-- Keeps the first value ever given and returns it.
INSERT INTO setting (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = setting.value
RETURNING value;

-- name: EnsureSource :exec
INSERT INTO source (name, programme, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING;

-- name: SourceByName :one
SELECT programme, authoritative FROM source WHERE name = $1;

-- name: Sources :many
SELECT name, authoritative, created_at, kind, state, mapping_version, breaker FROM source ORDER BY name;

-- name: SetAuthoritative :execrows
-- Nothing is changed where it is so already.
UPDATE source SET authoritative = @authoritative WHERE name = @name AND authoritative <> @authoritative;

-- name: Settings :many
SELECT name, value FROM setting ORDER BY name;

-- name: InsertToken :one
INSERT INTO token (name, role, source, programme, facility, hash, created_at, expires_at, created_by)
VALUES (@name, @role, @source, @programme, @facility, @hash, @created_at, @expires_at, @created_by) RETURNING id;

-- name: TokenByHash :one
-- Stands says of a token that a member of staff made whether they might make it now.
SELECT t.id, t.name, t.role, t.source, t.programme, t.facility, t.expires_at, t.revoked_at, t.created_by,
  EXISTS (SELECT 1 FROM staff s WHERE s.id = substring(t.created_by FROM '^staff:([0-9]+)$')::bigint AND s.state = 'active'
    AND (s.role = 'system-admin' OR s.role = t.role AND s.facility = t.facility))::boolean AS stands
FROM token t WHERE t.hash = $1;

-- name: ListTokens :many
SELECT id, name, role, source, programme, facility, created_at, expires_at, revoked_at FROM token ORDER BY id;

-- name: RevokeToken :execrows
UPDATE token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL;

-- name: PutSetting :exec
INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: NextVersion :one
-- The next version of something published: at least @at_least, and above every
-- one before. Others that ask wait until the transaction ends.
INSERT INTO setting (name, value) SELECT @name, cast(@at_least::bigint AS text)
ON CONFLICT (name) DO UPDATE SET value = greatest(setting.value::bigint + 1, excluded.value::bigint)::text
RETURNING value::bigint AS version;
