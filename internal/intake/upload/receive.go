package upload

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
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
	Encoding string       // of a CSV, "" to find out
	Dates    dates.Order  // of a CSV
	Template csv.Template // of a CSV that no mapping is for; Any finds it out
	Body     io.Reader
}

// Receive stores a file. When it returns, the file is durable and will be
// processed whatever happens, by the queue or, in a Service without one, by
// [Service.Process]. A CSV whose header is not the template's, or has no column
// for a rule of the source's mapping, is a [*csv.HeaderError]; then, and with
// every other error, nothing is kept.
func (s *Service) Receive(ctx context.Context, by access.Caller, f File) (Info, error) {
	u, err := s.store(ctx, by, f)
	if err != nil {
		return Info{}, err
	}
	if err := s.complete(ctx, by, f, u); err != nil {
		return Info{}, errors.Join(err, s.forget(ctx, u.ID))
	}
	return s.Get(ctx, by, u.ID)
}

// stored is a file in pieces, not an upload yet.
type stored struct {
	Info
	hash []byte
}

// store stores a file in pieces. Nothing is kept when it fails.
func (s *Service) store(ctx context.Context, by access.Caller, f File) (stored, error) {
	if err := by.CanWhole(access.Certify); err != nil {
		return stored{}, err
	}
	if by.Source == "" {
		return stored{}, vaccination.Errorf(vaccination.Forbidden, "this caller delivers for no source")
	}
	m, version, err := s.mappingOf(ctx, by.Source)
	if err != nil {
		return stored{}, err
	}
	body := bufio.NewReaderSize(f.Body, chunkSize)
	head, err := body.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return stored{}, err
	}
	u := Info{
		Source: by.Source, Actor: by.Actor, Filename: cleanName(f.Name), Format: f.Format, Encoding: f.Encoding, State: Processing,
		Created: s.Now().UTC(), Mapping: int(version), NotRead: []string{}, columns: []string{}, order: f.Dates, by: by,
	}
	switch err = nil; {
	case f.Format == CSV && m != nil:
		head = bytes.Clone(head)
		u.columns, u.NotRead, err = mappedHeader(m, head, likely(head, f.Encoding))
	case f.Format == CSV:
		u.columns, err = csv.Inspect(head, f.Encoding, f.Template)
	case f.Format == JSON && len(bytes.TrimSpace(head)) == 0:
		err = vaccination.Errorf(vaccination.Invalid, "the file is empty: send a JSON array of records, or one record on each line")
	case f.Format != JSON:
		err = fmt.Errorf("upload: unknown format %q", f.Format)
	}
	if err != nil {
		return stored{}, err
	}
	u.ID, err = s.Store.Read().InsertUpload(ctx, query.InsertUploadParams{
		Source: by.Source, Actor: by.Actor, Role: string(by.Role), Format: string(f.Format), DateOrder: string(f.Dates),
		Columns: u.columns, NotRead: u.NotRead, MappingVersion: version, At: u.Created,
	})
	if err != nil {
		return stored{}, err
	}
	out := stored{Info: u}
	err = s.storePieces(ctx, &out, body)
	if err == nil && f.Format == CSV && m != nil {
		columns, _, again := mappedHeader(m, head, out.Encoding)
		if again != nil || !slices.Equal(columns, u.columns) {
			err = vaccination.Errorf(vaccination.Invalid, "the file's header is in another encoding than its rows: save the file as \"CSV UTF-8\", or declare its encoding")
		}
	}
	if err != nil {
		return stored{}, errors.Join(err, s.forget(ctx, u.ID))
	}
	out.hash = s.hash(by.Source, version, f, out.hash)
	return out, nil
}

// likely is the encoding of a file as far as its beginning shows.
func likely(head []byte, declared string) string {
	if declared != "" {
		return declared
	}
	var d csv.Detector
	_, _ = d.Write(head) // it never fails
	encoding, err := d.Encoding()
	if err != nil {
		return csv.UTF8
	}
	return encoding
}

// forget removes a file that is no upload yet. What is left when this fails is
// removed by the keeper.
func (s *Service) forget(ctx context.Context, id int64) error {
	return s.Store.Read().DeleteUpload(context.WithoutCancel(ctx), id)
}

// hash is the keyed hash of a file (by sum) and of how it is to be read.
func (s *Service) hash(source string, mapping int32, f File, sum []byte) []byte {
	return s.Box.Index(seal.Content, fmt.Sprintf("upload %s %d %s %s %s %x", source, mapping, f.Format, f.Encoding, f.Dates, sum))
}

// Known finds the newest upload of the same file by the caller's source, to be
// read in the same way. It reads f to its end.
func (s *Service) Known(ctx context.Context, by access.Caller, f File) (u Info, known bool, err error) {
	if err := by.CanWhole(access.Certify); err != nil {
		return u, false, err
	}
	_, version, err := s.mappingOf(ctx, by.Source)
	if err != nil {
		return u, false, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f.Body); err != nil {
		return u, false, err
	}
	row, err := s.Store.Read().UploadByHash(ctx, query.UploadByHashParams{Source: by.Source, Hash: s.hash(by.Source, version, f, sum.Sum(nil))})
	if registry.IsNone(err) {
		return u, false, nil
	}
	if err != nil {
		return u, false, err
	}
	u, err = s.info(row)
	return u, err == nil, err
}

// storePieces stores what body holds and finds out size, sum and encoding.
func (s *Service) storePieces(ctx context.Context, u *stored, body io.Reader) error {
	var detector csv.Detector
	sum := sha256.New()
	piece := make([]byte, chunkSize)
	for seq := int32(0); ; seq++ {
		n, err := io.ReadFull(body, piece)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if u.Bytes += int64(n); u.Bytes > maxBytes {
			return vaccination.Errorf(vaccination.TooLarge, "a file has at most %d GB: send it in parts", maxBytes>>30)
		}
		_, _ = detector.Write(piece[:n]) // it never fails
		_, _ = sum.Write(piece[:n])      // the same
		if n > 0 {
			if err := s.storeChunk(ctx, u.ID, seq, piece[:n]); err != nil {
				return err
			}
		}
		if last {
			break
		}
	}
	u.hash = sum.Sum(nil)
	if u.Encoding == "" && u.Format == CSV {
		var err error
		u.Encoding, err = detector.Encoding()
		return err
	}
	return nil
}

// complete makes an upload of a stored file.
func (s *Service) complete(ctx context.Context, by access.Caller, f File, u stored) error {
	name, err := s.Box.Seal([]byte(u.Filename), nameAAD(u.ID))
	if err != nil {
		return err
	}
	return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		now := s.Now().UTC()
		n, err := q.UploadReceived(ctx, query.UploadReceivedParams{ID: u.ID, Encoding: u.Encoding, Filename: name, Bytes: u.Bytes, Hash: u.hash, At: now})
		if err == nil && n != 1 {
			err = registry.ErrChanged
		}
		if err == nil && s.later != nil {
			err = s.later(ctx, tx, u.ID)
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "upload", Object: object(u.ID), Detail: fmt.Sprintf("%s of %d bytes for %s", f.Format, u.Bytes, by.Source),
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
