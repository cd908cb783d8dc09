package upload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Row is the state that a row of an upload ended in.
type Row struct {
	Row         int64               `json:"row" doc:"from 1, a header not counted"`
	Dose        string              `json:"dose,omitempty" doc:"which of the doses in this row, by the prefix of its columns"`
	After       int64               `json:"after,omitempty" doc:"what to ask rows after, where a row holds several doses"`
	State       string              `json:"state" enum:"issued,corrected,updated,unchanged,wrong,no-dose"`
	Certificate string              `json:"certificate,omitempty" doc:"id of the certificate"`
	Reasons     []vaccination.Fault `json:"reasons,omitempty" doc:"why a row is wrong; path is a column of a CSV, or a field of an event"`
}

// maxRows bounds one page of rows.
const maxRows = 1000

// Rows returns the states of at most 1000 rows after one (by [Row].After where it
// is set, else by its number), of those that are wrong alone or of all.
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
			row, err := rowOf(line{r.Row, r.FileRow, r.Slot}, r.State, r.Certificate, r.Reasons)
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
		row, err := rowOf(line{r.Row, r.FileRow, r.Slot}, r.State, r.Certificate, r.Reasons)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

// line is the place of a row's state among those of an upload, and in the file.
type line struct {
	number, row int64
	slot        string
}

func rowOf(at line, state string, certificate []byte, reasons string) (Row, error) {
	row := Row{Row: at.row, Dose: at.slot, State: state}
	if at.number != at.row {
		row.After = at.number
	}
	if certificate != nil {
		row.Certificate = vaccination.CertificateID(certificate).String()
	}
	if reasons != "" {
		if err := json.Unmarshal([]byte(reasons), &row.Reasons); err != nil {
			return row, fmt.Errorf("reading the reasons of row %d: %w", at.row, err)
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
			if w.Row, err = rowOf(line{r.Row, r.FileRow, r.Slot}, r.State, r.Certificate, r.Reasons); err != nil {
				return err
			}
			if r.Sealed == nil {
				w.Reasons = append(w.Reasons, cleared(r.FileRow))
			} else if err := s.openRow(u, r.Row, r.Sealed, &w); err != nil {
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
func (s *Service) openRow(u Info, number int64, sealed []byte, w *WrongRow) error {
	raw, err := s.Box.Unseal(sealed, rowAAD(u.ID, number))
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
// uploaded, with the reasons: a CSV with a column more, or lines of JSON. A row of
// which several doses are wrong stands in it once.
func (s *Service) WriteErrors(ctx context.Context, by access.Caller, u Info, w io.Writer) error {
	write, flush := jsonErrors(w), func() error { return nil }
	if u.Format == CSV {
		out := &errorTable{w: w, columns: u.columns}
		write, flush = out.write, out.flush
	}
	var row WrongRow // that waits for what else is wrong with it
	err := s.EachWrong(ctx, by, u.ID, func(r WrongRow) error {
		if row.Row.Row == r.Row.Row {
			for _, f := range r.Reasons {
				if !slices.Contains(row.Reasons, f) {
					row.Reasons = append(row.Reasons, f)
				}
			}
			return nil
		}
		before := row
		row = r
		if before.Row.Row == 0 {
			return nil
		}
		return write(before)
	})
	if err == nil && row.Row.Row > 0 {
		err = write(row)
	}
	if err != nil {
		return err
	}
	return flush()
}

// errorTable writes wrong rows as a table, its header with the first of them or at
// the end: until then nothing is written.
type errorTable struct {
	w       io.Writer
	columns []string
	out     *csv.ErrorWriter
}

func (t *errorTable) begin() (err error) {
	if t.out == nil {
		t.out, err = csv.NewErrorWriter(t.w, t.columns)
	}
	return err
}

func (t *errorTable) write(r WrongRow) error {
	if err := t.begin(); err != nil {
		return err
	}
	return t.out.Write(r.Cells, r.Reasons)
}

func (t *errorTable) flush() error {
	if err := t.begin(); err != nil {
		return err
	}
	return t.out.Flush()
}

func jsonErrors(w io.Writer) func(WrongRow) error {
	enc := json.NewEncoder(w)
	return func(r WrongRow) error {
		return enc.Encode(struct {
			Row    int64               `json:"row"`
			Errors []vaccination.Fault `json:"errors"`
			Event  json.RawMessage     `json:"event"`
		}{r.Row.Row, r.Reasons, r.Item})
	}
}
