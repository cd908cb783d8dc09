-- +goose NO TRANSACTION
-- It can be run again, and holds up nobody who writes certificates meanwhile.
-- +goose Up

-- Certificates that changed their state or replaced another, in the order of the
-- changes: for sources that want to hear of it.
DROP INDEX CONCURRENTLY IF EXISTS certificate_changed;
CREATE INDEX CONCURRENTLY certificate_changed ON certificate (source, status_at, id) WHERE status_at > issued_at OR version > 1;

-- +goose Down
DROP INDEX IF EXISTS certificate_changed;
