package verify_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// Attack class B, revoked to valid: one key stands in several lists, as a country's
// does in the EU's and in its own, or because somebody copied it. What its issuer
// withdrew stays withdrawn, whichever list comes first.
func TestWhatIsWithdrawnIsSoWhoeverListsTheKey(t *testing.T) {
	withdrawn := func(e *env) trust.Hashes {
		return trust.NewHashes([]trust.Hash{trust.HashOf(e.content.Info.HCID)})
	}
	as := func(e *env, id string, status ...trust.Snapshot) *trust.Bundle {
		return &trust.Bundle{Issued: e.now.Add(-time.Hour), Status: status, Issuers: []trust.Issuer{{ID: id, Name: "another list", Country: "JM", Keys: []trust.Key{e.qr.Trusted()}}}}
	}
	for name, tc := range map[string]struct {
		other  func(*env) *trust.Bundle
		issuer string // that the statement names
	}{
		"a list of signers, without states": {func(e *env) *trust.Bundle { return as(e, "") }, credentialtest.Jamaica().Info.Issuer.ID},
		"somebody who publishes no states":  {func(e *env) *trust.Bundle { return as(e, "did:web:other.example") }, credentialtest.Jamaica().Info.Issuer.ID},
		"somebody whose states know nothing of it": {func(e *env) *trust.Bundle {
			return as(e, "did:web:other.example", trust.Snapshot{Issuer: "did:web:other.example", AsOf: e.now.Add(-time.Minute)})
		}, "did:web:other.example"},
	} {
		for _, first := range []bool{true, false} {
			for state, want := range map[string]string{"valid": "", "revoked": verify.Revoked, "superseded": verify.Superseded, "suspended": verify.Suspended} {
				t.Run(fmt.Sprint(name, ", first: ", first, ", ", state), func(t *testing.T) {
					e := newEnv(t)
					switch s := &e.bundle.Status[0]; state {
					case "revoked":
						s.Revoked = withdrawn(e)
					case "superseded":
						s.Superseded = withdrawn(e)
					case "suspended":
						s.Suspended = withdrawn(e)
					}
					b := e.bundle
					b.Issuers = []trust.Issuer{e.issuer}
					all := []*trust.Bundle{tc.other(e), &b}
					if !first {
						all[0], all[1] = all[1], all[0]
					}
					o := e.options
					o.Trust = trust.New(all...)
					s := verify.Text(t.Context(), text(t, e.cose(t)), o)
					if want == "" && s.Verdict != verify.Valid || want != "" && !s.Has(want) {
						t.Errorf("%s", s.Text("en"))
					}
					if s.Issuer.ID != tc.issuer && first { // with states on both sides the first one names it
						t.Errorf("it is said to be of %q", s.Issuer.ID)
					}
				})
			}
		}
	}
}

// The same of cards: whoever lists the key of another issuer of cards neither takes
// back what that withdrew, by a list with a higher number, nor makes its cards
// nobody's.
func TestCardsAreOfWhomTheyName(t *testing.T) {
	const url = "https://cards.example"
	e := newEnv(t)
	thumb := shc.Thumbprint(e.qr.Public())
	list := func(number int, rids string) *trust.Bundle {
		b, err := trust.ParseNamed(fmt.Appendf(nil, `{"kid":%q,"method":"rid","ctr":%d,"rids":[%s]}`, thumb, number, rids))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	of := func(id string, newest int64) *trust.Bundle {
		return &trust.Bundle{Issuers: []trust.Issuer{{ID: id, Name: id, Keys: []trust.Key{{ID: thumb, Public: e.qr.Public(), CardList: newest}}}}}
	}
	for _, all := range [][]*trust.Bundle{
		{of("https://copy.example", 9), list(9, ""), of(url, 2), list(2, `"gone"`)},
		{of(url, 2), list(2, `"gone"`), of("https://copy.example", 9), list(9, "")},
	} {
		o := e.options
		o.Trust = trust.New(all...)
		if s := verify.Text(t.Context(), e.card(t, url, "there"), o); s.Verdict != verify.Valid || s.Issuer.ID != url {
			t.Errorf("%s", s.Text("en"))
		}
		if s := verify.Text(t.Context(), e.card(t, url, "gone"), o); !s.Has(verify.Revoked) {
			t.Errorf("a newer list of somebody who copied the key took a revocation back: %s", s.Text("en"))
		}
	}
}

// Attack class A, key usage: what stands beside the first entry of a card needs a
// signer that may sign it too.
func TestEverythingOnACardIsItsSignersToSign(t *testing.T) {
	const result = `,{"fullUrl":"resource:9","resource":{"resourceType":"Observation","status":"final","subject":{"reference":"resource:0"},"code":{"coding":[{"system":"http://loinc.org","code":"94558-4"}]},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"260373001"}]},"effectiveDateTime":"2021-05-01"}}`
	const url = "https://cards.example"
	for name, tc := range map[string]struct {
		usage  []trust.Usage
		reason string
	}{
		"vaccinations and tests": {usage: []trust.Usage{trust.Vaccination, trust.Test}},
		"everything":             {},
		"vaccinations alone":     {usage: []trust.Usage{trust.Vaccination}, reason: verify.KeyNotAllowed},
		"tests alone":            {usage: []trust.Usage{trust.Test}, reason: verify.KeyNotAllowed},
	} {
		e := newEnv(t)
		part := strings.Split(e.card(t, url, ""), ".")
		raw, err := base64.RawURLEncoding.DecodeString(part[1])
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		const end = "]}}}}" // of the entries, the last of a card
		if !bytes.HasSuffix(plain, []byte(end)) {
			t.Fatalf("a card is written in another way: %s", plain)
		}
		plain = append(bytes.TrimSuffix(plain, []byte(end)), result+end...)
		var packed bytes.Buffer
		z, err := flate.NewWriter(&packed, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		signed := part[0] + "." + base64.RawURLEncoding.EncodeToString(packed.Bytes())
		signature, err := e.qr.Sign([]byte(signed))
		if err != nil {
			t.Fatal(err)
		}
		o := e.options
		o.Trust = trust.New(&trust.Bundle{Issuers: []trust.Issuer{{ID: url, Keys: []trust.Key{{Public: e.qr.Public(), Usage: tc.usage}}}}})
		s := verify.Text(t.Context(), signed+"."+base64.RawURLEncoding.EncodeToString(signature), o)
		if ok := s.Verdict == verify.Valid && len(s.More) == 1; ok != (tc.reason == "") || tc.reason != "" && (!s.Has(tc.reason) || s.Content != nil) {
			t.Errorf("%s: %s", name, s.Text("en"))
		}
	}
}

// A passport authority vouches for signers of seals and signs nothing by itself,
// also where its key would do for a code.
func TestAnAuthorityOfSealsSignsNoCodes(t *testing.T) {
	e := newEnv(t)
	e.key().Usage = []trust.Usage{trust.Seal}
	for form, in := range map[string]string{"code": text(t, e.cose(t)), "card": e.card(t, "https://cards.example", "")} {
		if s := verify.Text(t.Context(), in, e.opts()); s.Verdict == verify.Valid || !s.Has(verify.KeyNotAllowed) || s.Content != nil {
			t.Errorf("%s: %s", form, s.Text("en"))
		}
	}
}
