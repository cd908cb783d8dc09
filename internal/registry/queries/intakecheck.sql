-- name: TalliesWrong :many
-- Counts of the ledger that are not what its items say.
SELECT coalesce(t.source, i.source)::text AS source, coalesce(t.state, i.state)::text AS state, coalesce(t.n, 0)::bigint AS told, coalesce(i.n, 0)::bigint AS counted
FROM tally t FULL JOIN (SELECT item.source, item.state, count(*) AS n FROM item GROUP BY item.source, item.state) AS i ON i.source = t.source AND i.state = t.state
WHERE coalesce(t.n, 0) <> coalesce(i.n, 0) ORDER BY 1, 2;

-- name: ArrivalsAfter :many
-- Arrivals in order, and whether each that was looked at has an item.
SELECT a.id, a.source, a.state, a.size, a.received_at, a.latest_at, a.hash, a.sealed, a.cleared_at,
  (a.state = 'waiting' OR EXISTS (SELECT 1 FROM item i WHERE i.arrival = a.id))::bool AS counted
FROM arrival a WHERE a.id > @after ORDER BY a.id LIMIT @max_rows::int;

-- name: FragmentsAfter :many
-- Fragments in order, and whether what brought each is counted for it.
SELECT sqlc.embed(f), coalesce(a.source = f.source, false)::bool AS brought,
  (f.kind = 'person' OR EXISTS (SELECT 1 FROM item i WHERE i.arrival = f.arrival AND i.bucket = f.bucket AND i.fragment = f.key))::bool AS counted
FROM fragment f LEFT JOIN arrival a ON a.id = f.arrival
WHERE (f.bucket, f.key) > (@bucket::smallint, @after::bytea) ORDER BY f.bucket, f.key LIMIT @max_rows::int;

-- name: ItemsAfter :many
-- Items in order, and whether what each names is there.
SELECT i.bucket, i.id, i.source, i.arrival, i.fragment, i.state, i.class, i.field, i.problems, i.facility, i.code, i.sealed, i.certificate, i.received_at, i.asked_at, i.decided_at, i.decided_by, i.note,
  coalesce(a.source = i.source, false)::bool AS brought,
  (i.certificate IS NULL OR EXISTS (SELECT 1 FROM certificate c WHERE c.id = i.certificate))::bool AS certified,
  (i.fragment IS NULL OR EXISTS (SELECT 1 FROM fragment f WHERE f.bucket = i.bucket AND f.key = i.fragment AND f.source = i.source AND f.kind = 'dose'))::bool AS known
FROM item i LEFT JOIN arrival a ON a.id = i.arrival
WHERE (i.bucket, i.id) > (@bucket::smallint, @after::bigint) ORDER BY i.bucket, i.id LIMIT @max_rows::int;

-- name: ItemsByID :many
SELECT id, state, decided_by FROM item WHERE id = ANY (@ids::bigint[]);

-- name: CertificatesOfItems :many
-- Which of some certificates stand in the ledger.
SELECT DISTINCT certificate FROM item WHERE certificate = ANY (@ids::bytea[]);

-- name: CertificatesOfRecords :many
-- What was certified last for records.
SELECT record, certificate FROM fragment WHERE record = ANY (@records::bytea[]);

-- name: CountCertified :one
SELECT count(*) FROM fragment WHERE certificate IS NOT NULL OR record IS NOT NULL;

-- name: CountDecided :one
-- Items that people decided.
SELECT count(*) FROM item WHERE decided_by <> '' AND state <> 'held';

-- name: MappingVersions :many
SELECT s.name, s.kind, s.state, s.mapping_version, s.config, s.breaker, (SELECT count(*) FROM source_mapping m WHERE m.source = s.name AND m.version <= s.mapping_version) AS n,
  (SELECT count(*) FROM source_mapping m WHERE m.source = s.name)::bigint AS n_all
FROM source s ORDER BY s.name;
