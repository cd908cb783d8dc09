-- +goose Up

-- A person who asked for a certificate and was sent a code. "id" and "code" are
-- keyed hashes, "sealed" is what is needed to issue; all of it is forgotten soon.
CREATE TABLE on_demand_challenge (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  id          bytea    NOT NULL CHECK (octet_length(id) = 16),
  record      bytea    NOT NULL CHECK (octet_length(record) = 16),
  code        bytea    NOT NULL CHECK (octet_length(code) = 16),
  sealed      bytea    NOT NULL,
  tries       smallint NOT NULL DEFAULT 0,
  expires_at  timestamptz NOT NULL,
  proven_at   timestamptz, -- when the code was given; it counts once
  PRIMARY KEY (bucket, id)
);
CREATE INDEX on_demand_challenge_expires ON on_demand_challenge (expires_at);
CREATE INDEX on_demand_challenge_record ON on_demand_challenge (bucket, record) WHERE proven_at IS NULL;

-- How often a code was sent and tried for one record, whoever asked from
-- wherever. "record" is a keyed hash of the enrolment code.
CREATE TABLE on_demand_record (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  record      bytea    NOT NULL CHECK (octet_length(record) = 16),
  tries       integer  NOT NULL DEFAULT 0, -- that failed, since tries_at
  tries_at    timestamptz NOT NULL DEFAULT 'epoch',
  sends       integer  NOT NULL DEFAULT 0, -- since sends_at
  sends_at    timestamptz NOT NULL DEFAULT 'epoch',
  PRIMARY KEY (bucket, record)
);

-- +goose Down
DROP TABLE on_demand_record, on_demand_challenge;
