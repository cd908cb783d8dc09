package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/opendivoc/divoc/vaccination"
)

// IndexSize is the length of a blind index in bytes.
const IndexSize = 16

// IndexKind is a kind of value that is searched by or compared.
type IndexKind uint8

// The kinds of blind index. Each has its own key, so equal values of two kinds
// have nothing in common.
const (
	Mobile        IndexKind = iota + 1 // E.164
	BirthDate                          // as vaccination.Date prints it
	NationalID                         // kind and number, normalised
	EnrolmentCode                      // as normalised at intake
	Content                            // of an event, for sameness
	NameAndBirth                       // the key of a name (package names) and the date of birth
)

// String is the kind's name in key derivation: it may never change.
func (k IndexKind) String() string {
	switch k {
	case Mobile:
		return "mobile"
	case BirthDate:
		return "birth-date"
	case NationalID:
		return "national-id"
	case EnrolmentCode:
		return "enrolment-code"
	case Content:
		return "content"
	case NameAndBirth:
		return "name-and-birth"
	default:
		return "unknown"
	}
}

// Index returns the blind index of a value that the caller has normalised: the
// first 16 bytes of its HMAC-SHA-256. An unknown kind panics: it is a mistake in
// the program.
func (b *Box) Index(kind IndexKind, value string) []byte {
	if kind < Mobile || kind > NameAndBirth {
		panic("seal: unknown kind of index")
	}
	return mac(b.indexes[kind], value)[:IndexSize]
}

// Bucket returns the bucket of a person whose enrolment code, as first received
// and normalised, is given.
func (b *Box) Bucket(enrolmentCode string) vaccination.Bucket {
	return vaccination.Bucket(binary.BigEndian.Uint16(mac(b.bucket, enrolmentCode)) >> (16 - vaccination.BucketBits))
}

func mac(key []byte, value string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(value))
	return h.Sum(nil)
}
