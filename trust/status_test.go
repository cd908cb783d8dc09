package trust_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/trust"
)

// TestManyHashesAreSorted sorts more than an insertion sort should, with few
// different bytes in front so that the order is decided far behind.
func TestManyHashesAreSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) trust.Hash {
			h := trust.Hash{}
			for _, at := range []int{0, 1, 14, 15} {
				h[at] = rapid.SampledFrom([]byte{0, 1, 127, 128, 255}).Draw(t, "byte")
			}
			return h
		}), 0, 600).Draw(t, "hashes")
		var appended trust.Hashes
		for _, h := range hashes {
			appended = append(appended, h[:]...)
		}
		slices.SortFunc(hashes, func(a, b trust.Hash) int { return bytes.Compare(a[:], b[:]) })
		var want trust.Hashes
		for _, h := range slices.Compact(hashes) {
			want = append(want, h[:]...)
		}
		if got := appended.Sorted(); !bytes.Equal(got, want) {
			t.Fatalf("sorted to %d hashes %x, want %d %x", got.Len(), []byte(got), want.Len(), []byte(want))
		}
	})
}

func TestHashesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few different first bytes, so that equal and neighbouring hashes occur.
		hashes := rapid.SliceOfN(rapid.Map(rapid.Uint8Range(0, 40), func(b uint8) trust.Hash { return trust.Hash{b} }), 0, 40).Draw(t, "hashes")
		in := map[trust.Hash]bool{}
		for _, h := range hashes {
			in[h] = true
		}
		set := trust.NewHashes(hashes)
		if set.Len() != len(in) {
			t.Fatalf("%d hashes, want %d", set.Len(), len(in))
		}
		for b := range uint8(42) {
			if h := (trust.Hash{b}); set.Has(h) != in[h] {
				t.Fatalf("has %x = %v", h, set.Has(h))
			}
		}
	})
}
