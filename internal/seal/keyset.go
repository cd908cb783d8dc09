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

// keysetFile is the keyset in its folder, with the seal key that opens it.
type keysetFile struct {
	path   string
	keyID  string // of the seal key
	master tink.AEAD
}

func newKeysetFile(sealKey []byte, dir string) (keysetFile, error) {
	master, err := subtle.NewAESGCM(sealKey)
	if err != nil {
		return keysetFile{}, fmt.Errorf("use the seal key: %w", err)
	}
	return keysetFile{filepath.Join(dir, KeysetFile), keyID(sealKey), master}, nil
}

// open reads the file, or makes it when it is missing and create is set.
func (f keysetFile) open(create bool) (map[string]*keyset.Handle, fs.FileInfo, error) {
	sets, info, err := f.read()
	if !errors.Is(err, fs.ErrNotExist) {
		return sets, info, err
	}
	if !create {
		return nil, nil, vaccination.Errorf(vaccination.Invalid, "the keyset %s is missing, without which nothing in the database can be read: put it back from a backup", f.path)
	}
	fresh, err := f.make()
	if err != nil {
		return nil, nil, err
	}
	// Two first starts at once: the one that comes second uses what the first
	// one made.
	if err := createFile(f.path, fresh); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, fmt.Errorf("write the keyset: %w", err)
	}
	return f.read()
}

// make returns the text of a file with new keys.
func (f keysetFile) make() ([]byte, error) {
	sets := map[string]*keyset.Handle{}
	for _, name := range setNames() {
		template := prf.HMACSHA256PRFKeyTemplate()
		if name == setPerson || name == setFile {
			template = aead.AES256GCMKeyTemplate()
		}
		h, err := keyset.NewHandle(template)
		if err != nil {
			return nil, fmt.Errorf("make the %s keys: %w", name, err)
		}
		sets[name] = h
	}
	return f.encode(sets)
}

// encode seals keysets as the text of a file.
func (f keysetFile) encode(sets map[string]*keyset.Handle) ([]byte, error) {
	out := keysetJSON{Format: keysetFormat, KeyID: f.keyID, Keysets: map[string][]byte{}}
	for _, name := range setNames() {
		var buf bytes.Buffer
		if err := sets[name].WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), f.master, keysetAAD(name)); err != nil {
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

// read reads the file; info is of the very file read. A missing one is
// fs.ErrNotExist.
func (f keysetFile) read() (map[string]*keyset.Handle, fs.FileInfo, error) {
	data, info, err := readLimited(f.path, keysetSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the keyset: %w", err)
	}
	sets, err := f.decode(data)
	return sets, info, err
}

func (f keysetFile) decode(data []byte) (map[string]*keyset.Handle, error) {
	damaged := func(what string) error {
		return vaccination.Errorf(vaccination.Invalid, "the keyset %s is damaged (%s): put it back from a backup", f.path, what)
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
	if in.KeyID != f.keyID {
		return nil, vaccination.Errorf(vaccination.Forbidden, "this is not the seal key of this data folder: the keyset was sealed by key %.8q, the file given holds key %q", in.KeyID, f.keyID)
	}
	out := map[string]*keyset.Handle{}
	for _, name := range setNames() {
		h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(in.Keysets[name])), f.master, keysetAAD(name))
		if err != nil {
			return nil, damaged("the " + name + " keys do not open")
		}
		out[name] = h
	}
	return out, nil
}

func keysetAAD(name string) []byte { return []byte(keysetFormat + " " + name) }

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, info, err
}
