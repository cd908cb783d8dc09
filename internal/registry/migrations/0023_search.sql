-- +goose NO TRANSACTION
-- Every statement can be run again, and holds up nobody who writes meanwhile.
-- +goose Up

-- To search the audit by time and by actor. What one transaction writes has one
-- time, and PostgreSQL keeps equal keys of an index once: an entry costs few bytes
-- here, and the rest of the order is sorted among those of one time.
DROP INDEX CONCURRENTLY IF EXISTS audit_time;
CREATE INDEX CONCURRENTLY audit_time ON audit (at);
DROP INDEX CONCURRENTLY IF EXISTS audit_who;
CREATE INDEX CONCURRENTLY audit_who ON audit (actor, at);
-- What somebody did of one kind, among much that they did otherwise.
DROP INDEX CONCURRENTLY IF EXISTS audit_did;
CREATE INDEX CONCURRENTLY audit_did ON audit (actor, act, at) WHERE act <> 'issued';
DROP INDEX CONCURRENTLY IF EXISTS audit_at;
DROP INDEX CONCURRENTLY IF EXISTS audit_actor;

-- Two people who look like one, seen after a certificate was issued for the first
-- of them; until somebody says what they are. "dose" is one that both have, 0 for
-- none; "differs" are fields of an event. Nothing in it is personal.
CREATE TABLE IF NOT EXISTS likeness (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  bucket            smallint NOT NULL,
  person_id         bigint   NOT NULL,
  certificate       bytea    NOT NULL CHECK (octet_length(certificate) = 15),
  other_bucket      smallint NOT NULL,
  other_id          bigint   NOT NULL,
  other_certificate bytea    NOT NULL CHECK (octet_length(other_certificate) = 15),
  programme         text     NOT NULL,
  dose              smallint NOT NULL,
  same              boolean  NOT NULL, -- one number of one document, and the rest agrees
  differs           text     NOT NULL,
  found_at          timestamptz NOT NULL,
  closed_at         timestamptz,
  closed_by         text     NOT NULL DEFAULT '',
  closed_why        text     NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS likeness_pair ON likeness (bucket, person_id, other_bucket, other_id);
CREATE INDEX IF NOT EXISTS likeness_other ON likeness (other_bucket, other_id);
CREATE INDEX IF NOT EXISTS likeness_open ON likeness (id) WHERE closed_at IS NULL;

-- How far each audit chain was followed to find them. What was issued before is
-- found by `divoc person duplicates`.
CREATE TABLE IF NOT EXISTS likeness_seen (
  chain smallint PRIMARY KEY,
  seq   bigint NOT NULL
);
INSERT INTO likeness_seen (chain, seq) SELECT id, audit_seq FROM bucket_group WHERE id < 16 ON CONFLICT DO NOTHING;

-- +goose Down
DROP TABLE IF EXISTS likeness_seen, likeness;
CREATE INDEX IF NOT EXISTS audit_at ON audit (at, chain, seq);
CREATE INDEX IF NOT EXISTS audit_actor ON audit (actor, at, chain, seq);
DROP INDEX IF EXISTS audit_did, audit_who, audit_time;
