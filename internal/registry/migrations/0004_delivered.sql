-- +goose NO TRANSACTION
-- It can be run again, and holds up nobody who writes certificates meanwhile.
-- +goose Up

-- What a source delivered, in the order it was issued. Certificates of one batch
-- share a moment, so that many take little room here.
DROP INDEX CONCURRENTLY IF EXISTS certificate_delivered;
CREATE INDEX CONCURRENTLY certificate_delivered ON certificate (source, issued_at);

-- +goose Down
DROP INDEX IF EXISTS certificate_delivered;
