package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

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
	err = s.each(ctx, &u, file, func(batch []record) error {
		if err := s.batch(ctx, &u, batch, file.read); err != nil {
			return err
		}
		if progress != nil {
			progress(u)
		}
		return nil
	})
	if err == nil {
		err = s.end(ctx, u)
	}
	if err == nil && progress != nil {
		progress(u)
	}
	return err
}

// each reads the rows of an upload that have no state yet and hands their records
// out in batches. In the end u has its last state.
func (s *Service) each(ctx context.Context, u *Info, file *chunks, do func(batch []record) error) error {
	r, err := s.open(ctx, *u, file)
	if err == nil {
		err = r.skip(u.RowsRead)
	}
	for err == nil {
		select {
		case <-s.stop:
			return ErrStopped
		default:
		}
		var batch []record
		batch, err = next(r, u.RowsRead)
		if len(batch) > 0 {
			if err := do(batch); err != nil {
				return err
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
	return nil
}

// next reads a batch of records, of whole rows, behind so many rows of the file;
// the error is why there are fewer.
func next(r reader, rows int64) ([]record, error) {
	batch := make([]record, 0, batchSize)
	for len(batch) < batchSize {
		records, err := r.next()
		if err != nil {
			return batch, err
		}
		rows++
		for _, rec := range records {
			rec.row = rows
			batch = append(batch, rec)
		}
	}
	return batch, nil
}

// sorted is a batch by what can be issued.
type sorted struct {
	events  []vaccination.Event
	places  []int                 // of events in the batch
	reasons [][]vaccination.Fault // of the others, by their place
}

func (s *Service) sort(ctx context.Context, u *Info, batch []record) sorted {
	out := sorted{reasons: make([][]vaccination.Fault, len(batch))}
	for i, rec := range batch {
		switch {
		case rec.none:
		case rec.broken:
			out.reasons[i] = rec.faults
		case len(rec.faults) > 0:
			out.reasons[i] = s.reasons(u, s.Issuance.Faults(ctx, u.by, rec.event, nil), rec)
		default:
			out.events, out.places = append(out.events, rec.event), append(out.places, i)
		}
	}
	return out
}

// count adds the states of a batch to u.
func (u *Info) count(batch []record, states []string) {
	u.Rows += int64(len(batch))
	u.RowsRead = batch[len(batch)-1].row
	for _, state := range states {
		switch state {
		case Wrong:
			u.Wrong++
		case NoDose:
			u.NoDose++
		case string(issuance.Unchanged):
			u.Unchanged++
		default:
			u.Issued++
		}
	}
}

// batch issues records and gives each its state, in one transaction, and moves u
// on.
func (s *Service) batch(ctx context.Context, u *Info, batch []record, read int64) error {
	in := s.sort(ctx, u, batch)
	after := *u
	_, err := s.Issuance.SettleFile(ctx, u.by, u.Created, in.events, func(ctx context.Context, _ pgx.Tx, q *query.Queries, each []issuance.Each) error {
		states := newStates(u, batch)
		for k, e := range each {
			i := in.places[k]
			if e.Err != nil {
				in.reasons[i] = s.reasons(u, e.Err, batch[i])
				continue
			}
			states.rows.States[i] = string(e.Result.Outcome)
			states.rows.Certificates[i] = e.Result.ID[:]
		}
		for i, rec := range batch {
			switch {
			case rec.none:
				states.rows.States[i] = NoDose
			case states.rows.States[i] == "":
				if err := s.refuse(states, i, rec, in.reasons[i]); err != nil {
					return err
				}
			}
		}
		after = *u
		after.BytesRead, after.Touched = read, s.Now().UTC()
		after.count(batch, states.rows.States)
		n, err := q.AdvanceUpload(ctx, query.AdvanceUploadParams{
			ID: u.ID, RowsBefore: u.Rows, RowsAfter: after.Rows, Issued: after.Issued - u.Issued, Wrong: after.Wrong - u.Wrong,
			Empty: after.NoDose - u.NoDose, RowsRead: after.RowsRead, BytesRead: read, At: after.Touched,
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

func newStates(u *Info, batch []record) *states {
	n := len(batch)
	st := &states{query.InsertUploadRowsParams{
		UploadID: u.ID, Rows: make([]int64, n), FileRows: make([]int64, n), Slots: make([]string, n), States: make([]string, n),
		Certificates: make([][]byte, n), Reasons: make([]string, n), Sealeds: make([][]byte, n),
	}}
	for i, rec := range batch {
		st.rows.Rows[i], st.rows.FileRows[i], st.rows.Slots[i] = u.Rows+int64(i)+1, rec.row, rec.slot
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
func (s *Service) reasons(u *Info, err error, rec record) []vaccination.Fault {
	var e *vaccination.Error
	if err == nil {
		return rec.faults
	}
	if !errors.As(err, &e) {
		s.Log.Error("a row cannot be issued", slog.Int64("upload", u.ID), slog.String("error", err.Error()))
		return append(slices.Clone(rec.faults), vaccination.Fault{Code: string(vaccination.Internal), Message: "something went wrong on our side: upload this row again later"})
	}
	record := vaccination.Fault{Path: "enrolmentCode", Code: string(e.Code), Message: e.Message}
	if e.Code == vaccination.Conflict && len(e.Faults) > 0 {
		record.Message = "this person's dose has other content already, certified or in a row before: see what differs, then correct the row, or send a correction"
	}
	faults := e.Faults
	if e.Code != vaccination.Invalid || len(faults) == 0 {
		faults = append([]vaccination.Fault{record}, faults...)
	}
	return rec.inFile(faults)
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
			Detail: fmt.Sprintf("%d rows: %d issued, %d unchanged, %d wrong", u.Rows, u.Issued, u.Unchanged+u.NoDose, u.Wrong),
		})
	})
}
