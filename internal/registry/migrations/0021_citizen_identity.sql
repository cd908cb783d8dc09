-- +goose Up

-- A sign-in at the country's identity provider for citizens that a browser began.
-- "id" is a keyed hash of its cookie, "sealed" what only that browser may bring
-- back; forgotten after minutes.
CREATE TABLE citizen_away (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  sealed     bytea NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX citizen_away_expires ON citizen_away (expires_at);

-- What a session proved there beside a number: blind indexes of the ways in which
-- the number of one identity document is written.
ALTER TABLE citizen_session
  ADD COLUMN identities bytea[] NOT NULL DEFAULT '{}' CHECK (cardinality(identities) <= 10),
  ADD COLUMN provider boolean NOT NULL DEFAULT false;

-- Keys with which this service proves to others who it is, sealed.
CREATE TABLE client_key (
  name    text PRIMARY KEY,
  sealed  bytea NOT NULL,
  made_at timestamptz NOT NULL
);

-- The language in which somebody wants to be written to.
CREATE TABLE person_language (
  bucket     smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  person_id  bigint   NOT NULL,
  language   text     NOT NULL CHECK (octet_length(language) BETWEEN 1 AND 35),
  chosen_at  timestamptz NOT NULL,
  PRIMARY KEY (bucket, person_id),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id) ON DELETE CASCADE
);

-- +goose Down
DROP TABLE person_language, client_key, citizen_away;
ALTER TABLE citizen_session DROP COLUMN identities, DROP COLUMN provider;
