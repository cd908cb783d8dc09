-- +goose Up

-- Two people of whom somebody, or an exact identity number, said that they are
-- one. Nothing of them changes: bucket, records and certificates stay as they
-- are, and a link that was ended is history. No value in it is personal.
--
-- Each link is two rows, one in the bucket of each person, so that both find it.
-- The row of the lower (bucket, person) counts; the other only says where it is,
-- and says nothing without it. So the two need no common transaction: who makes
-- a link writes the row that counts last, who ends it ends that first, and a
-- crash between leaves what means "not linked" and can be done again.
CREATE TABLE person_link (
  bucket       smallint NOT NULL,
  person_id    bigint   NOT NULL,
  other_bucket smallint NOT NULL,
  other_id     bigint   NOT NULL,
  made_at      timestamptz NOT NULL,
  made_by      text NOT NULL,
  made_why     text NOT NULL,
  ended_at     timestamptz,
  ended_by     text NOT NULL DEFAULT '',
  ended_why    text NOT NULL DEFAULT '',
  PRIMARY KEY (bucket, person_id, other_bucket, other_id, made_at),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id),
  CHECK ((bucket, person_id) <> (other_bucket, other_id))
);
CREATE UNIQUE INDEX person_link_one ON person_link (bucket, person_id, other_bucket, other_id) WHERE ended_at IS NULL;

-- +goose Down
DROP TABLE person_link;
