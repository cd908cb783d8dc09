-- +goose Up

-- What a source is, and how far it was read. "config" (its URL, its credentials)
-- is sealed. "turn" is counted up by every transaction that changes what is
-- known of the source's records: who read it at another turn writes nothing.
ALTER TABLE source
  ADD COLUMN kind            text        NOT NULL DEFAULT 'api' CHECK (kind IN ('api', 'dhis2', 'commcare', 'fhir', 'file')),
  ADD COLUMN state           text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'stopped')),
  ADD COLUMN problem         text        NOT NULL DEFAULT '', -- why it is paused or stopped, or what failed last
  ADD COLUMN config          bytea       NOT NULL DEFAULT '',
  ADD COLUMN mapping_version integer     NOT NULL DEFAULT 0,
  ADD COLUMN position        text        NOT NULL DEFAULT '', -- how far a poll has come, in the words of the kind
  ADD COLUMN hourly_limit    integer     NOT NULL DEFAULT 0,  -- certificates; 0 is none
  ADD COLUMN scope           text[]      NOT NULL DEFAULT '{}',
  ADD COLUMN contact_at      timestamptz NOT NULL DEFAULT 'epoch',
  ADD COLUMN ok_at           timestamptz NOT NULL DEFAULT 'epoch',
  ADD COLUMN lag_seconds     bigint      NOT NULL DEFAULT 0,
  ADD COLUMN turn            bigint      NOT NULL DEFAULT 0,
  ADD COLUMN hour_at         timestamptz NOT NULL DEFAULT 'epoch', -- the hour that is counted
  ADD COLUMN hour_issued     integer     NOT NULL DEFAULT 0,
  ADD COLUMN deletions_at    timestamptz NOT NULL DEFAULT 'epoch', -- when the window began
  ADD COLUMN deletions       integer     NOT NULL DEFAULT 0,
  ADD COLUMN breaker         boolean     NOT NULL DEFAULT false; -- it deleted too much in one window

-- Every version of a source's mapping.
CREATE TABLE source_mapping (
  source  text    NOT NULL REFERENCES source (name),
  version integer NOT NULL,
  text    text    NOT NULL,
  made_at timestamptz NOT NULL,
  made_by text    NOT NULL,
  PRIMARY KEY (source, version)
);

-- Places of vaccination by the source's ids, as it names them now.
CREATE TABLE facility (
  source text NOT NULL REFERENCES source (name),
  id     text NOT NULL,
  code   text NOT NULL DEFAULT '',
  name   text NOT NULL DEFAULT '',
  path   text NOT NULL DEFAULT '',
  PRIMARY KEY (source, id)
);

-- What arrived, as it came, sealed. A delivery that comes again is counted and
-- looked at again; "hash" is keyed.
CREATE TABLE arrival (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text    NOT NULL REFERENCES source (name),
  channel     text    NOT NULL CHECK (channel IN ('push', 'poll', 'demand', 'file')),
  state       text    NOT NULL CHECK (state IN ('waiting', 'done')),
  times       integer NOT NULL DEFAULT 1,
  size        integer NOT NULL,          -- of the body, in bytes
  received_at timestamptz NOT NULL,      -- the first time
  latest_at   timestamptz NOT NULL,      -- the last time
  hash        bytea   NOT NULL CHECK (octet_length(hash) = 16),
  sealed      bytea   NOT NULL,
  UNIQUE (hash, source)
);
ALTER TABLE arrival ALTER COLUMN sealed SET STORAGE EXTERNAL; -- what is sealed does not compress
CREATE INDEX arrival_waiting ON arrival (source, (channel <> 'demand'), id) WHERE state = 'waiting';
CREATE INDEX arrival_received ON arrival (received_at);
CREATE INDEX arrival_latest ON arrival (source, latest_at);

-- The newest state of each thing that a source keeps: a person, a dose. The
-- bucket is of the person's id as first received.
CREATE TABLE fragment (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  key         bytea    NOT NULL CHECK (octet_length(key) = 16), -- keyed hash of source, kind and id
  source      text     NOT NULL REFERENCES source (name),
  kind        text     NOT NULL CHECK (kind IN ('person', 'dose')),
  person      bytea    NOT NULL, -- key of the person it belongs to, a person's own
  version     timestamptz NOT NULL,
  arrival     bigint   NOT NULL REFERENCES arrival (id), -- that brought this state
  hash        bytea    NOT NULL, -- keyed, of the content
  deleted     boolean  NOT NULL,
  settled     boolean  NOT NULL DEFAULT false, -- a person decided that nothing comes of this state
  facility    text     NOT NULL DEFAULT '',
  record      bytea, -- keyed hash of person, programme and dose that were certified for it
  content     bytea, -- keyed hash of the event that was certified last
  certificate bytea CHECK (octet_length(certificate) = 15),
  sealed      bytea    NOT NULL,
  PRIMARY KEY (bucket, key)
);
CREATE INDEX fragment_key ON fragment (key);
CREATE INDEX fragment_person ON fragment (person) WHERE kind = 'dose';
CREATE INDEX fragment_record ON fragment (record) WHERE record IS NOT NULL;
CREATE INDEX fragment_source ON fragment (source, kind);

-- The ledger: for each dose in each arrival, what became of it. The lower ten
-- bits of an id are the bucket. Nothing in it but "sealed" is personal.
CREATE SEQUENCE item_number;
CREATE TABLE item (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  id          bigint   NOT NULL CHECK (id & 1023 = bucket),
  source      text     NOT NULL REFERENCES source (name),
  arrival     bigint   NOT NULL REFERENCES arrival (id),
  fragment    bytea,   -- key of the dose; none where it is about the arrival itself
  state       text     NOT NULL CHECK (state IN ('issued', 'unchanged', 'held', 'rejected')),
  class       text     NOT NULL DEFAULT '', -- why it is in this state
  field       text     NOT NULL DEFAULT '', -- of the event
  problems    text     NOT NULL DEFAULT '', -- JSON
  facility    text     NOT NULL DEFAULT '', -- the source's id
  code        bytea,   -- keyed hash of rule and code that a mapping lacks
  sealed      bytea,   -- the code
  certificate bytea    CHECK (octet_length(certificate) = 15),
  received_at timestamptz NOT NULL,
  asked_at    timestamptz, -- when the source was asked last for what is missing
  decided_at  timestamptz, -- not while it is held
  decided_by  text     NOT NULL DEFAULT '', -- where a person decided
  note        text     NOT NULL DEFAULT '',
  PRIMARY KEY (bucket, id)
);
CREATE INDEX item_id ON item (id);
CREATE INDEX item_arrival ON item (arrival);
CREATE INDEX item_held ON item (source, class, id) WHERE state = 'held';
CREATE UNIQUE INDEX item_open ON item (bucket, fragment) WHERE state = 'held' AND fragment IS NOT NULL;
CREATE INDEX item_certificate ON item (certificate) WHERE certificate IS NOT NULL;

-- How many items of a source are in each state, kept by the database itself.
CREATE TABLE tally (
  source text   NOT NULL REFERENCES source (name),
  state  text   NOT NULL,
  n      bigint NOT NULL,
  PRIMARY KEY (source, state)
);
-- +goose StatementBegin
CREATE FUNCTION tally_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- In one order, so that no two wait for each other.
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tally AS t (source, state, n)
      SELECT source, state, count(*) FROM after_rows GROUP BY source, state ORDER BY source, state
      ON CONFLICT (source, state) DO UPDATE SET n = t.n + excluded.n;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO tally AS t (source, state, n)
      SELECT source, state, sum(d) FROM (
        SELECT source, state, 1 AS d FROM after_rows UNION ALL SELECT source, state, -1 FROM before_rows) AS moved
      GROUP BY source, state HAVING sum(d) <> 0 ORDER BY source, state
      ON CONFLICT (source, state) DO UPDATE SET n = t.n + excluded.n;
  ELSE
    INSERT INTO tally AS t (source, state, n)
      SELECT source, state, -count(*) FROM before_rows GROUP BY source, state ORDER BY source, state
      ON CONFLICT (source, state) DO UPDATE SET n = t.n + excluded.n;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER tally_insert AFTER INSERT ON item REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_items();
CREATE TRIGGER tally_update AFTER UPDATE ON item REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_items();
CREATE TRIGGER tally_delete AFTER DELETE ON item REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_items();

-- +goose Down
DROP TABLE tally, item, fragment, arrival, facility, source_mapping;
DROP FUNCTION tally_items;
DROP SEQUENCE item_number;
ALTER TABLE source DROP COLUMN kind, DROP COLUMN state, DROP COLUMN problem, DROP COLUMN config, DROP COLUMN mapping_version, DROP COLUMN position,
  DROP COLUMN hourly_limit, DROP COLUMN scope, DROP COLUMN contact_at, DROP COLUMN ok_at, DROP COLUMN lag_seconds, DROP COLUMN turn,
  DROP COLUMN hour_at, DROP COLUMN hour_issued, DROP COLUMN deletions_at, DROP COLUMN deletions, DROP COLUMN breaker;
