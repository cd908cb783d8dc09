package seal

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The key-encryption key of people is rotated so: a new one is made and wraps
// from then on, the old one still opens ([Box.BeginRotation]); every person's
// key is wrapped anew ([Box.Rewrap]); when nothing is left that the old one
// wraps, it is destroyed ([Box.EndRotation]). Each step can be done again, so a
// rotation that was cut short is taken up by beginning once more. Other
// processes see a new keyset when they next wrap a key, or meet one that does
// not open.

// personKeys are the key-encryption keys of people as read from one file.
type personKeys struct {
	aead    tink.AEAD
	primary []byte   // what begins everything the newest one wraps
	old     [][]byte // the same of those that only open
	info    fs.FileInfo
}

func newPersonKeys(h *keyset.Handle, info fs.FileInfo) (*personKeys, error) {
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("use the person keys: %w", err)
	}
	k := &personKeys{aead: a, info: info}
	for i := range h.Len() {
		e, err := h.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("use the person keys: %w", err)
		}
		if e.IsPrimary() {
			k.primary = keyPrefix(e.KeyID())
		} else {
			k.old = append(k.old, keyPrefix(e.KeyID()))
		}
	}
	return k, nil
}

// KeyPrefixSize is the length of what names a key-encryption key at the
// beginning of everything it wraps, in bytes.
const KeyPrefixSize = 5

// keyPrefix is how everything begins that Tink's key of that id encrypts.
func keyPrefix(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{1}, id) }

// refresh reads the keyset anew when its file changed.
func (b *Box) refresh() error {
	info, err := os.Stat(b.keys.path)
	if err == nil {
		if was := b.person.Load().info; os.SameFile(info, was) && info.ModTime().Equal(was.ModTime()) && info.Size() == was.Size() {
			return nil
		}
	}
	return b.reload()
}

func (b *Box) reload() error {
	sets, info, err := b.keys.open(false)
	if err != nil {
		return err
	}
	k, err := newPersonKeys(sets[setPerson], info)
	if err == nil {
		b.person.Store(k)
	}
	return err
}

// unwrap opens a person's key, with the keyset read anew where it was wrapped by
// a key made since.
func (b *Box) unwrap(wrapped, aad []byte) ([]byte, error) {
	k := b.person.Load()
	key, err := k.aead.Decrypt(wrapped, aad)
	if err != nil && !k.knows(wrapped) && b.refresh() == nil {
		key, err = b.person.Load().aead.Decrypt(wrapped, aad)
	}
	if err != nil {
		return nil, errNotOpen
	}
	return key, nil
}

// knows reports whether wrapped names one of the keys.
func (k *personKeys) knows(wrapped []byte) bool {
	return bytes.HasPrefix(wrapped, k.primary) || slices.ContainsFunc(k.old, func(p []byte) bool { return bytes.HasPrefix(wrapped, p) })
}

// PersonKeys returns the prefixes of what the newest key-encryption key wraps,
// and of what those before it wrapped that only open by now: none unless a
// rotation is going on.
func (b *Box) PersonKeys() (newest []byte, old [][]byte, err error) {
	if err := b.refresh(); err != nil {
		return nil, nil, err
	}
	k := b.person.Load()
	return bytes.Clone(k.primary), slices.Clone(k.old), nil
}

// Rewrap wraps a wrapped person key with the newest key-encryption key; what it
// wraps already comes back as it is.
func (b *Box) Rewrap(wrapped, aad []byte) ([]byte, error) {
	if bytes.HasPrefix(wrapped, b.person.Load().primary) {
		return wrapped, nil
	}
	key, err := b.unwrap(wrapped, aad)
	if err != nil {
		return nil, err
	}
	return b.person.Load().aead.Encrypt(key, aad)
}

// BeginRotation makes a new key-encryption key of people, which wraps from now
// on. Where a rotation was begun and not ended, it changes nothing: that one is
// to be ended first.
func (b *Box) BeginRotation(ctx context.Context) error {
	return b.changePersonKeys(ctx, func(m *keyset.Manager, k *personKeys) error {
		if len(k.old) > 0 {
			return nil
		}
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// EndRotation destroys the key-encryption keys that wrapped with these prefixes.
// The caller has made sure that nothing is left that they wrap and that nobody
// wraps with them any more: it could never be opened again. The newest one is
// never destroyed; one that is gone already is no error.
func (b *Box) EndRotation(ctx context.Context, old [][]byte) error {
	return b.changePersonKeys(ctx, func(m *keyset.Manager, k *personKeys) error {
		for _, prefix := range old {
			if !slices.ContainsFunc(k.old, func(p []byte) bool { return bytes.Equal(p, prefix) }) {
				continue
			}
			if err := m.Delete(binary.BigEndian.Uint32(prefix[1:])); err != nil {
				return err
			}
		}
		return nil
	})
}

// changePersonKeys changes the keyset, one at a time in all processes. The file
// is whole and durable before anything uses it.
func (b *Box) changePersonKeys(ctx context.Context, change func(*keyset.Manager, *personKeys) error) error {
	unlock, err := Lock(ctx, filepath.Join(filepath.Dir(b.keys.path), keysetLock), false)
	if err != nil {
		return err
	}
	defer unlock()
	sets, info, err := b.keys.open(false)
	if err != nil {
		return err
	}
	k, err := newPersonKeys(sets[setPerson], info)
	if err != nil {
		return err
	}
	m := keyset.NewManagerFromHandle(sets[setPerson])
	if err := change(m, k); err != nil {
		return fmt.Errorf("change the person keys: %w", err)
	}
	if sets[setPerson], err = m.Handle(); err != nil {
		return fmt.Errorf("change the person keys: %w", err)
	}
	data, err := b.keys.encode(sets)
	if err != nil {
		return err
	}
	if _, err := b.keys.decode(data); err != nil { // what cannot be read back must not replace what can
		return err
	}
	if err := WriteFile(b.keys.path, data); err != nil {
		return fmt.Errorf("write the keyset: %w", err)
	}
	return b.reload()
}

// LockKeyset keeps the keyset of dir from being changed until unlock, for
// whoever reads it together with what it seals. It waits for a change that is
// being made.
func LockKeyset(ctx context.Context, dir string) (unlock func(), err error) {
	return Lock(ctx, filepath.Join(dir, keysetLock), true)
}

// keysetLock is the file whose lock whoever changes the keyset has.
const keysetLock = "keyset.lock"
