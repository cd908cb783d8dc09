package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opendivoc/divoc/internal/seal"
)

const (
	keySuffix  = ".sealed" // nothing else of the folder is taken
	maxKeyFile = 16 << 20
	maxKeys    = 100
)

// writeKeys writes the sealed files of the key folder as a tar archive.
func writeKeys(w io.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	found := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), keySuffix) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		data, err := readLimited(filepath.Join(dir, e.Name()), maxKeyFile)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Name: e.Name(), Mode: 0o600, Size: int64(len(data)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
		found = found || e.Name() == seal.KeysetFile
	}
	if !found {
		return fmt.Errorf("%s holds no keyset", dir)
	}
	return out.Close()
}

// readKeys writes the files of the archive r to the folder dir, each durable.
func readKeys(r io.Reader, dir string) error {
	in := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the keys are not readable: %w", err)
		}
		if h.Typeflag != tar.TypeReg || h.Name != filepath.Base(h.Name) || !strings.HasSuffix(h.Name, keySuffix) || strings.HasPrefix(h.Name, ".") || h.Size > maxKeyFile || n == maxKeys {
			return errors.New("the keys hold something that is no key file")
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("the keys are not readable: %w", err)
		}
		if err := seal.WriteFile(filepath.Join(dir, h.Name), data); err != nil {
			return err
		}
	}
}
