package faults

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

// BenchmarkTable_SecondStart starts the program on a folder that was started
// before, until it is ready, and says how much memory it and its PostgreSQL hold
// after a thousand certificates by eight clients (PSS: what they share counts
// once).
func BenchmarkTable_SecondStart(b *testing.B) {
	data := b.TempDir()
	program.Start(b, data, "--profile", "jamaica", "--demo").Stop()
	var took time.Duration
	var own, all float64
	for i := range b.N {
		start := time.Now()
		s := program.Start(b, data, "--demo")
		took += time.Since(start)
		if i == 0 {
			load(b, s)
			own, all = memory(b, data)
		}
		s.Stop()
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(own, "divoc-MB")
	b.ReportMetric(all, "with-PostgreSQL-MB")
}

func load(b *testing.B, s *program.Server) {
	token := s.Token("bench")
	var work sync.WaitGroup
	for c := range 8 {
		work.Go(func() {
			for i := range 125 {
				body := fmt.Sprintf(`{"events":[{"enrolmentCode":"M-%d-%d","person":{"name":"A Person"},"vaccination":{"product":"comirnaty","lot":"L1","date":"2021-11-30","dose":1}}]}`, c, i)
				if status, answer, err := s.Do(http.MethodPost, "/api/v1/events", token, body); err != nil || status != http.StatusOK {
					b.Errorf("issuing: %d %s %v", status, answer, err)
					return
				}
			}
		})
	}
	work.Wait()
}

// memory returns the PSS of divoc and of it with its PostgreSQL, in MB.
func memory(b *testing.B, data string) (own, all float64) {
	for _, p := range program.Processes(data) {
		pid, command, _ := strings.Cut(p, " ")
		rollup, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if err != nil {
			continue // it ended just now
		}
		for line := range strings.Lines(string(rollup)) {
			var kB float64
			if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kB); n == 1 {
				all += kB / 1000
				if strings.Contains(command, " serve ") {
					own += kB / 1000
				}
			}
		}
	}
	if own == 0 {
		b.Error("no process of divoc was found")
	}
	return own, all
}
