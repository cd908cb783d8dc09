-- +goose Up

-- The lists of withdrawn certificates that are made from their exports: the cards
-- of a key ("shc/…"), the hashes of EU lists ("hashes"). A list that says anything
-- else than the one before it has a higher number, whichever server makes it and
-- whatever its clock says.
CREATE TABLE published_list (
  name       text PRIMARY KEY,
  version    bigint NOT NULL,
  digest     bytea  NOT NULL, -- SHA-256 of what it says
  changed_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE published_list;
