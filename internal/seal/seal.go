package seal

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/subtle/random"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/opendivoc/divoc/vaccination"
)

// Options say how [Open] opens.
type Options struct {
	// Create makes a new keyset where there is none. It is only for a data
	// folder and a database that hold nothing yet: a keyset that was lost must
	// never be replaced in silence, because what it sealed would be gone.
	Create bool
}

// Box seals and unseals, and makes keyed hashes. It is safe for concurrent use,
// also by several processes on one keyset.
type Box struct {
	keys    keysetFile
	person  atomic.Pointer[personKeys] // replaced when the keyset changed
	file    tink.AEAD
	indexes [NameAndBirth + 1][]byte // HMAC key of each IndexKind
	bucket  []byte                   // HMAC key
	status  permutation
}

// Open opens the keyset of dir with sealKey, the text of a seal-key file. A
// wrong seal key ([vaccination.Forbidden]), a missing keyset and a damaged one
// ([vaccination.Invalid]) are errors; only o.Create makes a new one, and only
// where there is none.
func Open(sealKey []byte, dir string, o Options) (*Box, error) {
	key, err := parseKey(sealKey)
	if err != nil {
		return nil, err
	}
	if o.Create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of the keyset: %w", err)
		}
	}
	file, err := newKeysetFile(key, dir)
	if err != nil {
		return nil, err
	}
	sets, info, err := file.open(o.Create)
	if err != nil {
		return nil, err
	}
	b := &Box{keys: file}
	person, err := newPersonKeys(sets[setPerson], info)
	if err != nil {
		return nil, err
	}
	b.person.Store(person)
	if b.file, err = aead.New(sets[setFile]); err != nil {
		return nil, fmt.Errorf("use the file keys: %w", err)
	}
	for kind := Mobile; kind <= NameAndBirth; kind++ {
		if b.indexes[kind], err = derive(sets[setIndex], "index "+kind.String()); err != nil {
			return nil, err
		}
	}
	if b.bucket, err = derive(sets[setBucket], "bucket"); err != nil {
		return nil, err
	}
	status, err := derive(sets[setStatus], "status index")
	if err != nil {
		return nil, err
	}
	b.status, err = newPermutation(status)
	return b, err
}

// derive returns a 32-byte key for one purpose from a keyset.
func derive(h *keyset.Handle, purpose string) ([]byte, error) {
	set, err := prf.NewPRFSet(h)
	if err != nil {
		return nil, fmt.Errorf("use the %s keys: %w", purpose, err)
	}
	key, err := set.ComputePrimaryPRF([]byte("divoc/1 "+purpose), 32)
	if err != nil {
		return nil, fmt.Errorf("derive the %s key: %w", purpose, err)
	}
	return key, nil
}

// Seal encrypts plain for a file of ours, 33 bytes longer; only the same aad
// opens it again.
func (b *Box) Seal(plain, aad []byte) ([]byte, error) { return b.file.Encrypt(plain, aad) }

// Unseal is the inverse of [Box.Seal]. What was not sealed by it, was changed,
// or comes with another aad is an error.
func (b *Box) Unseal(sealed, aad []byte) ([]byte, error) {
	plain, err := b.file.Decrypt(sealed, aad)
	if err != nil {
		return nil, errNotOpen
	}
	return plain, nil
}

var errNotOpen = fmt.Errorf("seal: does not open: changed, moved from its place, or sealed under another key")

// AAD is what a value in the database is bound to: a sealed value that is moved
// to another person, bucket or column does not open.
func AAD(bucket vaccination.Bucket, person int64, column string) []byte {
	out := make([]byte, 0, 11+len(column))
	out = append(out, 1) // version of this layout
	out = binary.BigEndian.AppendUint16(out, uint16(bucket))
	out = binary.BigEndian.AppendUint64(out, uint64(person))
	return append(out, column...)
}

// PersonKey seals the data of one person. It is safe for concurrent use.
type PersonKey struct{ aead *subtle.AESGCM }

// NewPersonKey makes the key of one person and returns it with its wrapped form
// of 65 bytes, which is what is stored. aad is [AAD] of the place it is stored
// in.
func (b *Box) NewPersonKey(aad []byte) (wrapped []byte, k *PersonKey, err error) {
	// With the newest key-encryption key, so that what it replaces falls out of
	// use. Where the keyset cannot be read just now, the last one goes on.
	_ = b.refresh()
	key := random.GetRandomBytes(keySize)
	wrapped, err = b.person.Load().aead.Encrypt(key, aad)
	if err != nil {
		return nil, nil, fmt.Errorf("wrap a person key: %w", err)
	}
	k, err = newPersonKey(key)
	return wrapped, k, err
}

// PersonKey unwraps a person key.
func (b *Box) PersonKey(wrapped, aad []byte) (*PersonKey, error) {
	key, err := b.unwrap(wrapped, aad)
	if err != nil {
		return nil, err
	}
	return newPersonKey(key)
}

func newPersonKey(key []byte) (*PersonKey, error) {
	a, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("use a person key: %w", err)
	}
	return &PersonKey{a}, nil
}

// Seal encrypts data, 28 bytes longer; only the same aad opens it again.
func (k *PersonKey) Seal(data, aad []byte) ([]byte, error) { return k.aead.Encrypt(data, aad) }

// Unseal is the inverse of [PersonKey.Seal]. What was changed or comes with
// another aad is an error.
func (k *PersonKey) Unseal(sealed, aad []byte) ([]byte, error) {
	data, err := k.aead.Decrypt(sealed, aad)
	if err != nil {
		return nil, errNotOpen
	}
	return data, nil
}
