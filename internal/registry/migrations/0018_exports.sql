-- +goose Up

-- Another signed form of a certificate, made when somebody asked for it. It is
-- kept, sealed under the person's key, so that the same is handed out again; the
-- rest is what a list of withdrawn certificates needs to name this form.
CREATE TABLE certificate_export (
  bucket      smallint NOT NULL,
  certificate bytea    NOT NULL,
  format      text     NOT NULL,
  key_id      text     NOT NULL, -- of the key that signed, as the format writes it
  handle      text     NOT NULL, -- by which the format's own lists name it: SHC the rid, HCERT the hash of the signature
  made_at     timestamptz NOT NULL,
  sealed      bytea    NOT NULL,
  PRIMARY KEY (bucket, certificate, format),
  FOREIGN KEY (bucket, certificate) REFERENCES certificate (bucket, id) ON DELETE CASCADE
);
CREATE INDEX certificate_export_key ON certificate_export (format, key_id);

-- +goose Down
DROP TABLE certificate_export;
