package verifier

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

type verifyFunc func(context.Context, []byte, string) ([]verify.Statement, error)

func (f verifyFunc) withoutRules(ctx context.Context, data []byte, lang, _ string) ([]verify.Statement, error) {
	return f(ctx, data, lang)
}

func handlerFor(t testing.TB, f verifyFunc) http.Handler {
	t.Helper()
	frame, err := page.New(page.Options{Asset: func(n string) string { return "/assets/" + n }, Languages: []string{"en", "si", "ta"}})
	if err != nil {
		t.Fatal(err)
	}
	return Handler(Options{Frame: frame, Verify: f.withoutRules})
}

// post sends the page's form; a part without data is left out.
func post(t testing.TB, h http.Handler, target string, file, text []byte) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	fw, err := m.CreateFormFile("file", "code.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fw.Write(file)
	if err := m.WriteField("text", string(text)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", target, &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func valid() verify.Statement {
	return verify.Statement{Verdict: verify.Valid, Issuer: verify.Issuer{ID: "did:web:example", Name: "Ministry <of> Health", Key: "k1"},
		Status: vaccination.StatusValid, StatusAsOf: time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC),
		Warnings: []verify.Note{{Code: "compare-identity", Text: "Compare the name."}},
		Content: &vaccination.Certificate{
			Person:      vaccination.Person{Name: "Ann <script>", BirthDate: vaccination.Date{Year: 1987, Estimated: true}, Sex: "female"},
			Vaccination: vaccination.Dose{Vaccine: vaccination.Coding{Code: "XM0GQ8"}, Number: 2, Total: 2, Country: vaccination.Coding{Code: "JAM", Display: "Jamaica"}},
		}}
}

func TestWhatIsSentIsVerified(t *testing.T) {
	for _, test := range []struct {
		name             string
		file, text, want string
	}{
		{"a file", "picture", "", "picture"},
		{"a text", "", "HC1:…", "HC1:…"},
		{"the file goes first", "picture", "HC1:…", "picture"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got, lang string
			h := handlerFor(t, func(_ context.Context, data []byte, l string) ([]verify.Statement, error) {
				got, lang = string(data), l
				return []verify.Statement{valid()}, nil
			})
			w := post(t, h, Path+"?lang=si", []byte(test.file), []byte(test.text))
			if w.Code != 200 || got != test.want || lang != "si" {
				t.Errorf("%d, verified %q in %q", w.Code, got, lang)
			}
			if cc := w.Header().Get("Cache-Control"); cc != "no-store" {
				t.Errorf("a result may be kept: %q", cc)
			}
		})
	}
}

func TestTheVerdictIsSaidByWordAndShape(t *testing.T) {
	words := map[verify.Verdict][]string{
		verify.Valid:      {"Valid certificate", `cy="24" r="22"`, `role="status"`},
		verify.NotValid:   {"Not valid", "M15 2h18", `role="alert"`},
		verify.CannotTell: {"Cannot tell", "M24 3L47", `role="alert"`},
	}
	for verdict, want := range words {
		s := valid()
		s.Verdict = verdict
		s.Reasons = []verify.Note{{Code: "x", Text: "The reason <is>."}}
		w := post(t, handlerFor(t, func(context.Context, []byte, string) ([]verify.Statement, error) { return []verify.Statement{s}, nil }), Path, nil, []byte("x"))
		html := w.Body.String()
		for _, part := range append(want, "The reason &lt;is&gt;.", "Ann &lt;script&gt;", "about 1987", "2 of 2", "XM0GQ8", "Jamaica", "21 November 2026, 14:05 UTC", "Not recorded") {
			if !strings.Contains(html, part) {
				t.Errorf("%s: no %q", verdict, part)
			}
		}
		for other, parts := range words {
			if other != verdict && strings.Contains(html, parts[1]) {
				t.Errorf("%s has the shape of %s", verdict, other)
			}
		}
		if !strings.Contains(html, "<title>"+want[0]) {
			t.Errorf("%s: the title does not say it", verdict)
		}
		if strings.Contains(html, "SPECIMEN") {
			t.Errorf("%s: SPECIMEN on a certificate that is none", verdict)
		}
	}
}

func TestSeveralCodesAreEachJudged(t *testing.T) {
	bad := verify.Statement{Verdict: verify.NotValid, Specimen: true}
	html := post(t, handlerFor(t, func(context.Context, []byte, string) ([]verify.Statement, error) {
		return []verify.Statement{valid(), bad}, nil
	}), Path, nil, []byte("x")).Body.String()
	if !strings.Contains(html, "2 codes found") || strings.Count(html, "<h1") != 1 || strings.Count(html, "result__verdict") != 2 || !strings.Contains(html, "SPECIMEN") {
		t.Error(html)
	}
}

func TestWhatCannotBeVerifiedSaysWhatToDo(t *testing.T) {
	for _, test := range []struct {
		name    string
		data    []byte
		err     error
		found   []verify.Statement
		status  int
		message string
	}{
		{"nothing sent", nil, nil, nil, 422, "Choose a photo or PDF, or paste the text"},
		{"no code in it", []byte("x"), nil, nil, 422, "No QR code was found"},
		{"not to be read", []byte("x"), vaccination.Errorf(vaccination.Invalid, "bad"), nil, 422, "could not be read"},
		{"too large", make([]byte, MaxFile+1), nil, nil, 413, "at most 10 MB"},
		{"far too large", make([]byte, 2*MaxFile), nil, nil, 413, "at most 10 MB"},
		{"busy", []byte("x"), vaccination.Errorf(vaccination.TooMany, "busy"), nil, 503, "not available"},
		{"a fault of ours", []byte("x"), errors.New("secret"), nil, 500, "problem with the service"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := post(t, handlerFor(t, func(context.Context, []byte, string) ([]verify.Statement, error) { return test.found, test.err }), Path, test.data, nil)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.message) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d without %q", w.Code, test.message)
			}
		})
	}
}

func TestAFormThatIsNoneIsRefused(t *testing.T) {
	h := handlerFor(t, nil)
	for name, r := range map[string]*http.Request{
		"not multipart": httptest.NewRequest("POST", Path, strings.NewReader("text=x")),
		"cut off": func() *http.Request {
			r := httptest.NewRequest("POST", Path, strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nabc"))
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			return r
		}(),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("DELETE", Path, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestThePageTellsItsScriptWhereThingsAre(t *testing.T) {
	w := httptest.NewRecorder()
	handlerFor(t, nil).ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
	for _, want := range []string{"/assets/verifier.wasm", "/trust/bundle.json", "/assets/reader.wasm", `data-verdict="cannot-tell"`, `enctype="multipart/form-data"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestEveryRowHasItsTextAndAKnownKind(t *testing.T) {
	c, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{"text": true, "coding": true, "date": true, "time": true, "dose": true, "sex": true, "status": true}
	for _, r := range rows() {
		if !c.Locale("en").Has(r.Label) || !kinds[r.Kind] || r.Group != "content" && r.Group != "issued" {
			t.Errorf("%+v", r)
		}
	}
}

func TestNothingIsSaidOfWhatIsNotKnown(t *testing.T) {
	c, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		issuer verify.Issuer
		want   []line
	}{
		{"nothing is known", verify.Issuer{}, nil},
		{"an unknown signer", verify.Issuer{Key: "k"}, []line{{"Key", "k"}}},
		{"a known signer", verify.Issuer{ID: "did:web:x"}, []line{{"Issued by", "did:web:x"}, {"Status", "Not known"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := resultOf(c.Locale("en"), verify.Statement{Verdict: verify.NotValid, Status: verify.StatusUnknown, Issuer: test.issuer})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Issued); diff != "" || got.Content != nil {
				t.Errorf("%s %v", diff, got.Content)
			}
		})
	}
}
