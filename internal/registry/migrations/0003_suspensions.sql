-- +goose NO TRANSACTION
-- Every statement can be run again: what fails halfway is gone on with at the
-- next start. Nothing here holds up who writes certificates meanwhile.
-- +goose Up

-- A suspension that ends by itself. It belongs to the move to "suspended" that
-- was made at "since" (certificate.status_at), and to no other: a row whose
-- certificate moved on since counts for nothing.
CREATE TABLE IF NOT EXISTS suspension (
  bucket      smallint NOT NULL,
  id          bytea    NOT NULL,
  status_list integer  NOT NULL, -- of the certificate
  since       timestamptz NOT NULL,
  until       timestamptz NOT NULL,
  PRIMARY KEY (bucket, id),
  FOREIGN KEY (bucket, id) REFERENCES certificate (bucket, id)
);
CREATE INDEX IF NOT EXISTS suspension_until ON suspension (until);

-- The newest state of a record that its source told with a time: which event
-- (the keyed hash of its content), as of when by the source's own clock.
CREATE TABLE IF NOT EXISTS told (
  bucket    smallint NOT NULL,
  person_id bigint   NOT NULL,
  dose      smallint NOT NULL,
  programme text     NOT NULL,
  as_of     timestamptz NOT NULL,
  content   bytea    NOT NULL CHECK (octet_length(content) = 16),
  PRIMARY KEY (bucket, person_id, programme, dose),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id)
);

-- A source that knows best: what it sends again with other content is a
-- correction.
ALTER TABLE source ADD COLUMN IF NOT EXISTS authoritative boolean NOT NULL DEFAULT false;

-- When the text of its refused rows was removed.
ALTER TABLE upload ADD COLUMN IF NOT EXISTS cleared_at timestamptz;

-- What is published about states is read from this index alone.
DROP INDEX CONCURRENTLY IF EXISTS certificate_withdrawn;
CREATE INDEX CONCURRENTLY certificate_withdrawn ON certificate (status_list, status_index) INCLUDE (status, status_at, bucket, id) WHERE status > 0;
DROP INDEX CONCURRENTLY IF EXISTS certificate_flagged;

-- +goose Down
CREATE INDEX IF NOT EXISTS certificate_flagged ON certificate (status_list) WHERE status > 0;
DROP INDEX IF EXISTS certificate_withdrawn;
ALTER TABLE upload DROP COLUMN IF EXISTS cleared_at;
ALTER TABLE source DROP COLUMN IF EXISTS authoritative;
DROP TABLE IF EXISTS told, suspension;
