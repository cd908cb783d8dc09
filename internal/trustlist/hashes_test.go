package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// batch is a batch of the EU's gateway that withdraws n certificates, the first of
// them number from.
func batch(country, kid string, of trust.HashType, first, n int, expires time.Time) map[string]any {
	var entries []map[string]any
	for i := range n {
		h := trust.HashOf(fmt.Sprint(first + i))
		entries = append(entries, map[string]any{"hash": base64.StdEncoding.EncodeToString(h[:])})
	}
	if kid == "" {
		kid = trust.UnknownKeyID
	}
	return map[string]any{"country": country, "kid": kid, "hashType": of, "expires": expires, "entries": entries}
}

func batches(t testing.TB, list ...map[string]any) []byte {
	return asJSON(t, map[string]any{"batches": list})
}

const kidOfBatch = "AAECAwQFBgc="

// What another country withdrew counts once somebody applied it: here and in trust
// bundles; and comes back only by somebody's decision.
func TestRevocationListsOfOthers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	set := Settings{Name: "eu-revoked", Kind: Hashes, MaxLoss: DefaultMaxLoss}
	w.put(set)
	end := w.now.AddDate(1, 0, 0)
	listed := func() (bool, bool) {
		w.now = w.now.Add(2 * time.Second)
		c := must(w.Current(ctx))(t)
		kid := must(base64.StdEncoding.DecodeString(kidOfBatch))(t)
		says := func(b *trust.Bundle) bool { return trust.New(b).HashListed("DE", [][]byte{kid}, "", trust.HashOf("1")) }
		return says(c.Bundle), says(c.Public)
	}
	first := batches(t, batch("DE", kidOfBatch, trust.HashSignature, 0, 10, end), batch("FR", "", trust.HashUCI, 0, 2, end))
	p := w.propose("eu-revoked", first)
	var got []string
	for _, c := range p.Changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Key.Country, " ", c.Key.Key, " ", c.Key.Withdraws))
	}
	if diff := cmp.Diff([]string{"added DE 0001020304050607 10", "added FR any key 2"}, got); diff != "" || p.Keys != 12 {
		t.Errorf("%d: %s", p.Keys, diff)
	}
	if here, bundle := listed(); here || bundle {
		t.Error("it counts before somebody applied it")
	}
	if err := w.Apply(ctx, w.by, p.Version); err != nil {
		t.Fatal(err)
	}
	if here, bundle := listed(); !here || !bundle {
		t.Errorf("what was withdrawn counts here: %t, in bundles: %t", here, bundle)
	}
	if again := w.propose("eu-revoked", first); !again.Unchanged {
		t.Error("the same list is another")
	}
	more := w.propose("eu-revoked", batches(t, batch("DE", kidOfBatch, trust.HashSignature, 0, 6, end), batch("DE", kidOfBatch, trust.HashSignature, 6, 6, end.AddDate(0, 1, 0)), batch("FR", "", trust.HashUCI, 0, 2, end)))
	if len(more.Changes) != 1 || more.Changes[0].What != "changed" || more.Changes[0].Key.Withdraws != 12 || more.Changes[0].Was.Withdraws != 10 {
		t.Errorf("%+v", more.Changes)
	}
	other := w.propose("eu-revoked", batches(t, batch("DE", kidOfBatch, trust.HashSignature, 1, 10, end), batch("FR", "", trust.HashUCI, 0, 2, end)))
	if len(other.Changes) != 1 || other.Changes[0].What != "changed" {
		t.Errorf("as many others are no change: %+v", other.Changes)
	}
	signer := newAuthority(t, "Health DE", "DE").signer(t)
	for name, c := range map[string]struct {
		list []byte
		says string
		code vaccination.Code
	}{
		"most of it gone":                {batches(t, batch("DE", kidOfBatch, trust.HashSignature, 0, 6, end), batch("FR", "", trust.HashUCI, 0, 2, end)), "lacks 4 of 12", vaccination.Conflict},
		"for another key":                {batches(t, batch("DE", "", trust.HashSignature, 0, 10, end), batch("FR", "", trust.HashUCI, 0, 2, end)), "lacks 10 of 12", vaccination.Conflict},
		"by another type":                {batches(t, batch("DE", kidOfBatch, trust.HashUCI, 0, 10, end), batch("FR", "", trust.HashUCI, 0, 2, end)), "lacks 10 of 12", vaccination.Conflict},
		"of another country":             {batches(t, batch("IT", kidOfBatch, trust.HashSignature, 0, 10, end), batch("FR", "", trust.HashUCI, 0, 2, end)), "lacks 10 of 12", vaccination.Conflict},
		"no batch":                       {batches(t), "no batch", vaccination.Invalid},
		"a batch of nothing":             {batches(t, batch("DE", "", trust.HashUCI, 0, 0, end)), "empty", vaccination.Invalid},
		"a country of two signs":         {batches(t, batch("1\u202e", "", trust.HashUCI, 0, 1, end)), "names no country", vaccination.Invalid},
		"signers in place of it":         {pems(signer), "expected are", vaccination.Invalid},
		"a version that is no number":    {withMember(t, first, "version", "1"), "no number", vaccination.Invalid},
		"a date that is none":            {withMember(t, first, "asOf", "today"), "no time", vaccination.Invalid},
		"a member twice":                 {bytes.Replace(first, []byte(`{"batches"`), []byte(`{"version":1,"version":2,"batches"`), 1), "twice", vaccination.Invalid},
		"nothing":                        {[]byte(" "), "empty", vaccination.Invalid},
		"this system's own certificates": {batches(t, batch("JM", "", trust.HashUCI, 0, 12, end)), "own country", vaccination.Forbidden},
	} {
		w.Own = func() trust.Issuer { return trust.Issuer{ID: "did:web:own.example", Country: "JM"} }
		if _, err := w.Propose(ctx, w.by, "eu-revoked", c.list); code(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.put(Settings{Name: "signers", Kind: Certificates, MaxLoss: 100})
	w.apply("signers", pems(signer))
	if _, err := w.Propose(ctx, w.by, "signers", first); code(err) != vaccination.Invalid || !strings.Contains(fmt.Sprint(err), "kind hashes") {
		t.Errorf("revocation lists in place of signers: %v", err)
	}
	w.now = end.Add(time.Hour) // what has expired may go
	if _, err := w.Propose(ctx, w.by, "eu-revoked", batches(t, batch("DE", kidOfBatch, trust.HashSignature, 50, 1, end.AddDate(1, 0, 0)))); err != nil {
		t.Errorf("expired entries are missed: %v", err)
	}
	if got := w.checked(); got != nil {
		t.Errorf("fsck: %v", got)
	}
}

// A source that is pinned to a key takes revocation lists with its signature alone.
func TestRevocationListsOfAPinnedSource(t *testing.T) {
	key := newKey(t)
	r := reading{Settings: Settings{Kind: Hashes}}
	r.pins = append(r.pins, &key.PublicKey)
	list := batches(t, batch("DE", "", trust.HashUCI, 0, 1, until))
	if _, err := r.of(t, list); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("unsigned: %v", err)
	}
	sum := sha256.Sum256(list)
	signature := must(ecdsa.SignASN1(rand.Reader, key, sum[:]))(t)
	signed := append([]byte(base64.StdEncoding.EncodeToString(signature)+"\n"), list...)
	if c := r.good(t, signed); !c.Signed || c.Size() != 1 || c.Keys() != 0 {
		t.Errorf("%+v", c)
	}
}

// withMember is a document with one more member.
func withMember(t testing.TB, document []byte, name string, value any) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(document, &all); err != nil {
		t.Fatal(err)
	}
	all[name] = value
	return asJSON(t, all)
}

// Revocation lists that say their version and of when they are do not go back: rollback.
func TestRevocationListsWithAVersion(t *testing.T) {
	w := newWorld(t)
	w.put(Settings{Name: "eu-revoked", Kind: Hashes})
	plain := batches(t, batch("DE", "", trust.HashUCI, 0, 10, until))
	dated := func(version int, asOf string) []byte {
		return withMember(t, withMember(t, plain, "version", version), "asOf", asOf)
	}
	w.apply("eu-revoked", dated(7, "2026-05-02T00:00:00Z"))
	for name, list := range map[string][]byte{
		"an older version": dated(6, "2026-05-03T00:00:00Z"), "an earlier date": dated(8, "2026-05-01T00:00:00Z"), "neither": plain, "of the future": dated(8, "2026-07-01T00:00:00Z"),
	} {
		if _, err := w.Propose(t.Context(), w.by, "eu-revoked", list); code(err) != vaccination.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.apply("eu-revoked", dated(8, "2026-05-03T00:00:00Z"))
}

// A source of signers that holds revocation lists, of before there was a kind for them,
// goes on: it counts, follows, and passes the check.
func TestRevocationListsInASourceOfSigners(t *testing.T) {
	w := newWorld(t)
	w.put(Settings{Name: "old", Kind: Certificates})
	w.put(Settings{Name: "eu", Kind: Hashes})
	list := batches(t, batch("DE", "", trust.HashUCI, 0, 10, until))
	id := w.apply("eu", list)
	for _, sql := range []string{
		"UPDATE trust_version SET source = 'old', kind = 'certificates'",
		"UPDATE trust_source SET version = (SELECT max(id) FROM trust_version) WHERE name = 'old'",
		"UPDATE trust_source SET version = NULL WHERE name = 'eu'",
	} {
		if _, err := w.Store.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if p := w.propose("old", list); !p.Unchanged {
		t.Errorf("version %d and the same list differ: %+v", id, p.Changes)
	}
	w.apply("old", batches(t, batch("DE", "", trust.HashUCI, 0, 11, until)))
	w.now = w.now.Add(2 * time.Second)
	if !trust.New(must(w.Current(t.Context()))(t).Public).HashListed("DE", nil, "", trust.HashOf("10")) && len(must(w.Current(t.Context()))(t).Public.HashLists) != 1 {
		t.Error("what follows does not count")
	}
	if _, err := w.Propose(t.Context(), w.by, "old", pems(newAuthority(t, "Health DE", "DE").signer(t))); code(err) != vaccination.Conflict {
		t.Errorf("signers in place of it: %v", err)
	}
}
