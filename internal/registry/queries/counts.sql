-- name: AppendCounts :exec
INSERT INTO count_event (at, n, kind, programme, product, facility, source)
SELECT @at::timestamptz, k.n, k.kind, k.programme, k.product, k.facility, k.source
FROM (SELECT unnest(@ns::bigint[]) AS n, unnest(@kinds::text[]) AS kind, unnest(@programmes::text[]) AS programme, unnest(@products::text[]) AS product, unnest(@facilities::text[]) AS facility, unnest(@sources::text[]) AS source) AS k;

-- name: LockFolding :exec
-- One folds at a time.
SELECT pg_advisory_xact_lock(@class::int, 0);

-- name: FoldCounts :one
-- Moves some rows that were added into the hours they belong to, and returns how
-- many.
WITH gone AS (
  DELETE FROM count_event WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM count_event e LIMIT @max_rows::int)) RETURNING at, n, kind, programme, product, facility, source
), kept AS (
  INSERT INTO count_hour AS c (hour, kind, programme, product, facility, source, n)
  SELECT date_trunc('hour', at, @zone::text), kind, programme, product, facility, source, sum(n)
  FROM gone GROUP BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (hour, kind, programme, product, facility, source) DO UPDATE SET n = c.n + excluded.n
), summed AS (
  INSERT INTO count_sum AS c (start, dimension, kind, programme, name, n)
  SELECT d.start, d.dimension, g.kind, g.programme, d.name, sum(g.n)
  FROM gone g CROSS JOIN LATERAL (VALUES
    (7::smallint, date_trunc('hour', g.at, @zone::text), ''), (11::smallint, date_trunc('day', g.at, @zone::text), g.product),
    (13::smallint, date_trunc('day', g.at, @zone::text), g.facility), (14::smallint, date_trunc('day', g.at, @zone::text), g.source)) AS d (dimension, start, name)
  GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (start, dimension, kind, programme, name) DO UPDATE SET n = c.n + excluded.n
)
SELECT count(*) FROM gone;

-- name: FillSums :exec
-- Sums up what was folded before there were sums.
INSERT INTO count_sum (start, dimension, kind, programme, name, n)
SELECT d.start, d.dimension, h.kind, h.programme, d.name, sum(h.n)
FROM count_hour h CROSS JOIN LATERAL (VALUES
  (7::smallint, h.hour, ''), (11::smallint, date_trunc('day', h.hour, @zone::text), h.product),
  (13::smallint, date_trunc('day', h.hour, @zone::text), h.facility), (14::smallint, date_trunc('day', h.hour, @zone::text), h.source)) AS d (dimension, start, name)
WHERE NOT EXISTS (SELECT 1 FROM count_sum)
GROUP BY 1, 2, 3, 4, 5;

-- name: SumsBetween :many
-- What happened from the beginning of a day to that of another, as CountsBetween
-- tells it for all facilities; "name" is that of a product, facility or source.
SELECT t.kind::text AS kind, t.dimension::smallint AS dimension, (CASE WHEN t.dimension = 7 THEN t.start ELSE 'epoch' END)::timestamptz AS hour, t.name::text AS name, sum(t.n)::bigint AS n
FROM (
  SELECT s.start, s.dimension, s.kind, s.programme, s.name, s.n FROM count_sum s WHERE s.start >= @since::timestamptz AND s.start < @until::timestamptz
  UNION ALL
  SELECT date_trunc('hour', e.at, @zone::text), d.dimension, e.kind, e.programme, d.name, e.n
  FROM count_event e CROSS JOIN LATERAL (VALUES (7::smallint, ''), (11::smallint, e.product), (13::smallint, e.facility), (14::smallint, e.source)) AS d (dimension, name)
  WHERE e.at >= @since::timestamptz AND e.at < @until::timestamptz
) AS t
WHERE @programme::text = '' OR t.programme = @programme::text
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 5 DESC, 4;

-- name: CountsBetween :many
-- What happened from one moment to before another, each kind by hour, product,
-- facility and source; "dimension" tells which: 7, 11, 13, 14. An empty programme
-- means all; no facilities means all.
SELECT t.kind::text AS kind, GROUPING(t.hour, t.product, t.facility, t.source)::int AS dimension,
  coalesce(t.hour, 'epoch')::timestamptz AS hour, coalesce(t.product, '')::text AS product, coalesce(t.facility, '')::text AS facility, coalesce(t.source, '')::text AS source,
  sum(t.n)::bigint AS n
FROM (
  SELECT h.hour, h.kind, h.programme, h.product, h.facility, h.source, h.n FROM count_hour h WHERE h.hour >= @since::timestamptz AND h.hour < @until::timestamptz
  UNION ALL
  SELECT date_trunc('hour', e.at, @zone::text), e.kind, e.programme, e.product, e.facility, e.source, e.n FROM count_event e WHERE e.at >= @since::timestamptz AND e.at < @until::timestamptz
) AS t
WHERE (@programme::text = '' OR t.programme = @programme::text) AND (cardinality(@facilities::text[]) = 0 OR t.facility = ANY (@facilities::text[]))
GROUP BY GROUPING SETS ((t.kind, t.hour), (t.kind, t.product), (t.kind, t.facility), (t.kind, t.source))
ORDER BY t.kind, 2, 3, 7 DESC, 4, 5, 6;

-- name: SumsApart :many
-- Kinds whose sums are not what their hours say, where there are sums.
SELECT coalesce(h.kind, s.kind)::text AS kind
FROM (SELECT kind, sum(n) AS n FROM count_hour GROUP BY kind) AS h
FULL JOIN (SELECT kind, sum(n) FILTER (WHERE dimension = 7) AS hours, sum(n) FILTER (WHERE dimension = 11) AS products, sum(n) FILTER (WHERE dimension = 13) AS facilities, sum(n) FILTER (WHERE dimension = 14) AS sources
  FROM count_sum GROUP BY kind) AS s ON s.kind = h.kind
WHERE EXISTS (SELECT 1 FROM count_sum) AND (h.n, h.n, h.n, h.n) IS DISTINCT FROM (s.hours, s.products, s.facilities, s.sources)
ORDER BY 1;
