package backup

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func dumpOf(f testing.TB, text []byte) []byte {
	f.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	return z.EncodeAll(text, nil)
}

// Whatever is read as a dump is read to its end or refused; nothing else.
func FuzzWalk(f *testing.F) {
	var good bytes.Buffer
	good.WriteString(dumpMark)
	w := &blockWriter{w: &good}
	for _, err := range []error{
		writeHeader(&good, header{Table: "t", Columns: []string{"a", "b"}}), first(w.Write([]byte("1\tx\n2\ty"))), first(w.Write([]byte("\n"))), w.end(),
		writeHeader(&good, header{Sequences: map[string]int64{"s": 3}}),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	want := []Table{{"t", 2}}
	if err := walk(bytes.NewReader(dumpOf(f, good.Bytes())), want); err != nil {
		f.Fatal(err)
	}
	for n := range good.Len() {
		if walk(bytes.NewReader(dumpOf(f, good.Bytes()[:n])), want) == nil {
			f.Fatalf("cut after %d bytes it is whole", n)
		}
	}
	if walk(bytes.NewReader(dumpOf(f, append(good.Bytes(), 0))), want) == nil {
		f.Fatal("what follows its end is passed over")
	}
	for name, other := range map[string][]Table{"a row fewer": {{"t", 1}}, "another table": {{"u", 2}}, "a table more": {{"t", 2}, {"u", 0}}, "none": nil} {
		if walk(bytes.NewReader(dumpOf(f, good.Bytes())), other) == nil {
			f.Fatalf("%s in the manifest is not seen", name)
		}
	}
	f.Add(good.Bytes())
	f.Add([]byte(dumpMark + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = walk(bytes.NewReader(dumpOf(t, text)), want) // it ends, in bounded memory
		_ = walk(bytes.NewReader(text), want)
	})
}

func first(_ int, err error) error { return err }

// Rows go through blocks of any size unchanged.
func TestBlocks(t *testing.T) {
	row := append(bytes.Repeat([]byte("x"), 300<<10), '\n')
	var out bytes.Buffer
	out.WriteString(dumpMark)
	if err := writeHeader(&out, header{Table: "t"}); err != nil {
		t.Fatal(err)
	}
	w := &blockWriter{w: &out}
	for range 20 {
		for part := range bytes.Lines(row) {
			for len(part) > 0 { // as the database may send it
				n := min(len(part), 65000)
				if _, err := w.Write(part[:n]); err != nil {
					t.Fatal(err)
				}
				part = part[n:]
			}
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	if err := writeHeader(&out, header{}); err != nil {
		t.Fatal(err)
	}
	if err := walk(bytes.NewReader(dumpOf(t, out.Bytes())), []Table{{"t", 20}}); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("half a row")); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err == nil {
		t.Error("half a row was written")
	}
}
