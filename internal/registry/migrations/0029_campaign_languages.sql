-- +goose Up

-- Whom a campaign reaches in which language and what that costs, as JSON: for each
-- language how many by SMS, in how many parts, and how many by e-mail. Those of
-- before were counted in the profile's first language alone.
ALTER TABLE campaign ADD COLUMN languages jsonb NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE campaign DROP COLUMN languages;
