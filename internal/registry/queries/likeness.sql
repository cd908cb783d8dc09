-- name: LikenessSeen :many
-- How far each audit chain was followed.
SELECT chain, seq FROM likeness_seen ORDER BY chain;

-- name: MoveLikenessSeen :execrows
-- Moves how far a chain was followed, where nobody else did.
UPDATE likeness_seen SET seq = @seq WHERE chain = @chain AND seq = @before;

-- name: InsertLikenesses :execrows
INSERT INTO likeness (bucket, person_id, certificate, other_bucket, other_id, other_certificate, programme, dose, same, differs, found_at)
SELECT k.bucket, k.person_id, k.certificate, k.other_bucket, k.other_id, k.other_certificate, k.programme, k.dose, k.same, k.differs, @found_at::timestamptz
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id, unnest(@certificates::bytea[]) AS certificate, unnest(@other_buckets::smallint[]) AS other_bucket, unnest(@others::bigint[]) AS other_id, unnest(@other_certificates::bytea[]) AS other_certificate, unnest(@programmes::text[]) AS programme, unnest(@doses::smallint[]) AS dose, unnest(@sames::boolean[]) AS same, unnest(@differs::text[]) AS differs) AS k
ON CONFLICT (bucket, person_id, other_bucket, other_id) DO NOTHING;

-- name: Likenesses :many
-- Pairs of whom nobody said what they are, by a link that stands or was ended, or
-- by closing them.
SELECT l.id, l.certificate, l.other_certificate, l.programme, l.dose, l.same, l.differs, l.found_at
FROM likeness l
WHERE l.closed_at IS NULL AND l.id > @after::bigint
  AND NOT EXISTS (SELECT 1 FROM person_link p WHERE p.bucket = l.bucket AND p.person_id = l.person_id AND p.other_bucket = l.other_bucket AND p.other_id = l.other_id)
ORDER BY l.id LIMIT @max_rows::int;

-- name: CountLikenesses :one
SELECT count(*) FROM likeness l
WHERE l.closed_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM person_link p WHERE p.bucket = l.bucket AND p.person_id = l.person_id AND p.other_bucket = l.other_bucket AND p.other_id = l.other_id);

-- name: CloseLikeness :execrows
UPDATE likeness SET closed_at = @at::timestamptz, closed_by = @by::text, closed_why = @why::text WHERE id = @id AND closed_at IS NULL;

-- name: ForgetLikenessesOf :exec
DELETE FROM likeness WHERE bucket = @bucket AND person_id = @person_id OR other_bucket = @bucket AND other_id = @person_id;
