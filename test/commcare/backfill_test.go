package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/test/commcare/hq"
)

// manyCases is a case API that lists n people and a dose of each, made when asked
// for.
func manyCases(n int) http.Handler {
	began := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		from, _ := strconv.Atoi(q.Get("cursor"))
		var cases []any
		for i := from; i < min(from+limit, n); i++ {
			c, doses := hq.Invent(i)
			if q.Get("case_type") == "vaccination" {
				c = doses[0]
			}
			at := began.Add(time.Duration(i) * time.Millisecond).Format("2006-01-02T15:04:05.000000Z")
			cases = append(cases, map[string]any{
				"case_id": c.ID, "case_type": c.Type, "case_name": c.Name, "properties": c.Properties, "closed": false, "server_last_modified": at, "indexed_on": at,
				"indices": map[string]any{"parent": map[string]string{"case_id": c.Parent, "case_type": c.ParentType}},
			})
		}
		var next any
		if from+limit < n {
			q.Set("cursor", strconv.Itoa(from+limit))
			next = "?" + q.Encode()
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"cases": cases, "next": next})
	})
}

// TestBackfill reads a project with many records for the first time, as a server
// does: what is read is stored and certified beside the reading. It reports the
// rate and the memory; what is asserted is that every record became a certificate
// and that memory does not grow with their number. DIVOC_BACKFILL is how many.
func TestBackfill(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("DIVOC_BACKFILL"))
	if err != nil {
		if n = 2000; os.Getenv("DIVOC_SOAK") != "" {
			n = 1_000_000
		}
	}
	h := newHouse(t)
	server := httptest.NewServer(manyCases(n))
	defer server.Close()
	config := fmt.Sprintf(`{"url":%q,"domain":"jamaica","user":"reader@moh","apiKey":"key"}`, server.URL)
	if err := h.intake.Set(t.Context(), h.Admin, source, intake.Settings{Config: json.RawMessage(config)}); err != nil {
		t.Fatal(err)
	}
	defer h.running()()
	src, err := h.intake.Source(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	began, polled := time.Now(), make(chan error, 1)
	go func() { polled <- h.pull.Poll(t.Context(), src) }()
	var atTenth, most uint64
	for reading := true; ; time.Sleep(500 * time.Millisecond) {
		select {
		case err := <-polled:
			if reading = false; err != nil {
				t.Fatal(err)
			}
			t.Logf("%d cases read and stored in %v", 2*n, time.Since(began).Round(time.Second))
		default:
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
		c := h.counts()
		if c.Issued < int64(n/10) {
			atTenth = max(atTenth, m.HeapAlloc)
		}
		if !reading && c.Waiting == 0 && c.Issued+c.Held >= int64(n) {
			if c.Issued != int64(n) {
				t.Errorf("%+v of %d records", c, n)
			}
			break
		}
	}
	took := time.Since(began)
	t.Logf("%d records in %v: %.0f/s; live heap at most %d MB, of which %d MB in the first tenth; resident %s", n, took.Round(time.Second), float64(n)/took.Seconds(), most>>20, atTenth>>20, resident())
	if n >= 20_000 && most > 2*atTenth+64<<20 {
		t.Errorf("memory grows with the records: %d MB after %d MB", most>>20, atTenth>>20)
	}
}

// running runs the queue as the server does, until the end of the test.
func (h *house) running() (stop func()) {
	h.t.Helper()
	queue, err := issuance.NewQueue(h.Store, h.Service, h.Log, h.intake.Work())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := queue.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	h.intake.Start(h.t.Context(), queue)
	return func() {
		h.intake.Stop()
		if err := queue.Stop(h.t.Context()); err != nil {
			h.t.Error(err)
		}
	}
}

// resident is the memory of this process, as the system counts it.
func resident() string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return "at most " + strings.TrimSpace(v)
		}
	}
	return "unknown"
}
