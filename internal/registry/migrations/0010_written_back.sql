-- +goose Up

-- What was issued for a source, in order: for sources that want it back.
CREATE INDEX item_issued ON item (source, (id >> 10)) WHERE state = 'issued';

-- +goose Down
DROP INDEX item_issued;
