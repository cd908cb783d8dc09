package csv

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/opendivoc/divoc/vaccination"
)

// The encodings of files.
const (
	UTF8        = "utf-8"
	UTF16LE     = "utf-16le"
	UTF16BE     = "utf-16be"
	Windows1252 = "windows-1252" // Latin-1 and what Windows adds to it
)

// ParseEncoding reads the name of an encoding that somebody declared. The empty
// name declares none.
func ParseEncoding(name string) (string, error) {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "":
		return "", nil
	case "utf-8", "utf8", "us-ascii", "ascii":
		return UTF8, nil
	case "utf-16le", "utf-16":
		return UTF16LE, nil
	case "utf-16be":
		return UTF16BE, nil
	case "windows-1252", "cp1252", "latin-1", "latin1", "iso-8859-1":
		return Windows1252, nil
	}
	return "", vaccination.Errorf(vaccination.Invalid, "this encoding is not read: save the file as UTF-8, or declare utf-8, utf-16le, utf-16be or windows-1252")
}

// mark returns the encoding that the first bytes of a file show by a byte order
// mark or by the zeros between letters, "" when they show none, and the length
// of the mark.
func mark(head []byte) (encoding string, n int) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return UTF16BE, 2
	case len(head) >= 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return UTF16LE, 0
	case len(head) >= 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return UTF16BE, 0
	}
	return "", 0
}

// Detector finds out the encoding of a file that is written to it in pieces: a
// table is read only when it is known how, and one row may hold the only letter
// that tells.
type Detector struct {
	head      []byte
	started   bool
	shown     string // by a mark
	rest      []byte // of a letter cut in two
	letters   int    // that are UTF-8 and not ASCII
	strays    int    // bytes that are not UTF-8
	undefined bool   // one of them is nothing in Windows-1252
}

// Write takes the next piece. It never fails.
func (d *Detector) Write(p []byte) (int, error) {
	n := len(p)
	if !d.started {
		d.head = append(d.head, p...)
		if len(d.head) < 4 {
			return n, nil
		}
		d.begin()
		return n, nil
	}
	d.look(p, false)
	return n, nil
}

func (d *Detector) begin() {
	d.started = true
	d.shown, _ = mark(d.head)
	d.look(d.head, false)
	d.head = nil
}

func (d *Detector) look(p []byte, last bool) {
	if d.shown != "" {
		return
	}
	if len(d.rest) > 0 {
		p = append(d.rest, p...)
		d.rest = nil
	}
	for len(p) > 0 {
		if p[0] < utf8.RuneSelf {
			p = p[1:]
			continue
		}
		if !last && !utf8.FullRune(p) {
			d.rest = bytes.Clone(p)
			return
		}
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			d.strays++
			switch p[0] {
			case 0x81, 0x8d, 0x8f, 0x90, 0x9d:
				d.undefined = true
			}
		} else {
			d.letters++
		}
		p = p[size:]
	}
}

// Encoding is that of the whole file. Bytes that are not UTF-8 are Windows-1252,
// unless the file is UTF-8 for the most part (then the rows that hold them are
// wrong, and the names in all others stay right) or they are nothing in
// Windows-1252 either; then it must be declared.
func (d *Detector) Encoding() (string, error) {
	if !d.started {
		d.begin()
	}
	d.look(nil, true)
	switch {
	case d.shown != "":
		return d.shown, nil
	case d.strays <= 10*d.letters:
		return UTF8, nil
	case d.undefined:
		return "", vaccination.Errorf(vaccination.Invalid, "the encoding of the file is not plain: save it as \"CSV UTF-8\", or declare its encoding")
	}
	return Windows1252, nil
}

// decode returns r as UTF-8 without a byte order mark. A mark counts for more
// than encoding; without either, r is UTF-8. Bytes that are no letter stay as
// they are in UTF-8, and become U+FFFD from UTF-16: both are faults of their row.
func decode(r io.Reader, encoding string) (io.Reader, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	shown, skip := mark(head)
	if shown != "" {
		encoding = shown
	}
	all := io.MultiReader(bytes.NewReader(head[skip:]), r)
	switch encoding {
	case UTF16LE:
		return transform.NewReader(all, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder()), nil
	case UTF16BE:
		return transform.NewReader(all, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder()), nil
	case Windows1252:
		return transform.NewReader(all, charmap.Windows1252.NewDecoder()), nil
	}
	return all, nil
}
