package trust_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/trust"
)

const uvci = "URN:UVCI:01:NL:187/37512422923#Z"

func kid(n byte) []byte { return bytes.Repeat([]byte{n}, 8) }

func hash(n int) trust.Hash { return trust.HashOf(fmt.Sprint("h", n)) }

func hashList(country string, key []byte, of trust.HashType, hashes ...trust.Hash) trust.HashList {
	return trust.HashList{Country: country, KeyID: key, Type: of, Expires: day(400), Hashes: trust.NewHashes(hashes)}
}

// A certificate is listed by any of its three hashes, of its country and key alone.
func TestHashLists(t *testing.T) {
	byID, byBoth := trust.HashUCIs("NL", uvci)
	bare, _ := trust.HashUCIs("NL", strings.TrimSuffix(uvci, "#Z"))
	sig := hash(1)
	for name, c := range map[string]struct {
		list trust.HashList
		want bool
	}{
		"its id":                         {hashList("NL", kid(1), trust.HashUCI, byID), true},
		"its id without check character": {hashList("NL", kid(1), trust.HashUCI, bare), true},
		"its country and id":             {hashList("NL", kid(1), trust.HashCountryUCI, byBoth), true},
		"its signature":                  {hashList("NL", kid(1), trust.HashSignature, sig), true},
		"its signature, of any key":      {hashList("NL", nil, trust.HashSignature, sig), true},
		"among others":                   {hashList("NL", kid(1), trust.HashSignature, hash(2), sig, hash(3)), true},
		"another signature":              {hashList("NL", kid(1), trust.HashSignature, hash(2)), false},
		"its signature as an id":         {hashList("NL", kid(1), trust.HashUCI, sig), false},
		"wrong list signer: another key": {hashList("NL", kid(2), trust.HashSignature, sig), false},
		"wrong list signer: of another country, which cannot withdraw it": {hashList("BE", nil, trust.HashSignature, sig), false},
	} {
		l := trust.New(&trust.Bundle{HashLists: []trust.HashList{c.list}})
		if got := l.HashListed("NL", [][]byte{kid(1)}, uvci, sig); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (*trust.List)(nil).HashListed("NL", nil, uvci, sig) || trust.New().HashListed("NL", nil, uvci, sig) {
		t.Error("listed without any list")
	}
}

// What is written as a batch reads back the same.
func TestBatchesReadBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := trust.HashList{
			Country: "JM", Type: rapid.SampledFrom([]trust.HashType{trust.HashUCI, trust.HashCountryUCI, trust.HashSignature}).Draw(t, "type"),
			Expires: day(rapid.IntRange(0, 1000).Draw(t, "end")),
		}
		if rapid.Bool().Draw(t, "key") {
			l.KeyID = rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "kid")
		}
		var hashes []trust.Hash
		for _, n := range rapid.SliceOfN(rapid.Int(), 1, 50).Draw(t, "hashes") {
			hashes = append(hashes, hash(n))
		}
		l.Hashes = trust.NewHashes(hashes)
		b, err := trust.ParseNamed(l.EncodeBatch())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]trust.HashList{l}, b.HashLists); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Attack classes of lists: empty, partial, bomb, and whatever could be read in two
// ways. The first is a good one.
func TestBatchesThatAreRefused(t *testing.T) {
	entry := `{"hash":"` + base64.StdEncoding.EncodeToString(make([]byte, 16)) + `"}`
	good := `{"country":"NL","expires":"2027-01-01T00:00:00Z","kid":"AQEBAQEBAQE=","hashType":"UCI","entries":[` + entry + `]}`
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"a good one":                 {good, true},
		"of any key":                 {strings.Replace(good, "AQEBAQEBAQE=", trust.UnknownKeyID, 1), true},
		"two in one file":            {`{"batches":[` + good + "," + good + `]}`, true},
		"a time with a zone":         {strings.Replace(good, "00:00:00Z", "01:00:00+01:00", 1), true},
		"empty list":                 {strings.Replace(good, entry, "", 1), false},
		"empty list: no batch":       {`{"batches":[]}`, false},
		"empty list: no entries":     {strings.Replace(good, `"entries"`, `"entrances"`, 1), false},
		"partial: a hash cut short":  {strings.Replace(good, "AAAA", "", 1), false},
		"a hash that is too long":    {strings.Replace(good, "AAAA", "AAAAAAAA", 1), false},
		"a hash in hexadecimal":      {strings.Replace(good, entry, `{"hash":"zz"}`, 1), false},
		"no country":                 {strings.Replace(good, `"NL"`, `""`, 1), false},
		"a country in small letters": {strings.Replace(good, `"NL"`, `"nl"`, 1), false},
		"a key id that is too short": {strings.Replace(good, "AQEBAQEBAQE=", "AQE=", 1), false},
		"no key id":                  {strings.Replace(good, "AQEBAQEBAQE=", "", 1), false},
		"another hash":               {strings.Replace(good, `"UCI"`, `"MD5"`, 1), false},
		"no end":                     {strings.Replace(good, `"expires":"2027-01-01T00:00:00Z",`, "", 1), false},
		"an end that is no time":     {strings.Replace(good, "2027-01-01T00:00:00Z", "soon", 1), false},
		"duplicate keys":             {strings.Replace(good, `"kid"`, `"country":"BE","kid"`, 1), false},
		"bomb: very many hashes":     {strings.Replace(good, entry, entry+strings.Repeat(","+entry, 1<<17), 1), false},
		"depth: lists within lists":  {strings.Replace(good, entry, strings.Repeat("[", 50)+strings.Repeat("]", 50), 1), false},
		"something behind the batch": {good + good, false},
	} {
		b, err := trust.ParseNamed([]byte(c.text))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && b.HashLists[0].Hashes.Len() != 1 {
			t.Errorf("%s: %d hashes", name, b.HashLists[0].Hashes.Len())
		}
	}
}

// A signed bundle carries lists of other countries, and one that has lost more than
// a quarter of what they withdrew does not replace it: rollback, empty, partial.
func TestBundlesKeepHashLists(t *testing.T) {
	key, other := newDocumentKey(t), newDocumentKey(t)
	var hashes []trust.Hash
	for n := range 8 {
		hashes = append(hashes, hash(n))
	}
	bundle := func(version int64, lists ...trust.HashList) *trust.Bundle {
		t.Helper()
		b := &trust.Bundle{Version: version, Issued: day(int(version)), HashLists: lists, Issuers: []trust.Issuer{
			{ID: did, Country: "JM", Keys: []trust.Key{{ID: key.ID(), Public: key.public()}}},
			{ID: "did:web:nl.example", Country: "NL", Keys: []trust.Key{{ID: "did:web:nl.example#1", Public: other.public()}}},
		}}
		data, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		back, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.HashLists, back.HashLists); diff != "" {
			t.Fatal(diff)
		}
		return back
	}
	old := bundle(1, hashList("NL", kid(1), trust.HashUCI, hashes...), hashList("NL", nil, trust.HashSignature, hashes...))
	ending := hashList("NL", kid(1), trust.HashUCI, hashes...)
	ending.Expires = day(1)
	for name, c := range map[string]struct {
		old, new *trust.Bundle
		ok       bool
	}{
		"the same":                        {old, bundle(2, old.HashLists...), true},
		"one more list":                   {old, bundle(2, append(old.HashLists, hashList("NL", kid(3), trust.HashUCI, hash(1)))...), true},
		"a few lifted":                    {old, bundle(2, hashList("NL", kid(1), trust.HashUCI, hashes[:6]...), old.HashLists[1]), true},
		"divided into other batches":      {old, bundle(2, old.HashLists[1], hashList("NL", kid(1), trust.HashUCI, hashes[4:]...), hashList("NL", kid(1), trust.HashUCI, hashes[:4]...)), true},
		"empty list":                      {old, bundle(2), false},
		"partial: one list is missing":    {old, bundle(2, old.HashLists[0]), false},
		"partial: half of each":           {old, bundle(2, hashList("NL", kid(1), trust.HashUCI, hashes[:4]...), hashList("NL", nil, trust.HashSignature, hashes[:4]...)), false},
		"list id swap: under another key": {old, bundle(2, hashList("NL", kid(2), trust.HashUCI, hashes...), hashList("NL", kid(2), trust.HashSignature, hashes...)), false},
		"rollback: an older bundle":       {bundle(3, old.HashLists...), old, false},
		"what has expired may go":         {bundle(1, ending), bundle(2), true},
	} {
		if err := c.new.Replaces(c.old); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	without := bundle(2)
	without.Issuers = without.Issuers[:1]
	if _, err := without.Sign(key); err != nil {
		t.Fatal(err)
	}
	if err := without.Replaces(old); err != nil {
		t.Errorf("a country that is no longer trusted takes its list with it: %v", err)
	}
	a, err := old.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := bundle(1).Digest(); err != nil || a == b {
		t.Errorf("the digest does not see hash lists: %v", err)
	}
	for name, list := range map[string]trust.HashList{
		"no country": hashList("", nil, trust.HashUCI, hash(1)), "no type": hashList("NL", nil, "", hash(1)), "a short key": hashList("NL", kid(1)[:3], trust.HashUCI, hash(1)),
		"no end": {Country: "NL", Type: trust.HashUCI}, "unsorted": {Country: "NL", Type: trust.HashUCI, Expires: day(1), Hashes: append(make([]byte, 0), bytes.Repeat([]byte{1}, 32)...)},
	} {
		b := &trust.Bundle{Version: 1, Issued: day(1), HashLists: []trust.HashList{list}}
		if _, err := b.Sign(); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func FuzzBatches(f *testing.F) {
	l := hashList("NL", kid(1), trust.HashSignature, hash(1), hash(2))
	f.Add(l.EncodeBatch())
	f.Add([]byte(`{"batches":[` + string(l.EncodeBatch()) + `]}`))
	f.Add([]byte(`{"country":"NL","expires":"2027-01-01T00:00:00Z","kid":"UNKNOWN_KID","hashType":"UCI","entries":[{"hash":""}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := trust.ParseNamed(data)
		if err != nil || len(b.HashLists) == 0 {
			return
		}
		for _, l := range b.HashLists {
			again, err := trust.ParseNamed(l.EncodeBatch())
			if err != nil {
				if l.Hashes.Len() == 0 { // of a bundle, where one may be
					continue
				}
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if diff := cmp.Diff([]trust.HashList{l}, again.HashLists); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Attack class of lists: rollback. Of two lists of one key's cards the higher number
// counts, in whatever order they come; one of another key does not stand for it.
func TestAnOlderListOfCardsDoesNotCount(t *testing.T) {
	list := func(kid string, number int) *trust.Bundle {
		t.Helper()
		b, err := trust.ParseNamed(fmt.Appendf(nil, `{"kid":%q,"method":"rid","ctr":%d,"rids":[]}`, kid, number))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	older, newer, other := list("a", 1), list("a", 2), list("b", 3)
	for _, l := range []*trust.List{trust.New(older, newer, other), trust.New(other, newer, older)} {
		if got, _ := l.CardList("a"); got.Counter != 2 {
			t.Errorf("list %d counts", got.Counter)
		}
	}
}
