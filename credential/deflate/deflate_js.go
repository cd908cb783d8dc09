package deflate

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// Zlib writes the zlib format; it can be used again by Reset.
type Zlib = zlib.Writer

// New returns a writer of plain DEFLATE to w. It has to be closed.
func New(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) }

// NewZlib returns a writer of zlib to w. It has to be closed.
func NewZlib(w io.Writer) (*Zlib, error) { return zlib.NewWriterLevel(w, zlib.BestCompression) }

// NewGzip returns a writer of gzip to w. It has to be closed.
func NewGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
