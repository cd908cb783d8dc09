package hcert

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opendivoc/divoc/credential/deflate"
)

// The bounds of what is read. A QR code holds at most 4,296 alphanumeric
// characters, so 2,864 bytes; an honest certificate inflates less than tenfold.
const (
	maxText     = 8 << 10
	maxInflated = 64 << 10
	maxRatio    = 64
)

// A zlib writer costs more to make than to use.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := deflate.NewZlib(io.Discard)
		if err != nil {
			panic(err) // the level is one that there is
		}
		return w
	}}
	inflaters sync.Pool
)

// compress returns data in zlib format (RFC 1950).
func compress(data []byte) ([]byte, error) {
	w, _ := deflaters.Get().(*deflate.Zlib)
	defer deflaters.Put(w)
	var b bytes.Buffer
	b.Grow(len(data) + 16)
	w.Reset(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// inflate undoes compress within the bounds above. Bytes after the stream are
// refused: nothing vouches for them.
func inflate(data []byte) ([]byte, error) {
	in := bytes.NewReader(data)
	r, _ := inflaters.Get().(io.ReadCloser)
	var err error
	if r == nil {
		r, err = zlib.NewReader(in)
	} else {
		err = r.(zlib.Resetter).Reset(in, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: not a zlib stream", ErrMalformed)
	}
	defer inflaters.Put(r)
	limit := min(maxInflated, len(data)*maxRatio)
	out := bytes.NewBuffer(make([]byte, 0, min(limit, 4*len(data))))
	n, err := io.Copy(out, io.LimitReader(r, int64(limit)+1))
	switch {
	case n > int64(limit):
		return nil, ErrTooLarge
	case errors.Is(err, zlib.ErrChecksum):
		return nil, fmt.Errorf("%w: zlib checksum", ErrMalformed)
	case err != nil:
		return nil, fmt.Errorf("%w: zlib stream cut short or damaged", ErrMalformed)
	case in.Len() > 0:
		return nil, fmt.Errorf("%w: bytes after the zlib stream", ErrMalformed)
	}
	return out.Bytes(), nil
}
