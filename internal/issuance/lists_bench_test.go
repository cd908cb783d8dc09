package issuance_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
)

// BenchmarkTable_PublishLists publishes every list of ten million certificates
// (DIVOC_CERTIFICATES) of which a hundredth is withdrawn and each tenth was exported
// as EU DCC and as SMART Health Card. One round is everything that can be asked for,
// after a change in every list; withdrawals to lists is what a list costs of itself.
func BenchmarkTable_PublishLists(b *testing.B) {
	n := 10_000_000
	if v := os.Getenv("DIVOC_CERTIFICATES"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			b.Fatal(err)
		}
	}
	w := newWorld(b, "jamaica")
	began := time.Now()
	issuancetest.FillExported(b, w.store.Pool(), shc.Thumbprint(w.Keys.QR().Public()), n)
	b.Logf("%d certificates made in %v", n, time.Since(began).Round(time.Second))
	kid := shc.Thumbprint(w.Keys.QR().Public())
	var lists, bundles, exports time.Duration
	var hashes *issuance.HashIndex
	sizes := 0
	rounds := 0
	for b.Loop() {
		w.now = w.now.Add(25 * time.Hour) // nothing made before is current
		began := time.Now()
		for group := range int32(16) {
			for list := range int32((n/16 + 131071) / 131072) {
				for _, purpose := range []string{"revocation", "suspension", "token"} {
					if _, _, err := w.StatusList(w.ctx, purpose, group<<16|list); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		lists += time.Since(began)
		began = time.Now()
		if _, err := w.PackedTrustBundle(w.ctx); err != nil {
			b.Fatal(err)
		}
		bundles += time.Since(began)
		began = time.Now()
		data, _, err := w.CardList(w.ctx, kid)
		if err != nil {
			b.Fatal(err)
		}
		if hashes, err = w.HashIndex(w.ctx); err != nil {
			b.Fatal(err)
		}
		exports += time.Since(began)
		sizes = len(data)
		rounds++
	}
	each := func(d time.Duration) float64 { return d.Seconds() / float64(rounds) }
	b.ReportMetric(each(lists), "s-status-lists")
	b.ReportMetric(each(bundles), "s-bundle")
	b.ReportMetric(each(exports), "s-exports")
	b.ReportMetric(each(lists+bundles+exports), "s")
	b.Logf("cards %d kB, index of hashes %d kB", sizes>>10, len(hashes.Body)>>10)
}
