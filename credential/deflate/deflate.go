//go:build !js

// Package deflate has what certificates and lists are packed with: writers of DEFLATE
// (RFC 1951), zlib (RFC 1950) and gzip (RFC 1952) at their best compression. They are
// the fast ones, except in a browser, which packs nothing and would load them.
package deflate

import (
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// Zlib writes the zlib format; it can be used again by Reset.
type Zlib = zlib.Writer

// New returns a writer of plain DEFLATE to w. It has to be closed.
func New(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) }

// NewZlib returns a writer of zlib to w. It has to be closed.
func NewZlib(w io.Writer) (*Zlib, error) { return zlib.NewWriterLevel(w, zlib.BestCompression) }

// NewGzip returns a writer of gzip to w, at the usual level: what it packs is nearly
// all zero. It has to be closed.
func NewGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
