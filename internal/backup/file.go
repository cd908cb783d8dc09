package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// File is one file of a backup.
type File struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// hashed counts and hashes what is written through it.
type hashed struct {
	w io.Writer
	n int64
	h hash.Hash
}

func (h *hashed) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	h.n += int64(n)
	_, _ = h.h.Write(p[:n]) // a hash never fails
	return n, err
}

func (h *hashed) file() File { return File{h.n, hex.EncodeToString(h.h.Sum(nil))} }

// writeFile makes a file with what write writes, durable when it returns nil.
func writeFile(path string, write func(io.Writer) error) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	h := &hashed{w: buf, h: sha256.New()}
	if err = write(h); err == nil {
		err = errors.Join(buf.Flush(), f.Sync())
	}
	return h.file(), errors.Join(err, f.Close())
}

// check says what is wrong with the file at path, which should be f.
func (f File) check(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := &hashed{w: io.Discard, h: sha256.New()}
	if _, err := io.Copy(h, in); err != nil {
		return err
	}
	switch got := h.file(); {
	case got.Bytes != f.Bytes:
		return fmt.Errorf("%s has %d bytes and should have %d: it is not whole", path, got.Bytes, f.Bytes)
	case got.SHA256 != f.SHA256:
		return fmt.Errorf("%s was changed: its hash is not the one in the manifest", path)
	}
	return nil
}
