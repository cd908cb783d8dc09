package browser

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// BenchmarkTable_Browser measures what only a browser can: printing our page to
// PDF, as a peer of our own PDF of the same certificate in the same moment, and
// the verifying page from cold to its first verdict.
func BenchmarkTable_Browser(b *testing.B) {
	chromium, binary := needs(b)
	s := start(b, binary, "sri-lanka")
	c := s.sample(b)
	c.Chromium = chromium
	data, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 4*time.Minute)
	defer cancel()
	b.ResetTimer()
	var problems strings.Builder
	cmd := exec.CommandContext(ctx, "node", "bench.mjs", string(data))
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, problems.String())
	}
	var took struct{ PrintsPerSecond, ColdSeconds float64 }
	if err := json.Unmarshal(out, &took); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.ReportMetric(took.PrintsPerSecond, "Chromium-PDF/s")
	b.ReportMetric(took.ColdSeconds, "cold-s")
}
