package backup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Backup is a backup as found on disk. Nothing in it is to be believed before
// [Backup.Check] and [Backup.Authenticate] have succeeded.
type Backup struct {
	Manifest *Manifest
	dir      string
	keys     string
}

// Open reads the manifest of the backup in dir. keys is where its keys are kept
// when that is elsewhere, "" when they are in dir.
func Open(dir, keys string) (*Backup, error) {
	text, err := readLimited(filepath.Join(dir, ManifestFile), manifestSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no backup, or one that was not finished: it has no %s", dir, ManifestFile)
	}
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if keys == "" {
		keys = filepath.Join(dir, KeysFile)
	}
	return &Backup{Manifest: m, dir: dir, keys: keys}, nil
}

// HasKeys reports whether the keys are where they are said to be.
func (b *Backup) HasKeys() bool {
	_, err := os.Stat(b.keys)
	return err == nil
}

// Check reads both files whole and says what is wrong: one that is cut or
// changed, or does not hold what the manifest says. Where the keys are missing
// it checks the database alone.
func (b *Backup) Check() error {
	if b.HasKeys() {
		if err := b.Manifest.Files[KeysFile].check(b.keys); err != nil {
			return err
		}
	}
	path := filepath.Join(b.dir, DatabaseFile)
	if err := b.Manifest.Files[DatabaseFile].check(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := walk(f, b.Manifest.Tables); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Authenticate says whether the manifest is the one its installation wrote.
// sealKey is the text of the seal key that the installation had then. The error
// is [vaccination.Forbidden] for another seal key.
func (b *Backup) Authenticate(sealKey []byte) error {
	dir, err := os.MkdirTemp("", "divoc-backup-keys-") // they are sealed
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := b.WriteKeys(dir); err != nil {
		return err
	}
	box, err := seal.Open(sealKey, dir, seal.Options{})
	if err != nil {
		if vaccination.ErrorCode(err) == vaccination.Forbidden {
			err = vaccination.Errorf(vaccination.Forbidden, "this is not the seal key that was in use when the backup was made")
		}
		return err
	}
	text, err := readLimited(filepath.Join(b.dir, SealFile), 4<<10)
	if err != nil {
		return fmt.Errorf("the seal of the manifest: %w", err)
	}
	sealed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return errSeal()
	}
	hash, err := box.Unseal(sealed, []byte(manifestFormat))
	if err != nil || string(hash) != string(b.Manifest.hash[:]) {
		return errSeal()
	}
	return nil
}

func errSeal() error {
	return vaccination.Errorf(vaccination.Forbidden, "the manifest of the backup was changed: its seal is not of it")
}

// WriteKeys writes the sealed key files to the folder dir.
func (b *Backup) WriteKeys(dir string) error {
	if !b.HasKeys() {
		return fmt.Errorf("the keys of the backup are not at %s: say with --keys where they are kept", b.keys)
	}
	if err := b.Manifest.Files[KeysFile].check(b.keys); err != nil {
		return err
	}
	f, err := os.Open(b.keys)
	if err != nil {
		return err
	}
	defer f.Close()
	return readKeys(f, dir)
}
