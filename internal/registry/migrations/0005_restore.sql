-- +goose Up

-- What was published before a restore and is not among the certificates: the
-- bits of status lists and the hashes of trust bundles that belong to
-- certificates issued after the backup. They are published on, so that what was
-- withdrawn stays so.
CREATE TABLE lost_status (
  status_list  integer  NOT NULL,
  status_index integer  NOT NULL CHECK (status_index BETWEEN 0 AND 131071),
  status       smallint NOT NULL CHECK (status IN (1, 3)), -- the list of suspensions, of revocations
  noted_at     timestamptz NOT NULL,
  PRIMARY KEY (status_list, status_index, status)
);
CREATE TABLE lost_certificate (
  hash     bytea    PRIMARY KEY CHECK (octet_length(hash) = 16), -- of the id, as trust bundles have it
  status   smallint NOT NULL CHECK (status BETWEEN 1 AND 3),
  noted_at timestamptz NOT NULL
);

-- Key-encryption keys of people that nobody's key may be wrapped by any more.
-- What a key wraps begins with its five bytes.
CREATE TABLE retired_person_key (
  prefix     bytea PRIMARY KEY CHECK (octet_length(prefix) = 5),
  retired_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE retired_person_key, lost_certificate, lost_status;
