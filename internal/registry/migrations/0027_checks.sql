-- +goose Up

-- How often this server told a verifier what a certificate is worth. It is added
-- once a day for all together, so no time, place or asker can stand here.
CREATE TABLE certificate_check (
  bucket      smallint NOT NULL CHECK (bucket BETWEEN 0 AND 1023),
  certificate bytea    NOT NULL CHECK (octet_length(certificate) = 15),
  n           bigint   NOT NULL CHECK (n > 0),
  PRIMARY KEY (bucket, certificate),
  FOREIGN KEY (bucket, certificate) REFERENCES certificate (bucket, id) ON DELETE CASCADE
);

-- +goose Down
DROP TABLE certificate_check;
