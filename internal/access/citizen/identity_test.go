package citizen_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/access/party/partytest"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// The card of one person in its two forms, and of nobody.
const (
	oldCard  = "871120015V"
	newCard  = "198711200015"
	nobodys  = "199011200015"
	herPhone = "+94712345678"
	hers     = "1987-04-21"
)

// abroad is a house whose citizens may sign in at a provider.
type abroad struct {
	*citizen.Service
	h        *issuancetest.House
	provider *partytest.Provider
	t        testing.TB
}

func newAbroad(t testing.TB) *abroad {
	t.Helper()
	w := &abroad{h: issuancetest.New(t, "sri-lanka"), t: t}
	w.provider = partytest.New(t, w.h.Now)
	p := *w.h.Profile
	p.CitizenIdentity = &profile.CitizenIdentity{
		Issuer: w.provider.Issuer, ClientID: partytest.ClientID, Names: map[string]string{"en": "eSignet"}, Scopes: []string{"openid"}, ACR: []string{"mosip:idp:acr:generated-code"},
		Claims: profile.CitizenClaims{Identity: "individual_id", Kind: "national-id", Phone: "phone_number", BirthDate: "birthdate"},
	}
	w.Service = citizen.New(citizen.Options{
		Store: w.h.Store, Box: w.h.Box, Profile: &p, OnRecord: w.h.Service.OnRecord, Demo: true, Identity: party.ClientOf(w.provider.Issuer), PublicURL: issuancetest.PublicURL,
		Wait: func(context.Context, time.Time) {}, Now: w.h.Now, Random: rand.Reader, Log: w.h.Log,
	})
	w.provider.Keys = func() []byte {
		keys, err := w.ClientKeys(context.Background())
		if err != nil {
			t.Error(err)
		}
		return keys
	}
	w.provider.Said = map[string]any{"individual_id": newCard, "birthdate": hers}
	w.issue("CARD", "Nimali Perera", hers, oldCard, "tel:0771234567")
	w.issue("PHONE", "Kamal Perera", "1990-01-02", "", "tel:"+herPhone)
	return w
}

func (w *abroad) issue(code, name, birth, card string, contacts ...string) {
	w.t.Helper()
	born, err := vaccination.ParseDate(birth)
	if err != nil {
		w.t.Fatal(err)
	}
	e := vaccination.Event{
		Programme: "covid-19", EnrolmentCode: code, Person: vaccination.Person{Name: name, BirthDate: born, Sex: "female"}, Contacts: contacts,
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 6, Day: 16}, Number: 1, Total: 2, Centre: "Galle"},
	}
	e.Person.Identifier.Value = card
	if _, err := w.h.Service.Issue(w.t.Context(), w.h.Admin, issuance.Certify, []vaccination.Event{e}); err != nil {
		w.t.Fatal(err)
	}
}

// begin goes to the provider and comes back to the same browser.
func (w *abroad) begin() (secret string, answer url.Values) {
	w.t.Helper()
	address, secret, err := w.BeginIdentity(w.t.Context(), "si")
	if err != nil {
		w.t.Fatal(err)
	}
	return secret, w.provider.Visit(address)
}

// enter signs in.
func (w *abroad) enter(before string) (session string, born vaccination.Date) {
	w.t.Helper()
	secret, answer := w.begin()
	session, born, err := w.EndIdentity(w.t.Context(), secret, answer, before)
	if err != nil {
		w.t.Fatalf("%v; the provider: %v", err, w.provider.Failed)
	}
	return session, born
}

// reached are the enrolment codes of who a session reaches.
func (w *abroad) reached(session string) []string {
	w.t.Helper()
	s, err := w.Session(w.t.Context(), session)
	if err != nil {
		w.t.Fatal(err)
	}
	people, err := w.h.Service.Reach(w.t.Context(), s, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{}
	for _, p := range people {
		if s.HasOpened(p.Ref) {
			w.t.Errorf("%s is open without an answer", p.EnrolmentCode())
		}
		out = append(out, p.EnrolmentCode())
	}
	slices.Sort(out)
	return out
}

func (w *abroad) sessions() (n int) {
	w.t.Helper()
	if err := w.h.Store.Pool().QueryRow(w.t.Context(), "SELECT count(*) FROM citizen_session").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestWhoAProviderVouchesFor(t *testing.T) {
	w := newAbroad(t)
	for name, test := range map[string]struct {
		said, told map[string]any
		how        string
		reach      string
	}{
		"by the new form of a card, recorded in the old":      {map[string]any{"individual_id": newCard, "birthdate": hers}, nil, "", "CARD"},
		"by the old form, in small letters and with spaces":   {map[string]any{"individual_id": "871 120 015v"}, nil, "", "CARD"},
		"by a number that it verified":                        {map[string]any{"phone_number": herPhone, "phone_number_verified": true}, nil, "", "PHONE"},
		"by a number of which it does not say":                {map[string]any{"phone_number": "0712345678"}, nil, "", "PHONE"},
		"by both":                                             {map[string]any{"individual_id": newCard, "phone_number": herPhone}, nil, "", "CARD PHONE"},
		"by the card, as it did not verify the number":        {map[string]any{"individual_id": newCard, "phone_number": herPhone, "phone_number_verified": false}, nil, "", "CARD"},
		"who is on no record":                                 {map[string]any{"individual_id": nobodys}, nil, "", ""},
		"in clear, from its own address":                      {map[string]any{"individual_id": newCard}, nil, "plain", "CARD"},
		"encrypted to our key":                                {map[string]any{"individual_id": newCard}, nil, "encrypted", "CARD"},
		"in the ID token alone":                               {map[string]any{}, map[string]any{"individual_id": newCard, "phone_number": "", "birthdate": hers}, "", "CARD"},
		"in the ID token first, whatever userinfo says of it": {map[string]any{"individual_id": nobodys}, map[string]any{"individual_id": newCard}, "", "CARD"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.provider.Said, w.provider.Told, w.provider.UserInfo = test.said, test.told, test.how
			session, born := w.enter("")
			if got := strings.Join(w.reached(session), " "); got != test.reach {
				t.Errorf("reaches %q, want %q", got, test.reach)
			}
			if said := fmt.Sprint(test.said["birthdate"], test.told["birthdate"]); strings.Contains(said, hers) == born.IsZero() {
				t.Errorf("born %q of %s", born, said)
			}
		})
	}
}

// What a provider may not say, and what is not believed of it.
func TestWhatAProviderMayNotSay(t *testing.T) {
	w := newAbroad(t)
	for _, lie := range []string{
		"aud", "azp", "iss", "nonce", "no nonce", "expired", "old", "key", "none", "hs256",
		"info sub", "info aud", "info iss", "info key", "info none", "info large", "info elsewhere",
	} {
		t.Run(lie, func(t *testing.T) {
			w.t = t
			w.provider.Lie = lie
			secret, answer := w.begin()
			_, _, err := w.EndIdentity(t.Context(), secret, answer, "")
			refused(t, lie, err, vaccination.Forbidden)
		})
	}
	for name, said := range map[string]map[string]any{
		"nothing":                {},
		"a card that is none":    {"individual_id": "12"},
		"a number not verified":  {"phone_number": herPhone, "phone_number_verified": false},
		"two cards":              {"individual_id": []string{newCard, nobodys}},
		"a card as a number":     {"individual_id": 198711200015},
		"a number of everywhere": {"phone_number": "12"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.provider.Lie, w.provider.Said = "", said
			secret, answer := w.begin()
			_, _, err := w.EndIdentity(t.Context(), secret, answer, "")
			refused(t, name, err, vaccination.Invalid)
		})
	}
	w.t = t
	if n := w.sessions(); n != 0 {
		t.Errorf("%d sessions began", n)
	}
}

// The return belongs to the browser that began it, once, for ten minutes.
func TestWhoseReturnItIs(t *testing.T) {
	ctx, w := t.Context(), newAbroad(t)
	end := func(w *abroad, secret string, answer url.Values) error {
		_, _, err := w.EndIdentity(ctx, secret, answer, "")
		return err
	}
	for name, test := range map[string]struct {
		try  func(w *abroad, mine string, answer url.Values) error
		want vaccination.Code
	}{
		"no cookie":       {func(w *abroad, _ string, a url.Values) error { return end(w, "", a) }, vaccination.NotFound},
		"a guessed one":   {func(w *abroad, _ string, a url.Values) error { return end(w, "AAAA", a) }, vaccination.NotFound},
		"another browser": {func(w *abroad, _ string, a url.Values) error { other, _ := w.begin(); return end(w, other, a) }, vaccination.Forbidden},
		"the state of another": {func(w *abroad, mine string, a url.Values) error {
			_, other := w.begin()
			a.Set("state", other.Get("state"))
			return end(w, mine, a)
		}, vaccination.Forbidden},
		"the code of another": {func(w *abroad, mine string, a url.Values) error { // PKCE: the other's verifier is not ours
			_, other := w.begin()
			a.Set("code", other.Get("code"))
			return end(w, mine, a)
		}, vaccination.Forbidden},
		"two states": {func(w *abroad, mine string, a url.Values) error { a.Add("state", "x"); return end(w, mine, a) }, vaccination.Forbidden},
		"two codes":  {func(w *abroad, mine string, a url.Values) error { a.Add("code", "x"); return end(w, mine, a) }, vaccination.Forbidden},
		"no state":   {func(w *abroad, mine string, a url.Values) error { a.Del("state"); return end(w, mine, a) }, vaccination.Forbidden},
		"an error": {func(w *abroad, mine string, a url.Values) error {
			a.Set("error", "access_denied")
			return end(w, mine, a)
		}, vaccination.Forbidden},
		"of another provider": {func(w *abroad, mine string, a url.Values) error { // mix-up, RFC 9207
			a.Set("iss", "https://another.example.org")
			return end(w, mine, a)
		}, vaccination.Forbidden},
		"of nobody in particular": {func(w *abroad, mine string, a url.Values) error { a.Del("iss"); return end(w, mine, a) }, vaccination.Forbidden},
		"the same again": {func(w *abroad, mine string, a url.Values) error {
			if err := end(w, mine, a); err != nil {
				return err
			}
			return end(w, mine, a)
		}, vaccination.NotFound},
		"a code that was used": {func(w *abroad, mine string, a url.Values) error {
			if err := end(w, mine, a); err != nil {
				return err
			}
			secret, again := w.begin()
			again.Set("code", a.Get("code"))
			return end(w, secret, again)
		}, vaccination.Forbidden},
		"too late": {func(w *abroad, mine string, a url.Values) error {
			w.h.Pass(11 * time.Minute)
			return end(w, mine, a)
		}, vaccination.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			mine, answer := w.begin()
			refused(t, name, test.try(w, mine, answer), test.want)
		})
	}
}

// What a session opened of a record that it reaches by a card counts for cases too,
// and for nobody that it does not reach.
func TestWhatAProvidersSessionOpened(t *testing.T) {
	w := newAbroad(t)
	for name, said := range map[string]map[string]any{
		"by the card alone":          {"individual_id": newCard},
		"by another's number beside": {"individual_id": newCard, "phone_number": herPhone},
	} {
		w.provider.Said = said
		session, _ := w.enter("")
		s, err := w.Session(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		people, err := w.h.Service.Reach(t.Context(), s, "test")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			if err := w.OpenRecord(t.Context(), s, p.Ref, true); err != nil {
				t.Fatal(err)
			}
			if ok, err := w.Opened(t.Context(), s.Caller, p.Ref); err != nil || !ok {
				t.Errorf("%s: %s is not open to cases: %v", name, p.EnrolmentCode(), err)
			}
			if _, err := w.h.Store.Pool().Exec(t.Context(), "DELETE FROM person_index WHERE bucket = $1 AND person_id = $2", p.Ref.Bucket, p.Ref.ID); err != nil {
				t.Fatal(err)
			}
			if ok, err := w.Opened(t.Context(), s.Caller, p.Ref); err != nil || ok {
				t.Errorf("%s: %s is open to cases, reached by nothing any more: %v", name, p.EnrolmentCode(), err)
			}
		}
		w = newAbroad(t)
	}
}

// A session of before ends, and nothing of it goes on: who shares a browser, or
// planted a cookie, gets nothing.
func TestAProvidersSessionIsNew(t *testing.T) {
	w := newAbroad(t)
	first, _ := w.enter("")
	second, _ := w.enter(first)
	if first == second {
		t.Error("the session goes on")
	}
	_, err := w.Session(t.Context(), first)
	refused(t, "the session before", err, vaccination.Unauthorized)
	s, err := w.Session(t.Context(), second)
	if err != nil || !s.Provider || len(s.Identities) == 0 || s.Number != nil {
		t.Errorf("%+v, %v", s, err)
	}
	planted := strings.Repeat("A", 27)
	if third, _ := w.enter(planted); third == planted {
		t.Error("a planted cookie became a session")
	}
	if err := w.End(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	var detail string
	if err := w.h.Store.Pool().QueryRow(t.Context(), "SELECT string_agg(act || ' ' || detail, ', ' ORDER BY at, seq) FROM audit WHERE act LIKE 'citizen.%' OR act LIKE 'client-key%'").Scan(&detail); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{newCard, oldCard, hers, "psut-1"} {
		if strings.Contains(detail, secret) {
			t.Errorf("the audit holds %s: %s", secret, detail)
		}
	}
	if strings.Count(detail, "citizen.in identity provider") != 3 {
		t.Errorf("the audit: %s", detail)
	}
}

// Nothing but the issuer's own host is asked, whatever it says of itself.
func TestAProviderLeadsNowhere(t *testing.T) {
	elsewhere := partytest.New(t, time.Now)
	for _, endpoint := range []string{"token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		t.Run(endpoint, func(t *testing.T) {
			w := newAbroad(t)
			w.provider.Endpoints = map[string]any{endpoint: elsewhere.Issuer + "/" + strings.TrimSuffix(endpoint, "_endpoint")}
			secret, answer := w.begin()
			if _, _, err := w.EndIdentity(t.Context(), secret, answer, ""); err == nil {
				t.Error("somebody signed in")
			}
			if len(elsewhere.Asked) != 0 {
				t.Errorf("asked elsewhere: %v", elsewhere.Asked)
			}
		})
	}
	w := newAbroad(t)
	w.provider.Endpoints = map[string]any{"issuer": elsewhere.Issuer}
	_, _, err := w.BeginIdentity(t.Context(), "en")
	refused(t, "another issuer in its own words", err, vaccination.Unavailable)
}

// The key is one for all servers, sealed, and another when it is renewed.
func TestTheKeyOfTheClient(t *testing.T) {
	w := newAbroad(t)
	first, err := w.ClientKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := *w.Service
	again, err := other.ClientKeys(t.Context())
	if err != nil || string(again) != string(first) || strings.Contains(string(first), `"d"`) {
		t.Errorf("%v: %s, then %s", err, first, again)
	}
	var sealed []byte
	if err := w.h.Store.Pool().QueryRow(t.Context(), "SELECT sealed FROM client_key").Scan(&sealed); err != nil || strings.Contains(string(sealed), "RSA") {
		t.Errorf("%v: readable in the database", err)
	}
	if err := w.RenewClientKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	renewed, err := w.ClientKeys(t.Context())
	if err != nil || string(renewed) == string(first) {
		t.Errorf("%v: the key is the same", err)
	}
	w.provider.Keys = func() []byte { return first } // it was not told
	secret, answer := w.begin()
	_, _, err = w.EndIdentity(t.Context(), secret, answer, "")
	refused(t, "a key that the provider does not know", err, vaccination.Forbidden)
}
