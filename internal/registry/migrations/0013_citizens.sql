-- +goose Up

-- A code that was asked for by a browser. "id" and "code" are keyed hashes,
-- "number" and "email" blind indexes, "sealed" what was typed; forgotten soon.
CREATE TABLE citizen_challenge (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  number     bytea NOT NULL CHECK (octet_length(number) = 16),
  email      bytea CHECK (octet_length(email) = 16),
  code       bytea NOT NULL CHECK (octet_length(code) = 16),
  sealed     bytea NOT NULL,
  tries      smallint NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL
);
CREATE INDEX citizen_challenge_number ON citizen_challenge (number);
CREATE INDEX citizen_challenge_expires ON citizen_challenge (expires_at);

-- A citizen who is signed in, in one browser. "id" is a keyed hash of the cookie;
-- "seq" names the session in the audit.
CREATE TABLE citizen_session (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  seq        bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  number     bytea CHECK (octet_length(number) = 16), -- what was proven
  email      bytea CHECK (octet_length(email) = 16),
  seen_at    timestamptz NOT NULL,
  ends_at    timestamptz NOT NULL
);
CREATE INDEX citizen_session_ends ON citizen_session (ends_at);

-- Whose records a session opened.
CREATE TABLE citizen_opened (
  bucket     smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  person_id  bigint   NOT NULL,
  session    bytea    NOT NULL REFERENCES citizen_session (id) ON DELETE CASCADE,
  PRIMARY KEY (bucket, person_id, session),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id) ON DELETE CASCADE
);
CREATE INDEX citizen_opened_session ON citizen_opened (session);

-- How often somebody failed to open a person's record, in whichever session.
CREATE TABLE citizen_person (
  bucket     smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  person_id  bigint   NOT NULL,
  tries      smallint NOT NULL DEFAULT 0,
  tried_at   timestamptz NOT NULL DEFAULT 'epoch',
  PRIMARY KEY (bucket, person_id),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id) ON DELETE CASCADE
);

-- Certificates that were asked for while their source could not be: a ticket
-- that is followed with its number and a year of birth. "id" and "year" are keyed
-- hashes, "sealed" is what was asked.
CREATE TABLE on_demand_ticket (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  year       bytea NOT NULL CHECK (octet_length(year) = 16),
  state      text  NOT NULL CHECK (state IN ('waiting', 'ready', 'not-found', 'look')),
  sealed     bytea NOT NULL,
  tries      smallint NOT NULL DEFAULT 0, -- of years that were wrong
  made_at    timestamptz NOT NULL,
  changed_at timestamptz NOT NULL
);
CREATE INDEX on_demand_ticket_waiting ON on_demand_ticket (made_at) WHERE state = 'waiting';

-- +goose Down
DROP TABLE on_demand_ticket, citizen_person, citizen_opened, citizen_session, citizen_challenge;
