package issuance_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

func offerOf(t *testing.T, offers []issuance.Offer, f issuance.Format) issuance.Offer {
	t.Helper()
	i := slices.IndexFunc(offers, func(o issuance.Offer) bool { return o.Format == f })
	if i < 0 {
		t.Fatalf("%s is not offered", f)
	}
	return offers[i]
}

// exported is a house with one certificate against COVID-19.
func exported(t *testing.T) (*issuancetest.House, issuance.Result) {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	e := event("EXPORT-1", 1)
	e.Vaccination.Product, e.Vaccination.Total = "Comirnaty", 2
	e.Person.Name, e.Person.BirthDate = "Marcia Campbell", vaccination.Date{Year: 1987, Month: 4, Day: 21}
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	return h, each[0]
}

func snapshot(h *issuancetest.House, hcid string, status vaccination.Status) trust.Snapshot {
	s := trust.Snapshot{Issuer: h.Keys.Issuer().ID, AsOf: h.Now()}
	if status == vaccination.StatusRevoked {
		s.Revoked = trust.NewHashes([]trust.Hash{trust.HashOf(hcid)})
	}
	return s
}

// Each format verifies with our published keys, is the same when asked for again,
// and follows the certificate's state.
func TestExports(t *testing.T) {
	h, r := exported(t)
	formats := map[issuance.Format]string{issuance.FormatCode: verify.FormatDDCC, issuance.FormatVC: verify.FormatVC, issuance.FormatVCEdRDF: verify.FormatVC, issuance.FormatVCECRDF: verify.FormatVC, issuance.FormatVCECJCS: verify.FormatVC, issuance.FormatEU: verify.FormatEUDCC, issuance.FormatSHC: verify.FormatSHC}
	statement := func(e *issuance.Exported, status vaccination.Status) verify.Statement {
		text := e.Code
		if text == "" {
			text = string(e.Body)
		}
		return verify.Text(t.Context(), text, verify.Options{
			Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{h.Keys.Issuer()}, Status: []trust.Snapshot{snapshot(h, r.HCID, status)}}), At: h.Now(), Catalogue: h.Profile.Catalogue,
		})
	}
	for format, name := range formats {
		first, err := h.Service.Export(t.Context(), h.Admin, r.ID, format)
		if err != nil {
			t.Fatal(format, err)
		}
		if !first.Pilot && !strings.HasPrefix(string(format), string(issuance.FormatVC)) {
			t.Errorf("%s is no pilot, though no network was joined", format)
		}
		s := statement(first, "")
		if s.Verdict != verify.Valid || s.Format != name || s.Content.Name != "Marcia Campbell" {
			t.Errorf("%s: %s", format, s.Text("en"))
		}
		if s := statement(first, vaccination.StatusRevoked); !s.Has(verify.Revoked) {
			t.Errorf("%s, revoked: %s", format, s.Text("en"))
		}
		h.Set(h.Now().Add(time.Hour))
		again, err := h.Service.Export(t.Context(), h.Admin, r.ID, format)
		if err != nil || !bytes.Equal(first.Body, again.Body) || first.Code != again.Code {
			t.Errorf("%s is another when asked for again: %v", format, err)
		}
	}
	offers, err := h.Service.Exports(t.Context(), h.Admin, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if o := offerOf(t, offers, issuance.FormatSHC); !o.Possible() || !o.Made || !o.Pilot || !o.Code {
		t.Errorf("%+v", o)
	}
	for format, why := range map[issuance.Format]string{issuance.FormatICVP: issuance.OtherKind, issuance.FormatVDS: issuance.NoSigner, issuance.FormatDIVOC: issuance.NotOffered} {
		if o := offerOf(t, offers, format); o.Refused != why || o.Possible() {
			t.Errorf("%+v, want %s", o, why)
		}
		if _, err := h.Service.Export(t.Context(), h.Admin, r.ID, format); err == nil {
			t.Errorf("%s was exported", format)
		}
	}
	report, err := h.Service.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%v %v", report, err)
	}
	err = h.Store.TxRaw(t.Context(), func(tx pgx.Tx, _ *query.Queries) error {
		_, err := tx.Exec(t.Context(), "UPDATE certificate_export SET sealed = sealed || 'x'::bytea WHERE format = 'shc'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := h.Service.Check(t.Context()); err != nil || len(report.Problems) != 1 {
		t.Errorf("a damaged export is not found: %v %v", report, err)
	}
}

// Revoking the certificate reaches the list of cards, whose number grows.
func TestRevokingReachesTheListOfCards(t *testing.T) {
	h, r := exported(t)
	e, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatSHC)
	if err != nil {
		t.Fatal(err)
	}
	card, err := shc.Decode(e.Code)
	if err != nil {
		t.Fatal(err)
	}
	list := func() *shc.CRL {
		data, _, err := h.Service.CardList(t.Context(), card.KeyID)
		if err != nil {
			t.Fatal(err)
		}
		l, err := shc.ParseCRL(data)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := h.Service.CardKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := trust.Parse(keys)
		if err != nil || b.Issuers[0].Keys[0].CardList != l.Counter {
			t.Fatal("the keys name another list", err)
		}
		return l
	}
	before := list()
	if before.Revoked(card.Revocation, card.NotBefore) {
		t.Fatal("revoked before anybody did")
	}
	for _, act := range []vaccination.Act{vaccination.ActSuspend, vaccination.ActRevoke} {
		h.Set(h.Now().Add(time.Minute))
		if _, err := h.Service.Change(t.Context(), h.Admin, r.ID, act, "test"); err != nil {
			t.Fatal(err)
		}
		after := list()
		// Revoking what is suspended changes nothing in a list that has one word for both.
		if !after.Revoked(card.Revocation, card.NotBefore) || after.Counter < before.Counter || act == vaccination.ActSuspend && after.Counter == before.Counter {
			t.Errorf("after %s the list is %d and has it: %v", act, after.Counter, after.Revoked(card.Revocation, card.NotBefore))
		}
		before = after
	}
	if _, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatSHC); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked certificate is exported: %v", err)
	}
	if _, _, err := h.Service.CardList(t.Context(), "none"); err == nil {
		t.Error("a key of nobody has a list")
	}
}

func TestExportsSayWhatIsMissing(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	e := event("EXPORT-2", 1)
	e.Person.BirthDate, e.Person.Name = vaccination.Date{}, "නිමල් පෙරේරා"
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	offers, err := h.Service.Exports(t.Context(), h.Admin, each[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if o := offerOf(t, offers, issuance.FormatEU); !slices.Contains(o.Missing, "birthDate") || !slices.Contains(o.Missing, "name (in Latin letters)") {
		t.Errorf("%+v", o)
	}
	if _, err := h.Service.Export(t.Context(), h.Admin, each[0].ID, issuance.FormatSHC); err == nil || !strings.Contains(err.Error(), "birthDate") {
		t.Errorf("a card without a birth date: %v", err)
	}
}

// A FHIR document is no further record: it is written from the certificate, is the
// same each time, and ends with it. It says no number of an identity document where
// the profile keeps that out of codes.
func TestExportAsFHIR(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	good := event("FHIR-1", 1)
	domestic := event("FHIR-2", 1)
	domestic.Vaccination.Lot = ""
	placeless := event("FHIR-3", 1)
	placeless.Vaccination.Centre = ""
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{good, domestic, placeless})
	if err != nil {
		t.Fatal(err)
	}
	export := func(i int) (*issuance.Exported, error) {
		return h.Service.Export(t.Context(), h.Admin, each[i].ID, issuance.FormatFHIR)
	}
	offer := func(i int) issuance.Offer {
		offers, err := h.Service.Exports(t.Context(), h.Admin, each[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		return offerOf(t, offers, issuance.FormatFHIR)
	}
	e, err := export(0)
	if err != nil || e.MediaType != "application/fhir+json" || !e.Pilot || !bytes.Contains(e.Body, []byte(each[0].HCID)) || bytes.Contains(e.Body, []byte(good.Person.Identifier.Value)) {
		t.Fatalf("%v %s", err, e.Body)
	}
	h.Profile.IdentityInQR = true
	if e, err := export(0); err != nil || !bytes.Contains(e.Body, []byte(good.Person.Identifier.Value)) {
		t.Errorf("the profile wants the number: %v", err)
	}
	h.Profile.IdentityInQR = false
	h.Pass(time.Hour)
	if again, err := export(0); err != nil || !bytes.Equal(e.Body, again.Body) {
		t.Errorf("it is another when asked for again: %v", err)
	}
	if o := offer(1); o.Refused != issuance.IsDomestic {
		t.Errorf("of a domestic certificate: %+v", o)
	}
	if o := offer(2); o.Possible() || !slices.Contains(o.Missing, "vaccination.centre") {
		t.Errorf("without a place: %+v", o)
	}
	for i := range 2 {
		if _, err := export(i + 1); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%d is exported: %v", i+1, err)
		}
	}
	for _, x := range []struct {
		act vaccination.Act
		why string
	}{{vaccination.ActSuspend, issuance.IsSuspended}, {vaccination.ActRevoke, issuance.NotCurrent}} {
		if _, err := h.Service.Change(t.Context(), h.Admin, each[0].ID, x.act, ""); err != nil {
			t.Fatal(err)
		}
		if o := offer(0); o.Refused != x.why {
			t.Errorf("%+v, want %s", o, x.why)
		}
		if _, err := export(0); vaccination.ErrorCode(err) != vaccination.Conflict {
			t.Errorf("after %s: %v", x.act, err)
		}
	}
}
