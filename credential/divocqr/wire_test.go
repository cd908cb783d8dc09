package divocqr_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/divocqr"
)

// entry is one file of a ZIP, and what to say of it that is not so.
type entry struct {
	name              string
	data              []byte
	method            uint16 // 8 deflates
	flags             uint16
	descriptor        bool
	noDescriptorSig   bool
	crc, size         uint32 // 0: the true ones
	localName         string // "": as name
	localSize         uint32
	localCRC          uint32
	after             []byte // between the data and the directory
	trailing          []byte // behind the deflated stream, counted with it
	entries           uint16 // that the end record tells; 0: one
	tail, comment     string // behind the directory entry; as the file's comment
	offset            uint32
	descriptorNotTrue bool
}

func pack(e entry) []byte {
	body := e.data
	if e.method == 8 {
		body = append(deflate(e.data), e.trailing...)
	}
	le := binary.LittleEndian
	size, crc := uint32(len(e.data)), crc32.ChecksumIEEE(e.data)
	if e.size != 0 {
		size = e.size
	}
	if e.crc != 0 {
		crc = e.crc
	}
	if e.localName == "" {
		e.localName = e.name
	}
	if e.descriptor {
		e.flags |= 8
	}
	sums := func(b []byte, size, crc uint32) []byte {
		return le.AppendUint32(le.AppendUint32(le.AppendUint32(b, crc), uint32(len(body))), size)
	}
	z := []byte("PK\x03\x04\x14\x00")
	z = le.AppendUint16(le.AppendUint16(z, e.flags), e.method)
	z = append(z, 0, 0, 0, 0)
	switch {
	case e.descriptor:
		z = append(z, make([]byte, 12)...)
	case e.localSize != 0:
		z = sums(z, e.localSize, crc)
	case e.localCRC != 0:
		z = sums(z, size, e.localCRC)
	default:
		z = sums(z, size, crc)
	}
	z = le.AppendUint16(le.AppendUint16(z, uint16(len(e.localName))), 0)
	z = append(z, e.localName...)
	z = append(append(z, body...), e.after...)
	if e.descriptor {
		if !e.noDescriptorSig {
			z = append(z, "PK\x07\x08"...)
		}
		if e.descriptorNotTrue {
			size++
		}
		z = sums(z, size, crc)
		if e.descriptorNotTrue {
			size--
		}
	}
	dir := len(z)
	z = append(z, "PK\x01\x02\x14\x00\x14\x00"...)
	z = le.AppendUint16(le.AppendUint16(z, e.flags), e.method)
	z = append(z, 0, 0, 0, 0)
	z = sums(z, size, crc)
	z = le.AppendUint16(z, uint16(len(e.name)))
	z = append(z, make([]byte, 12)...)
	z = le.AppendUint32(z, e.offset)
	z = append(append(z, e.name...), e.tail...)
	length := len(z) - dir
	if e.entries == 0 {
		e.entries = 1
	}
	z = append(z, "PK\x05\x06\x00\x00\x00\x00"...)
	z = le.AppendUint16(le.AppendUint16(z, e.entries), e.entries)
	z = le.AppendUint32(le.AppendUint32(z, uint32(length)), uint32(dir))
	z = le.AppendUint16(z, uint16(len(e.comment)))
	return append(z, e.comment...)
}

func deflate(data []byte) []byte {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func zipped(data []byte) []byte { return pack(entry{name: "certificate.json", data: data, method: 8}) }

// expand writes each byte as the UTF-8 of that code point.
func expand(data []byte) []byte {
	var out []rune
	for _, b := range data {
		out = append(out, rune(b))
	}
	return []byte(string(out))
}

func TestWireVariants(t *testing.T) {
	text := marshal(sample())
	goZIP := func() []byte { // writes a data descriptor
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		f, err := w.Create("certificate.json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}()
	for name, data := range map[string][]byte{
		"plain JSON":                   text,
		"ZIP":                          zipped(text),
		"ZIP, as UTF-8":                expand(zipped(text)),
		"ZIP, as UTF-8 of UTF-8":       expand(expand(zipped(text))),
		"ZIP, not compressed":          pack(entry{name: "certificate.json", data: text}),
		"ZIP with a data descriptor":   goZIP,
		"the same, as UTF-8":           expand(goZIP),
		"a descriptor of no signature": pack(entry{name: "certificate.json", data: text, method: 8, descriptor: true, noDescriptorSig: true}),
		"a name marked as UTF-8":       pack(entry{name: "certificate.json", data: text, method: 8, flags: 1 << 11}),
	} {
		cred, err := divocqr.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(string(text), string(cred.JSON())); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestZIPsRefused(t *testing.T) {
	text := marshal(sample())
	const name = "certificate.json"
	good := zipped(text)
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"another entry name", pack(entry{name: "certificat.json", data: text, method: 8}), divocqr.ErrMalformed},
		{"another name in the local header", pack(entry{name: name, localName: "certificate.jsom", data: text, method: 8}), divocqr.ErrMalformed},
		{"another name in the directory", pack(entry{name: "certificate.jsom", localName: name, data: text, method: 8}), divocqr.ErrMalformed},
		{"two entries", pack(entry{name: name, data: text, method: 8, entries: 2}), divocqr.ErrMalformed},
		{"a second entry behind", pack(entry{name: name, data: text, method: 8, tail: string(good[len(good)-22-62 : len(good)-22])}), divocqr.ErrMalformed},
		{"a comment", pack(entry{name: name, data: text, method: 8, comment: "x"}), divocqr.ErrMalformed},
		{"a comment announced and not there", append(bytes.Clone(good[:len(good)-2]), 1, 0), divocqr.ErrMalformed},
		{"far too long", append(bytes.Clone(good), make([]byte, 4*divocqr.MaxSize)...), divocqr.ErrTooLarge},
		{"something before", append([]byte("PK\x03\x04"), good...), divocqr.ErrMalformed},
		{"something behind", append(bytes.Clone(good), 0), divocqr.ErrMalformed},
		{"an offset elsewhere", pack(entry{name: name, data: text, method: 8, offset: 4}), divocqr.ErrMalformed},
		{"bytes between data and directory", pack(entry{name: name, data: text, method: 8, after: []byte("hidden")}), divocqr.ErrMalformed},
		{"bytes behind the deflated stream", pack(entry{name: name, data: text, method: 8, trailing: []byte("hidden")}), divocqr.ErrMalformed},
		{"a wrong checksum", pack(entry{name: name, data: text, method: 8, crc: 7}), divocqr.ErrMalformed},
		{"another checksum in the local header", pack(entry{name: name, data: text, method: 8, localCRC: 7}), divocqr.ErrMalformed},
		{"another size in the local header", pack(entry{name: name, data: text, method: 8, localSize: 7}), divocqr.ErrMalformed},
		{"a size too small", pack(entry{name: name, data: text, method: 8, size: uint32(len(text) - 1)}), divocqr.ErrMalformed},
		{"a size too large", pack(entry{name: name, data: text, method: 8, size: uint32(len(text) + 1)}), divocqr.ErrMalformed},
		{"a stored size that is not", pack(entry{name: name, data: text, size: uint32(len(text) + 1)}), divocqr.ErrMalformed},
		{"a data descriptor that lies", pack(entry{name: name, data: text, method: 8, descriptor: true, descriptorNotTrue: true}), divocqr.ErrMalformed},
		{"a descriptor announced and not there", pack(entry{name: name, data: text, method: 8, flags: 8}), divocqr.ErrMalformed},
		{"encryption", pack(entry{name: name, data: text, method: 8, flags: 1}), divocqr.ErrMalformed},
		{"another method", pack(entry{name: name, data: text, method: 12}), divocqr.ErrMalformed},
		{"not deflated at all", pack(entry{name: name, data: append([]byte{0xff}, text...), method: 0, flags: 0, size: uint32(len(text))}), divocqr.ErrMalformed},
		{"a bomb", zipped(bytes.Repeat([]byte(" "), 10<<20)), divocqr.ErrTooLarge},
		{"a bomb that tells a small size", pack(entry{name: name, data: bytes.Repeat([]byte(" "), 10<<20), method: 8, size: 2000}), divocqr.ErrMalformed},
		{"a ratio of no certificate", zipped(bytes.Repeat([]byte(" "), divocqr.MaxSize)), divocqr.ErrTooLarge},
		{"more than the bound", zipped([]byte(strings.Repeat("0123456789", divocqr.MaxSize/10+1))), divocqr.ErrTooLarge},
		{"more than the bound, not compressed", pack(entry{name: name, data: make([]byte, divocqr.MaxSize+1)}), divocqr.ErrTooLarge},
		{"only the signature", []byte("PK\x03\x04"), divocqr.ErrMalformed},
		{"cut off", good[:len(good)-1], divocqr.ErrMalformed},
		{"its end cut off", good[:60], divocqr.ErrMalformed},
		{"not JSON", zipped([]byte("no")), divocqr.ErrMalformed},
	} {
		for form, data := range map[string][]byte{"": c.data, ", as UTF-8": expand(c.data)} {
			if _, err := divocqr.Decode(data); !errors.Is(err, c.want) {
				t.Errorf("%s%s: %v, want %v", c.name, form, err, c.want)
			}
		}
	}
	for i := range good { // any one byte changed is refused or changes nothing that counts
		bad := bytes.Clone(good)
		bad[i] ^= 0x41
		if cred, err := divocqr.Decode(bad); err == nil && !bytes.Equal(cred.JSON(), text) {
			t.Errorf("byte %d changed, and read as something else", i)
		}
	}
}

// contracted returns the bytes that the code points of s stand for.
func contracted(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for _, r := range s {
		if r > 0xff {
			t.Fatalf("a code point %x", r)
		}
		out = append(out, byte(r))
	}
	return out
}

// readZIP reads the one entry with archive/zip.
func readZIP(data []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	if len(z.File) != 1 {
		return nil, errors.New("not one entry")
	}
	return fs.ReadFile(z, "certificate.json")
}
