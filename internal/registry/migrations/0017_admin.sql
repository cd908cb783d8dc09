-- +goose Up

-- What happened, counted. Whoever writes something that counts adds rows to
-- count_event in the same transaction: rows are only ever added, so that nobody
-- waits for anybody. A job folds them into count_hour; the truth is the sum of
-- both. Facilities are the names of places as sources write them, cut short.
CREATE TABLE count_event (
  at        timestamptz NOT NULL,
  n         bigint      NOT NULL,
  kind      text        NOT NULL,
  programme text        NOT NULL DEFAULT '',
  product   text        NOT NULL DEFAULT '',
  facility  text        NOT NULL DEFAULT '',
  source    text        NOT NULL DEFAULT ''
);

-- "hour" begins an hour of the country's own time.
CREATE TABLE count_hour (
  hour      timestamptz NOT NULL,
  kind      text        NOT NULL,
  programme text        NOT NULL,
  product   text        NOT NULL,
  facility  text        NOT NULL,
  source    text        NOT NULL,
  n         bigint      NOT NULL,
  PRIMARY KEY (hour, kind, programme, product, facility, source)
);

-- What is held is counted by the database itself, where it is written.
-- +goose StatementBegin
CREATE FUNCTION count_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO count_event (at, n, kind, source)
    SELECT max(received_at), count(*), 'held', source FROM after_rows WHERE state = 'held' GROUP BY source;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER count_held AFTER INSERT ON item REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_held();

-- Many certificates that somebody wants withdrawn, suspended or lifted at once,
-- and a second person approves. "filter" is what they have in common, "position"
-- how far the search for them came. Nothing in it is personal.
CREATE TABLE withdrawal (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  once       text   NOT NULL UNIQUE, -- of the form: sent twice it is one
  act        text   NOT NULL CHECK (act IN ('revoke', 'suspend', 'lift')),
  reason     text   NOT NULL,
  filter     text   NOT NULL, -- JSON; '' for a list of ids
  state      text   NOT NULL CHECK (state IN ('looking', 'ready', 'approved', 'done', 'refused', 'expired')),
  position   text   NOT NULL DEFAULT '',
  looked     bigint NOT NULL DEFAULT 0, -- certificates
  found      bigint NOT NULL DEFAULT 0, -- of these, that it is about
  changed    bigint NOT NULL DEFAULT 0, -- of these, done
  skipped    bigint NOT NULL DEFAULT 0, -- of these, that could not be changed
  asked_by   text   NOT NULL,
  asked_at   timestamptz NOT NULL,
  ready_at   timestamptz,
  decided_by text   NOT NULL DEFAULT '',
  decided_at timestamptz,
  ended_at   timestamptz
);
CREATE INDEX withdrawal_open ON withdrawal (id) WHERE state IN ('looking', 'ready', 'approved');

CREATE TABLE withdrawal_item (
  withdrawal bigint   NOT NULL REFERENCES withdrawal (id),
  bucket     smallint NOT NULL,
  id         bytea    NOT NULL CHECK (octet_length(id) = 15),
  state      text     NOT NULL CHECK (state IN ('waiting', 'changed', 'skipped')),
  why        text     NOT NULL DEFAULT '', -- it was skipped
  PRIMARY KEY (withdrawal, bucket, id)
);
CREATE INDEX withdrawal_item_waiting ON withdrawal_item (withdrawal, bucket, id) WHERE state = 'waiting';

-- The country's places of vaccination. "code" is what staff and sources name
-- them by, "name" what certificates say.
CREATE TABLE place (
  code       text PRIMARY KEY CHECK (code <> ''),
  name       text NOT NULL CHECK (name <> ''),
  address    text NOT NULL DEFAULT '',
  district   text NOT NULL DEFAULT '',
  region     text NOT NULL DEFAULT '',
  active     boolean NOT NULL DEFAULT true,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL
);
CREATE INDEX place_name ON place (name);

-- +goose Down
DROP TABLE place, withdrawal_item, withdrawal;
DROP TRIGGER count_held ON item;
DROP FUNCTION count_held;
DROP TABLE count_hour, count_event;
