package verify_test

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// An ICVP has no member for an id; what lists say of its certificate counts for it.
func TestTheStateOfAnICVP(t *testing.T) {
	for name, c := range map[string]struct {
		in     func(*trust.Snapshot) *trust.Hashes
		named  bool
		status vaccination.Status
	}{
		"valid":       {nil, true, vaccination.StatusValid},
		"revoked":     {func(s *trust.Snapshot) *trust.Hashes { return &s.Revoked }, true, vaccination.StatusRevoked},
		"suspended":   {func(s *trust.Snapshot) *trust.Hashes { return &s.Suspended }, true, vaccination.StatusSuspended},
		"superseded":  {func(s *trust.Snapshot) *trust.Hashes { return &s.Superseded }, true, vaccination.StatusSuperseded},
		"without one": {nil, false, verify.StatusUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			id := e.content.Info.HCID
			v := &e.content.Vaccination
			*v = vaccination.Dose{Lot: "YF123", Date: vaccination.DateOf(e.now.AddDate(0, 0, -30)), Practitioner: "N. Brown"}
			e.content.Info.Period.Start = e.now.Add(-24 * time.Hour)
			if !c.named {
				e.content.Info.HCID = ""
			}
			cose, err := hcert.EncodeICVP(e.content, "YellowFeverProductc8337a6fabae2095cdd2ab3dfc41334d", 0, e.qr)
			if err != nil {
				t.Fatal(err)
			}
			if c.in != nil {
				*c.in(&e.bundle.Status[0]) = trust.NewHashes([]trust.Hash{trust.HashOf(id)})
			}
			s := verify.Text(t.Context(), text(t, cose), e.opts())
			if s.Format != verify.FormatICVP || s.Status != c.status || (s.Verdict == verify.Valid) != (c.status == vaccination.StatusValid) {
				t.Error(s.Text("en"))
			}
		})
	}
}
