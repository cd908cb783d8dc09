-- name: InsertUpload :one
INSERT INTO upload (source, actor, role, state, format, date_order, columns, not_read, mapping_version, created_at, touched_at)
VALUES (@source, @actor, @role, 'receiving', @format, @date_order, @columns::text[], @not_read::text[], @mapping_version, @at::timestamptz, @at::timestamptz)
RETURNING id;

-- name: InsertUploadChunk :exec
INSERT INTO upload_chunk (upload_id, seq, sealed) VALUES (@upload_id, @seq, @sealed);

-- name: TouchUpload :exec
UPDATE upload SET touched_at = @at::timestamptz WHERE id = @id;

-- name: UploadReceived :execrows
-- The whole file is stored: from here on its rows are owed a state.
UPDATE upload SET state = 'processing', encoding = @encoding, filename = @filename, bytes = @bytes, hash = @hash, touched_at = @at::timestamptz
WHERE id = @id AND state = 'receiving';

-- name: DeleteUpload :exec
DELETE FROM upload WHERE id = @id AND state = 'receiving';

-- name: DeleteAbandonedUploads :exec
-- Files whose sender went away.
DELETE FROM upload WHERE state = 'receiving' AND touched_at < @before::timestamptz;

-- name: UploadChunk :one
SELECT sealed FROM upload_chunk WHERE upload_id = @upload_id AND seq = @seq;

-- name: DeleteUploadChunks :exec
DELETE FROM upload_chunk WHERE upload_id = @upload_id;

-- name: AdvanceUpload :execrows
-- Moves on by a batch, only from where the caller stood: of two that work on
-- one upload the slower changes nothing.
UPDATE upload SET rows_done = @rows_after, rows_issued = rows_issued + @issued, rows_wrong = rows_wrong + @wrong,
  rows_empty = rows_empty + @empty, rows_read = @rows_read,
  bytes_read = @bytes_read, touched_at = @at::timestamptz
WHERE id = @id AND state = 'processing' AND rows_done = @rows_before;

-- name: EndUpload :execrows
UPDATE upload SET state = @state, problem = @problem, bytes_read = bytes, touched_at = @at::timestamptz
WHERE id = @id AND state = 'processing' AND rows_done = @rows_done;

-- name: InsertUploadRows :exec
INSERT INTO upload_row (upload_id, row, file_row, slot, state, certificate, reasons, sealed)
SELECT @upload_id::bigint, k.row, nullif(k.file_row, k.row), k.slot, k.state, k.certificate, k.reasons, k.sealed
FROM (SELECT unnest(@rows::bigint[]) AS row, unnest(@file_rows::bigint[]) AS file_row, unnest(@slots::text[]) AS slot, unnest(@states::text[]) AS state, unnest(@certificates::bytea[]) AS certificate, unnest(@reasons::text[]) AS reasons, unnest(@sealeds::bytea[]) AS sealed) AS k;

-- name: StalledUploads :many
-- Uploads that nobody works on, taken by the caller.
UPDATE upload SET touched_at = @at::timestamptz WHERE state = 'processing' AND touched_at <= @before::timestamptz RETURNING id;

-- name: UploadByID :one
SELECT id, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, rows_done, rows_issued, rows_wrong, created_at, touched_at, cleared_at, mapping_version, not_read, rows_read, rows_empty, hash
FROM upload WHERE id = @id AND state <> 'receiving';

-- name: UploadsOfSource :many
SELECT id, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, rows_done, rows_issued, rows_wrong, created_at, touched_at, cleared_at, mapping_version, not_read, rows_read, rows_empty, hash
FROM upload WHERE source = @source AND state <> 'receiving' AND id < @before ORDER BY id DESC LIMIT @max_rows::int;

-- name: Uploads :many
SELECT id, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, rows_done, rows_issued, rows_wrong, created_at, touched_at, cleared_at, mapping_version, not_read, rows_read, rows_empty, hash
FROM upload WHERE state <> 'receiving' AND id < @before ORDER BY id DESC LIMIT @max_rows::int;

-- name: UploadRows :many
SELECT row, coalesce(file_row, row)::bigint AS file_row, slot, state, certificate, reasons FROM upload_row WHERE upload_id = @upload_id AND row > @after ORDER BY row LIMIT @max_rows::int;

-- name: WrongUploadRows :many
SELECT row, coalesce(file_row, row)::bigint AS file_row, slot, state, certificate, reasons, sealed FROM upload_row WHERE upload_id = @upload_id AND row > @after AND state = 'wrong' ORDER BY row LIMIT @max_rows::int;

-- name: UploadsToClear :many
-- Uploads that ended before a time and still hold the text of refused rows.
SELECT id FROM upload
WHERE state IN ('done', 'failed') AND touched_at < @before::timestamptz AND rows_wrong > 0 AND cleared_at IS NULL ORDER BY id LIMIT 100;

-- name: ClearUploadRows :execrows
-- Removes the text of refused rows; the reasons stay.
UPDATE upload_row SET sealed = NULL WHERE upload_id = @upload_id AND state = 'wrong';

-- name: UploadCleared :execrows
UPDATE upload SET cleared_at = @at::timestamptz WHERE id = @id AND cleared_at IS NULL;

-- name: UploadCounts :many
-- What was counted of each upload beside what its rows say, for the check.
SELECT u.id, u.source, u.state, u.format, u.bytes, u.rows_done, u.rows_issued, u.rows_wrong, u.rows_empty, u.cleared_at,
  r.n, r.last, r.issued, r.wrong, r.empty, r.kept, r.lost
FROM upload u CROSS JOIN LATERAL (
  SELECT count(*) AS n, coalesce(max(w.row), 0)::bigint AS last,
    count(*) FILTER (WHERE w.state IN ('issued', 'corrected', 'updated')) AS issued,
    count(*) FILTER (WHERE w.state = 'wrong') AS wrong,
    count(*) FILTER (WHERE w.state = 'no-dose') AS empty,
    count(*) FILTER (WHERE w.state = 'wrong' AND w.sealed IS NOT NULL) AS kept,
    count(*) FILTER (WHERE w.certificate IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM certificate c WHERE c.bucket = ((get_byte(w.certificate, 0) << 2) | (get_byte(w.certificate, 1) >> 6)) AND c.id = w.certificate)) AS lost
  FROM upload_row w WHERE w.upload_id = u.id) AS r
WHERE u.state <> 'receiving'
ORDER BY u.id;

-- name: UploadByHash :one
-- The newest upload of a source of the same file, to be read in the same way.
SELECT id, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, rows_done, rows_issued, rows_wrong, created_at, touched_at, cleared_at, mapping_version, not_read, rows_read, rows_empty, hash
FROM upload WHERE source = @source AND hash = @hash AND hash <> '' AND state <> 'receiving' ORDER BY id DESC LIMIT 1;

-- name: TriedRecords :many
SELECT record, content FROM upload_trial WHERE upload_id = @upload_id AND record = ANY(@records::bytea[]);

-- name: InsertTriedRecords :exec
INSERT INTO upload_trial (upload_id, record, content)
SELECT @upload_id::bigint, k.record, k.content
FROM (SELECT unnest(@records::bytea[]) AS record, unnest(@contents::bytea[]) AS content) AS k;
