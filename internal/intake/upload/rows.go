package upload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Row is the state that a row of an upload ended in.
type Row struct {
	Row         int64               `json:"row" doc:"from 1, a header not counted"`
	State       string              `json:"state" enum:"issued,corrected,updated,unchanged,wrong"`
	Certificate string              `json:"certificate,omitempty" doc:"id of the certificate"`
	Reasons     []vaccination.Fault `json:"reasons,omitempty" doc:"why a row is wrong; path is a column of a CSV, or a field of an event"`
}

// maxRows bounds one page of rows.
const maxRows = 1000

// Rows returns the states of at most 1000 rows after one, of those that are
// wrong alone or of all.
func (s *Service) Rows(ctx context.Context, by access.Caller, id, after int64, wrong bool) ([]Row, error) {
	if _, err := s.Get(ctx, by, id); err != nil {
		return nil, err
	}
	out := []Row{}
	if wrong {
		rows, err := s.Store.Read().WrongUploadRows(ctx, query.WrongUploadRowsParams{UploadID: id, After: after, MaxRows: maxRows})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			row, err := rowOf(r.Row, r.State, r.Certificate, r.Reasons)
			if err != nil {
				return nil, err
			}
			out = append(out, row)
		}
		return out, nil
	}
	rows, err := s.Store.Read().UploadRows(ctx, query.UploadRowsParams{UploadID: id, After: after, MaxRows: maxRows})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		row, err := rowOf(r.Row, r.State, r.Certificate, r.Reasons)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func rowOf(n int64, state string, certificate []byte, reasons string) (Row, error) {
	row := Row{Row: n, State: state}
	if certificate != nil {
		row.Certificate = vaccination.CertificateID(certificate).String()
	}
	if reasons != "" {
		if err := json.Unmarshal([]byte(reasons), &row.Reasons); err != nil {
			return row, fmt.Errorf("reading the reasons of row %d: %w", n, err)
		}
	}
	return row, nil
}

// WrongRow is a row that was refused, with what stood in it. Where that was
// removed, the last of its reasons says so.
type WrongRow struct {
	Row
	Cells []string        // of a CSV, in the order of its columns
	Item  json.RawMessage // of JSON
}

// EachWrong hands every wrong row to f, in order, after the audit has an entry
// that they were read.
func (s *Service) EachWrong(ctx context.Context, by access.Caller, id int64, f func(WrongRow) error) error {
	u, err := s.Get(ctx, by, id)
	if err != nil {
		return err
	}
	q := s.Store.Read()
	err = registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.AdminChain, Act: "upload.errors", Object: object(id), Detail: fmt.Sprintf("%d wrong rows", u.Wrong),
	})
	if err != nil {
		return err
	}
	page := query.WrongUploadRowsParams{UploadID: id, MaxRows: maxRows}
	for {
		rows, err := q.WrongUploadRows(ctx, page)
		if err != nil {
			return err
		}
		for _, r := range rows {
			page.After = r.Row
			w := WrongRow{}
			if w.Row, err = rowOf(r.Row, r.State, r.Certificate, r.Reasons); err != nil {
				return err
			}
			if r.Sealed == nil {
				w.Reasons = append(w.Reasons, cleared(r.Row))
			} else if err := s.openRow(u, r.Sealed, &w); err != nil {
				return err
			}
			if err := f(w); err != nil {
				return err
			}
		}
		if len(rows) < maxRows {
			return nil
		}
	}
}

// openRow fills in what stood in a row.
func (s *Service) openRow(u Info, sealed []byte, w *WrongRow) error {
	raw, err := s.Box.Unseal(sealed, rowAAD(u.ID, w.Row.Row))
	if err != nil {
		return fmt.Errorf("opening row %d of upload %d: %w", w.Row.Row, u.ID, err)
	}
	if u.Format == CSV {
		return json.Unmarshal(raw, &w.Cells)
	}
	w.Item = raw
	return nil
}

// WriteErrors writes the wrong rows of an upload as a file like the one that was
// uploaded, with the reasons: a CSV with a column more, or lines of JSON.
func (s *Service) WriteErrors(ctx context.Context, by access.Caller, u Info, w io.Writer) error {
	if u.Format == JSON {
		enc := json.NewEncoder(w)
		return s.EachWrong(ctx, by, u.ID, func(r WrongRow) error {
			return enc.Encode(struct {
				Row    int64               `json:"row"`
				Errors []vaccination.Fault `json:"errors"`
				Event  json.RawMessage     `json:"event"`
			}{r.Row.Row, r.Reasons, r.Item})
		})
	}
	var out *csv.ErrorWriter
	start := func() (err error) {
		if out == nil {
			out, err = csv.NewErrorWriter(w, u.columns)
		}
		return err
	}
	err := s.EachWrong(ctx, by, u.ID, func(r WrongRow) error {
		if err := start(); err != nil {
			return err
		}
		return out.Write(r.Cells, r.Reasons)
	})
	if err == nil {
		err = start() // a file without wrong rows has its header
	}
	if err != nil {
		return err
	}
	return out.Flush()
}
