-- +goose Up

-- With what a session that began at the identity provider ends when somebody signs
-- out there: keyed hashes of the provider's own session and of its name for them.
ALTER TABLE citizen_session
  ADD COLUMN provider_session bytea CHECK (octet_length(provider_session) = 16),
  ADD COLUMN provider_subject bytea CHECK (octet_length(provider_subject) = 16);
CREATE INDEX citizen_session_provider_session ON citizen_session (provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX citizen_session_provider_subject ON citizen_session (provider_subject) WHERE provider_subject IS NOT NULL;

-- What identity providers said of who signed out there, so that each counts once:
-- keyed hashes of their names, kept until they would not count any more.
CREATE TABLE logout_token (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  expires_at timestamptz NOT NULL
);
CREATE INDEX logout_token_expires ON logout_token (expires_at);

-- +goose Down
DROP TABLE logout_token;
ALTER TABLE citizen_session DROP COLUMN provider_session, DROP COLUMN provider_subject;
