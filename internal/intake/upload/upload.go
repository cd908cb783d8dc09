// Package upload takes files of records of any size and sees every record to
// its end. A file is stored, sealed and in pieces, before it is acknowledged;
// a job reads it and issues in batches, each of which is one transaction with
// the states of its rows, so that after a failure at any moment the work goes
// on behind the last batch that was written. Nothing here holds a whole file.
//
// An upload is
//
//	receiving   its sender is still sending; given up after a day
//	processing  stored; its rows are owed a state
//	done        every row has its state
//	failed      the rest of the file cannot be read; the rows before have theirs
//
// and a row ends in one state: what [issuance.Outcome] names, or wrong, with
// reasons. A row of a source with a mapping may hold several doses, each with a
// state of its own. A row that is wrong keeps its text, sealed, so that it can be handed
// back with the reasons, corrected, and uploaded again; some time after the end
// the text is removed and the reasons stay.
package upload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs; all are required except Keep.
type Options struct {
	Store    *registry.Store
	Box      *seal.Box
	Issuance *issuance.Service
	Zone     *time.Location // in which a time of vaccination is a day
	Now      func() time.Time
	Log      *slog.Logger
	// Keep is how long the text of wrong rows is kept after an upload ended, to be
	// handed back; [DefaultKeep] when zero.
	Keep time.Duration
}

// Service takes and processes uploads. It is safe for concurrent use.
type Service struct {
	Options
	trying chan struct{} // bounds how many dry runs there are at once

	// later puts the job that processes an upload into the transaction that
	// completes it; nil where the caller processes it itself.
	later func(ctx context.Context, tx pgx.Tx, id int64) error

	stop     chan struct{}
	stopOnce sync.Once
	keeping  sync.WaitGroup
}

// New returns a Service. It starts nothing.
func New(o Options) *Service {
	return &Service{Options: o, trying: make(chan struct{}, maxTrying), stop: make(chan struct{})}
}

// State is where an upload stands.
type State string

// The states of uploads that can be seen.
const (
	Processing State = "processing"
	Done       State = "done"
	Failed     State = "failed"
)

// Format is the form of a file.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json" // an array of events, or one event after another, as in lines of JSON
)

// The states of rows beside the outcomes of package issuance.
const (
	Wrong  = "wrong"   // refused
	NoDose = "no-dose" // it holds no dose of the person, as the source keeps people without one too
)

// Info is what is known of an upload.
type Info struct {
	ID        int64  `json:"id"`
	Source    string `json:"source"`
	Actor     string `json:"actor"`
	Filename  string `json:"filename"`
	Format    Format `json:"format"`
	Encoding  string `json:"encoding,omitempty"`
	State     State  `json:"state" enum:"processing,done,failed"`
	Problem   string `json:"problem,omitempty" doc:"why it failed"`
	Bytes     int64  `json:"bytes" doc:"size of the file"`
	BytesRead int64  `json:"bytesRead" doc:"how far it was read"`
	Rows      int64  `json:"rows" doc:"rows that have their state"`
	Issued    int64  `json:"issued" doc:"rows that made or changed a certificate"`
	Unchanged int64  `json:"unchanged" doc:"rows whose certificate was there already"`
	Wrong     int64  `json:"wrong" doc:"rows that were refused"`
	NoDose    int64  `json:"noDose,omitempty" doc:"rows that hold no dose; of a source with a mapping"`
	// RowsRead are the rows of the file. It differs from Rows where one row holds
	// several doses.
	RowsRead int64     `json:"rowsRead" doc:"rows of the file that were read; a row that holds several doses counts once here, and once for each dose in rows"`
	NotRead  []string  `json:"notRead,omitempty" doc:"columns of the file that the source's mapping does not name"`
	Mapping  int       `json:"mapping,omitempty" doc:"version of the source's mapping that it is read with"`
	Created  time.Time `json:"created"`
	Touched  time.Time `json:"touched" doc:"time of the last progress"`
	// Cleared is when the text of its wrong rows was removed.
	Cleared *time.Time `json:"cleared,omitempty" doc:"when the text of its wrong rows was removed; their reasons are kept"`

	// DryRun says that nothing was issued: the counts are those that issuing would
	// give.
	DryRun    bool  `json:"dryRun,omitempty" doc:"nothing was issued or kept; this is what uploading would give"`
	WrongRows []Row `json:"wrongRows,omitempty" doc:"of a dry run, the first wrong rows, at most 100"`

	columns []string
	order   dates.Order
	by      access.Caller
}

// Columns are the columns of a CSV, in the file's order.
func (i Info) Columns() []string { return i.columns }

func (s *Service) info(u query.Upload) (Info, error) {
	name, err := s.Box.Unseal(u.Filename, nameAAD(u.ID))
	if err != nil {
		return Info{}, fmt.Errorf("opening the name of upload %d: %w", u.ID, err)
	}
	return Info{
		ID: u.ID, Source: u.Source, Actor: u.Actor, Filename: string(name), Format: Format(u.Format), Encoding: u.Encoding,
		State: State(u.State), Problem: u.Problem, Bytes: u.Bytes, BytesRead: u.BytesRead,
		Rows: u.RowsDone, Issued: u.RowsIssued, Wrong: u.RowsWrong, Unchanged: u.RowsDone - u.RowsIssued - u.RowsWrong - u.RowsEmpty,
		NoDose: u.RowsEmpty, RowsRead: rowsRead(u), NotRead: u.NotRead, Mapping: int(u.MappingVersion),
		Created: u.CreatedAt, Touched: u.TouchedAt, Cleared: u.ClearedAt,
		columns: u.Columns, order: dates.Order(u.DateOrder),
		by: access.Caller{Actor: u.Actor, Role: access.Role(u.Role), Source: u.Source},
	}, nil
}

// rowsRead is the number of rows of the file that have their states. Without a
// mapping one row is one record.
func rowsRead(u query.Upload) int64 {
	if u.MappingVersion == 0 {
		return u.RowsDone
	}
	return u.RowsRead
}

// What a sealed value is bound to, so that none opens in another's place.

func nameAAD(id int64) []byte             { return fmt.Appendf(nil, "upload %d name", id) }
func chunkAAD(id int64, seq int32) []byte { return fmt.Appendf(nil, "upload %d chunk %d", id, seq) }
func rowAAD(id, row int64) []byte         { return fmt.Appendf(nil, "upload %d row %d", id, row) }

func object(id int64) string { return fmt.Sprintf("upload %d", id) }

// cleanName is the last part of a file's name, without what cannot be shown.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, strings.ToValidUTF8(name, ""))
	if r := []rune(name); len(r) > 200 {
		name = string(r[:200])
	}
	if name == "" || name == "." || name == "/" {
		return "upload"
	}
	return name
}

// Get returns an upload that the caller may see; [vaccination.NotFound] for
// every other.
func (s *Service) Get(ctx context.Context, by access.Caller, id int64) (Info, error) {
	if err := by.CanWhole(access.Certify); err != nil {
		return Info{}, err
	}
	u, err := s.Store.Read().UploadByID(ctx, id)
	if registry.IsNone(err) || err == nil && !by.Owns(access.Certify, u.Source) {
		return Info{}, vaccination.Errorf(vaccination.NotFound, "there is no such upload of yours")
	}
	if err != nil {
		return Info{}, err
	}
	return s.info(u)
}

// maxList bounds a list of uploads.
const maxList = 200

// List returns the caller's uploads, an administrator's every one, the newest
// first, at most 200 of those with an id below before (0 for all).
func (s *Service) List(ctx context.Context, by access.Caller, before int64) ([]Info, error) {
	if err := by.CanWhole(access.Certify); err != nil {
		return nil, err
	}
	if before <= 0 {
		before = 1<<63 - 1
	}
	var rows []query.Upload
	var err error
	if by.Owns(access.Certify, "") {
		rows, err = s.Store.Read().Uploads(ctx, query.UploadsParams{Before: before, MaxRows: maxList})
	} else {
		rows, err = s.Store.Read().UploadsOfSource(ctx, query.UploadsOfSourceParams{Source: by.Source, Before: before, MaxRows: maxList})
	}
	if err != nil {
		return nil, err
	}
	out := make([]Info, len(rows))
	for i, u := range rows {
		if out[i], err = s.info(u); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ErrElsewhere says that somebody else works on the same upload and was
// quicker: there is nothing left to do here.
var ErrElsewhere = errors.New("upload: somebody else goes on with this upload")

// ErrStopped says that processing was stopped between two batches, and goes on
// later.
var ErrStopped = errors.New("upload: stopped; it goes on later")
