-- +goose Up

-- Members of staff. "login" is a keyed hash of the name they sign in with, or of
-- issuer and subject of an identity provider; names are in "sealed".
CREATE TABLE staff (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  login      bytea NOT NULL UNIQUE CHECK (octet_length(login) = 16),
  origin     text NOT NULL CHECK (origin IN ('local', 'provider', 'demo')),
  role       text NOT NULL,
  facility   text NOT NULL DEFAULT '',
  state      text NOT NULL CHECK (state IN ('invited', 'active', 'deactivated')),
  sealed     bytea NOT NULL,
  handle     bytea NOT NULL UNIQUE, -- by which a passkey names its account; random
  password   bytea, -- argon2id, sealed
  totp       bytea, -- the secret, sealed
  totp_step  bigint NOT NULL DEFAULT 0, -- the last one used: none counts twice
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL
);
CREATE INDEX staff_facility ON staff (facility, id);

CREATE TABLE staff_passkey (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16), -- keyed hash of the credential's id
  staff      bigint NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
  name       text NOT NULL,
  sealed     bytea NOT NULL, -- the credential
  created_at timestamptz NOT NULL,
  used_at    timestamptz
);
CREATE INDEX staff_passkey_staff ON staff_passkey (staff);

-- Codes for who lost a factor; each counts once. Keyed hashes.
CREATE TABLE staff_recovery (
  staff bigint NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
  code  bytea  NOT NULL CHECK (octet_length(code) = 16),
  PRIMARY KEY (staff, code)
);

-- Who is signed in. "id" is a keyed hash of what the browser holds.
CREATE TABLE staff_session (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  staff      bigint NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
  number     bigint NOT NULL GENERATED ALWAYS AS IDENTITY, -- by which lists name it; the same after a new id
  started_at timestamptz NOT NULL,
  seen_at    timestamptz NOT NULL,
  fresh_at   timestamptz NOT NULL, -- when the person last proved who they are
  ends_at    timestamptz NOT NULL,
  browser    text  NOT NULL, -- its kind: "Firefox, Windows"
  provider   bytea, -- keyed hash of the provider's own session
  sealed     bytea  -- what signing out at the provider needs
);
CREATE INDEX staff_session_staff ON staff_session (staff);
CREATE INDEX staff_session_provider ON staff_session (provider) WHERE provider IS NOT NULL;

-- What was begun and not ended: an invitation, a password that waits for its
-- code, a question to a passkey or an identity provider.
CREATE TABLE staff_step (
  id         bytea PRIMARY KEY CHECK (octet_length(id) = 16), -- keyed hash of what the browser holds
  kind       text  NOT NULL,
  staff      bigint REFERENCES staff (id) ON DELETE CASCADE,
  sealed     bytea NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX staff_step_staff ON staff_step (staff);
CREATE INDEX staff_step_expires ON staff_step (expires_at);

-- Failed tries by the name that was typed, whether it is anybody's or not: so
-- the two cannot be told apart. "name" is a keyed hash.
CREATE TABLE staff_try (
  name    bytea PRIMARY KEY CHECK (octet_length(name) = 16),
  tries   integer NOT NULL DEFAULT 0,
  last_at timestamptz NOT NULL DEFAULT 'epoch'
);
CREATE INDEX staff_try_last ON staff_try (last_at);

-- API tokens for a programme or a facility, and who made them.
ALTER TABLE token ADD COLUMN programme text NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN facility text NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN created_by text NOT NULL DEFAULT '';
CREATE INDEX token_created_by ON token (created_by) WHERE revoked_at IS NULL;

-- +goose Down
DROP INDEX token_created_by;
ALTER TABLE token DROP COLUMN created_by, DROP COLUMN facility, DROP COLUMN programme;
DROP TABLE staff_try, staff_step, staff_session, staff_recovery, staff_passkey, staff;
