package trustlist

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// What other issuers of cards withdrew is shown, counts here and in trust bundles, and
// does not come back: an older list, none, an empty one, and one that lost most.
func TestCardListsOfOthers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.put(Settings{Name: "vci", Kind: Cards})
	a, b := newKey(t), newKey(t)
	directory := func(lists ...[]byte) []byte {
		crls := make([]json.RawMessage, len(lists))
		for i, l := range lists {
			crls[i] = l
		}
		return asJSON(t, map[string]any{"issuerInfo": []any{
			map[string]any{"issuer": map[string]string{"iss": "https://a.example", "name": "Clinic A"}, "keys": []any{cardJWK(t, a, 0)}, "crls": crls},
			map[string]any{"issuer": map[string]string{"iss": "https://b.example", "name": "Clinic B"}, "keys": []any{cardJWK(t, b, 0)}},
		}})
	}
	kid := shc.Thumbprint(&a.PublicKey)
	list := func(counter int64, rids ...string) []byte { return shc.EncodeCRL(kid, counter, rids) }
	all := []string{"r1", "r2", "r3", "r4", "r5", "r6"}
	p := w.propose("vci", directory(list(3, all...)))
	var got []string
	for _, c := range p.Changes {
		got = append(got, fmt.Sprint(c.What, " ", c.Key.Issuer, " ", c.Key.Withdraws))
	}
	if diff := cmp.Diff([]string{"added Clinic A 0", "added Clinic B 0", "added withdrawn by Clinic A 6"}, got); diff != "" {
		t.Error(diff)
	}
	if err := w.Apply(ctx, w.by, p.Version); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Second)
	c := must(w.Current(ctx))(t)
	for name, bundle := range map[string]*trust.Bundle{"here": c.Bundle, "in bundles": c.Public, "exported": must(trust.ParseNamed(must(w.Export(ctx, w.by, "vci"))(t)))(t)} {
		if l, _ := trust.New(bundle).CardList(kid); l == nil || l.Counter != 3 || !l.Revoked("r4", w.now) {
			t.Errorf("%s: %+v", name, l)
		}
	}
	for name, c := range map[string]struct {
		list []byte
		says string
	}{
		"rollback: an older list": {directory(list(2, all...)), "older list"},
		"no list":                 {directory(), "no longer says"},
		"empty list":              {directory(list(4)), "lacks 6 of 6"},
		"partial":                 {directory(list(4, all[2:]...)), "lacks 2 of 6"},
	} {
		if _, err := w.Propose(ctx, w.by, "vci", c.list); code(err) != vaccination.Conflict || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	more := w.propose("vci", directory(list(4, append(all[1:], "r7", "r8")...)))
	if len(more.Changes) != 1 || more.Changes[0].Key.Withdraws != 7 || more.Changes[0].Was == nil {
		t.Errorf("%+v", more.Changes)
	}
	many := make([]string, maxRids+1)
	for i := range many {
		many[i] = fmt.Sprint("x", i)
	}
	if _, err := w.Propose(ctx, w.by, "vci", directory(list(5, many...))); code(err) != vaccination.TooLarge {
		t.Errorf("more than a bundle may carry: %v", err)
	}
}
