-- name: LatestActs :many
-- What was recorded last of some acts of administration.
SELECT at, actor, act, object, detail FROM audit
WHERE act = ANY (@acts::text[]) AND act <> 'issued' ORDER BY at DESC, chain, seq DESC LIMIT @max_rows::int;
