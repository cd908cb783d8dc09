-- +goose Up

-- What was decided once for this database and may not change by accident:
-- mode (demo or production), public_url, profile.
CREATE TABLE setting (
  name  text PRIMARY KEY,
  value text NOT NULL
);

-- A system that reports events.
CREATE TABLE source (
  name       text PRIMARY KEY,
  programme  text NOT NULL DEFAULT '', -- default for events that name none
  created_at timestamptz NOT NULL
);

-- API clients. Only a hash of the secret is kept.
CREATE TABLE token (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL,
  role       text NOT NULL,
  source     text REFERENCES source (name),
  hash       bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);

-- A person as one source knows them: one enrolment code. Everything readable is
-- in "sealed", under the person's own key; "key" is that key, wrapped by the
-- key-encryption key. Destroying "key" erases the person.
CREATE TABLE person (
  bucket     smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  id         bigint   NOT NULL, -- random
  code_index bytea    NOT NULL, -- blind index of the enrolment code
  key        bytea    NOT NULL,
  sealed     bytea    NOT NULL,
  updated_at timestamptz NOT NULL,
  source     text     NOT NULL, -- who said first who this is and how to reach them; no other source changes it
  PRIMARY KEY (bucket, id),
  UNIQUE (bucket, code_index)
);

-- Blind indexes to find a person by: mobile number, date of birth, national id.
-- The key of an index depends on its kind, so the value alone tells the kind to
-- whoever holds the key, and nothing to others.
CREATE TABLE person_index (
  value     bytea    NOT NULL,
  bucket    smallint NOT NULL,
  person_id bigint   NOT NULL,
  PRIMARY KEY (value, bucket, person_id),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id) ON DELETE CASCADE
);
CREATE INDEX person_index_person ON person_index (bucket, person_id);

-- One version of the certificate of one dose. The unique constraints are the
-- law of sameness: a record is (person, programme, dose) and has versions.
CREATE TABLE certificate (
  bucket       smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  dose         smallint NOT NULL CHECK (dose > 0),
  version      smallint NOT NULL CHECK (version > 0),
  status       smallint NOT NULL CHECK (status BETWEEN 0 AND 3), -- 0 valid, 1 suspended, 2 superseded, 3 revoked
  status_list  integer  NOT NULL, -- bucket group * 65536 + number of the list
  status_index integer  NOT NULL CHECK (status_index BETWEEN 0 AND 131071),
  person_id    bigint   NOT NULL,
  issued_at    timestamptz NOT NULL,
  status_at    timestamptz NOT NULL,
  id           bytea    NOT NULL CHECK (octet_length(id) = 15),
  replaces     bytea    CHECK (octet_length(replaces) = 15),
  content      bytea    NOT NULL, -- keyed hash of the event, for sameness
  programme    text     NOT NULL,
  source       text     NOT NULL,
  reason       text     NOT NULL DEFAULT '', -- why the status is what it is
  sealed       bytea    NOT NULL, -- the event, the signed document and the signed code, packed
  PRIMARY KEY (bucket, id),
  UNIQUE (bucket, person_id, programme, dose, version),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id)
);
CREATE UNIQUE INDEX certificate_one_current ON certificate (bucket, person_id, programme, dose) WHERE status < 2;
CREATE INDEX certificate_flagged ON certificate (status_list) WHERE status > 0;

-- Counters and audit heads per group of 64 buckets (0-15); 16 is administration.
CREATE TABLE bucket_group (
  id          smallint PRIMARY KEY,
  status_next bigint NOT NULL DEFAULT 0, -- positions handed out, over all lists of the group
  audit_seq   bigint NOT NULL DEFAULT 0,
  audit_head  bytea  NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
);
INSERT INTO bucket_group (id) SELECT generate_series(0, 16);

-- Who did what to which record, without personal values; a chain by hash per
-- bucket group.
CREATE TABLE audit (
  chain  smallint NOT NULL,
  seq    bigint   NOT NULL,
  at     timestamptz NOT NULL,
  actor  text     NOT NULL,
  act    text     NOT NULL,
  object text     NOT NULL DEFAULT '',
  detail text     NOT NULL DEFAULT '',
  hash   bytea    NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- audit_append adds entries to their chains and moves the heads, in the caller's
-- transaction. Chains are locked in ascending order, so that two callers cannot
-- deadlock. hash = sha256(previous hash || seq 1F microseconds 1F actor 1F act
-- 1F object 1F detail), 1F being the unit separator, which no part may hold.
-- +goose StatementBegin
CREATE FUNCTION audit_append(chains smallint[], entry_at timestamptz, entry_actor text, acts text[], objects text[], details text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  current smallint := NULL;
  n bigint;
  head bytea;
  e record;
BEGIN
  FOR e IN SELECT k.chain, k.act, k.object, k.detail
           FROM unnest(chains, acts, objects, details) WITH ORDINALITY AS k(chain, act, object, detail, pos)
           ORDER BY k.chain, k.pos
  LOOP
    IF current IS DISTINCT FROM e.chain THEN
      IF current IS NOT NULL THEN
        UPDATE bucket_group SET audit_seq = n, audit_head = head WHERE id = current;
      END IF;
      current := e.chain;
      SELECT g.audit_seq, g.audit_head INTO STRICT n, head FROM bucket_group g WHERE g.id = current FOR UPDATE;
    END IF;
    IF concat(entry_actor, e.act, e.object, e.detail) LIKE '%' || chr(31) || '%' THEN
      RAISE EXCEPTION 'unit separator in an audit entry';
    END IF;
    n := n + 1;
    head := sha256(head || convert_to(concat_ws(chr(31), n, (extract(epoch FROM entry_at) * 1000000)::bigint, entry_actor, e.act, e.object, e.detail), 'UTF8'));
    INSERT INTO audit (chain, seq, at, actor, act, object, detail, hash)
    VALUES (current, n, entry_at, entry_actor, e.act, e.object, e.detail, head);
  END LOOP;
  IF current IS NOT NULL THEN
    UPDATE bucket_group SET audit_seq = n, audit_head = head WHERE id = current;
  END IF;
END $$;
-- +goose StatementEnd

-- The signed status lists as last published.
CREATE TABLE status_list (
  list       integer NOT NULL,
  purpose    text    NOT NULL,
  version    bigint  NOT NULL,
  issued_at  timestamptz NOT NULL,
  credential bytea   NOT NULL,
  PRIMARY KEY (list, purpose)
);

-- +goose Down
DROP FUNCTION audit_append;
DROP TABLE status_list, audit, bucket_group, certificate, person_index, person, token, source, setting;
