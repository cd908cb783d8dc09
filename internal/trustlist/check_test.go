package trustlist

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// checked is what fsck finds of trust.
func (w *world) checked() []string { return w.tampered("SELECT") }

// tampered is what it finds after a statement, which is taken back.
func (w *world) tampered(sql string) []string {
	w.t.Helper()
	var out []string
	back := errors.New("taken back")
	err := w.Store.TxRaw(w.t.Context(), func(tx pgx.Tx, q *query.Queries) error {
		out = nil
		if _, err := tx.Exec(w.t.Context(), sql); err != nil {
			return err
		}
		if err := (Check{}).End(w.t.Context(), q, func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }); err != nil {
			return err
		}
		return back
	})
	if !errors.Is(err, back) {
		w.t.Fatal(err)
	}
	return out
}

// acted is a world with a source that went back to its first version and waits for
// a third, one that was removed and made again, and one without any list.
func acted(t *testing.T) *world {
	w := newWorld(t)
	ctx := t.Context()
	all := signers(t, newAuthority(t, "Health DE", "DE"), 12)
	w.put(Settings{Name: "eu", Kind: Certificates, URL: "https://eu.example/list"})
	first := w.apply("eu", pems(all[:10]...))
	w.apply("eu", pems(all[1:11]...))
	if err := w.Revert(ctx, w.by, first); err != nil {
		t.Fatal(err)
	}
	w.propose("eu", pems(all[:11]...)) // dropped by the next
	w.propose("eu", pems(all...))
	w.put(Settings{Name: "again", Kind: Certificates})
	w.apply("again", pems(newAuthority(t, "Health FR", "FR").signer(t)))
	if err := w.Remove(ctx, w.by, "again"); err != nil {
		t.Fatal(err)
	}
	w.put(Settings{Name: "again", Kind: Keys, Issuer: "did:india", IssuerName: "India"})
	w.put(Settings{Name: "again", Kind: Keys, Issuer: "did:india", IssuerName: "India", MaxLoss: 5})
	w.put(Settings{Name: "none", Kind: DID})
	return w
}

// Whoever can write the tables of trust, and not the audit, is found.
func TestWhatNobodyAppliedIsFound(t *testing.T) {
	w := acted(t)
	if got := w.checked(); got != nil {
		t.Fatalf("nobody did anything: %v", got)
	}
	const settings = "trust source eu: its settings are not what the audit says"
	for what, c := range map[string]struct {
		sql  string
		want []string
	}{
		"another version counts":         {"UPDATE trust_source SET version = 2 WHERE name = 'eu'", []string{"trust source eu: version 2 counts, and by the audit 1"}},
		"one that waits counts":          {"UPDATE trust_source SET version = 4 WHERE name = 'eu'", []string{"trust source eu: version 4 counts, and by the audit 1"}},
		"nothing counts":                 {"UPDATE trust_source SET version = NULL WHERE name = 'eu'", []string{"trust source eu: version 0 counts, and by the audit 1"}},
		"of another source":              {"UPDATE trust_source SET version = 5 WHERE name = 'none'", []string{"trust source none: version 5 counts, and by the audit 0"}},
		"another address":                {"UPDATE trust_source SET url = 'https://evil.example/list' WHERE name = 'eu'", []string{settings}},
		"another anchor":                 {"UPDATE trust_source SET anchors = 'x' WHERE name = 'eu'", []string{settings}},
		"any loss allowed":               {"UPDATE trust_source SET max_loss = 100 WHERE name = 'eu'", []string{settings}},
		"asked by itself":                {"UPDATE trust_source SET every_hours = 1 WHERE name = 'eu'", []string{settings}},
		"another name":                   {"UPDATE trust_source SET issuer_name = 'Health' WHERE name = 'eu'", []string{settings}},
		"another issuer":                 {"UPDATE trust_source SET issuer = 'x' WHERE name = 'eu'", []string{settings}},
		"another kind":                   {"UPDATE trust_source SET kind = 'did' WHERE name = 'eu'", []string{settings}},
		"somebody else set it":           {"UPDATE trust_source SET changed_by = 'staff:9' WHERE name = 'eu'", []string{settings}},
		"a source of nobody":             {"INSERT INTO trust_source (name, kind, changed_at, changed_by) VALUES ('x', 'did', now(), 'staff:1')", []string{"trust source x: the audit does not know it"}},
		"a source gone":                  {"DELETE FROM trust_source WHERE name = 'none'", []string{"trust source none: the audit knows it, and it is missing"}},
		"another list":                   {"UPDATE trust_version SET list = (SELECT list FROM trust_version WHERE id = 2) WHERE id = 1", []string{"trust version 1: it is not the list that was imported"}},
		"another list, with its digest":  {"UPDATE trust_version SET (list, digest) = (SELECT list, digest FROM trust_version WHERE id = 5) WHERE id = 1", []string{"trust version 1: it is not the list that was imported"}},
		"another list waits":             {"UPDATE trust_version SET (list, digest) = (SELECT list, digest FROM trust_version WHERE id = 5) WHERE id = 4", []string{"trust version 4: it is not the list that was imported"}},
		"another digest":                 {"UPDATE trust_version SET digest = sha256('x') WHERE id = 2", []string{"trust version 2: its digest is another list's"}},
		"a list that is none":            {"UPDATE trust_version SET list = 'x' WHERE id = 2", []string{"trust version 2: it is not the list that was imported"}},
		"a version moved":                {"UPDATE trust_version SET source = 'none' WHERE id = 2", []string{"trust version 2: it is of another source or kind than the audit says"}},
		"a version of another kind":      {"UPDATE trust_version SET kind = 'did' WHERE id = 2", []string{"trust version 2: it is of another source or kind than the audit says"}},
		"one that waits counted before":  {"UPDATE trust_version SET state = 'applied' WHERE id = 4", []string{"trust version 4: that it is applied is not what the audit says"}},
		"one that counted waits":         {"UPDATE trust_version SET state = 'waiting' WHERE id = 5", []string{"trust version 5: that it is waiting is not what the audit says"}},
		"somebody else imported it":      {"UPDATE trust_version SET made_by = 'staff:9' WHERE id = 4", []string{"trust version 4: others imported and applied it, the audit says"}},
		"somebody else applied it":       {"UPDATE trust_version SET decided_by = 'staff:9' WHERE id = 1", []string{"trust version 1: others imported and applied it, the audit says"}},
		"a version of nobody":            {"INSERT INTO trust_version (source, kind, state, digest, keys, added, removed, changed, list, made_at, made_by) SELECT source, kind, 'applied', digest, 1, 0, 0, 0, list, now(), 'staff:1' FROM trust_version WHERE id = 5", []string{"trust version 6: the audit does not know it"}},
		"a version that counted is gone": {"DELETE FROM trust_version WHERE id = 2", []string{"trust version 2: the audit says that it counted, and it is missing"}},
		"one that waited is dropped":     {"DELETE FROM trust_version WHERE id = 4", nil},
	} {
		t.Run(what, func(t *testing.T) {
			if diff := cmp.Diff(c.want, w.tampered(c.sql)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// More lists than are held in memory at once are all looked at.
func TestEveryListIsLookedAt(t *testing.T) {
	w := newWorld(t)
	w.put(Settings{Name: "eu", Kind: Certificates})
	all := signers(t, newAuthority(t, "Health DE", "DE"), checkPage+2)
	for i := range all {
		w.apply("eu", pems(all[:i+1]...))
	}
	if got := w.checked(); got != nil {
		t.Fatal(got)
	}
	if got := w.tampered("UPDATE trust_version SET list = 'x'"); len(got) != len(all) {
		t.Errorf("%d of %d are found", len(got), len(all))
	}
}
