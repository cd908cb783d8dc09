package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkTable_IssueAPI issues one certificate a request, as 64 clients do
// over loopback HTTP through DIVOC's door; every answer is durable. Clients,
// server and PostgreSQL share the machine.
func BenchmarkTable_IssueAPI(b *testing.B) {
	const clients = 64
	w := newWorld(b, "jamaica")
	w.client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	ask := func(n int64) (time.Duration, error) {
		body, err := json.Marshal([]m{request(fmt.Sprintf("API-%09d", n))})
		if err != nil {
			return 0, err
		}
		start := time.Now()
		r, err := w.send(w.token, http.MethodPost, "/divoc/api/v1/certify", body)
		if err == nil && r.status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", r.status, r.body)
		}
		return time.Since(start), err
	}
	var next atomic.Int64
	issue := func(until int64) []time.Duration {
		took := make([][]time.Duration, clients)
		var work sync.WaitGroup
		for c := range clients {
			work.Go(func() {
				for n := next.Add(1); n <= until; n = next.Add(1) {
					d, err := ask(n)
					if err != nil {
						b.Error(err)
						return
					}
					took[c] = append(took[c], d)
				}
				next.Add(-1)
			})
		}
		work.Wait()
		return slices.Concat(took...)
	}
	issue(clients) // connections and prepared statements are there before the clock runs
	b.ResetTimer()
	took := issue(clients + int64(b.N))
	b.StopTimer()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(.50), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "req/s")
}
