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

-- +goose Down
DROP TABLE layout_version;
