-- +goose Up

-- Whom a campaign reaches is counted by a job, a page at a time, which goes on
-- behind the last one. Those of before were counted when they were made.
ALTER TABLE campaign ADD COLUMN counted boolean NOT NULL DEFAULT true;
ALTER TABLE campaign ADD COLUMN count_bucket smallint NOT NULL DEFAULT 0;
ALTER TABLE campaign ADD COLUMN count_person bigint NOT NULL DEFAULT -1;

-- +goose Down
ALTER TABLE campaign DROP COLUMN count_person, DROP COLUMN count_bucket, DROP COLUMN counted;
