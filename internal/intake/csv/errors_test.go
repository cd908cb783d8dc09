package csv

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestErrorFiles(t *testing.T) {
	var b bytes.Buffer
	w, err := NewErrorWriter(&b, Columns())
	if err != nil {
		t.Fatal(err)
	}
	row := with(colName, "=1+1")
	row[colMobile] = "+18765550142"
	rows := read(t, strings.NewReader(table(",", row)+"too,few\n"), Options{})
	for _, r := range rows {
		if err := w.Write(r.Cells, r.Faults); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{",'=1+1,'+18765550142,", ",errors\n", ",recipientName: no name begins with"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in the error file:\n%s", want, b.String())
		}
	}
	again := read(t, &b, Options{})
	if diff := cmp.Diff(rows[0].Cells, again[0].Cells); diff != "" {
		t.Errorf("cells read again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rows[0].Faults, again[0].Faults); diff != "" {
		t.Errorf("faults read again (-want +got):\n%s", diff)
	}
}

func TestNoCellOfAnErrorFileIsAFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`['=+\-@\t\ra]{0,6}`).Draw(t, "cell")
		guarded := guard(cell)
		if guarded != "" && triggers(guarded[0]) {
			t.Fatalf("%q stays a formula", cell)
		}
		if unguard(guarded) != cell {
			t.Fatalf("%q becomes %q and then %q", cell, guarded, unguard(guarded))
		}
	})
}
