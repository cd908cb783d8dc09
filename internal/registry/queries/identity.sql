-- name: ForgetCitizenAway :exec
DELETE FROM citizen_away c USING (
  SELECT o.id FROM citizen_away o WHERE o.expires_at < @before::timestamptz ORDER BY o.expires_at LIMIT 100 FOR UPDATE SKIP LOCKED) AS k
WHERE c.id = k.id;

-- name: InsertCitizenAway :exec
INSERT INTO citizen_away (id, sealed, expires_at) VALUES ($1, $2, $3);

-- name: TakeCitizenAway :one
-- It counts once, whatever comes of it.
DELETE FROM citizen_away WHERE id = @id AND expires_at > @at::timestamptz RETURNING sealed;

-- name: ClientKey :one
SELECT sealed FROM client_key WHERE name = $1;

-- name: InsertClientKey :exec
INSERT INTO client_key (name, sealed, made_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING;

-- name: DeleteClientKey :execrows
DELETE FROM client_key WHERE name = $1;

-- name: ChoosePersonLanguage :exec
INSERT INTO person_language AS l (bucket, person_id, language, chosen_at) VALUES (@bucket, @person_id, @language, @at::timestamptz)
ON CONFLICT (bucket, person_id) DO UPDATE SET language = excluded.language, chosen_at = excluded.chosen_at;

-- name: LanguagesOfPeople :many
SELECT l.bucket, l.person_id, l.language
FROM person_language l
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k ON l.bucket = k.bucket AND l.person_id = k.person_id;

-- name: ForgetLanguageOf :exec
DELETE FROM person_language WHERE bucket = $1 AND person_id = $2;

-- name: LanguagesBetween :many
SELECT bucket, person_id, chosen_at FROM person_language WHERE bucket BETWEEN @first::smallint AND @last::smallint ORDER BY bucket, person_id;
