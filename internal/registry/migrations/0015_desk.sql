-- +goose Up

-- The last number that was given to a print of a facility. A number is given
-- once, in the transaction that writes the print.
CREATE TABLE print_counter (
  facility text PRIMARY KEY, -- its code; '' for staff of none
  last     bigint NOT NULL
);

-- Each time a certificate was printed at a desk. "act" is a keyed hash of the
-- name of the form it was asked for with: what is sent twice prints once.
CREATE TABLE print (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  certificate bytea    NOT NULL CHECK (octet_length(certificate) = 15),
  copy        integer  NOT NULL CHECK (copy > 0),
  serial      bigint   NOT NULL CHECK (serial > 0), -- of the facility
  facility    text     NOT NULL,
  act         bytea    NOT NULL CHECK (octet_length(act) = 16),
  at          timestamptz NOT NULL,
  actor       text     NOT NULL,
  size        text     NOT NULL,
  languages   text     NOT NULL, -- separated by spaces; empty means all
  PRIMARY KEY (bucket, certificate, copy),
  UNIQUE (bucket, certificate, act),
  FOREIGN KEY (bucket, certificate) REFERENCES certificate (bucket, id)
);
CREATE INDEX print_facility ON print (facility, serial);
CREATE INDEX print_act ON print (act);

-- What a member of staff is in the middle of, sealed, for some hours: so that a
-- reload loses nothing and no address says anything. "id" is a keyed hash of the
-- name that the browser has.
CREATE TABLE desk_draft (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  actor      text NOT NULL,
  kind       text NOT NULL,
  sealed     bytea NOT NULL,
  tries      smallint NOT NULL DEFAULT 0, -- of opening a record, that were wrong
  expires_at timestamptz NOT NULL
);
CREATE INDEX desk_draft_expires ON desk_draft (expires_at);
CREATE INDEX desk_draft_actor ON desk_draft (actor);

-- What a member of staff did in a day, for the bounds of it.
CREATE TABLE desk_day (
  actor    text NOT NULL,
  day      date NOT NULL,
  searches integer NOT NULL DEFAULT 0,
  opened   integer NOT NULL DEFAULT 0,
  refused  integer NOT NULL DEFAULT 0, -- times a second fact was wrong
  printed  integer NOT NULL DEFAULT 0,
  PRIMARY KEY (actor, day)
);

-- +goose Down
DROP TABLE desk_day, desk_draft, print, print_counter;
