package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/degraded"
	"github.com/opendivoc/divoc/verify/verifytest"
)

// measured runs a script of measures and reads what it prints.
func measured(b *testing.B, script string, with, into any) {
	b.Helper()
	data, err := json.Marshal(with)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Minute)
	defer cancel()
	b.ResetTimer()
	var problems strings.Builder
	cmd := exec.CommandContext(ctx, "node", script, string(data))
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, problems.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// BenchmarkTable_Browser measures what only a browser can: printing our page to
// PDF, as a peer of our own PDF of the same certificate in the same moment, and
// the verifying page from cold to its first verdict.
func BenchmarkTable_Browser(b *testing.B) {
	chromium, binary := needs(b)
	s := start(b, binary, "sri-lanka")
	c := s.sample(b)
	c.Chromium = chromium
	var took struct{ PrintsPerSecond, ColdSeconds float64 }
	measured(b, "bench.mjs", c, &took)
	b.ReportMetric(took.PrintsPerSecond, "Chromium-PDF/s")
	b.ReportMetric(took.ColdSeconds, "cold-s")
}

// BenchmarkTable_BrowserVerify measures the verifier as WebAssembly in Chromium: from
// compiled to ready, and certificates of each format a second, in one thread.
func BenchmarkTable_BrowserVerify(b *testing.B) {
	chromium, binary := needs(b)
	s := start(b, binary, "jamaica")
	formats := verifytest.New(b)
	var took struct {
		Compile, Ready, First float64 // ms
		Formats               map[string]float64
	}
	measured(b, "bench-verifier.mjs", map[string]any{
		"chromium": chromium, "base": s.base, "formats": formats.All, "list": string(formats.List), "at": formats.At.UnixMilli(),
	}, &took)
	b.ReportMetric(took.Compile, "compile-ms")
	b.ReportMetric(took.Ready, "ready-ms")
	b.ReportMetric(took.First, "first-ms")
	for name, rate := range took.Formats {
		b.ReportMetric(rate, name+"/s")
	}
}

// BenchmarkTable_BrowserReader measures the decoder of the page in Chromium: a frame
// of a camera of two sizes, with a code and without; and the pictures that
// verify/scan measures too.
func BenchmarkTable_BrowserReader(b *testing.B) {
	chromium, binary := needs(b)
	s := start(b, binary, "jamaica")
	dir := b.TempDir()
	file := func(name string, data []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
		return name
	}
	type named struct {
		File string `json:"file"`
		Text string `json:"text"` // its name in texts, as it is long
	}
	var frames, harmed []named
	var pictures []degraded.Picture
	texts := map[string]string{"none": ""}
	for p := range degraded.Pictures(b, 5) {
		texts[p.Format] = p.Text
		pictures, harmed = append(pictures, p), append(harmed, named{file(fmt.Sprintf("harmed-%d", len(pictures)), p.File), p.Format})
	}
	for _, size := range [][2]int{{640, 480}, {1280, 720}} {
		for kind, text := range map[string]string{"code": pictures[0].Format, "none": "none"} {
			name := fmt.Sprintf("%dx%d-%s", size[0], size[1], kind)
			frames = append(frames, named{file(name, degraded.Frame(b, texts[text], size[0], size[1])), text})
		}
	}
	var took struct {
		Frames map[string]struct{ P50, P95, Read float64 }
		Read   []struct{ Frame, File bool }
	}
	measured(b, "bench-reader.mjs", map[string]any{"chromium": chromium, "base": s.base, "pictures": dir, "texts": texts, "frames": frames, "harmed": harmed}, &took)
	for name, f := range took.Frames {
		b.ReportMetric(f.P50, name+"-p50-ms")
		b.ReportMetric(f.P95, name+"-p95-ms")
		b.ReportMetric(f.Read, name+"-%read")
	}
	frame, whole := degraded.NewRates(), degraded.NewRates()
	for i, p := range pictures {
		frame.Add(p, took.Read[i].Frame)
		whole.Add(p, took.Read[i].File)
	}
	b.Logf("as one frame of a camera\n%s\nas a file\n%s", frame, whole)
	b.ReportMetric(frame.Share(), "%read-frame")
	b.ReportMetric(whole.Share(), "%read-file")
}
