package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
)

func asset(name string) string { return "/assets/" + name }

func frameFor(t testing.TB, change func(*Options)) *Frame {
	t.Helper()
	o := Options{Asset: asset, Issuer: map[string]string{"en": "Ministry of Health", "si": "සෞඛ්\u200dය අමාත්\u200dයාංශය"}, Languages: []string{"en", "si", "ta"},
		Primary: "#00643c", Emblem: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")}
	if change != nil {
		change(&o)
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func body(View) templ.Component { return templ.Raw("<h1>Hello</h1>") }

func get(f *Frame, p Page, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.Body = body
	f.Write(w, r, p)
	return w
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no assets":                      {},
		"a colour that is none":          {Asset: asset, Primary: "green"},
		"a colour that would end a rule": {Asset: asset, Primary: "#fff}a{"},
		"white text on a light colour":   {Asset: asset, Primary: "#ffcc00"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(o); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestTheLanguageIsTheOneChosen(t *testing.T) {
	f := frameFor(t, nil)
	for _, test := range []struct{ name, url, cookie, accept, want string }{
		{"the profile's first", "/", "", "", "en"},
		{"what the browser asks for", "/", "", "si-LK", "si"},
		{"what was chosen before, over the browser", "/", "lang=ta", "si", "ta"},
		{"what is chosen now, over what was", "/?lang=si", "lang=ta", "en", "si"},
		{"a language that is not offered changes nothing", "/?lang=xx", "lang=yy", "ta", "ta"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := get(f, Page{}, test.url, "Cookie", test.cookie, "Accept-Language", test.accept)
			if got := w.Header().Get("Content-Language"); got != test.want {
				t.Errorf("language %q, want %q", got, test.want)
			}
			if !strings.Contains(w.Body.String(), `<html class="govuk-template" lang="`+test.want+`" dir="ltr">`) {
				t.Error("the document does not say so")
			}
			set := w.Header().Get("Set-Cookie")
			if chosen := strings.Contains(test.url, "lang=si"); chosen != strings.HasPrefix(set, "lang=si;") || !chosen && set != "" {
				t.Errorf("cookie %q", set)
			}
		})
	}
}

func TestTheLanguageChooserKeepsThePlace(t *testing.T) {
	w := get(frameFor(t, nil), Page{}, "/verify?a=1&lang=en&b=%22%3E")
	if want := `href="/verify?a=1&amp;b=%22%3E&amp;lang=ta"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("no %s in\n%s", want, w.Body)
	}
}

func TestWebAssemblyAndCameraAreForTheVerifierAlone(t *testing.T) {
	f := frameFor(t, nil)
	plain, verifier := get(f, Page{}, "/").Header(), get(f, Page{Verifier: true}, "/verify").Header()
	if s := plain.Get("Content-Security-Policy") + plain.Get("Permissions-Policy"); strings.Contains(s, "wasm") || !strings.Contains(s, "camera=()") {
		t.Errorf("a plain page allows %s", s)
	}
	if s := verifier.Get("Content-Security-Policy") + verifier.Get("Permissions-Policy"); !strings.Contains(s, "'wasm-unsafe-eval'") || !strings.Contains(s, "camera=(self)") {
		t.Errorf("the verifier allows only %s", s)
	}
	for _, h := range []http.Header{plain, verifier} {
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("no %s in %s", want, csp)
			}
		}
		if strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") {
			t.Errorf("%s", csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Error("a security header is missing")
		}
	}
}

func TestNothingOnAPageIsInline(t *testing.T) {
	html := get(frameFor(t, func(o *Options) { o.Specimen = true }), Page{Script: "verify.js"}, "/").Body.String()
	for _, bad := range []string{"style=", "<style", "onclick", "javascript:", "http://", "https://", "<script>"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
}

func TestADemonstrationSaysSo(t *testing.T) {
	demo := get(frameFor(t, func(o *Options) { o.Specimen = true }), Page{Title: "Start"}, "/").Body.String()
	if !strings.Contains(demo, "<title>SPECIMEN – Start") || strings.Count(demo, "SPECIMEN") < 2 {
		t.Error("no SPECIMEN in title and banner")
	}
	if strings.Contains(get(frameFor(t, nil), Page{Title: "Start"}, "/").Body.String(), "SPECIMEN") {
		t.Error("SPECIMEN outside a demonstration")
	}
}

func TestAFaultyFormSaysSoInTheTitle(t *testing.T) {
	if html := get(frameFor(t, nil), Page{Title: "Form", Faulty: true}, "/").Body.String(); !strings.Contains(html, "<title>Error: Form") {
		t.Error(html)
	}
}

func TestPersonalPagesAreNotStored(t *testing.T) {
	f := frameFor(t, nil)
	if got := get(f, Page{Personal: true}, "/").Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("personal: %s", got)
	}
}

func TestTheme(t *testing.T) {
	f := frameFor(t, nil)
	for _, test := range []struct {
		url, kind string
		status    int
	}{
		{"/theme/theme.css", "text/css; charset=utf-8", 200},
		{"/theme/emblem.svg", "image/svg+xml", 200},
		{"/theme/other", "text/plain; charset=utf-8", 404},
	} {
		w := httptest.NewRecorder()
		f.Theme().ServeHTTP(w, httptest.NewRequest("GET", test.url, nil))
		if w.Code != test.status || w.Header().Get("Content-Type") != test.kind {
			t.Errorf("%s: %d %s", test.url, w.Code, w.Header().Get("Content-Type"))
		}
	}
	w := httptest.NewRecorder()
	f.Theme().ServeHTTP(w, httptest.NewRequest("GET", "/theme/emblem.svg", nil))
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("a picture may do more than show itself: %q", csp)
	}
}

func TestErrorPages(t *testing.T) {
	f := frameFor(t, nil)
	for _, test := range []struct {
		status int
		want   string
	}{
		{404, "Page not found"},
		{413, "The file is too large"},
		{502, "Sorry, there is a problem with the service"},
	} {
		w := httptest.NewRecorder()
		f.Error(w, httptest.NewRequest("GET", "/x", nil), test.status)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%d: %d without %q", test.status, w.Code, test.want)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	f := frameFor(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		get(f, Page{Title: "Start"}, "/")
	}
}
