-- name: WithdrawnExports :many
-- What was exported of the certificates of one bucket group that are not simply
-- valid. It begins at those: they are few among many exports.
SELECT e.format, e.key_id, e.handle, c.id FROM certificate c
JOIN certificate_export e ON e.bucket = c.bucket AND e.certificate = c.id AND e.handle <> ''
WHERE c.status_list BETWEEN @first::int AND @last::int AND c.status > 0
  AND NOT EXISTS (SELECT 1 FROM suspension s WHERE s.bucket = c.bucket AND s.id = c.id AND s.since = c.status_at AND s.until <= @now::timestamptz AND c.status = 1);

-- name: PublishedLists :many
SELECT name, version, digest, changed_at FROM published_list;

-- name: PutPublishedList :exec
INSERT INTO published_list (name, version, digest, changed_at) VALUES (@name, @version, @digest, @changed_at)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, digest = excluded.digest, changed_at = excluded.changed_at;

-- name: ForgetPublishedLists :exec
-- Makes every list have a number above all that were published, by the clock.
DELETE FROM published_list;
