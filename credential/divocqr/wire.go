package divocqr

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf8"
)

// MaxSize is the most bytes of JSON that are read. Certificates have about
// 2,000; the largest QR code holds 2,953.
const MaxSize = 64 << 10

// maxRatio bounds what a ZIP entry may grow to against its compressed size.
// Certificates deflate to somewhat more than half.
const maxRatio = 40

const entryName = "certificate.json"

// unwrap returns the credential's JSON from the contents of a QR code: a ZIP
// file, a ZIP file whose bytes were written as the UTF-8 of code points 0 to
// 255 (what DIVOC's JavaScript does, and what a scanner makes of raw bytes that
// it takes for Latin-1), or plain JSON.
func unwrap(data []byte) ([]byte, error) {
	if len(data) > 4*MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, 4*MaxSize)
	}
	if !bytes.HasPrefix(data, []byte(sigLocal)) {
		if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' {
			if len(data) > MaxSize {
				return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize)
			}
			return data, nil
		}
		return nil, ErrNotDIVOC
	}
	// The checksum tells which reading is right. Twice expanded is an expanded
	// code in the hands of a scanner that took its bytes for Latin-1.
	text, firstErr := unzip(data)
	for i := 0; i < 2 && firstErr != nil; i++ {
		var ok bool
		if data, ok = contract(data); !ok {
			break
		}
		inner, err := unzip(data)
		if err == nil {
			return inner, nil
		}
		firstErr = err
	}
	return text, firstErr
}

// contract turns the UTF-8 of code points 0 to 255 back into bytes.
func contract(data []byte) ([]byte, bool) {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf {
			out = append(out, data[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r > 0xFF || n != 2 {
			return nil, false
		}
		out = append(out, byte(r))
		i += n
	}
	return out, len(out) < len(data)
}

// Signatures and lengths of the records of a ZIP file (PKWARE APPNOTE 4.3).
const (
	sigLocal      = "PK\x03\x04"
	sigDescriptor = "PK\x07\x08"
	sigCentral    = "PK\x01\x02"
	sigEnd        = "PK\x05\x06"
	lenLocal      = 30
	lenCentral    = 46
	lenEnd        = 22
)

func badZIP(what string) error { return fmt.Errorf("%w: ZIP: %s", ErrMalformed, what) }

// unzip returns the one entry of a ZIP file. Every byte must belong to a record
// that is where it has to be, and the two headers must agree: what another
// reader could see differently is refused.
func unzip(z []byte) ([]byte, error) {
	if len(z) < lenLocal+lenCentral+lenEnd || string(z[:4]) != sigLocal {
		return nil, badZIP("too short")
	}
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(z[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(z[at:])) }

	end := len(z) - lenEnd
	if string(z[end:end+4]) != sigEnd || u16(end+20) != 0 {
		return nil, badZIP("no end record where it has to be")
	}
	if u16(end+4) != 0 || u16(end+6) != 0 || u16(end+8) != 1 || u16(end+10) != 1 {
		return nil, badZIP("not exactly one entry")
	}
	central := u32(end + 16)
	if central+u32(end+12) != int64(end) || u32(end+12) < lenCentral || central < lenLocal {
		return nil, badZIP("directory not where it has to be")
	}
	dir := int(central)
	name, extra, comment := u16(dir+28), u16(dir+30), u16(dir+32)
	if string(z[dir:dir+4]) != sigCentral || dir+lenCentral+name+extra+comment != end || u16(dir+34) != 0 || u32(dir+42) != 0 {
		return nil, badZIP("directory entry damaged")
	}
	flags, method := u16(dir+8), u16(dir+10)
	crc, packed, size := uint32(u32(dir+16)), u32(dir+20), u32(dir+24)
	const descriptor, utf8Names = 1 << 3, 1 << 11
	if flags&^(descriptor|utf8Names|1<<1|1<<2) != 0 { // bits 1 and 2 tell the effort of deflating
		return nil, badZIP("encrypted or patched")
	}
	if string(z[dir+lenCentral:dir+lenCentral+name]) != entryName {
		return nil, badZIP("the entry is not " + entryName)
	}

	start := lenLocal + u16(26) + u16(28)
	if u16(6) != flags || u16(8) != method || u16(26) != name || start > dir || string(z[lenLocal:lenLocal+name]) != entryName {
		return nil, badZIP("the two headers disagree")
	}
	body := z[start:dir]
	if packed > int64(len(body)) {
		return nil, badZIP("entry cut off")
	}
	data, rest := body[:packed], body[packed:]
	if flags&descriptor == 0 {
		if len(rest) != 0 || uint32(u32(14)) != crc || u32(18) != packed || u32(22) != size {
			return nil, badZIP("the two headers disagree")
		}
	} else if rest = bytes.TrimPrefix(rest, []byte(sigDescriptor)); !bytes.Equal(rest, z[dir+16:dir+28]) {
		return nil, badZIP("the data descriptor disagrees with the directory")
	}

	if size > MaxSize || packed > MaxSize || size > maxRatio*packed {
		return nil, fmt.Errorf("%w: ZIP: the entry inflates too far", ErrTooLarge)
	}
	text := data
	switch method {
	case 0:
	case 8:
		var err error
		if text, err = inflate(data, int(size)); err != nil {
			return nil, err
		}
	default:
		return nil, badZIP("neither stored nor deflated")
	}
	if int64(len(text)) != size || crc32.ChecksumIEEE(text) != crc {
		return nil, badZIP("checksum or size is wrong")
	}
	return text, nil
}

// inflate never makes more than one byte beyond size, which the caller has
// bounded, whatever the stream says.
func inflate(data []byte, size int) ([]byte, error) {
	in := bytes.NewReader(data)
	r := flate.NewReader(in)
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, badZIP("the deflated entry is damaged or shorter than it says")
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n != 0 || err != io.EOF {
		return nil, badZIP("the deflated entry is longer than it says")
	}
	if in.Len() != 0 {
		return nil, badZIP("something follows the deflated entry")
	}
	return text, nil
}
