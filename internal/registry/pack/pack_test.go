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
	if err := os.WriteFile(*train, d, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is stored can only be read with the dictionary it was packed with.
func TestDictionaryOneNeverChanges(t *testing.T) {
	sum := sha256.Sum256(dictionaryOne)
	if got := hex.EncodeToString(sum[:]); got != "6344257653c2c39bb7985f6caaf6befa1fa31e334ef421192fe150eff2e1ae1b" {
		t.Errorf("SHA-256 of dictionary 1 is %s", got)
	}
	packed, err := os.ReadFile(filepath.Join("testdata", "packed-1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte(`{"programme":"covid-19"}`), []byte(`"type":["VerifiableCredential","VaccinationCertificate"]`), {1, 2, 3}}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
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
	frame := func(plain []byte) []byte {
		out := codec().encoder.EncodeAll(plain, nil)[3:]
		out[0] = versionOne
		return out
	}
	for name, packed := range map[string][]byte{
		"nothing":                      nil,
		"a version alone":              {versionOne},
		"another version":              append([]byte{2}, good[1:]...),
		"cut short":                    good[:len(good)-2],
		"no frame":                     []byte("\x01no frame at all"),
		"an empty frame":               frame(nil),
		"more parts than allowed":      frame([]byte{maxParts + 1}),
		"a length cut short":           frame([]byte{1, 0x80}),
		"a length beyond the data":     frame([]byte{1, 5, 'x'}),
		"bytes beyond the lengths":     frame([]byte{1, 1, 'x', 'y'}),
		"lengths that overflow":        frame([]byte{2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 'x'}),
		"what inflates without bounds": frame(append([]byte{1}, make([]byte, 4*maxSize)...)),
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
