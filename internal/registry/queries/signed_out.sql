-- name: TakeLogoutToken :execrows
-- One that was taken before is not taken again.
INSERT INTO logout_token (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING;

-- name: ForgetLogoutTokens :exec
DELETE FROM logout_token t USING (
  SELECT o.id FROM logout_token o WHERE o.expires_at < @before::timestamptz ORDER BY o.expires_at LIMIT 100 FOR UPDATE SKIP LOCKED) AS k
WHERE t.id = k.id;

-- name: EndCitizenSessionsOf :many
-- Those that a session of an identity provider began, or all that it began for
-- somebody; one of the two is null.
DELETE FROM citizen_session WHERE provider_session = sqlc.narg(session)::bytea OR provider_subject = sqlc.narg(subject)::bytea RETURNING seq;

-- name: CitizenTries :one
-- How often somebody failed to open a person's record.
SELECT tries, tried_at FROM citizen_person WHERE bucket = $1 AND person_id = $2;
