package divocqr

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// maxCode is what a QR code of version 40 holds in byte mode at level M, the
// level of DIVOC's codes (ISO/IEC 18004:2015, table 7).
const maxCode = 2331

// Code returns the text of the QR code of a credential: a ZIP file with the one
// entry certificate.json, its bytes written as the UTF-8 of code points 0 to
// 255. Of the three forms in use it is the one that DIVOC's own signer makes and
// that every verifier in the field reads; the bytes of the ZIP as they are,
// which DIVOC's DigiLocker service makes, are changed by scanners that take them
// for a text. It costs about 1.45 bytes for one.
//
// A credential that makes a code beyond version 40 at level M is
// [ErrCannotCarry].
func Code(credential []byte) (string, error) {
	file, err := zip(credential)
	if err != nil {
		return "", err
	}
	out := make([]rune, len(file))
	for i, b := range file {
		out[i] = rune(b)
	}
	text := string(out)
	if len(text) > maxCode {
		return "", fmt.Errorf("%w: %d bytes in a QR code, which holds %d: the texts are too long", ErrCannotCarry, len(text), maxCode)
	}
	return text, nil
}

// zip returns a ZIP file that [unzip] reads: one entry, deflated, no time but
// the format's first (PKWARE APPNOTE 4.3).
func zip(data []byte) ([]byte, error) {
	const version, deflated, firstDay = 20, 8, 1<<5 | 1 // 1980-01-01
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	// Both headers have this from the version needed to the length of extras.
	common := func(b []byte) []byte {
		for _, n := range []uint16{version, 0, deflated, 0, firstDay} {
			b = u16(b, n)
		}
		for _, n := range []int{int(crc32.ChecksumIEEE(data)), packed.Len(), len(data)} {
			b = u32(b, uint32(n))
		}
		return u16(u16(b, uint16(len(entryName))), 0)
	}
	z := append(make([]byte, 0, packed.Len()+2*len(entryName)+lenLocal+lenCentral+lenEnd), sigLocal...)
	z = append(append(common(z), entryName...), packed.Bytes()...)
	dir := len(z)
	z = common(u16(append(z, sigCentral...), version))
	z = append(z, make([]byte, 2+2+2+4+4)...) // no comment, disk 0, no attributes, at the begin
	z = append(z, entryName...)
	end := len(z)
	z = append(append(z, sigEnd...), 0, 0, 0, 0, 1, 0, 1, 0)
	return u16(u32(u32(z, uint32(end-dir)), uint32(dir)), 0), nil
}
