package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

var train = flag.String("train", "", "make a new dictionary and write it to this file")

// A dictionary is what forms have in common, trained, and at its end whole forms
// of nobody: most of a certificate is one of them with other values.
func TestTrainDictionary(t *testing.T) {
	if *train == "" {
		t.Skip("only with -train FILE")
	}
	s := newSampler(1)
	var samples [][]byte
	for i := range 400 {
		parts := s.record(countries()[i%len(countries())])
		samples = append(samples, bytes.Join(parts, nil))
	}
	d, err := dict.BuildZstdDict(samples, dict.Options{MaxDictSize: 16 << 10, HashBytes: 6, ZstdDictID: 1, ZstdLevel: zstd.SpeedBetterCompression})
	if err != nil {
		t.Fatal(err)
	}
	trained, err := zstd.InspectDictionary(d)
	if err != nil {
		t.Fatal(err)
	}
	words := trained.Content()
	for range 3 {
		words = append(words, bytes.Join(s.record(nowhere()), nil)...)
	}
	if err := os.WriteFile(*train, words, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is stored can only be read with the dictionary it was packed with.
func TestDictionariesNeverChange(t *testing.T) {
	for name, c := range map[string]struct {
		dictionary []byte
		want       string
	}{
		"1": {dictionaryOne, "6344257653c2c39bb7985f6caaf6befa1fa31e334ef421192fe150eff2e1ae1b"},
		"2": {dictionaryTwo, "d09b69a89e6f9fe2e384ae48d88a87873a51ed0b23d0b32a6bd15a935771a7c8"},
	} {
		sum := sha256.Sum256(c.dictionary)
		if got := hex.EncodeToString(sum[:]); got != c.want {
			t.Errorf("SHA-256 of dictionary %s is %s", name, got)
		}
	}
}

// What was stored once can be read for ever.
func TestWhatWasStoredIsRead(t *testing.T) {
	want := [][]byte{[]byte(`{"programme":"covid-19"}`), []byte(`"type":["VerifiableCredential","VaccinationCertificate"]`), {1, 2, 3}}
	for _, name := range []string{"packed-1.bin", "packed-2.bin"} {
		packed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		parts, err := Unpack(packed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, parts); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestPartsComeBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, maxParts).Draw(t, "parts")
		packed, err := Pack(want...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unpack(packed)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatal(len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatal(i)
			}
		}
	})
}

// The whole of a certificate has 3 kB on disk, all indexes included.
func TestPackedCertificateIsSmall(t *testing.T) {
	for _, of := range countries()[:2] {
		s := newSampler(7)
		plain, packed := 0, 0
		const n = 50
		for range n {
			parts := s.record(of)
			p, err := Pack(parts...)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range parts {
				plain += len(part)
			}
			packed += len(p)
		}
		t.Logf("%s: %d bytes in %d", of.name, plain/n, packed/n)
		if packed/n > 1000 {
			t.Errorf("%s: %d bytes", of.name, packed/n)
		}
	}
}

func TestPackRefusesWhatIsTooMuch(t *testing.T) {
	if _, err := Pack(make([][]byte, maxParts+1)...); err == nil {
		t.Error("too many parts")
	}
	if _, err := Pack(make([]byte, maxSize+1)); err == nil {
		t.Error("too large a part")
	}
	full := make([]byte, maxSize)
	packed, err := Pack(full)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Unpack(packed); err != nil || len(got) != 1 || len(got[0]) != maxSize {
		t.Errorf("the largest part: %v", err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	good, err := Pack([]byte("record"), []byte("credential"))
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDict(dictionaryOne), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	frame := func(plain []byte) []byte {
		out := encoder.EncodeAll(plain, nil)[3:]
		out[0] = versionOne
		return out
	}
	block := func(plain []byte) []byte { return append([]byte{versionTwo}, codec().two.Encode(nil, plain)...) }
	for name, packed := range map[string][]byte{
		"nothing":                  nil,
		"a version alone":          {versionOne},
		"another version":          append([]byte{3}, good[1:]...),
		"the other's version":      append([]byte{versionOne}, good[1:]...),
		"cut short":                good[:len(good)-2],
		"no frame":                 []byte("\x01no frame at all"),
		"no block":                 []byte("\x02\x05\xff\xff\xff\xff"),
		"an empty frame":           frame(nil),
		"an empty block":           block(nil),
		"more parts than allowed":  block([]byte{maxParts + 1}),
		"a length cut short":       block([]byte{1, 0x80}),
		"a length beyond the data": block([]byte{1, 5, 'x'}),
		"bytes beyond the lengths": block([]byte{1, 1, 'x', 'y'}),
		"lengths that overflow":    block([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 'x'}),
		"a frame without bounds":   frame(append([]byte{1}, make([]byte, 4*maxSize)...)),
		"a block without bounds":   block(append([]byte{1}, make([]byte, 4*maxSize)...)),
		"a block that says 4 GB":   {versionTwo, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Unpack(packed); !errors.Is(err, ErrMalformed) {
				t.Errorf("%d parts, error %v", len(got), err)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	for _, p := range newSampler(3).record(countries()[0]) {
		packed, err := Pack(p, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		parts, err := Unpack(packed)
		if err != nil {
			return
		}
		again, err := Pack(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unpack(again); err != nil || len(got) != len(parts) {
			t.Fatal(err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	parts := newSampler(7).record(countries()[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Pack(parts...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	packed, err := Pack(newSampler(7).record(countries()[0])...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unpack(packed); err != nil {
			b.Fatal(err)
		}
	}
}
