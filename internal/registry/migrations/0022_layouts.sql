-- +goose Up

-- How certificates are printed, in versions: 1 is the profile's file and stands
-- nowhere here. One is in force, or none and then the file is. "body" is the
-- layout's YAML; once somebody asked for it, it does not change.
CREATE TABLE layout_version (
  name       text    NOT NULL CHECK (name <> ''),
  number     integer NOT NULL CHECK (number > 1),
  origin     integer NOT NULL CHECK (origin > 0), -- the version it was begun from
  body       text    NOT NULL,
  why        text    NOT NULL DEFAULT '',
  state      text    NOT NULL CHECK (state IN ('draft', 'asked', 'in-force', 'earlier', 'refused')),
  made_by    text    NOT NULL, -- who changed it last
  made_at    timestamptz NOT NULL,
  asked_by   text    NOT NULL DEFAULT '',
  asked_at   timestamptz,
  decided_by text    NOT NULL DEFAULT '',
  decided_at timestamptz,
  PRIMARY KEY (name, number)
);
CREATE UNIQUE INDEX layout_in_force ON layout_version (name) WHERE state = 'in-force';

-- The counts of all facilities summed up, for reports that would read a million rows
-- else: what happened in an hour of the country's time ("dimension" 7), and in a day
-- with a product (11), at a facility (13), from a source (14); "start" begins it.
-- Whoever folds count_event adds to it, and fills it from count_hour where it is new.
CREATE TABLE count_sum (
  start     timestamptz NOT NULL,
  dimension smallint    NOT NULL CHECK (dimension IN (7, 11, 13, 14)),
  kind      text        NOT NULL,
  programme text        NOT NULL,
  name      text        NOT NULL,
  n         bigint      NOT NULL,
  PRIMARY KEY (start, dimension, kind, programme, name)
);
-- Reports of one facility read its own rows.
CREATE INDEX count_hour_facility ON count_hour (facility, hour);

-- +goose Down
DROP INDEX count_hour_facility;
DROP TABLE count_sum, layout_version;
