-- name: Places :many
-- Places of vaccination by name, those behind one; a search finds names, codes
-- and districts that hold the text.
SELECT code, name, address, district, region, active, changed_at, changed_by FROM place
WHERE (lower(name), code) > (lower(@after_name::text), @after::text)
  AND (@search::text = '' OR position(lower(@search::text) IN lower(name)) > 0 OR lower(code) = lower(@search::text) OR lower(district) = lower(@search::text))
  AND (@all_states::boolean OR active)
ORDER BY lower(name), code LIMIT @max_rows::int;

-- name: PlaceByCode :one
SELECT code, name, address, district, region, active, changed_at, changed_by FROM place WHERE code = @code;

-- name: PlaceName :one
SELECT name FROM place WHERE code = @code;

-- name: PutPlaces :many
-- Writes places, new and known; returns the codes of those that changed.
INSERT INTO place AS p (code, name, address, district, region, active, changed_at, changed_by)
SELECT k.code, k.name, k.address, k.district, k.region, k.active, @at::timestamptz, @by::text
FROM (SELECT unnest(@codes::text[]) AS code, unnest(@names::text[]) AS name, unnest(@addresses::text[]) AS address, unnest(@districts::text[]) AS district, unnest(@regions::text[]) AS region, unnest(@actives::boolean[]) AS active) AS k
ON CONFLICT (code) DO UPDATE SET name = excluded.name, address = excluded.address, district = excluded.district, region = excluded.region, active = excluded.active, changed_at = excluded.changed_at, changed_by = excluded.changed_by
WHERE (p.name, p.address, p.district, p.region, p.active) IS DISTINCT FROM (excluded.name, excluded.address, excluded.district, excluded.region, excluded.active)
RETURNING p.code;

-- name: LatestDoses :many
-- Doses in what a source delivered last.
SELECT DISTINCT i.fragment FROM (SELECT a.id FROM arrival a WHERE a.source = @source ORDER BY a.latest_at DESC LIMIT 50) AS l
JOIN item i ON i.arrival = l.id WHERE i.fragment IS NOT NULL LIMIT @max_rows::int;
