-- +goose Up

-- What carries messages: an operator's or provider's door, or a mail server.
-- "sealed" is its settings with their credentials; "secret" is the keyed hash of
-- the part of an address that only who sends its receipts knows.
CREATE TABLE gateway (
  name       text PRIMARY KEY,
  channel    text NOT NULL CHECK (channel IN ('sms', 'email')),
  sealed     bytea NOT NULL,
  secret     bytea NOT NULL UNIQUE CHECK (octet_length(secret) = 16),
  paused     boolean NOT NULL DEFAULT false, -- by a person
  changed_at timestamptz NOT NULL,
  next_at    timestamptz NOT NULL DEFAULT 'epoch', -- when its rate lets the next message go
  down_until timestamptz NOT NULL DEFAULT 'epoch', -- it does not answer, or wants to be left alone
  failures   integer NOT NULL DEFAULT 0,           -- in a row
  reason     text NOT NULL DEFAULT ''
);

-- A message to many who were not told before: counted and priced, approved by a
-- second person, then queued.
CREATE TABLE campaign (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name        text NOT NULL,
  template    text NOT NULL,
  texts       jsonb NOT NULL DEFAULT '{}', -- by language, of the template "campaign"
  filter      jsonb NOT NULL,
  state       text NOT NULL CHECK (state IN ('draft', 'running', 'stopped', 'done')),
  made_by     text NOT NULL,
  made_at     timestamptz NOT NULL,
  approved_by text NOT NULL DEFAULT '',
  people      bigint NOT NULL DEFAULT 0, -- counted when it was made
  parts       bigint NOT NULL DEFAULT 0,
  queued      bigint NOT NULL DEFAULT 0,
  at_bucket   smallint NOT NULL DEFAULT 0, -- where queueing goes on
  at_person   bigint NOT NULL DEFAULT -1
);

-- A message to a person, and what became of it. "sealed" holds number or address
-- and the values of the text, under the person's key where it is about somebody,
-- else under ours; it goes when it is of no more use. "once" is the keyed hash of
-- what may be sent once, ever.
CREATE TABLE message (
  bucket        smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  id            bigint   NOT NULL GENERATED ALWAYS AS IDENTITY,
  person_id     bigint,
  certificate   bytea    CHECK (octet_length(certificate) = 15),
  once          bytea    NOT NULL CHECK (octet_length(once) = 16),
  recipient     bytea    NOT NULL CHECK (octet_length(recipient) = 16), -- blind index of number or address
  channel       text     NOT NULL CHECK (channel IN ('sms', 'email')),
  class         text     NOT NULL CHECK (class IN ('notice', 'code')),
  template      text     NOT NULL,
  language      text     NOT NULL,
  campaign      bigint   REFERENCES campaign (id),
  sealed        bytea,
  state         smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 5), -- 0 queued, 1 accepted, 2 unknown, 3 expired, 4 failed, 5 delivered
  code          text     NOT NULL DEFAULT '', -- why, in the gateway's words for machines
  gateway       text     NOT NULL DEFAULT '',
  provider_id   text,
  attempts      smallint NOT NULL DEFAULT 0, -- at handing it over
  retried       boolean  NOT NULL DEFAULT false, -- once more after nobody knew what became of it
  parts         smallint NOT NULL DEFAULT 0,
  created_at    timestamptz NOT NULL,
  due_at        timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  state_at      timestamptz NOT NULL,
  claimed_until timestamptz, -- it is being handed over; past that, nobody knows
  PRIMARY KEY (bucket, id),
  UNIQUE (bucket, once),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id) ON DELETE CASCADE
);
CREATE INDEX message_due ON message (channel, class, due_at, id) WHERE state = 0;
CREATE INDEX message_unknown ON message (state_at) WHERE state = 2 AND NOT retried;
CREATE INDEX message_provider ON message (gateway, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX message_person ON message (bucket, person_id);
CREATE INDEX message_dead ON message (id) WHERE state IN (2, 3, 4);

-- Receipts that came and were not looked at yet, or before the message was known
-- to be handed over. "provider_id" is the provider's name of it, or ours.
CREATE TABLE message_receipt (
  gateway     text NOT NULL,
  provider_id text NOT NULL,
  state       smallint NOT NULL CHECK (state BETWEEN 1 AND 5),
  code        text NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (gateway, provider_id, state)
);
CREATE INDEX message_receipt_received ON message_receipt (received_at);

-- Who gets no message, and why: a number or address (person_id 0), one person at
-- it, or one person wherever (no recipient).
CREATE TABLE suppression (
  bucket    smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  person_id bigint   NOT NULL,
  recipient bytea    NOT NULL,
  reason    text     NOT NULL CHECK (reason IN ('opted-out', 'wrong-number', 'died', 'unreachable')),
  made_at   timestamptz NOT NULL,
  made_by   text NOT NULL,
  PRIMARY KEY (recipient, bucket, person_id)
);
CREATE INDEX suppression_person ON suppression (bucket, person_id) WHERE person_id <> 0;

-- When codes were asked for a number last, and how often by a network or by
-- everybody; "key" is a keyed hash.
CREATE TABLE send_number (
  key    bytea PRIMARY KEY,
  recent timestamptz[] NOT NULL DEFAULT '{}', -- the oldest first
  last   timestamptz NOT NULL
);
CREATE INDEX send_number_last ON send_number (last);
CREATE TABLE send_count (
  key   bytea PRIMARY KEY,
  since timestamptz NOT NULL, -- the beginning of the window of time
  n     integer NOT NULL
);
CREATE INDEX send_count_since ON send_count (since);

-- +goose Down
DROP TABLE send_count, send_number, suppression, message_receipt, message, campaign, gateway;
