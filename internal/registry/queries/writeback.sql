-- name: IssuedItems :many
-- What was issued for the doses of a source behind a number, in order.
SELECT (i.id >> 10)::bigint AS number, i.certificate, f.sealed, f.key
FROM item i JOIN fragment f ON f.bucket = i.bucket AND f.key = i.fragment
WHERE i.source = @source AND i.state = 'issued' AND (i.id >> 10) > @after::bigint AND i.certificate IS NOT NULL
ORDER BY (i.id >> 10) LIMIT @max_rows::int;
