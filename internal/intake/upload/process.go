package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// batchSize is the number of rows in one transaction.
const batchSize = 500

// Process issues the rows of an upload that have no state yet and returns when
// all have one. progress, if not nil, is told after every batch. It returns
// [ErrStopped] after [Service.Stop], and [ErrElsewhere] when another Process of
// the same upload was quicker; with every other error, calling it again goes on
// where it stood.
func (s *Service) Process(ctx context.Context, id int64, progress func(Info)) error {
	row, err := s.Store.Read().UploadByID(ctx, id)
	if err != nil {
		return err
	}
	u, err := s.info(row)
	if err != nil || u.State != Processing {
		return err
	}
	file := &chunks{ctx: ctx, s: s, id: id}
	r, err := s.open(u, file)
	if err == nil {
		err = r.skip(u.Rows)
	}
	for err == nil {
		select {
		case <-s.stop:
			return ErrStopped
		default:
		}
		var batch []record
		batch, err = next(r)
		if len(batch) > 0 {
			if err := s.batch(ctx, &u, batch, file.read); err != nil {
				return err
			}
			if progress != nil {
				progress(u)
			}
		}
	}
	var unreadable *vaccination.Error
	switch {
	case errors.Is(err, io.EOF) && file.read == u.Bytes:
		u.State = Done
	case errors.Is(err, io.EOF):
		u.State, u.Problem = Failed, "parts of the stored file are missing: upload it again; rows that were issued are not issued twice"
	case errors.As(err, &unreadable):
		u.State, u.Problem = Failed, unreadable.Error()
	default:
		return err
	}
	u.BytesRead = u.Bytes
	if err := s.end(ctx, u); err != nil {
		return err
	}
	if progress != nil {
		progress(u)
	}
	return nil
}

// next reads up to a batch of records; the error is why there are fewer.
func next(r reader) ([]record, error) {
	batch := make([]record, 0, batchSize)
	for len(batch) < batchSize {
		rec, err := r.next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, rec)
	}
	return batch, nil
}

// batch issues records and gives each its state, in one transaction, and moves u
// on.
func (s *Service) batch(ctx context.Context, u *Info, batch []record, read int64) error {
	reasons := make([][]vaccination.Fault, len(batch))
	var events []vaccination.Event
	var places []int // of events in batch
	for i, rec := range batch {
		switch {
		case rec.broken:
			reasons[i] = rec.faults
		case len(rec.faults) > 0:
			reasons[i] = s.reasons(u, s.Issuance.Faults(ctx, u.by, rec.event, nil), rec.faults)
		default:
			events, places = append(events, rec.event), append(places, i)
		}
	}
	after := *u
	_, err := s.Issuance.IssueEach(ctx, u.by, issuance.Certify, events, func(ctx context.Context, _ pgx.Tx, q *query.Queries, each []issuance.Each) error {
		after = *u
		after.Rows, after.BytesRead, after.Touched = u.Rows+int64(len(batch)), read, s.Now().UTC()
		states := newStates(u, len(batch))
		for k, e := range each {
			i := places[k]
			if e.Err != nil {
				reasons[i] = s.reasons(u, e.Err, nil)
				continue
			}
			states.rows.States[i] = string(e.Result.Outcome)
			states.rows.Certificates[i] = e.Result.ID[:]
			if e.Result.Outcome == issuance.Unchanged {
				after.Unchanged++
			} else {
				after.Issued++
			}
		}
		for i, rec := range batch {
			if states.rows.States[i] != "" {
				continue
			}
			after.Wrong++
			if err := s.refuse(states, i, rec, reasons[i]); err != nil {
				return err
			}
		}
		n, err := q.AdvanceUpload(ctx, query.AdvanceUploadParams{
			ID: u.ID, RowsBefore: u.Rows, RowsAfter: after.Rows, Issued: after.Issued - u.Issued, Wrong: after.Wrong - u.Wrong,
			BytesRead: read, At: after.Touched,
		})
		if err == nil && n != 1 {
			err = ErrElsewhere
		}
		if err != nil {
			return err
		}
		return q.InsertUploadRows(ctx, states.rows)
	})
	if err == nil {
		*u = after
	}
	return err
}

// states gathers the states of a batch.
type states struct{ rows query.InsertUploadRowsParams }

func newStates(u *Info, n int) *states {
	st := &states{query.InsertUploadRowsParams{
		UploadID: u.ID, Rows: make([]int64, n), States: make([]string, n), Certificates: make([][]byte, n), Reasons: make([]string, n), Sealeds: make([][]byte, n),
	}}
	for i := range n {
		st.rows.Rows[i] = u.Rows + int64(i) + 1
	}
	return st
}

// refuse gives a row the state wrong, with its reasons and its sealed text.
func (s *Service) refuse(st *states, i int, rec record, reasons []vaccination.Fault) error {
	raw, err := rec.raw()
	if err != nil {
		return err
	}
	told, err := json.Marshal(reasons)
	if err != nil {
		return err
	}
	st.rows.States[i], st.rows.Reasons[i] = Wrong, string(told)
	st.rows.Sealeds[i], err = s.Box.Seal(raw, rowAAD(st.rows.UploadID, st.rows.Rows[i]))
	return err
}

// reasons says why nothing was issued for a row, in the terms of its file, what
// was found while reading first.
func (s *Service) reasons(u *Info, err error, before []vaccination.Fault) []vaccination.Fault {
	var e *vaccination.Error
	if err == nil {
		return before
	}
	if !errors.As(err, &e) {
		s.Log.Error("a row cannot be issued", slog.Int64("upload", u.ID), slog.String("error", err.Error()))
		return append(before, vaccination.Fault{Code: string(vaccination.Internal), Message: "something went wrong on our side: upload this row again later"})
	}
	record := vaccination.Fault{Path: "enrolmentCode", Code: string(e.Code), Message: e.Message}
	if e.Code == vaccination.Conflict && len(e.Faults) > 0 {
		record.Message = "this person's dose has other content already, certified or in a row before: see what differs, then correct the row, or send a correction"
	}
	faults := e.Faults
	if e.Code != vaccination.Invalid || len(faults) == 0 {
		faults = append([]vaccination.Fault{record}, faults...)
	}
	if u.Format == CSV {
		return csv.InColumns(faults, before)
	}
	return append(before, faults...)
}

// end gives an upload its last state and forgets the stored file.
func (s *Service) end(ctx context.Context, u Info) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		n, err := q.EndUpload(ctx, query.EndUploadParams{ID: u.ID, State: string(u.State), Problem: u.Problem, RowsDone: u.Rows, At: now})
		if err == nil && n != 1 {
			err = ErrElsewhere
		}
		if err == nil {
			err = q.DeleteUploadChunks(ctx, u.ID)
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, u.by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "upload." + string(u.State), Object: object(u.ID),
			Detail: fmt.Sprintf("%d rows: %d issued, %d unchanged, %d wrong", u.Rows, u.Issued, u.Unchanged, u.Wrong),
		})
	})
}
