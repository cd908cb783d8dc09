package web

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measures are what is looked up when somebody asks for /metrics. What cannot be
// looked up is left out, so that an alarm sees that it is missing.
type measures struct{ *server }

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The measures; docs/operations.md says what each means and what to do.
type descriptions struct{ build, waiting, retrying, oldest, connections, maxConnections, signer, tls, alarms, likenesses *prometheus.Desc }

func measured() descriptions {
	return descriptions{
		build:          newDesc("divoc_build_info", "1; the version of the program as a label.", "version"),
		waiting:        newDesc("divoc_jobs_waiting", "Jobs whose time has come and that have not begun."),
		retrying:       newDesc("divoc_jobs_retrying", "Jobs that failed and are tried again."),
		oldest:         newDesc("divoc_jobs_oldest_seconds", "How long the oldest waiting job has waited."),
		connections:    newDesc("divoc_database_connections", "Connections to the database in use."),
		maxConnections: newDesc("divoc_database_connections_max", "Connections to the database there may be."),
		alarms:         newDesc("divoc_audit_alarms", "Alarms about what people do that nobody has closed.", "kind"),
		likenesses:     newDesc("divoc_people_alike", "Pairs of people with certificates who look like one, and of whom nobody said what they are."),
		signer:         newDesc("divoc_signing_key_end_seconds", "When the certificate of the current signing key ends, Unix time."),
		tls:            newDesc("divoc_tls_certificate_end_seconds", "When the TLS certificate that is served ends, Unix time."),
	}
}

// Describe names the measures.
func (m measures) Describe(out chan<- *prometheus.Desc) {
	d := measured()
	for _, one := range []*prometheus.Desc{d.build, d.waiting, d.retrying, d.oldest, d.connections, d.maxConnections, d.signer, d.tls, d.alarms, d.likenesses} {
		out <- one
	}
	states, waiting, oldest, codes := messageDescs()
	for _, one := range []*prometheus.Desc{states, waiting, oldest, codes} {
		out <- one
	}
	age, keys, looked, fault := trustDescs()
	for _, one := range []*prometheus.Desc{age, keys, looked, fault} {
		out <- one
	}
}

// Collect looks them up.
func (m measures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	d := measured()
	gauge := func(of *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, v, labels...)
	}
	gauge(d.build, 1, m.Version)
	if m.Backlog != nil {
		if b, err := m.Backlog(ctx); err == nil {
			gauge(d.waiting, float64(b.Waiting))
			gauge(d.retrying, float64(b.Retrying))
			gauge(d.oldest, b.Oldest.Seconds())
		}
	}
	if m.Audit != nil {
		if open, err := m.Audit.OpenAlarms(ctx); err == nil {
			for kind, n := range open {
				gauge(d.alarms, float64(n), string(kind))
			}
		}
	}
	if n, err := m.Service.CountLikenesses(ctx); err == nil {
		gauge(d.likenesses, float64(n))
	}
	pool := m.Service.Store.Pool().Stat()
	gauge(d.connections, float64(pool.AcquiredConns()))
	gauge(d.maxConnections, float64(pool.MaxConns()))
	gauge(d.signer, float64(m.Service.Keys.QR().NotAfter().Unix()))
	if m.Messages != nil {
		m.messages(ctx, gauge)
	}
	if m.Trust != nil {
		m.trust(ctx, gauge)
	}
	if m.TLSEnd != nil {
		gauge(d.tls, float64(m.TLSEnd().Unix()))
	}
}

// The measures of messages.
func messageDescs() (states, waiting, oldest, codes *prometheus.Desc) {
	return newDesc("divoc_messages", "Messages by channel, class and state.", "channel", "class", "state"),
		newDesc("divoc_messages_waiting", "Messages that are due and were not handed over.", "channel", "class"),
		newDesc("divoc_messages_oldest_seconds", "How long the oldest of them has waited.", "channel", "class"),
		newDesc("divoc_codes_last_hour", "Codes that were asked for in the hour that runs.")
}

func (m measures) messages(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	now, err := m.Messages.Measure(ctx)
	if err != nil {
		return
	}
	states, waiting, oldest, codes := messageDescs()
	for _, c := range now.Messages {
		gauge(states, float64(c.N), c.Channel, c.Class, c.State)
	}
	for _, w := range now.Waiting {
		gauge(waiting, float64(w.N), w.Channel, w.Class)
		gauge(oldest, w.Oldest.Seconds(), w.Channel, w.Class)
	}
	gauge(codes, float64(now.Codes))
}
