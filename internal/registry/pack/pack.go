// Package pack stores what belongs to one certificate together in few bytes:
// the record, the text of its credential and the bytes of its code, compressed
// in one with a preset dictionary.
package pack

// Pack returns parts compressed together.
func Pack(parts ...[]byte) []byte { panic("") }

// Unpack returns the parts that Pack was given.
func Unpack(packed []byte) ([][]byte, error) { panic("") }
