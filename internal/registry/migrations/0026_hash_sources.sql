-- +goose Up

-- EU revocation lists of other countries are a kind of trust source of their own.
-- Sources of kind "certificates" that hold such lists already stay what they are.
ALTER TABLE trust_source DROP CONSTRAINT trust_source_kind_check;
ALTER TABLE trust_source ADD CONSTRAINT trust_source_kind_check CHECK (kind IN ('certificates', 'did', 'cards', 'masterlist', 'keys', 'divoc', 'hashes'));

-- +goose Down
ALTER TABLE trust_source DROP CONSTRAINT trust_source_kind_check;
ALTER TABLE trust_source ADD CONSTRAINT trust_source_kind_check CHECK (kind IN ('certificates', 'did', 'cards', 'masterlist', 'keys', 'divoc')) NOT VALID;
