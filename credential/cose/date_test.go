package cose_test

import (
	"math"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/cose"
)

// Some countries write times as floats: a certificate ends when they say, not within
// the second before, and the digits that a float cannot hold do not matter.
func TestNumericDate(t *testing.T) {
	for v, want := range map[any]time.Time{
		int64(1638875532):        time.Unix(1638875532, 0),
		1638875532.949:           time.Unix(1638875532, 949_000_000),
		1638875532.0:             time.Unix(1638875532, 0),
		0.5:                      time.Unix(0, 500_000_000),
		int64(253402300799):      time.Unix(253402300799, 0),
		int64(0):                 {},
		int64(253402300800):      {},
		-1.5:                     {},
		math.MaxFloat64:          {},
		math.NaN():               {},
		math.Inf(1):              {},
		"1638875532":             {},
		uint64(1638875532):       {},
		[1]int64{1638875532}:     {},
		time.Unix(1638875532, 0): {},
	} {
		got, ok := cose.NumericDate(v)
		if ok == want.IsZero() || !got.Equal(want) {
			t.Errorf("%v is %v %v, want %v", v, got, ok, want)
		}
	}
}
