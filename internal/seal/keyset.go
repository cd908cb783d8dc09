package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/opendivoc/divoc/vaccination"
)

// KeysetFile is the name of the keyset in its folder.
const KeysetFile = "keyset.sealed"

const (
	keysetFormat = "divoc-keyset/1"
	keysetSize   = 1 << 20 // far more than keysets grow to by rotation
)

// The keysets of the file: what each is for.
const (
	setPerson = "person" // the person KEK; may rotate
	setFile   = "file"   // seals files of ours; may rotate
	setIndex  = "index"  // root of the blind indexes
	setBucket = "bucket" // never rotates
	setStatus = "status" // never rotates
)

// setNames lists every keyset in the order in which they are made.
func setNames() []string { return []string{setPerson, setFile, setIndex, setBucket, setStatus} }

// keysetJSON is the file: each keyset is a Tink keyset in its encrypted binary
// form, sealed by the seal key under its own name.
type keysetJSON struct {
	Format  string            `json:"format"`
	KeyID   string            `json:"sealKey"` // of the seal key, see keyID
	Keysets map[string][]byte `json:"keysets"`
}

// openKeysets reads the keyset file of dir, or makes it when it is missing and
// create is set.
func openKeysets(sealKey []byte, dir string, create bool) (map[string]*keyset.Handle, error) {
	path := filepath.Join(dir, KeysetFile)
	master, err := subtle.NewAESGCM(sealKey)
	if err != nil {
		return nil, fmt.Errorf("use the seal key: %w", err)
	}
	data, err := readLimited(path, keysetSize)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return nil, vaccination.Errorf(vaccination.Invalid, "the keyset %s is missing, without which nothing in the database can be read: put it back from a backup", path)
		}
		fresh, err := newKeysets(sealKey, master)
		if err != nil {
			return nil, err
		}
		// Two first starts at once: the one that comes second uses what the
		// first one made.
		if err := createFile(path, fresh); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("write the keyset: %w", err)
		}
		data, err = readLimited(path, keysetSize)
		if err != nil {
			return nil, fmt.Errorf("read the keyset: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("read the keyset: %w", err)
	}
	return readKeysets(data, path, sealKey, master)
}

func newKeysets(sealKey []byte, master tink.AEAD) ([]byte, error) {
	out := keysetJSON{Format: keysetFormat, KeyID: keyID(sealKey), Keysets: map[string][]byte{}}
	for _, name := range setNames() {
		template := prf.HMACSHA256PRFKeyTemplate()
		if name == setPerson || name == setFile {
			template = aead.AES256GCMKeyTemplate()
		}
		h, err := keyset.NewHandle(template)
		if err != nil {
			return nil, fmt.Errorf("make the %s keys: %w", name, err)
		}
		var buf bytes.Buffer
		if err := h.WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), master, keysetAAD(name)); err != nil {
			return nil, fmt.Errorf("seal the %s keys: %w", name, err)
		}
		out.Keysets[name] = buf.Bytes()
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

func readKeysets(data []byte, path string, sealKey []byte, master tink.AEAD) (map[string]*keyset.Handle, error) {
	damaged := func(what string) error {
		return vaccination.Errorf(vaccination.Invalid, "the keyset %s is damaged (%s): put it back from a backup", path, what)
	}
	var in keysetJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, damaged("not readable")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, damaged("something follows its end")
	}
	if in.Format != keysetFormat {
		return nil, damaged("of another format than " + keysetFormat)
	}
	if in.KeyID != keyID(sealKey) {
		return nil, vaccination.Errorf(vaccination.Forbidden, "this is not the seal key of this data folder: the keyset was sealed by key %.8q, the file given holds key %q", in.KeyID, keyID(sealKey))
	}
	out := map[string]*keyset.Handle{}
	for _, name := range setNames() {
		h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(in.Keysets[name])), master, keysetAAD(name))
		if err != nil {
			return nil, damaged("the " + name + " keys do not open")
		}
		out[name] = h
	}
	return out, nil
}

func keysetAAD(name string) []byte { return []byte(keysetFormat + " " + name) }

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}
