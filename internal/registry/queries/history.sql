-- name: MessagesAbout :many
-- The messages about a certificate, the newest first, with what they are sealed
-- with.
SELECT m.bucket, m.id, coalesce(m.person_id, 0)::bigint AS person_id, m.certificate, m.once, m.channel, m.class, m.template, m.language, m.campaign, m.sealed, m.state, m.code, m.gateway, m.attempts, m.parts, m.created_at, m.due_at, m.expires_at, m.state_at, p.key
FROM certificate c
JOIN message m ON m.bucket = c.bucket AND m.person_id = c.person_id AND m.certificate = c.id
LEFT JOIN person p ON p.bucket = m.bucket AND p.id = m.person_id
WHERE c.bucket = @bucket::smallint AND c.id = @certificate::bytea
ORDER BY m.id DESC LIMIT @max_rows::int;
