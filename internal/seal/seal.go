// Package seal keeps personal data and signing keys sealed at rest.
package seal

import (
	"errors"
	"io"

	"github.com/opendivoc/divoc/vaccination"
)

// Options say how [Open] opens.
type Options struct {
	// Create makes a new keyset where there is none. It is only for a data
	// folder and a database that hold nothing yet: a keyset that was lost must
	// never be replaced in silence.
	Create bool
}

// GenerateKey returns the text of a new seal-key file.
func GenerateKey(random io.Reader) ([]byte, error) { return nil, errors.New("seal: not built yet") }

// Open opens the keyset in dir with the text of a seal-key file.
func Open(sealKey []byte, dir string, o Options) (*Box, error) {
	return nil, errors.New("seal: not built yet")
}

// Box seals and unseals, and makes keyed hashes. It is safe for concurrent use.
type Box struct{}

// Seal encrypts plain for a file of ours; aad is bound to it.
func (b *Box) Seal(plain, aad []byte) ([]byte, error) { return nil, errors.New("seal: not built yet") }

// Unseal is the inverse of [Box.Seal].
func (b *Box) Unseal(sealed, aad []byte) ([]byte, error) {
	return nil, errors.New("seal: not built yet")
}

// AAD is what a sealed column is bound to.
func AAD(bucket vaccination.Bucket, person int64, column string) []byte { return nil }

// NewPersonKey makes the key of one person, wrapped by the person KEK.
func (b *Box) NewPersonKey(aad []byte) (wrapped []byte, k *PersonKey, err error) {
	return nil, nil, errors.New("seal: not built yet")
}

// PersonKey unwraps the key of one person.
func (b *Box) PersonKey(wrapped, aad []byte) (*PersonKey, error) {
	return nil, errors.New("seal: not built yet")
}

// PersonKey seals the data of one person.
type PersonKey struct{}

// Seal encrypts data; it adds 28 bytes.
func (k *PersonKey) Seal(data, aad []byte) ([]byte, error) {
	return nil, errors.New("seal: not built yet")
}

// Unseal is the inverse of [PersonKey.Seal].
func (k *PersonKey) Unseal(sealed, aad []byte) ([]byte, error) {
	return nil, errors.New("seal: not built yet")
}

// IndexKind is a kind of value to search by.
type IndexKind uint8

// The kinds of blind index.
const (
	Mobile IndexKind = iota + 1
	BirthDate
	NationalID
	EnrolmentCode
	Content
)

// Index returns the 16-byte blind index of a normalised value.
func (b *Box) Index(kind IndexKind, value string) []byte { return nil }

// Bucket returns the bucket of an enrolment code.
func (b *Box) Bucket(enrolmentCode string) vaccination.Bucket { return 0 }

// StatusIndex maps a position in a status list to an index of 0..131071.
func (b *Box) StatusIndex(list, position uint32) uint32 { return 0 }

// WriteFile writes a file whole and durably, or not at all.
func WriteFile(path string, data []byte) error { return errors.New("seal: not built yet") }

// Inside reports whether path lies in dir, links resolved.
func Inside(path, dir string) (bool, error) { return false, errors.New("seal: not built yet") }
