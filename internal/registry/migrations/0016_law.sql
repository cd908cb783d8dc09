-- +goose NO TRANSACTION
-- Every statement can be run again, and holds up nobody who writes meanwhile.
-- +goose Up

-- What was said of the ends of all audit chains, signed and published, so that
-- others keep it: a chain that is shortened or made anew no longer holds them.
CREATE TABLE IF NOT EXISTS audit_statement (
  number  bigint PRIMARY KEY,
  made_at timestamptz NOT NULL,
  hash    bytea NOT NULL CHECK (octet_length(hash) = 32), -- SHA-256 of text
  text    bytea NOT NULL,
  sent_at timestamptz -- when the auditor was sent it
);

-- Where entries of an audit chain that only tell who saw something were removed
-- after their time: what stands before, and up to, "seq" is held together by
-- "digest", signed, and the chain goes on from "hash".
CREATE TABLE IF NOT EXISTS audit_cut (
  chain   smallint NOT NULL,
  seq     bigint   NOT NULL,
  made_at timestamptz NOT NULL,
  hash    bytea    NOT NULL CHECK (octet_length(hash) = 32), -- of the entry seq, which may be removed itself
  removed bigint   NOT NULL, -- entries, since the cut before
  digest  bytea    NOT NULL CHECK (octet_length(digest) = 32), -- of what was left, and of the cut before
  key     text     NOT NULL, -- that signed it
  signed  bytea    NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- Something that a person has to look at: who opened, issued or withdrew much,
-- or at night. One of a kind and actor is open at a time.
CREATE TABLE IF NOT EXISTS alarm (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind       text NOT NULL CHECK (kind IN ('browsing', 'night', 'bulk')),
  actor      text NOT NULL,
  n          integer NOT NULL, -- how many there were when it was last looked at
  raised_at  timestamptz NOT NULL,
  latest_at  timestamptz NOT NULL,
  closed_at  timestamptz,
  closed_by  text NOT NULL DEFAULT '',
  closed_why text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS alarm_open ON alarm (kind, actor) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS alarm_actor ON alarm (actor, kind, closed_at);

-- That a person's data is to be destroyed, or was: asked for by one, approved by
-- another. The row stays, and says nothing of the person.
CREATE TABLE IF NOT EXISTS erasure (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  bucket       smallint NOT NULL,
  person_id    bigint   NOT NULL,
  certificate  bytea    NOT NULL CHECK (octet_length(certificate) = 15), -- by which they were named
  certificates text     NOT NULL CHECK (certificates IN ('keep', 'revoke')), -- what becomes of those that stand
  reason       text     NOT NULL,
  asked_at     timestamptz NOT NULL,
  asked_by     text     NOT NULL,
  ended_at     timestamptz,
  ended_by     text     NOT NULL DEFAULT '',
  done         boolean  NOT NULL DEFAULT false -- ended otherwise, it was refused
);
CREATE UNIQUE INDEX IF NOT EXISTS erasure_open ON erasure (bucket, person_id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS erasure_person ON erasure (bucket, person_id);

-- What the job that removes data after its time did last, of each class.
CREATE TABLE IF NOT EXISTS retention_run (
  class    text NOT NULL,
  ran_at   timestamptz NOT NULL,
  keep     bigint NOT NULL, -- seconds
  removed  bigint NOT NULL,
  due      bigint NOT NULL, -- what was left to be removed
  PRIMARY KEY (class, ran_at)
);

-- When the raw text of a delivery was removed; hash and size stay.
ALTER TABLE arrival ADD COLUMN IF NOT EXISTS cleared_at timestamptz;
CREATE INDEX CONCURRENTLY IF NOT EXISTS arrival_kept ON arrival (latest_at) WHERE cleared_at IS NULL;

-- To search the audit. What is written most, that something was issued, is found
-- by its time, and that of one certificate by the certificate's.
DROP INDEX CONCURRENTLY IF EXISTS audit_at;
CREATE INDEX CONCURRENTLY audit_at ON audit (at, chain, seq);
DROP INDEX CONCURRENTLY IF EXISTS audit_actor;
CREATE INDEX CONCURRENTLY audit_actor ON audit (actor, at, chain, seq);
DROP INDEX CONCURRENTLY IF EXISTS audit_act;
CREATE INDEX CONCURRENTLY audit_act ON audit (act, at, chain, seq) WHERE act <> 'issued';
DROP INDEX CONCURRENTLY IF EXISTS audit_object;
CREATE INDEX CONCURRENTLY audit_object ON audit (object, at) WHERE act <> 'issued';

-- +goose Down
DROP INDEX IF EXISTS audit_object, audit_act, audit_actor, audit_at, arrival_kept;
ALTER TABLE arrival DROP COLUMN IF EXISTS cleared_at;
DROP TABLE IF EXISTS retention_run, erasure, alarm, audit_cut, audit_statement;
