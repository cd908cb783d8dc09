package trust_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
)

func cardList(t testing.TB, kid string, counter int64, rids ...string) *shc.CRL {
	t.Helper()
	list, err := shc.NewCRL(kid, counter, rids)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A signed bundle carries which cards other issuers withdrew. One that forgets that, has
// an older list, or lost more than a quarter of them does not take its place: rollback,
// empty, partial, revoked and valid again.
func TestBundlesKeepCardLists(t *testing.T) {
	key, signer := newDocumentKey(t), newKey(t)
	thumb := shc.Thumbprint(&signer.PublicKey)
	bundle := func(version int64, lists ...*shc.CRL) *trust.Bundle {
		t.Helper()
		b := &trust.Bundle{Version: version, Issued: day(int(version)), Cards: lists, Issuers: []trust.Issuer{
			{ID: did, Country: "JM", Keys: []trust.Key{key.key()}},
			{ID: "https://cards.example", Keys: []trust.Key{{ID: thumb, Public: &signer.PublicKey, CardList: 5}}},
		}}
		back, err := trust.Parse(signed(t, b, key))
		if err != nil {
			t.Fatal(err)
		}
		said := func(b *trust.Bundle) (out []string) {
			for _, c := range b.Cards {
				out = append(out, fmt.Sprint(c.KeyID, c.Counter, c.Rids()))
			}
			return out
		}
		if diff := cmp.Diff(said(b), said(back)); diff != "" {
			t.Fatal(diff)
		}
		return back
	}
	all := []string{"a1", "a2.1600000000", "a3", "a4", "a5", "a6", "a7", "a8"}
	old := bundle(1, cardList(t, thumb, 5, all...))
	for name, c := range map[string]struct {
		new *trust.Bundle
		ok  bool
	}{
		"the same":                       {bundle(2, old.Cards...), true},
		"one more":                       {bundle(2, cardList(t, thumb, 6, append(all, "a9")...)), true},
		"two good again":                 {bundle(2, cardList(t, thumb, 6, all[2:]...)), true},
		"partial: three missing":         {bundle(2, cardList(t, thumb, 6, all[3:]...)), false},
		"empty list":                     {bundle(2, cardList(t, thumb, 6)), false},
		"no list":                        {bundle(2), false},
		"rollback: an older list":        {bundle(2, cardList(t, thumb, 4, all...)), false},
		"list id swap: of another key":   {bundle(2, cardList(t, "other", 6, all...)), false},
		"two lists, the newer is of now": {bundle(2, cardList(t, thumb, 5, all...), cardList(t, thumb, 6, all...)), true},
	} {
		if err := c.new.Replaces(old); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	without := &trust.Bundle{Version: 2, Issued: day(2), Issuers: old.Issuers[:1]}
	signed(t, without, key)
	if err := without.Replaces(old); err != nil {
		t.Errorf("an issuer that is no longer trusted takes its list with it: %v", err)
	}
	digests := map[[32]byte]bool{}
	for _, b := range []*trust.Bundle{bundle(1), bundle(1, cardList(t, thumb, 5)), bundle(1, cardList(t, thumb, 6)), bundle(1, cardList(t, thumb, 5, "a1")), bundle(2, cardList(t, thumb, 5, "a1"))} {
		d, err := b.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[d] = true
	}
	if len(digests) != 4 {
		t.Errorf("the digest tells %d of 4 apart", len(digests))
	}
	for name, list := range map[string]*shc.CRL{"no key": cardList(t, "", 1), "a number below zero": cardList(t, thumb, -1), "a number that JSON cannot hold": cardList(t, thumb, 1<<53)} {
		if _, err := (&trust.Bundle{Version: 1, Issued: day(1), Cards: []*shc.CRL{list}}).Sign(); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	for name, change := range map[string][2]string{
		"unsorted": {`"a3","a4"`, `"a4","a3"`}, "twice": {`"a3",`, `"a3","a3",`}, "no rid": {`"a3"`, `"a 3"`},
	} {
		data := signed(t, &trust.Bundle{Version: 1, Issued: day(1), Issuers: old.Issuers, Cards: old.Cards}, key)
		if _, err := trust.Parse(bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// What a signed bundle says of cards is of when it was made; a list that came by itself
// is as new as the key that names it.
func TestCardListsOfBundlesHaveADate(t *testing.T) {
	key := newDocumentKey(t)
	b := &trust.Bundle{Version: 1, Issued: day(4), Issuers: []trust.Issuer{{ID: did, Keys: []trust.Key{key.key()}}}, Cards: []*shc.CRL{cardList(t, "k", 3)}}
	parsed, err := trust.Parse(signed(t, b, key))
	if err != nil {
		t.Fatal(err)
	}
	if list, asOf := trust.New(parsed).CardList("k"); list.Counter != 3 || !asOf.Equal(day(4)) {
		t.Errorf("%v as of %v", list, asOf)
	}
	if _, asOf := trust.New(&trust.Bundle{Cards: b.Cards}).CardList("k"); !asOf.IsZero() {
		t.Errorf("a list without a date is as of %v", asOf)
	}
}

// The rules that go with a bundle are named by their hash, and older ones do not come back.
func TestBundlesNameTheirRules(t *testing.T) {
	key := newDocumentKey(t)
	bundle := func(version int64, rules *trust.RulesNote) *trust.Bundle {
		t.Helper()
		b := sample(t, key)
		b.Version, b.Issued, b.Rules = version, day(20), rules
		back, err := trust.Parse(signed(t, b, key))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rules, back.Rules); diff != "" {
			t.Fatal(diff)
		}
		return back
	}
	note := func(n int64) *trust.RulesNote {
		return &trust.RulesNote{Changed: day(int(n)), SHA256: bytes.Repeat([]byte{byte(n)}, 32), Version: n}
	}
	old := bundle(7, note(2))
	for name, c := range map[string]struct {
		rules *trust.RulesNote
		ok    bool
	}{"the same": {note(2), true}, "newer ones": {note(3), true}, "none any more": {nil, true}, "rollback: older ones": {note(1), false}} {
		b := bundle(8, c.rules)
		b.Issuers = old.Issuers
		signed(t, b, key)
		if err := b.Replaces(old); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, errA := old.Digest()
	b, errB := (&trust.Bundle{Issuers: old.Issuers, Status: old.Status, Rules: note(3)}).Digest()
	if errA != nil || errB != nil || a == b {
		t.Errorf("the digest does not see rules: %v %v", errA, errB)
	}
	for name, r := range map[string]*trust.RulesNote{
		"no hash": {Changed: day(1), Version: 1}, "no number": {Changed: day(1), SHA256: make([]byte, 32)}, "no date": {SHA256: make([]byte, 32), Version: 1},
		"a number that JSON cannot hold": {Changed: day(1), SHA256: make([]byte, 32), Version: 1 << 53},
	} {
		unsigned := sample(t, key)
		unsigned.Rules = r
		if _, err := unsigned.Sign(key); err == nil || !strings.Contains(err.Error(), "rules") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
