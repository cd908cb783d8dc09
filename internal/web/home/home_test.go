package home

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// fake stands for a demonstration.
type fake struct {
	samples []Sample
	issued  []vaccination.Event
	checked int
	err     error
}

func (f *fake) Samples(context.Context, string) ([]Sample, error) { return f.samples, nil }
func (f *fake) Programmes(string) []Programme {
	return []Programme{{Key: "covid-19", Name: "COVID-19", Products: []Choice{{"comirnaty", "Comirnaty"}, {"covishield", "Covishield"}}}}
}
func (f *fake) Code() string { return "DEMO-1" }
func (f *fake) Check(context.Context, vaccination.Event) error {
	f.checked++
	return f.err
}
func (f *fake) Issue(_ context.Context, e vaccination.Event) (string, error) {
	if f.err != nil {
		return "", f.err
	}
	f.issued = append(f.issued, e)
	return "ID1", nil
}

func handlerFor(t testing.TB, d Demo) http.Handler {
	t.Helper()
	f, err := page.New(page.Options{Asset: func(n string) string { return "/assets/" + n }, Languages: []string{"en", "si", "ta"}, Specimen: d != nil})
	if err != nil {
		t.Fatal(err)
	}
	return Handler(Options{Frame: f, Demo: d})
}

func do(h http.Handler, method, target string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func filled() url.Values {
	return url.Values{"name": {" Ann Brown "}, "birthDate-day": {"21"}, "birthDate-month": {"4"}, "birthDate-year": {"1987"}, "sex": {"female"},
		"product": {"covid-19/comirnaty"}, "dose": {"1"}, "date-day": {"30"}, "date-month": {"11"}, "date-year": {"2021"},
		"lot": {"PF1"}, "centre": {"Falmouth"}, "enrolmentCode": {"DEMO-1"}}
}

func TestOutsideADemonstrationThereIsOnlyTheWayToVerify(t *testing.T) {
	h := handlerFor(t, nil)
	start := do(h, "GET", "/", nil)
	if html := start.Body.String(); start.Code != 200 || !strings.Contains(html, `href="/verify"`) || strings.Contains(html, "invented") {
		t.Errorf("%d\n%s", start.Code, html)
	}
	for _, target := range []string{IssuePath, "/other"} {
		if w := do(h, "GET", target, nil); w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := do(h, "POST", IssuePath, filled()); w.Code != 404 {
		t.Errorf("issuing is answered with %d", w.Code)
	}
}

func TestTheListShowsWhatWasIssued(t *testing.T) {
	h := handlerFor(t, &fake{samples: []Sample{
		{ID: "A", Name: "<b>Ann</b>", Product: "Comirnaty", Dose: 1, Total: 2, Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Status: vaccination.StatusSuperseded, PDF: "/a.pdf", Print: "/a"},
	}})
	html := do(h, "GET", "/?issued=A", nil).Body.String()
	for _, want := range []string{"&lt;b&gt;Ann&lt;/b&gt;", "Comirnaty, dose 1 of 2", "30 November 2021", "Replaced", `href="/a.pdf"`, "The certificate was issued."} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(html, "<b>Ann") {
		t.Error("a name became markup")
	}
	if strings.Contains(do(h, "GET", "/?issued=B", nil).Body.String(), "The certificate was issued.") {
		t.Error("an unknown id is said to be issued")
	}
}

func TestAFilledFormIssuesAndRedirects(t *testing.T) {
	d := &fake{}
	w := do(handlerFor(t, d), "POST", IssuePath, filled())
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/?issued=ID1" {
		t.Fatalf("%d %s\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	want := []vaccination.Event{{Programme: "covid-19", EnrolmentCode: "DEMO-1",
		Person:      vaccination.Person{Name: "Ann Brown", Sex: "female", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}},
		Vaccination: vaccination.Dose{Product: "comirnaty", Number: 1, Lot: "PF1", Centre: "Falmouth", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}}}}
	if diff := cmp.Diff(want, d.issued); diff != "" {
		t.Error(diff)
	}
}

func TestAllFaultsAreShownAtOnceWithWhatWasTyped(t *testing.T) {
	d := &fake{err: &vaccination.Error{Code: vaccination.Invalid, Message: "faults", Faults: []vaccination.Fault{
		{Path: "person.name", Code: vaccination.FaultRequired, Message: "from below"},
		{Path: "person.birthDate", Code: vaccination.FaultRequired, Message: "said already"},
		{Path: "vaccination.product", Code: "unknown", Message: "choose another"},
		{Path: "somewhere.else", Code: "odd", Message: "no field has this"},
	}}}
	form := filled()
	form.Set("birthDate-day", "31")
	form.Set("birthDate-month", "2")
	form.Set("dose", "one")
	form.Set("lot", `"><script>`)
	w := do(handlerFor(t, d), "POST", IssuePath, form)
	html := w.Body.String()
	if w.Code != http.StatusUnprocessableEntity || d.checked != 1 || len(d.issued) != 0 {
		t.Fatalf("%d, checked %d, issued %d", w.Code, d.checked, len(d.issued))
	}
	for _, want := range []string{
		`<a href="#birthDate">Date of birth must be a real date, such as 21 4 1987</a>`, `<a href="#dose">`,
		`<a href="#name">Full name: this is needed</a>`, `<a href="#product">Vaccine: choose another</a>`, "no field has this",
		`value="31"`, `value="one"`, `value="&#34;&gt;&lt;script&gt;"`, `value="Ann Brown"`, `id="birthDate-error"`, `aria-describedby="birthDate-hint birthDate-error"`,
		`<option value="covid-19/comirnaty" selected>`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s", want)
		}
	}
	var order []int
	for _, link := range []string{"#name", "#birthDate", "#product", "#dose"} {
		order = append(order, strings.Index(html, `<a href="`+link+`"`))
	}
	if !slices.IsSorted(order) {
		t.Errorf("the summary is not in the order of the form: %v", order)
	}
	if strings.Contains(html, "said already") || strings.Contains(html, "Date of birth: this is needed") {
		t.Error("a field has two messages")
	}
	for _, id := range []string{"birthDate", "dose", "name", "product"} {
		if !strings.Contains(html, ` id="`+id+`"`) {
			t.Errorf("the summary leads to #%s, which is not there", id)
		}
	}
}

func TestFaultsAreInThePagesLanguage(t *testing.T) {
	d := &fake{err: &vaccination.Error{Code: vaccination.Invalid, Faults: []vaccination.Fault{{Path: "person.name", Code: vaccination.FaultRequired, Message: "in English"}}}}
	html := do(handlerFor(t, d), "POST", IssuePath+"?lang=ta", filled()).Body.String()
	if !strings.Contains(html, "முழுப் பெயர்: இது தேவை") || strings.Contains(html, "in English") {
		t.Error("not in Tamil")
	}
}

func TestAFailureOfOursShowsNothingOfIt(t *testing.T) {
	d := &fake{err: errors.New("password of the database")}
	html := do(handlerFor(t, d), "POST", IssuePath, filled()).Body.String()
	if strings.Contains(html, "password") || !strings.Contains(html, "could not be issued") {
		t.Error(html)
	}
}

func TestAFormLargerThanAFormIsRefused(t *testing.T) {
	form := filled()
	form.Set("name", strings.Repeat("a", maxForm))
	if w := do(handlerFor(t, &fake{}), "POST", IssuePath, form); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", w.Code)
	}
}

func TestDateInput(t *testing.T) {
	for _, test := range []struct {
		in   dateInput
		want string
		ok   bool
	}{
		{dateInput{"21", "4", "1987"}, "1987-04-21", true},
		{dateInput{"", "4", "1987"}, "1987-04", true},
		{dateInput{"", "", "1987"}, "1987", true},
		{dateInput{}, "", true},
		{dateInput{"21", "", "1987"}, "", false},
		{dateInput{"31", "2", "1987"}, "", false},
		{dateInput{"1", "1", ""}, "", false},
		{dateInput{"1", "1", "87"}, "", false},
		{dateInput{"", "", "1987~"}, "", false},
		{dateInput{"1-1", "1", "1987"}, "", false},
	} {
		got, ok := test.in.date()
		if ok != test.ok || ok && got.String() != test.want {
			t.Errorf("%v: %q %v, want %q %v", test.in, got, ok, test.want, test.ok)
		}
	}
}
