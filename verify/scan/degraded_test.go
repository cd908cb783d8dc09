package scan_test

import (
	"testing"

	"github.com/opendivoc/divoc/test/degraded"
	"github.com/opendivoc/divoc/verify/scan"
)

// BenchmarkTable_Degraded says what share of harmed codes of each format is read; a
// run of it prints them all. docs/conformance.md has what was measured, beside what
// the decoder of browsers reads of the same pictures (test/browser).
func BenchmarkTable_Degraded(b *testing.B) {
	for b.Loop() {
		rates := degraded.NewRates()
		for p := range degraded.Pictures(b, 5) {
			rates.Add(p, isRead(b, p))
		}
		b.Log("\n" + rates.String())
		b.ReportMetric(rates.Share(), "%read")
	}
}

// What is sure is read in every run: the codes that we print.
func TestHarmedCodesAreRead(t *testing.T) {
	for p := range degraded.Pictures(t, 1) {
		if p.Sure && !isRead(t, p) {
			t.Errorf("%s: %s is not read", p.Harm, p.Format)
		}
	}
}

// isRead reports whether a picture gives its text and no other.
func isRead(t testing.TB, p degraded.Picture) bool {
	t.Helper()
	found, err := scan.Codes(t.Context(), p.File)
	return err == nil && len(found) == 1 && found[0] == p.Text
}
