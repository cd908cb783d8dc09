package upload

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	chunkSize = 256 << 10
	// maxBytes bounds one file: some 25 million rows. It keeps one token from
	// filling the disk by accident.
	maxBytes = 8 << 30
)

// File is what is uploaded.
type File struct {
	Name     string
	Format   Format
	Encoding string      // of a CSV, "" to find out
	Dates    dates.Order // of a CSV
	Body     io.Reader
}

// Receive stores a file. When it returns, the file is durable and will be
// processed whatever happens, by the queue or, in a Service without one, by
// [Service.Process]. A CSV whose header is not the template's is a
// [*csv.HeaderError]; then, and with every other error, nothing is kept.
func (s *Service) Receive(ctx context.Context, by access.Caller, f File) (Info, error) {
	if err := by.Can(access.Certify); err != nil {
		return Info{}, err
	}
	if by.Source == "" {
		return Info{}, vaccination.Errorf(vaccination.Forbidden, "this caller delivers for no source")
	}
	body := bufio.NewReaderSize(f.Body, chunkSize)
	head, err := body.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	columns := []string{}
	switch f.Format {
	case CSV:
		if columns, err = csv.Inspect(head, f.Encoding); err != nil {
			return Info{}, err
		}
	case JSON:
		if len(bytes.TrimSpace(head)) == 0 {
			return Info{}, vaccination.Errorf(vaccination.Invalid, "the file is empty: send a JSON array of events, or one event on each line")
		}
	default:
		return Info{}, fmt.Errorf("upload: unknown format %q", f.Format)
	}
	id, err := s.Store.Read().InsertUpload(ctx, query.InsertUploadParams{
		Source: by.Source, Actor: by.Actor, Role: string(by.Role), Format: string(f.Format), DateOrder: string(f.Dates), Columns: columns, At: s.Now().UTC(),
	})
	if err != nil {
		return Info{}, err
	}
	if err := s.store(ctx, by, id, f, body); err != nil {
		// What is left when this fails too is removed by the keeper.
		return Info{}, errors.Join(err, s.Store.Read().DeleteUpload(context.WithoutCancel(ctx), id))
	}
	return s.Get(ctx, by, id)
}

// store stores the file in pieces and completes the upload.
func (s *Service) store(ctx context.Context, by access.Caller, id int64, f File, body io.Reader) error {
	var detector csv.Detector
	piece := make([]byte, chunkSize)
	var size int64
	for seq := int32(0); ; seq++ {
		n, err := io.ReadFull(body, piece)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if size += int64(n); size > maxBytes {
			return vaccination.Errorf(vaccination.TooLarge, "a file has at most %d GB: send it in parts", maxBytes>>30)
		}
		_, _ = detector.Write(piece[:n]) // it never fails
		if n > 0 {
			if err := s.storeChunk(ctx, id, seq, piece[:n]); err != nil {
				return err
			}
		}
		if last {
			break
		}
	}
	encoding := f.Encoding
	if encoding == "" && f.Format == CSV {
		var err error
		if encoding, err = detector.Encoding(); err != nil {
			return err
		}
	}
	name, err := s.Box.Seal([]byte(cleanName(f.Name)), nameAAD(id))
	if err != nil {
		return err
	}
	return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		now := s.Now().UTC()
		n, err := q.UploadReceived(ctx, query.UploadReceivedParams{ID: id, Encoding: encoding, Filename: name, Bytes: size, At: now})
		if err == nil && n != 1 {
			err = registry.ErrChanged
		}
		if err == nil && s.later != nil {
			err = s.later(ctx, tx, id)
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "upload", Object: object(id), Detail: fmt.Sprintf("%s of %d bytes for %s", f.Format, size, by.Source),
		})
	})
}

func (s *Service) storeChunk(ctx context.Context, id int64, seq int32, piece []byte) error {
	sealed, err := s.Box.Seal(piece, chunkAAD(id, seq))
	if err != nil {
		return err
	}
	q := s.Store.Read()
	if err := q.InsertUploadChunk(ctx, query.InsertUploadChunkParams{UploadID: id, Seq: seq, Sealed: sealed}); err != nil {
		return err
	}
	if seq%64 != 63 {
		return nil
	}
	return q.TouchUpload(ctx, query.TouchUploadParams{ID: id, At: s.Now().UTC()})
}

// chunks reads a stored file.
type chunks struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no other place for it
	s    *Service
	id   int64
	next int32
	rest []byte
	read int64 // bytes handed out
}

// Read hands out what comes next of the file.
func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		sealed, err := c.s.Store.Read().UploadChunk(c.ctx, query.UploadChunkParams{UploadID: c.id, Seq: c.next})
		if registry.IsNone(err) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		if c.rest, err = c.s.Box.Unseal(sealed, chunkAAD(c.id, c.next)); err != nil {
			return 0, fmt.Errorf("opening piece %d of upload %d: %w", c.next, c.id, err)
		}
		c.next++
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.read += int64(n)
	return n, nil
}
