package verify

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// No list of revoked ids can vouch for a certificate that has none.
func TestACertificateWithoutAnIDHasNoStatus(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	c := newCheck(t.Context(), Options{At: now, Trust: trust.New(&trust.Bundle{Status: []trust.Snapshot{{Issuer: "did:web:a.example", AsOf: now}}})})
	c.status("did:web:a.example", "")
	if c.s.Status != StatusUnknown || !c.s.Has(StatusMissing) {
		t.Errorf("status %s, %v", c.s.Status, c.s.Reasons)
	}
}

func TestNamesNeverReplaceWhatWasSigned(t *testing.T) {
	c := newCheck(t.Context(), Options{})
	d := vaccination.Dose{Country: vaccination.Coding{Code: "JAM", Display: "Yamayka"}}
	c.name(&d)
	if d.Country.Display != "Yamayka" {
		t.Errorf("country %+v", d.Country)
	}
	d.Country.Display = ""
	if c.name(&d); d.Country.Display == "" {
		t.Error("the country was given no name")
	}
}

func TestPrintableReplacesDisguises(t *testing.T) {
	for in, want := range map[string]string{
		"Anna\u202eevil":     "Anna\ufffdevil",
		"A\nVALID":           "A\ufffdVALID",
		"ශ්\u200dරී ලංකා":    "ශ්\u200dරී ලංකා",
		"zero\u200bwidth":    "zero\ufffdwidth",
		"line\u2028separate": "line\ufffdseparate",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
