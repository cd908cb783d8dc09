package web

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opendivoc/divoc/internal/issuance"
)

// TestTheMeasures looks at a server with one job that waits and one that failed.
func TestTheMeasures(t *testing.T) {
	w := newWorld(t, "jamaica")
	queue := must(issuance.NewQueue(w.service.Store, w.service, slog.New(slog.DiscardHandler)))(t) // works on nothing
	ctx := context.Background()
	const jobs = `INSERT INTO river_job (kind, state, max_attempts, attempt, args, scheduled_at, finalized_at) VALUES
		('x', 'available', 5, 0, '{}', now() - interval '90 s', NULL), ('x', 'retryable', 5, 1, '{}', now() + interval '1 h', NULL), ('x', 'completed', 5, 1, '{}', now(), now())`
	if _, err := w.service.Store.Pool().Exec(ctx, jobs); err != nil {
		t.Fatal(err)
	}
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(measures{&server{Options: Options{
		Service: w.service, Version: "1.2", Backlog: queue.Backlog, TLSEnd: func() time.Time { return end },
	}}})
	got := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	if oldest := got["divoc_jobs_oldest_seconds"]; oldest < 89 || oldest > 200 {
		t.Errorf("the oldest job waits %v s", oldest)
	}
	if n := got["divoc_database_connections_max"]; n < 16 {
		t.Errorf("%v connections", n)
	}
	delete(got, "divoc_jobs_oldest_seconds")
	delete(got, "divoc_database_connections_max")
	want := map[string]float64{
		"divoc_build_info": 1, "divoc_people_alike": 0, "divoc_jobs_waiting": 1, "divoc_jobs_retrying": 1, "divoc_database_connections": 0,
		"divoc_signing_key_end_seconds": float64(w.service.Keys.QR().NotAfter().Unix()), "divoc_tls_certificate_end_seconds": float64(end.Unix()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("measures (-want +got):\n%s", diff)
	}
}
