-- name: CertificatesDelivered :many
-- What a source delivered, in the order it was issued, after one of them.
SELECT bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, replaces, content, programme, source, reason, sealed
FROM certificate
WHERE source = @source AND octet_length(sealed) > 0 AND (issued_at, id) > (@issued_at::timestamptz, @id::bytea)
ORDER BY issued_at, id
LIMIT @max_rows::int;

-- name: PeopleByID :many
SELECT p.bucket, p.id, p.code_index, p.key, p.sealed, p.updated_at, p.source
FROM person p
JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id) AS k ON p.bucket = k.bucket AND p.id = k.id;
