package main_test

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/verifytest"
)

// What other countries and other issuers of cards withdrew is withdrawn without a
// network too: the signed trust list says so, and the browser's verifier and the
// package say the same of it. A bundle that is old by then is not relied on.
func TestWithdrawnElsewhereIsKnownWithoutNetwork(t *testing.T) {
	names, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := credentialtest.Jamaica()
	at := c.Info.Period.Start.Add(100 * 24 * time.Hour)
	signer := verifytest.NewCodeKey(t, "JM", c.Info.Period.Start.Add(-time.Hour), c.Info.Period.End.Add(time.Hour))
	own := verifytest.NewDocumentKey(t, "did:web:own.example")
	message, err := hcert.EncodeEU(c, names, signer)
	if err != nil {
		t.Fatal(err)
	}
	dcc, err := hcert.Text(message)
	if err != nil {
		t.Fatal(err)
	}
	read, err := hcert.Decode(dcc)
	if err != nil {
		t.Fatal(err)
	}
	const iss, rid = "https://cards.example", "MKyCxh7p6uQ"
	card, err := shc.Issue(c, names, iss, rid, signer)
	if err != nil {
		t.Fatal(err)
	}
	thumb := shc.Thumbprint(signer.Public())
	hash := trust.Hash(read.SignatureHash())
	bundle := func(counter int64, rids []string, hashes ...trust.Hash) string {
		list, err := shc.NewCRL(thumb, counter, rids)
		if err != nil {
			t.Fatal(err)
		}
		b := &trust.Bundle{Version: 1, Issued: at.Add(-time.Hour), Cards: []*shc.CRL{list}, Issuers: []trust.Issuer{
			{ID: "did:web:own.example", Name: "Own", Country: "LK", Keys: []trust.Key{own.Trusted()}},
			{Name: "Ministry", Country: "JM", Keys: []trust.Key{signer.Trusted()}},
			{ID: iss, Name: "Clinic", Keys: []trust.Key{{ID: thumb, Public: signer.Public(), CardList: 4}}},
		}}
		if len(hashes) > 0 {
			b.HashLists = []trust.HashList{{Country: "JM", KeyID: signer.KeyID(), Type: trust.HashSignature, Expires: c.Info.Period.End, Hashes: trust.NewHashes(hashes)}}
		}
		data, err := b.Sign(own)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	good := bundle(4, []string{"other"}, trust.HashOf("other"))
	var calls []call
	type want struct {
		name    string
		verdict verify.Verdict
		reason  string
	}
	var wants []want
	add := func(name, code, list string, at time.Time, verdict verify.Verdict, reason string) {
		calls = append(calls, call{Code: code, Trust: list, At: at.UnixMilli(), Lang: "en"})
		wants = append(wants, want{name, verdict, reason})
	}
	add("a card that is in no list", card, good, at, verify.Valid, "")
	add("a card that is", card, bundle(4, []string{rid}), at, verify.NotValid, verify.Revoked)
	add("a card whose list is not the newest", card, bundle(3, nil), at, verify.CannotTell, verify.StatusMissing)
	add("a card by a list that is old by now", card, good, at.Add(8*24*time.Hour), verify.CannotTell, verify.StatusStale)
	add("an EU DCC that is in no list", dcc, good, at, verify.Valid, "")
	add("an EU DCC that is", dcc, bundle(4, nil, hash), at, verify.NotValid, verify.Revoked)
	got := inNode(t, calls)
	for i, w := range wants {
		b, err := trust.Parse([]byte(calls[i].Trust.(string)))
		if err != nil {
			t.Fatal(err)
		}
		here := verify.Text(t.Context(), calls[i].Code, verify.Options{Trust: trust.New(b), At: time.UnixMilli(calls[i].At.(int64)), Language: "en", Catalogue: names})
		for where, s := range map[string]verify.Statement{"package": here, "browser": got[i].S.Statement} {
			if s.Verdict != w.verdict || w.reason != "" && !s.Has(w.reason) {
				t.Errorf("%s: %s says %s", w.name, where, s.Text("en"))
			}
		}
	}
}
