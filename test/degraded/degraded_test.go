package degraded_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/test/degraded"
)

// Readers are compared by the same pictures, so these are the same in every run; and
// each harm harms.
func TestPicturesAreTheSameInEveryRun(t *testing.T) {
	var first []degraded.Picture
	for p := range degraded.Pictures(t, 1) {
		first = append(first, p)
	}
	i := 0
	plain := map[string][]byte{}
	rates := degraded.NewRates()
	for p := range degraded.Pictures(t, 1) {
		if !bytes.Equal(p.File, first[i].File) || p.Text != first[i].Text {
			t.Errorf("%s of %s is another picture", p.Harm, p.Format)
		}
		if p.Harm == "none" {
			plain[p.Format] = p.File
		} else if bytes.Equal(p.File, plain[p.Format]) {
			t.Errorf("%s does nothing to %s", p.Harm, p.Format)
		}
		rates.Add(p, i%3 == 0)
		i++
	}
	if i != 39 || rates.Share() < 33 || rates.Share() > 34 || strings.Count(rates.String(), "1/1") != 13 || strings.Count(rates.String(), "\n") != 13 {
		t.Errorf("%d pictures, %f percent\n%s", i, rates.Share(), rates)
	}
}
