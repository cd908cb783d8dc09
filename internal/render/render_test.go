package render

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// outDir is where samples are written: DIVOC_RENDER_OUT for a person who wants
// to look at them, or a folder of the test.
func outDir(t *testing.T) string {
	if dir := os.Getenv("DIVOC_RENDER_OUT"); dir != "" {
		return dir
	}
	return t.TempDir()
}

func TestSamples(t *testing.T) {
	r := renderer(t)
	dir := outDir(t)
	for name, d := range samples() {
		var b bytes.Buffer
		if err := r.PDF(&b, d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".pdf"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		if err := r.HTML(&b, d, HTMLOptions{Stylesheet: "print.css"}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkTable_PDF(b *testing.B) {
	r := renderer(b)
	d := samples()["usual"]
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := r.PDF(&buf, d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pdf/s")
}
