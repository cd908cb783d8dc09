package issuance_test

import (
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// A seal of a test needs a passport and whom borders ask; the preview says which of
// them is missing. Its state is the certificate's.
func TestASealOfATest(t *testing.T) {
	h := laboratory(t)
	authority := importSeal(t, h)
	at := h.Now().Add(-5 * time.Hour).Truncate(time.Second)
	e := with(tested("S-1"), func(e *vaccination.Event) {
		e.Person.Identifier = vaccination.Identifier{Kind: "passport", Value: "A1234567"}
		e.Test.Date, e.Test.ResultDate = at, at.Add(time.Hour)
		e.Test.CentreAddress = vaccination.Address{Line1: "1 Duke St", District: "Trelawny"}
	})
	r := certified(t, h, e)
	if o := offered(t, h, r, issuance.FormatVDS); !slices.Equal(o.Missing, []string{vdsnc.Passport, vdsnc.ProviderContact}) {
		t.Errorf("the profile keeps identity numbers out of codes and names nobody: %+v", o)
	}
	programme := h.Service.Profile.Programmes["covid-19-test"]
	programme.ContactPhone, programme.ContactEmail, h.Service.Profile.IdentityInQR = "+18765550100", "tests@example.org", true
	if o := offered(t, h, r, issuance.FormatVDS); !o.Possible() {
		t.Fatalf("%+v", o)
	}
	x, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatVDS)
	if err != nil {
		t.Fatal(err)
	}
	abroad, err := trust.Parse(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}))
	if err != nil {
		t.Fatal(err)
	}
	state := func() verify.Statement {
		t.Helper()
		data, err := h.Service.TrustBundle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mine, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		return verify.Text(t.Context(), x.Code, verify.Options{Trust: trust.New(mine, abroad), At: h.Now()})
	}
	s := state()
	if s.Verdict != verify.Valid || s.Format != verify.FormatVDS || s.Content.Test.Result.Display != "negative" || !s.Content.Test.Date.Equal(at) || s.Content.Identifier.Value != "A1234567" || s.Has(verify.TestNoResult) {
		t.Errorf("%s", s.Text("en"))
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, r.ID, vaccination.ActRevoke, "test"); err != nil {
		t.Fatal(err)
	}
	h.Set(h.Now().AddDate(0, 0, 1))
	if s := state(); !s.Has(verify.Revoked) {
		t.Errorf("%s", s.Text("en"))
	}
}

// A card of a test is in the list of cards once its certificate is withdrawn.
func TestRevokingReachesTheCardOfATest(t *testing.T) {
	h := laboratory(t)
	r := certified(t, h, with(tested("C-1"), func(e *vaccination.Event) {
		e.Test.Date, e.Test.ResultDate = h.Now().Add(-time.Hour), time.Time{}
	}))
	x, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatSHC)
	if err != nil {
		t.Fatal(err)
	}
	verdict := func() verify.Statement {
		t.Helper()
		data, err := h.Service.CardKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keys, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := h.Service.CardList(t.Context(), keys.Issuers[0].Keys[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		lists, err := trust.Parse(list)
		if err != nil {
			t.Fatal(err)
		}
		return verify.Text(t.Context(), x.Code, verify.Options{Trust: trust.New(keys, lists), At: h.Now()})
	}
	if s := verdict(); s.Verdict != verify.Valid || !s.Content.IsTest() {
		t.Errorf("%s", s.Text("en"))
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, r.ID, vaccination.ActRevoke, "test"); err != nil {
		t.Fatal(err)
	}
	h.Pass(2 * time.Minute)
	if s := verdict(); !s.Has(verify.Revoked) {
		t.Errorf("%s", s.Text("en"))
	}
}
