package citizen_test

import (
	"testing"

	"github.com/opendivoc/divoc/vaccination"
)

// A citizen chooses for whom they opened a record of, and for nobody else under
// the same number.
func TestACitizenChoosesALanguage(t *testing.T) {
	w := newWorld(t)
	s := w.enter("8765550142")
	refused(t, "before anything is open", w.h.Service.ChooseMyLanguage(w.ctx, s, "en"), vaccination.Forbidden)
	people := w.reach(s)
	if err := w.OpenRecord(w.ctx, s, people[0].Ref, true); err != nil {
		t.Fatal(err)
	}
	s.Opened = append(s.Opened, people[0].Ref)
	refused(t, "a language without texts", w.h.Service.ChooseMyLanguage(w.ctx, s, "xx"), vaccination.Invalid)
	if err := w.h.Service.ChooseMyLanguage(w.ctx, s, "en"); err != nil {
		t.Fatal(err)
	}
	for i, p := range people {
		want := ""
		if i == 0 {
			want = "en"
		}
		if got, err := w.h.Service.LanguageOf(w.ctx, p.Ref); err != nil || got != want {
			t.Errorf("person %d: %q, %v, want %q", i, got, err, want)
		}
	}
}
