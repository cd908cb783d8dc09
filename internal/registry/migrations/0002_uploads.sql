-- +goose Up

-- One file of records that a source uploaded, on its way to certificates. What
-- names people is sealed: the file's name here, the file itself in
-- upload_chunk, rows that were refused in upload_row.
CREATE TABLE upload (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text NOT NULL, -- whose upload it is
  actor       text NOT NULL, -- who uploaded it, as the audit names them
  role        text NOT NULL, -- with which role
  state       text NOT NULL CHECK (state IN ('receiving', 'processing', 'done', 'failed')),
  problem     text NOT NULL DEFAULT '', -- why it failed
  format      text NOT NULL CHECK (format IN ('csv', 'json')),
  encoding    text NOT NULL DEFAULT '',
  date_order  text NOT NULL DEFAULT '', -- DMY, MDY, YMD or not declared
  columns     text[] NOT NULL, -- of a CSV, in the file's order
  filename    bytea NOT NULL DEFAULT '',
  bytes       bigint NOT NULL DEFAULT 0, -- of the file
  bytes_read  bigint NOT NULL DEFAULT 0,
  rows_done   bigint NOT NULL DEFAULT 0, -- rows that reached their state
  rows_issued bigint NOT NULL DEFAULT 0, -- of these, that made or changed a certificate
  rows_wrong  bigint NOT NULL DEFAULT 0, -- of these, that were refused
  created_at  timestamptz NOT NULL,
  touched_at  timestamptz NOT NULL -- of the last progress
);
CREATE INDEX upload_source ON upload (source, id);
CREATE INDEX upload_open ON upload (touched_at) WHERE state IN ('receiving', 'processing');

-- The file in sealed pieces, until every row has its state.
CREATE TABLE upload_chunk (
  upload_id bigint  NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
  seq       integer NOT NULL,
  sealed    bytea   NOT NULL,
  PRIMARY KEY (upload_id, seq)
);
ALTER TABLE upload_chunk ALTER COLUMN sealed SET STORAGE EXTERNAL; -- what is sealed does not compress

-- The state a row of an upload ended in; the primary key makes it one. Of a
-- refused row the reasons are kept, which hold no value of it, and the row
-- itself, sealed, to be corrected.
CREATE TABLE upload_row (
  upload_id   bigint NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
  row         bigint NOT NULL, -- from 1, the header not counted
  state       text   NOT NULL CHECK (state IN ('issued', 'corrected', 'updated', 'unchanged', 'wrong')),
  certificate bytea  CHECK (octet_length(certificate) = 15),
  reasons     text   NOT NULL DEFAULT '', -- JSON
  sealed      bytea,
  PRIMARY KEY (upload_id, row),
  CHECK ((state = 'wrong') = (certificate IS NULL))
);
CREATE INDEX upload_row_wrong ON upload_row (upload_id, row) WHERE state = 'wrong';

-- +goose Down
DROP TABLE upload_row, upload_chunk, upload;
