-- +goose Up

-- Files of a source with a mapping of their columns. A row of such a file may
-- hold several doses; each has its own line in upload_row. "rows_done" counts
-- those lines, "rows_read" the rows of the file.
ALTER TABLE upload
  ADD COLUMN mapping_version integer NOT NULL DEFAULT 0,  -- of the source's mapping; 0 reads DIVOC's columns
  ADD COLUMN not_read        text[]  NOT NULL DEFAULT '{}', -- columns that the mapping does not name
  ADD COLUMN rows_read       bigint  NOT NULL DEFAULT 0,  -- counted where there is a mapping
  ADD COLUMN rows_empty      bigint  NOT NULL DEFAULT 0,  -- of rows_done, that hold no dose
  ADD COLUMN hash            bytea   NOT NULL DEFAULT ''; -- keyed, of the file and how it is to be read
CREATE INDEX upload_hash ON upload (source, hash) WHERE hash <> '';

-- A row without a dose has no certificate and is not wrong.
ALTER TABLE upload_row
  ADD COLUMN file_row bigint, -- row of the file where it is not "row"
  ADD COLUMN slot     text NOT NULL DEFAULT '', -- which of the row's doses, as the mapping names it
  DROP CONSTRAINT upload_row_state_check,
  DROP CONSTRAINT upload_row_check,
  ADD CONSTRAINT upload_row_state_check CHECK (state IN ('issued', 'corrected', 'updated', 'unchanged', 'wrong', 'no-dose')) NOT VALID,
  ADD CONSTRAINT upload_row_check CHECK ((state IN ('wrong', 'no-dose')) = (certificate IS NULL)) NOT VALID;
ALTER TABLE upload_row VALIDATE CONSTRAINT upload_row_state_check;
ALTER TABLE upload_row VALIDATE CONSTRAINT upload_row_check;

-- What a dry run came upon: which record a row is, and with what content, by
-- keyed hashes. It goes with the file, at the end of the run.
CREATE TABLE upload_trial (
  upload_id bigint NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
  record    bytea  NOT NULL CHECK (octet_length(record) = 16),
  content   bytea  NOT NULL CHECK (octet_length(content) = 16),
  PRIMARY KEY (upload_id, record)
);

-- +goose Down
DROP TABLE upload_trial;
DELETE FROM upload_row WHERE state = 'no-dose';
ALTER TABLE upload_row
  DROP CONSTRAINT upload_row_state_check,
  DROP CONSTRAINT upload_row_check,
  ADD CONSTRAINT upload_row_state_check CHECK (state IN ('issued', 'corrected', 'updated', 'unchanged', 'wrong')),
  ADD CONSTRAINT upload_row_check CHECK ((state = 'wrong') = (certificate IS NULL)),
  DROP COLUMN file_row, DROP COLUMN slot;
DROP INDEX upload_hash;
ALTER TABLE upload DROP COLUMN mapping_version, DROP COLUMN not_read, DROP COLUMN rows_read, DROP COLUMN rows_empty, DROP COLUMN hash;
