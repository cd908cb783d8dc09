package upload_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/vaccination"
)

// TestADryRunTellsWhatIssuingGives draws files, tries them and then uploads them.
func TestADryRunTellsWhatIssuingGives(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	w := newWorld(t)
	sources := []access.Caller{w.fileSource("ministerio", spanish), w.by}
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom(sources).Draw(t, "source")
		n := rapid.SampledFrom([]int{3, 20, 520}).Draw(t, "rows")
		text := spanishHeader
		if by.Source == "clinic" {
			text = header()
		}
		for i := range n {
			person := rapid.IntRange(0, 8).Draw(t, "person")
			if n > 20 && i%100 != 0 {
				person = 1000 + i // others in between, so that batches part the same person
			}
			lot := rapid.SampledFrom([]string{"PF1", "PF2", "", "PF1"}).Draw(t, "lot")
			wrong := rapid.IntRange(0, 6).Draw(t, "wrong") == 0
			if by.Source == "clinic" {
				r := row(person)
				r["vaccinationBatch"] = lot
				if wrong {
					r["recipientDOB"] = "03/04/1987"
				}
				text += line(r)
				continue
			}
			r := spanishRow(person, lot)
			if wrong {
				r = strings.Replace(r, "05/03/2021", "tomorrow", 1)
			}
			text += r
		}
		w.now = w.now.Add(time.Minute)
		before := w.count("certificate") + w.count("person") + w.count("told")
		tried, err := w.Try(w.ctx, by, table(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.count("certificate") + w.count("person") + w.count("told"); n != before {
			t.Fatalf("the dry run wrote %d rows", n-before)
		}
		if n := w.count("upload_chunk") + w.count("upload_trial"); n != 0 {
			t.Fatalf("the dry run left %d rows", n)
		}
		real := w.sent(by, table(text))
		if totals(tried) != totals(real) {
			t.Fatalf("tried %s, came %s", totals(tried), totals(real))
		}
		rows, err := w.Rows(w.ctx, by, real.ID, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		places := func(rows []upload.Row) (out []int64) {
			for _, r := range rows[:min(len(rows), 100)] {
				out = append(out, r.Row)
			}
			return out
		}
		if diff := cmp.Diff(places(rows), places(tried.WrongRows)); diff != "" {
			t.Fatalf("wrong rows (-came +tried):\n%s", diff)
		}
	})
	w.agrees()
}

func TestADryRunIsBounded(t *testing.T) {
	w := newWorld(t)
	text := header()
	for i := range 150 {
		r := row(i)
		r["recipientName"] = ""
		text += line(r)
	}
	u, err := w.Try(w.ctx, w.by, table(text), nil)
	if err != nil || len(u.WrongRows) != 100 || u.Wrong != 150 || !u.DryRun || u.ID != 0 {
		t.Errorf("%d rows shown of %d, %v", len(u.WrongRows), u.Wrong, err)
	}
	if b, err := json.Marshal(u); err != nil || strings.Contains(string(b), "BULK-") {
		t.Errorf("what is shown holds a value: %s, %v", b, err)
	}
	if _, err := w.Try(w.ctx, access.Caller{Actor: "x", Role: access.Auditor}, table(text), nil); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("an auditor: %v", err)
	}
	if n := w.number("SELECT count(*) FROM audit WHERE act = 'upload.try'"); n != 1 {
		t.Errorf("%d entries in the audit", n)
	}
}
