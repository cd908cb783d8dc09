package assets

import (
	"net/http/httptest"
	"testing"
)

// Pages of other sites may load what is for them, and nothing else.
func TestWhatIsForOtherSites(t *testing.T) {
	files, err := open(built(t, map[string]string{"app.css": "a", "app.js": "b", "verify.mjs": "export {}", "verify.d.ts": "export {}"}))
	if err != nil {
		t.Fatal(err)
	}
	shared := files.Shared("/verify/embed/", "verify.mjs", "verify.d.ts")
	for path, want := range map[string]int{"/verify/embed/verify.mjs": 200, "/verify/embed/verify.d.ts": 200, "/verify/embed/app.js": 404, "/verify/embed/": 404, "/verify/embed/../app.js": 404} {
		w := httptest.NewRecorder()
		shared.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
		h := w.Header()
		if open := h.Get("Access-Control-Allow-Origin") == "*" && h.Get("Cross-Origin-Resource-Policy") == "cross-origin"; open != (want == 200) {
			t.Errorf("%s: %v", path, h)
		}
	}
	w := httptest.NewRecorder()
	files.ServeHTTP(w, httptest.NewRequest("GET", Prefix+"verify.mjs", nil))
	if h := w.Header(); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("below %s: %v", Prefix, h)
	}
}
