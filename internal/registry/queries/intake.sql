-- name: CreateSource :execrows
-- Makes a source, or turns one that only posted events into one of another
-- kind. A source of a kind keeps it.
INSERT INTO source (name, programme, created_at, authoritative, kind, config, mapping_version, hourly_limit, scope)
VALUES (@name, @programme, @at::timestamptz, true, @kind, @config, @mapping_version, @hourly_limit, @scope::text[])
ON CONFLICT (name) DO UPDATE SET programme = excluded.programme, authoritative = true, kind = excluded.kind, config = excluded.config,
  mapping_version = excluded.mapping_version, hourly_limit = excluded.hourly_limit, scope = excluded.scope
WHERE source.kind = 'api';

-- name: IntakeSource :one
SELECT name, programme, created_at, authoritative, kind, state, problem, config, mapping_version, position, hourly_limit, scope, contact_at, ok_at, lag_seconds, turn, hour_at, hour_issued, deletions_at, deletions, breaker
FROM source WHERE name = @name;

-- name: IntakeSources :many
SELECT name, programme, created_at, authoritative, kind, state, problem, config, mapping_version, position, hourly_limit, scope, contact_at, ok_at, lag_seconds, turn, hour_at, hour_issued, deletions_at, deletions, breaker
FROM source ORDER BY name;

-- name: SetSourceState :execrows
UPDATE source SET state = @state, problem = @problem, breaker = breaker AND @state <> 'active',
  deletions = CASE WHEN breaker AND @state = 'active' THEN 0 ELSE deletions END, turn = turn + 1
WHERE name = @name;

-- name: TripBreaker :exec
UPDATE source SET state = 'paused', problem = @problem, breaker = true WHERE name = @name;

-- name: SetSourceConfig :execrows
UPDATE source SET config = @config, hourly_limit = @hourly_limit, scope = @scope::text[], programme = @programme, turn = turn + 1 WHERE name = @name AND kind <> 'api';

-- name: InsertMapping :exec
INSERT INTO source_mapping (source, version, text, made_at, made_by) VALUES (@source, @version, @text, @made_at, @made_by);

-- name: SetMappingVersion :execrows
UPDATE source SET mapping_version = @version, turn = turn + 1 WHERE name = @name AND mapping_version = @before;

-- name: MappingText :one
SELECT text FROM source_mapping WHERE source = @source AND version = @version;

-- name: SourceContact :exec
UPDATE source SET contact_at = @at::timestamptz, ok_at = CASE WHEN @ok::bool THEN @at::timestamptz ELSE ok_at END,
  lag_seconds = CASE WHEN @ok::bool THEN @lag_seconds::bigint ELSE lag_seconds END,
  problem = CASE WHEN state = 'active' OR @state::text = 'stopped' THEN @problem::text ELSE problem END,
  state = CASE WHEN state = 'active' AND @state::text = 'stopped' THEN 'stopped' ELSE state END
WHERE name = @name;

-- name: MovePosition :execrows
UPDATE source SET position = @position, contact_at = @at::timestamptz, ok_at = @at::timestamptz, lag_seconds = @lag_seconds,
  problem = CASE WHEN state = 'active' THEN '' ELSE problem END
WHERE name = @name AND position = @before;

-- name: MoveTurn :execrows
-- Only one writer of a source's records goes on from one turn.
UPDATE source SET turn = turn + 1, hour_at = @hour_at::timestamptz, hour_issued = @hour_issued::int, deletions_at = @deletions_at::timestamptz, deletions = @deletions::int
WHERE name = @name AND turn = @turn;

-- name: LockSource :exec
-- One worker on a source at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(@class::int, hashtext(@name::text));

-- name: PutFacilities :exec
INSERT INTO facility (source, id, code, name, path)
SELECT @source::text, k.id, k.code, k.name, k.path
FROM (SELECT unnest(@ids::text[]) AS id, unnest(@codes::text[]) AS code, unnest(@names::text[]) AS name, unnest(@paths::text[]) AS path) AS k
ORDER BY k.id
ON CONFLICT (source, id) DO UPDATE SET code = excluded.code, name = excluded.name, path = excluded.path
WHERE (facility.code, facility.name, facility.path) IS DISTINCT FROM (excluded.code, excluded.name, excluded.path);

-- name: FacilitiesByID :many
SELECT source, id, code, name, path FROM facility WHERE source = @source AND id = ANY (@ids::text[]);

-- name: InsertArrivals :many
-- Leaves out what arrived before.
INSERT INTO arrival (source, channel, state, size, received_at, latest_at, hash, sealed)
SELECT @source::text, k.channel, 'waiting', k.size, k.at, k.at, k.hash, k.sealed
FROM (SELECT unnest(@channels::text[]) AS channel, unnest(@sizes::int[]) AS size, unnest(@ats::timestamptz[]) AS at, unnest(@hashes::bytea[]) AS hash, unnest(@sealeds::bytea[]) AS sealed) AS k
ON CONFLICT (hash, source) DO NOTHING
RETURNING id, hash;

-- name: ArrivalAgain :one
-- An arrival that came again, locked. held says that it waits for a person.
SELECT a.id, a.state, a.latest_at, a.cleared_at, EXISTS (SELECT 1 FROM item i WHERE i.arrival = a.id AND i.state = 'held' AND i.fragment IS NULL) AS held
FROM arrival a WHERE a.hash = @hash AND a.source = @source FOR NO KEY UPDATE OF a;

-- name: RepeatArrival :exec
UPDATE arrival SET times = times + 1, latest_at = @at::timestamptz, channel = @channel, state = @state WHERE id = @id;

-- name: AwakeArrivals :execrows
-- Has arrivals looked at again.
UPDATE arrival SET state = 'waiting' WHERE id = ANY (@ids::bigint[]) AND state = 'done';

-- name: WaitingArrivals :many
-- The next arrivals to look at: those that somebody waits for first, then in the
-- order they came; at most so many, and no more bytes than one and a half times
-- what is wanted at once.
SELECT w.id, w.channel, w.latest_at, w.hash, w.sealed
FROM (
  SELECT n.id, n.channel, n.latest_at, n.hash, n.sealed, n.size, sum(n.size) OVER (ORDER BY (n.channel <> 'demand'), n.id) AS total
  FROM (
    SELECT a.id, a.channel, a.latest_at, a.hash, a.sealed, a.size FROM arrival a
    WHERE a.source = @source AND a.state = 'waiting'
    ORDER BY (a.channel <> 'demand'), a.id LIMIT @max_rows::int
  ) AS n
) AS w
WHERE w.total - w.size < @max_bytes::bigint
ORDER BY (w.channel <> 'demand'), w.id;

-- name: ArrivalsDone :execrows
UPDATE arrival SET state = 'done' WHERE id = ANY (@ids::bigint[]) AND state = 'waiting';

-- name: SourcesWithWaiting :many
SELECT s.name FROM source s WHERE s.state <> 'paused' AND EXISTS (SELECT 1 FROM arrival a WHERE a.source = s.name AND a.state = 'waiting') ORDER BY s.name;

-- name: ArrivalByHash :one
SELECT id, source, channel, state, times, size, received_at, latest_at, hash, sealed, cleared_at FROM arrival WHERE hash = @hash AND source = @source;

-- name: ArrivalByID :one
SELECT id, source, channel, state, times, size, received_at, latest_at, hash, sealed, cleared_at FROM arrival WHERE id = @id;

-- name: FragmentsByKey :many
SELECT bucket, key, source, kind, person, version, arrival, hash, deleted, settled, facility, record, content, certificate, sealed
FROM fragment WHERE key = ANY (@keys::bytea[]);

-- name: DosesOfPersons :many
SELECT bucket, key, source, kind, person, version, arrival, hash, deleted, settled, facility, record, content, certificate, sealed
FROM fragment WHERE person = ANY (@persons::bytea[]) AND kind = 'dose';

-- name: OwnersOfRecords :many
-- Which fragments of a source hold records.
SELECT record, key, deleted FROM fragment WHERE record = ANY (@records::bytea[]) AND source = @source;

-- name: FragmentStates :many
SELECT key, version, hash, deleted FROM fragment WHERE key = ANY (@keys::bytea[]);

-- name: FragmentsOfSource :many
-- What a source has, a page at a time.
SELECT bucket, key, source, kind, person, version, arrival, hash, deleted, settled, facility, record, content, certificate, sealed
FROM fragment WHERE source = @source AND NOT deleted AND (bucket, key) > (@bucket::smallint, @after::bytea) ORDER BY bucket, key LIMIT @max_rows::int;

-- name: CountDoses :one
SELECT count(*) FROM fragment WHERE source = @source AND kind = 'dose';

-- name: PutFragments :exec
INSERT INTO fragment (bucket, key, source, kind, person, version, arrival, hash, deleted, settled, facility, record, content, certificate, sealed)
SELECT k.bucket, k.key, @source::text, k.kind, k.person, k.version, k.arrival, k.hash, k.deleted, k.settled, k.facility, k.record, k.content, k.certificate, k.sealed
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@keys::bytea[]) AS key, unnest(@kinds::text[]) AS kind, unnest(@persons::bytea[]) AS person, unnest(@versions::timestamptz[]) AS version, unnest(@arrivals::bigint[]) AS arrival, unnest(@hashes::bytea[]) AS hash, unnest(@deleteds::bool[]) AS deleted, unnest(@settleds::bool[]) AS settled, unnest(@facilities::text[]) AS facility, unnest(@records::bytea[]) AS record, unnest(@contents::bytea[]) AS content, unnest(@certificates::bytea[]) AS certificate, unnest(@sealeds::bytea[]) AS sealed) AS k
ON CONFLICT (bucket, key) DO UPDATE SET person = excluded.person, version = excluded.version, arrival = excluded.arrival, hash = excluded.hash, deleted = excluded.deleted,
  settled = excluded.settled, facility = excluded.facility, record = excluded.record, content = excluded.content, certificate = excluded.certificate, sealed = excluded.sealed;

-- name: OpenItems :many
-- The held items of fragments.
SELECT i.bucket, i.id, i.source, i.arrival, i.fragment, i.state, i.class, i.field, i.problems, i.facility, i.code, i.sealed, i.certificate, i.received_at, i.asked_at, i.decided_at, i.decided_by, i.note
FROM item i JOIN (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@fragments::bytea[]) AS fragment) AS k ON i.bucket = k.bucket AND i.fragment = k.fragment
WHERE i.state = 'held';

-- name: InsertItems :exec
INSERT INTO item (bucket, id, source, arrival, fragment, state, class, field, problems, facility, code, sealed, certificate, received_at, decided_at, decided_by, note)
SELECT k.bucket, nextval('item_number') * 1024 + k.bucket, @source::text, k.arrival, k.fragment, k.state, k.class, k.field, k.problems, k.facility, k.code, k.sealed, k.certificate, k.received_at,
  CASE WHEN k.state <> 'held' THEN @at::timestamptz END, '', ''
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@arrivals::bigint[]) AS arrival, unnest(@fragments::bytea[]) AS fragment, unnest(@states::text[]) AS state, unnest(@classes::text[]) AS class, unnest(@fields::text[]) AS field, unnest(@problems::text[]) AS problems, unnest(@facilities::text[]) AS facility, unnest(@codes::bytea[]) AS code, unnest(@sealeds::bytea[]) AS sealed, unnest(@certificates::bytea[]) AS certificate, unnest(@received_ats::timestamptz[]) AS received_at) AS k;

-- name: DecideItems :execrows
-- Gives held items another state, or another reason.
UPDATE item i SET state = k.state, class = k.class, field = k.field, problems = k.problems, facility = k.facility, code = k.code, sealed = k.sealed, certificate = k.certificate,
  decided_at = CASE WHEN k.state <> 'held' THEN @at::timestamptz END, decided_by = @decided_by, note = @note
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@ids::bigint[]) AS id, unnest(@states::text[]) AS state, unnest(@classes::text[]) AS class, unnest(@fields::text[]) AS field, unnest(@problems::text[]) AS problems, unnest(@facilities::text[]) AS facility, unnest(@codes::bytea[]) AS code, unnest(@sealeds::bytea[]) AS sealed, unnest(@certificates::bytea[]) AS certificate) AS k
WHERE i.bucket = k.bucket AND i.id = k.id AND i.state = 'held';

-- name: DeleteOpenItems :execrows
-- Forgets that arrivals could not be read, because they are read again.
DELETE FROM item WHERE id = ANY (@ids::bigint[]) AND state = 'held' AND fragment IS NULL;

-- name: ItemsOfArrival :many
SELECT i.bucket, i.id, i.source, i.arrival, i.fragment, i.state, i.class, i.field, i.problems, i.facility, i.code, i.sealed, i.certificate, i.received_at, i.asked_at, i.decided_at, i.decided_by, i.note
FROM item i WHERE i.arrival = @arrival ORDER BY i.id;

-- name: ItemByID :one
SELECT sqlc.embed(i), a.hash AS arrival_hash
FROM item i JOIN arrival a ON a.id = i.arrival WHERE i.bucket = @bucket AND i.id = @id;

-- name: HeldItems :many
SELECT sqlc.embed(i), a.hash AS arrival_hash
FROM item i JOIN arrival a ON a.id = i.arrival
WHERE i.state = 'held' AND i.id > @after
  AND (@source::text = '' OR i.source = @source) AND (@class::text = '' OR i.class = @class) AND (@facility::text = '' OR i.facility = @facility) AND (@field::text = '' OR i.field = @field)
  AND (@code::bytea IS NULL OR i.code = @code)
  AND i.received_at <= @before::timestamptz
  AND (cardinality(@ids::bigint[]) = 0 OR i.id = ANY (@ids::bigint[]))
ORDER BY i.id LIMIT @max_rows::int;

-- name: ItemsOfCertificate :many
-- Which arrivals a certificate comes from.
SELECT sqlc.embed(i), a.hash AS arrival_hash
FROM item i JOIN arrival a ON a.id = i.arrival WHERE i.certificate = @certificate ORDER BY i.id;

-- name: ItemsToAsk :many
-- Held items whose source has to be asked for what is missing, those that were
-- asked for longest ago first.
SELECT i.bucket, i.id, i.arrival, i.fragment, i.class FROM item i
WHERE i.source = @source AND i.state = 'held' AND i.class = ANY (@classes::text[]) AND (i.asked_at IS NULL OR i.asked_at <= @before::timestamptz)
ORDER BY i.asked_at NULLS FIRST, i.id LIMIT @max_rows::int;

-- name: ItemsAsked :exec
UPDATE item SET asked_at = @at::timestamptz WHERE id = ANY (@ids::bigint[]) AND state = 'held';

-- name: Tallies :many
-- The ledger: items by state, and arrivals that nobody has looked at.
SELECT source, state, n FROM tally
UNION ALL
SELECT source, 'waiting', count(*) FROM arrival WHERE state = 'waiting' GROUP BY source
ORDER BY source, state;

-- name: LatestArrivals :many
-- When each source sent something last.
SELECT s.name, (SELECT max(a.latest_at) FROM arrival a WHERE a.source = s.name)::timestamptz AS at FROM source s
WHERE EXISTS (SELECT 1 FROM arrival a WHERE a.source = s.name) ORDER BY s.name;

-- name: HeldByAge :many
-- How many items are held, by source, reason and facility, and of these how many
-- since before some times.
SELECT i.source, i.class, i.facility, coalesce(f.name, '')::text AS name, i.n, i.oldest, i.day1, i.day3, i.day7, i.day30
FROM (
  SELECT source, class, facility, count(*) AS n, min(received_at)::timestamptz AS oldest,
    count(*) FILTER (WHERE received_at <= @day1::timestamptz) AS day1,
    count(*) FILTER (WHERE received_at <= @day3::timestamptz) AS day3,
    count(*) FILTER (WHERE received_at <= @day7::timestamptz) AS day7,
    count(*) FILTER (WHERE received_at <= @day30::timestamptz) AS day30
  FROM item WHERE state = 'held' AND (@source::text = '' OR source = @source)
  GROUP BY source, class, facility
) AS i LEFT JOIN facility f ON f.source = i.source AND f.id = i.facility
ORDER BY i.source, i.class, i.facility;
