package page_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/page"
)

// TestPagesForStaffAreWholeInTheirLanguages: a language that has the citizens'
// texts alone is offered to citizens alone.
func TestPagesForStaffAreWholeInTheirLanguages(t *testing.T) {
	f, err := page.New(page.Options{Asset: func(n string) string { return n }, Languages: []string{"es", "en", "ta"}, StaffAt: []string{"/desk"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/my": "es", "/deskless": "es", "/desk": "en", "/desk/search": "en"} {
		r := httptest.NewRequest("GET", path+"?lang=es", nil)
		r.Header.Set("Accept-Language", "es")
		if got := f.Locale(r).Tag; got != want {
			t.Errorf("%s is in %s, want %s", path, got, want)
		}
		w := httptest.NewRecorder()
		f.Write(w, httptest.NewRequest("GET", path+"?lang=ta", nil), page.Page{Title: "T", Body: func(page.View) templ.Component { return templ.NopComponent }})
		if offers := strings.Contains(w.Body.String(), "lang=es"); offers != (want == "es") {
			t.Errorf("%s offers Spanish: %v", path, offers)
		}
		if !strings.Contains(w.Body.String(), "lang=en") {
			t.Errorf("%s does not offer English", path)
		}
	}
}
