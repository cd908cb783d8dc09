package render

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/emblem"
)

// TestTheEmblemStandsOnceInAFile, however many pages it is on, decorates them, and
// makes the file little larger.
func TestTheEmblemStandsOnceInAFile(t *testing.T) {
	r, dir := renderer(t), t.TempDir()
	size := func(name string, documents ...Document) (int, string) {
		var b bytes.Buffer
		if err := r.PDF(&b, documents...); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".pdf")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return b.Len(), tool(t, "qpdf", "qpdf", "--qdf", "--object-streams=disable", file, "-")
	}
	without := jamaica()
	without.Profile.Emblem = nil
	plain, raw := size("plain", without)
	if strings.Contains(raw, "/BBox [ 0 0 1000.0 1000.0 ]") || !strings.Contains(raw, "/F0") {
		t.Error("there is an emblem where the profile has none")
	}
	drawn, _ := size("drawn", jamaica())
	if drawn > plain+1000 {
		t.Errorf("with the emblem a file has %d bytes, %d without", drawn, plain)
	}
	three := []Document{jamaica(), copied(jamaica(), Card), copied(jamaica(), CardFold)}
	for i := range three {
		three[i].Profile.Emblem = three[0].Profile.Emblem
	}
	_, raw = size("three", three...)
	if n := strings.Count(strings.Join(strings.Fields(raw), " "), "/BBox [ 0 0 1000.0 1000.0 ]"); n != 1 {
		t.Errorf("the emblem is in the file %d times", n)
	}
	if n := strings.Count(raw, "/Artifact BMC q 0.0"); n != 3 {
		t.Errorf("%d emblems decorate three documents", n)
	}
}

func TestEveryKindOfShapeIsPrinted(t *testing.T) {
	d, err := emblem.Parse([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10" fill="none" stroke="#036" stroke-width=".5">
		<rect x="1" y="1" width="8" height="8" rx="2" stroke-linejoin="bevel"/><circle cx="5" cy="5" r="3" fill="#fc0"/>
		<path fill="#c00" stroke="none" fill-rule="evenodd" d="M11 1h8v8h-8zM13 3h4v4h-4z"/><path fill="#0a0" fill-rule="evenodd" d="M14 4h2v2h-2z"/><line x1="1" y1="1" x2="9" y2="9" stroke-linecap="round"/></svg>`))
	if err != nil {
		t.Fatal(err)
	}
	sample := jamaica()
	if sample.Profile.Emblem, err = NewEmblem(d); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := renderer(t).PDF(&b, sample); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(outDir(t), "shapes.pdf")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "qpdf", "qpdf", "--check", file); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
	raw := strings.Join(strings.Fields(tool(t, "qpdf", "qpdf", "--qdf", "--object-streams=disable", file, "-")), " ")
	for _, want := range []string{"/BBox [ 0 0 1000.0 500.0 ]", "1 0 0 -1 0 500 cm", "0.000 0.200 0.400 RG 25 w 0 J 2 j 4 M", "h B ", "h f* ", "h B* ", "1 J 0 j 4 M 50 50 m 450 450 l S"} {
		if !strings.Contains(raw, want) {
			t.Errorf("%q is not in the file", want)
		}
	}
}

func TestThePageHasTheEmblemOrARing(t *testing.T) {
	r := renderer(t)
	for name, ring := range map[string]bool{"jamaica": false, "bare": true} {
		var b bytes.Buffer
		if err := r.HTML(&b, samples()[name], HTMLOptions{Stylesheet: "/print.css"}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), `<svg class="drawn" xmlns`) == ring || strings.Contains(b.String(), `<span class="emblem"`) != ring || strings.Contains(b.String(), "style=") {
			t.Errorf("%s: a ring is %v", name, !ring)
		}
	}
}
