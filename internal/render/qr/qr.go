// Package qr encodes text as QR codes (ISO/IEC 18004) and draws them.
package qr

import "errors"

// Level is the error correction level.
type Level int

// The levels: about 7, 15, 25 and 30 percent of the code may be damaged.
const (
	L Level = iota
	M
	Q
	H
)

// Code is an encoded QR symbol.
type Code struct {
	Version int // 1 to 40
	Level   Level
	Mask    int // 0 to 7
	Size    int // modules on a side: 4*Version + 17
}

// Encode encodes text in the smallest version that holds it at level.
func Encode(text string, level Level) (*Code, error) { return nil, errors.New("todo") }
