-- name: ReserveStatusPositions :one
-- Hands out the next @n positions of a bucket group; returns the one after the last.
UPDATE bucket_group SET status_next = status_next + @n::bigint WHERE id = @id::smallint RETURNING status_next;

-- name: StatusNext :many
SELECT id, status_next FROM bucket_group ORDER BY id;

-- name: FlaggedInList :many
-- What is not simply valid in one status list, also what a restore lost. A
-- suspension whose time is over counts for nothing, lifted already or not.
SELECT c.status_index, c.status, c.status_at FROM certificate c
WHERE c.status_list = @list::int AND c.status > 0
  AND NOT EXISTS (SELECT 1 FROM suspension s WHERE s.bucket = c.bucket AND s.id = c.id AND s.since = c.status_at AND s.until <= @now::timestamptz AND c.status = 1)
UNION ALL
SELECT status_index, status, noted_at FROM lost_status WHERE status_list = @list::int;

-- name: Withdrawn :many
-- The ids of the certificates of one bucket group that are not simply valid, one
-- after the other, by state: there may be millions.
SELECT c.status, string_agg(c.id, ''::bytea)::bytea AS ids FROM certificate c
WHERE c.status_list BETWEEN @first::int AND @last::int AND c.status > 0
  AND NOT EXISTS (SELECT 1 FROM suspension s WHERE s.bucket = c.bucket AND s.id = c.id AND s.since = c.status_at AND s.until <= @now::timestamptz AND c.status = 1)
GROUP BY c.status;

-- name: PutStatusList :exec
INSERT INTO status_list (list, purpose, version, issued_at, credential)
VALUES (@list, @purpose, 1, @issued_at, @credential)
ON CONFLICT (list, purpose) DO UPDATE SET version = status_list.version + 1, issued_at = excluded.issued_at, credential = excluded.credential;

-- name: GetStatusList :one
SELECT list, purpose, version, issued_at, credential FROM status_list WHERE list = @list AND purpose = @purpose;

-- name: StaleStatusList :execrows
-- Makes whoever asks for a list next sign it anew. Nothing is changed where
-- somebody did so before.
UPDATE status_list SET issued_at = 'epoch' WHERE list = @list::int AND issued_at <> 'epoch';

-- name: StatusLists :many
SELECT list, purpose, version, issued_at FROM status_list ORDER BY list, purpose;

-- name: LockStatusList :exec
-- One publisher per list at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(@class::int, @list::int);

-- name: DoubleStatusPositions :many
-- Status positions that more than one certificate has; there must be none.
SELECT status_list, status_index FROM certificate GROUP BY status_list, status_index HAVING count(*) > 1 LIMIT 100;
