-- name: AppendAudit :exec
SELECT audit_append(@chains::smallint[], @at::timestamptz, @actor::text, @acts::text[], @objects::text[], @details::text[]);

-- name: AuditAfter :many
SELECT chain, seq, at, actor, act, object, detail, hash FROM audit
WHERE chain = @chain::smallint AND seq > @seq::bigint ORDER BY seq LIMIT @max_rows::int;

-- name: AuditHeads :many
SELECT id, audit_seq, audit_head FROM bucket_group ORDER BY id;

-- name: CountAudit :one
-- How often an act was recorded on an object.
SELECT count(*) FROM audit WHERE chain = @chain::smallint AND object = @object::text AND act = @act::text;
