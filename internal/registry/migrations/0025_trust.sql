-- +goose NO TRANSACTION
-- It can be run again, and holds up nobody who exports certificates meanwhile.
-- +goose Up

-- Whose signatures count beside our own: where the administrator said that lists
-- of them come from. "version" is the one that counts now, NULL for none yet.
-- A source that was removed keeps its versions.
CREATE TABLE IF NOT EXISTS trust_source (
  name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  kind        text NOT NULL CHECK (kind IN ('certificates', 'did', 'cards', 'masterlist', 'keys', 'divoc')),
  url         text NOT NULL DEFAULT '', -- '' for files alone
  issuer      text NOT NULL DEFAULT '', -- whose keys a file that does not say holds
  issuer_name text NOT NULL DEFAULT '',
  anchors     text NOT NULL DEFAULT '', -- PEM: authorities and keys that vouch for it
  every_hours integer NOT NULL DEFAULT 0 CHECK (every_hours BETWEEN 0 AND 8760), -- 0: not by itself
  max_loss    smallint NOT NULL DEFAULT 20 CHECK (max_loss BETWEEN 0 AND 100), -- per cent of its keys
  version     bigint,
  seen_at     timestamptz, -- when it was last found to be so
  asked_at    timestamptz, -- when its URL was last asked
  fault       text NOT NULL DEFAULT '', -- what was wrong then
  changed_at  timestamptz NOT NULL,
  changed_by  text NOT NULL
);

-- A list as it was imported. "list" is packed; "digest" is the SHA-256 of what is
-- in it, "base" the version that its difference was shown against. One that waits
-- changes nothing. Those that counted are kept.
CREATE TABLE IF NOT EXISTS trust_version (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source     text NOT NULL,
  kind       text NOT NULL, -- as the source's
  state      text NOT NULL CHECK (state IN ('waiting', 'applied')),
  base       bigint NOT NULL DEFAULT 0,
  digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
  issued     timestamptz, -- when its publisher says that it was made
  serial     bigint NOT NULL DEFAULT 0, -- and its number there, 0 for none
  signed     boolean NOT NULL DEFAULT false, -- by somebody whom the source's anchors vouch for
  keys       integer NOT NULL,
  added      integer NOT NULL,
  removed    integer NOT NULL,
  changed    integer NOT NULL,
  left_out   text NOT NULL DEFAULT '', -- what could not be used and why, a line each
  list       bytea NOT NULL,
  made_at    timestamptz NOT NULL,
  made_by    text NOT NULL,
  decided_at timestamptz,
  decided_by text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS trust_version_waiting ON trust_version (source) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS trust_version_source ON trust_version (source, id);

-- By which an export is asked for that names no certificate of ours, such as
-- ICAO's seal: by its own short name.
DROP INDEX CONCURRENTLY IF EXISTS certificate_export_handle;
CREATE INDEX CONCURRENTLY certificate_export_handle ON certificate_export (format, handle);

-- +goose Down
DROP INDEX IF EXISTS certificate_export_handle;
DROP TABLE IF EXISTS trust_version, trust_source;
