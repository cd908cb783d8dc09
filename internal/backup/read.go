package backup

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// errDump says that a dump is not one, whatever breaks in it.
var errDump = errors.New("the dump of the database is cut off or not readable")

// reader reads a dump.
type reader struct {
	z   *zstd.Decoder
	buf []byte
}

// newReader begins to read a dump. close frees it.
func newReader(r io.Reader) (d *reader, close func(), err error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, nil, err
	}
	mark := make([]byte, len(dumpMark))
	if _, err := io.ReadFull(z, mark); err != nil || string(mark) != dumpMark {
		z.Close()
		return nil, nil, errDump
	}
	return &reader{z: z}, z.Close, nil
}

// header returns the next header; after the end nothing follows.
func (d *reader) header() (h header, err error) {
	text, err := d.read(maxHeader)
	if err != nil {
		return h, err
	}
	if json.Unmarshal(text, &h) != nil {
		return h, errDump
	}
	if h.Table == "" {
		if n, err := d.z.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			return h, errDump
		}
	}
	return h, nil
}

// block returns the next rows of a table and their number, none at its end. They
// are valid until the next call.
func (d *reader) block() (rows []byte, n int64, err error) {
	rows, err = d.read(maxBlock)
	if err == nil && len(rows) > 0 && rows[len(rows)-1] != '\n' {
		err = errDump
	}
	return rows, int64(bytes.Count(rows, []byte("\n"))), err
}

// read returns a length and what follows. Memory grows with what is there, not
// with what the length promises.
func (d *reader) read(limit uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(d.z, length[:]); err != nil {
		return nil, errDump
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > limit {
		return nil, errDump
	}
	buf := bytes.NewBuffer(d.buf[:0])
	if got, err := io.CopyN(buf, d.z, int64(n)); err != nil || got != int64(n) {
		return nil, errDump
	}
	d.buf = buf.Bytes()
	return d.buf, nil
}

// walk reads a whole dump and says whether it has these tables with these rows.
func walk(r io.Reader, want []Table) error {
	d, done, err := newReader(r)
	if err != nil {
		return err
	}
	defer done()
	for i := 0; ; i++ {
		h, err := d.header()
		if err != nil {
			return err
		}
		if h.Table == "" {
			if i != len(want) {
				return fmt.Errorf("the dump holds %d tables and should hold %d", i, len(want))
			}
			return nil
		}
		var rows int64
		for {
			block, n, err := d.block()
			if err != nil {
				return err
			}
			if len(block) == 0 {
				break
			}
			rows += n
		}
		if i >= len(want) || want[i] != (Table{h.Table, rows}) {
			return fmt.Errorf("the dump holds %d rows of table %.60q, which is not what the manifest says", rows, h.Table)
		}
	}
}
