package multibase_test

import (
	"bytes"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/multibase"
)

func TestMultibaseIsANumberInBase58(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := append(make([]byte, rapid.IntRange(0, 3).Draw(t, "zeros")), rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data")...)
		text := multibase.Encode(data)
		back, ok := multibase.Decode(text)
		if !ok || !bytes.Equal(back, data) {
			t.Fatalf("%x is written %s and read %x", data, text, back)
		}
		n := new(big.Int)
		for _, c := range text[1:] {
			n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(strings.IndexRune("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", c))))
		}
		if n.Cmp(new(big.Int).SetBytes(data)) != 0 {
			t.Fatalf("%x is written %s", data, text)
		}
	})
}

func FuzzMultibase(f *testing.F) {
	f.Add("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
	f.Add("z11")
	f.Fuzz(func(t *testing.T, text string) {
		if b, ok := multibase.Decode(text); ok && multibase.Encode(b) != text {
			t.Fatalf("%q is written %q", text, multibase.Encode(b))
		}
	})
}
