-- +goose Up

-- What a person asks for: a correction, another telephone number, a guardian. The
-- ticket is the id, whose upper ten bits are the bucket. What was asked is sealed,
-- under the person's key, or, where they are not known yet, under the file key.
-- "turn" is counted up by every act: who read it at another turn writes nothing.
CREATE TABLE case_file (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  id          bigint   NOT NULL CHECK (id >> 45 = bucket),
  turn        integer  NOT NULL,
  kind        text     NOT NULL CHECK (kind IN ('correction', 'contact', 'guardian', 'death', 'dose-abroad', 'not-mine')),
  state       text     NOT NULL CHECK (state IN ('open', 'waiting-for-evidence', 'second-approval', 'approved', 'refused', 'withdrawn')),
  person_id   bigint,  -- none for somebody who has no certificate yet
  certificate bytea    CHECK (octet_length(certificate) = 15), -- that it was opened for
  result      bytea    CHECK (octet_length(result) = 15),      -- that was issued for it
  programme   text     NOT NULL,
  facility    text     NOT NULL DEFAULT '',
  opened_as   text     NOT NULL, -- role
  opened_by   text     NOT NULL,
  taken_by    text     NOT NULL DEFAULT '',
  approved_by text     NOT NULL DEFAULT '', -- by the first of two
  opened_at   timestamptz NOT NULL,
  deadline    timestamptz NOT NULL,
  closed_at   timestamptz,
  effect      text     NOT NULL DEFAULT '' CHECK (effect IN ('', 'pending', 'done', 'stopped')),
  effect_at   timestamptz,
  once        bytea    NOT NULL CHECK (octet_length(once) = 16),  -- keyed hash of who and their key
  asked       bytea    NOT NULL CHECK (octet_length(asked) = 16), -- keyed hash of what was asked
  sealed      bytea    NOT NULL,
  PRIMARY KEY (bucket, id),
  UNIQUE (bucket, once),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id)
);
CREATE INDEX case_file_person ON case_file (bucket, person_id);
CREATE INDEX case_file_open ON case_file (deadline, id) WHERE state IN ('open', 'waiting-for-evidence', 'second-approval');
CREATE INDEX case_file_closed ON case_file (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX case_file_pending ON case_file (effect_at) WHERE effect = 'pending';

-- What was done to it, in order. "note" is what the person is told, sealed.
CREATE TABLE case_event (
  bucket  smallint NOT NULL,
  case_id bigint   NOT NULL,
  turn    integer  NOT NULL,
  at      timestamptz NOT NULL,
  actor   text     NOT NULL,
  act     text     NOT NULL,
  note    bytea,
  PRIMARY KEY (bucket, case_id, turn),
  FOREIGN KEY (bucket, case_id) REFERENCES case_file (bucket, id)
);

-- Photographs, made anew as JPEG and sealed; the bytes are gone when they were
-- deleted by age or erased.
CREATE TABLE case_evidence (
  bucket   smallint NOT NULL,
  case_id  bigint   NOT NULL,
  n        smallint NOT NULL CHECK (n BETWEEN 1 AND 12),
  added_at timestamptz NOT NULL,
  added_by text     NOT NULL,
  size     integer  NOT NULL,
  width    integer  NOT NULL,
  height   integer  NOT NULL,
  hash     bytea    NOT NULL CHECK (octet_length(hash) = 16), -- keyed, of what was sent
  sealed   bytea,
  PRIMARY KEY (bucket, case_id, n),
  UNIQUE (bucket, case_id, hash),
  FOREIGN KEY (bucket, case_id) REFERENCES case_file (bucket, id)
);
ALTER TABLE case_evidence ALTER COLUMN sealed SET STORAGE EXTERNAL; -- what is sealed does not compress

-- Whose telephone reaches a child's certificates. "mobile" is a blind index.
CREATE TABLE guardian (
  bucket    smallint NOT NULL,
  person_id bigint   NOT NULL,
  case_id   bigint   NOT NULL, -- that approved it
  mobile    bytea    NOT NULL CHECK (octet_length(mobile) = 16),
  made_at   timestamptz NOT NULL,
  made_by   text     NOT NULL,
  until     timestamptz NOT NULL,
  ended_at  timestamptz,
  ended_by  text     NOT NULL DEFAULT '',
  PRIMARY KEY (bucket, case_id),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id),
  FOREIGN KEY (bucket, case_id) REFERENCES case_file (bucket, id)
);
CREATE INDEX guardian_mobile ON guardian (mobile) WHERE ended_at IS NULL;
CREATE INDEX guardian_until ON guardian (until) WHERE ended_at IS NULL;

-- Who died: they get no messages, and no telephone reaches their certificates.
CREATE TABLE deceased (
  bucket    smallint NOT NULL,
  person_id bigint   NOT NULL,
  case_id   bigint   NOT NULL, -- that approved it
  at        timestamptz NOT NULL,
  PRIMARY KEY (bucket, person_id),
  FOREIGN KEY (bucket, person_id) REFERENCES person (bucket, id),
  FOREIGN KEY (bucket, case_id) REFERENCES case_file (bucket, id)
);

-- +goose Down
DROP TABLE deceased, guardian, case_evidence, case_event, case_file;
