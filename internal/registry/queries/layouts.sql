-- name: LayoutsInForce :many
SELECT name, number, body FROM layout_version WHERE state = 'in-force' ORDER BY name;

-- name: LayoutVersions :many
SELECT * FROM layout_version WHERE name = @name ORDER BY number DESC LIMIT @max_rows::int;

-- name: LayoutVersion :one
SELECT * FROM layout_version WHERE name = @name AND number = @number;

-- name: LockLayoutVersion :one
SELECT * FROM layout_version WHERE name = @name AND number = @number FOR UPDATE;

-- name: InsertLayoutVersion :one
INSERT INTO layout_version (name, number, origin, body, why, state, made_by, made_at)
SELECT @name::text, coalesce(max(number), 1) + 1, @origin::int, @body::text, @why::text, 'draft', @made_by::text, @at::timestamptz FROM layout_version WHERE name = @name::text
RETURNING number;

-- name: ChangeLayoutDraft :exec
UPDATE layout_version SET body = @body, why = @why, made_by = @made_by, made_at = @at::timestamptz WHERE name = @name AND number = @number AND state = 'draft';

-- name: AskForLayout :exec
UPDATE layout_version SET state = 'asked', asked_by = @asked_by, asked_at = @at::timestamptz WHERE name = @name AND number = @number AND state = 'draft';

-- name: EndLayoutInForce :exec
UPDATE layout_version SET state = 'earlier' WHERE name = @name AND state = 'in-force';

-- name: DecideLayout :exec
UPDATE layout_version SET state = @state, decided_by = @decided_by, decided_at = @at::timestamptz WHERE name = @name AND number = @number;

-- name: LayoutVersionsAll :many
SELECT name, number, body, state, asked_by, decided_by FROM layout_version ORDER BY name, number;
