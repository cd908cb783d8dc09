// Package backup writes what an installation holds to a folder and brings it
// back: the database as of one moment, while it is used, and the sealed keys,
// as two files, so that they can be kept apart. The seal key is in neither.
//
// A manifest names both files by their hash and is sealed with the
// installation's keys, so that a backup which was cut, changed or put together
// from two is refused. What is restored does not know what was published after
// it was made: it is on hold ([registry.Hold]) until package issuance has
// reconciled the two.
package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
)

// The files of a backup.
const (
	DatabaseFile = "database.zst" // every row, sealed as it is stored
	KeysFile     = "keys.tar"     // the sealed keyset and signing keys
	ManifestFile = "manifest.json"
	SealFile     = "manifest.seal" // of the manifest, by the keys in KeysFile
)

// Source is an installation to back up.
type Source struct {
	Store     *registry.Store
	Box       *seal.Box
	Keys      string // the folder of keyset and keyring
	Program   string // version of this program
	PublicURL string
	Country   string // ISO 3166-1 alpha-3
	Demo      bool
	Now       func() time.Time
}

// Write writes a backup to the folder dir, which must not exist, and returns its
// manifest. The folder is there whole and durable when Write returns nil, and
// not at all otherwise; what it writes meanwhile stands in dir + ".unfinished",
// which the next one removes where a killed one left it. The database is read as
// of one moment and keeps working; memory does not grow with it.
func Write(ctx context.Context, s Source, dir string) (m *Manifest, err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists already; a backup is never overwritten", dir)
		}
		return nil, err
	}
	half := dir + ".unfinished"
	release, err := claim(half)
	if err != nil {
		return nil, err
	}
	defer release()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(half))
		}
	}()
	if m, err = s.write(ctx, half); err != nil {
		return nil, err
	}
	if err := errors.Join(syncDir(half), os.Rename(half, dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	return m, nil
}

// claim makes an empty folder of that name for this process alone.
func claim(dir string) (release func(), err error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another backup is being written to %s just now", dir)
	}
	left, err := os.ReadDir(dir)
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

func (s Source) write(ctx context.Context, dir string) (*Manifest, error) {
	m := &Manifest{
		Format: manifestFormat, Made: s.Now().UTC().Truncate(time.Microsecond), Program: s.Program,
		PublicURL: s.PublicURL, Country: s.Country, Demo: s.Demo, Files: map[string]File{},
	}
	conn, err := s.Store.Pool().Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	// The keys as they are at the moment of the snapshot: with a rotation between
	// the two, one could not open the other.
	unlock, err := seal.LockKeyset(ctx, s.Keys)
	if err != nil {
		return nil, err
	}
	defer unlock()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := m.describe(ctx, tx, query.New(tx)); err != nil {
		return nil, err
	}
	if m.Files[KeysFile], err = writeFile(filepath.Join(dir, KeysFile), func(w io.Writer) error { return writeKeys(w, s.Keys) }); err != nil {
		return nil, err
	}
	unlock()
	if m.Files[DatabaseFile], err = writeFile(filepath.Join(dir, DatabaseFile), func(w io.Writer) error {
		m.Tables, err = dump(ctx, tx, w)
		return err
	}); err != nil {
		return nil, err
	}
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	sealed, err := s.Box.Seal(m.hash[:], []byte(manifestFormat))
	if err != nil {
		return nil, err
	}
	return m, errors.Join(
		seal.WriteFile(filepath.Join(dir, ManifestFile), text),
		seal.WriteFile(filepath.Join(dir, SealFile), []byte(hex.EncodeToString(sealed)+"\n")),
	)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
