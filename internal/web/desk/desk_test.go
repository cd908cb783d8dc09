package desk_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFromANumberToAPrint(t *testing.T) {
	w := newWorld(t)
	w.issue("JM-000001", "Shanice Brown")
	w.ask("anna", "/desk", nil).is(t, 200, "Find a person")
	found := w.ask("anna", "/desk/search", url.Values{"text": {"876 555 0142"}}).is(t, 200, "S. B.")
	if strings.Contains(found.text, "Shanice") || strings.Contains(found.path, "555") {
		t.Fatalf("%s: %s", found.path, found.text)
	}
	open := url.Values{"id": {hidden(found.text, "id")}, "fact": {"birth-date"}, "value": {"22/4/1987"}}
	wrong := w.ask("anna", found.path+"/open", open).is(t, 422, "not what is on record")
	if strings.Contains(wrong.text, "Shanice") {
		t.Error("a wrong answer shows who it is")
	}
	open.Set("value", "21/4/1987")
	record := w.ask("anna", found.path+"/open", open).is(t, 200, "Shanice Brown")
	w.ask("anna", record.path, nil).is(t, 200, "Shanice Brown") // a reload
	if a := w.ask("anna", record.path+"/preview?n=0&size=a5&language=en", nil); a.status != 200 || !strings.HasPrefix(a.text, "%PDF-1.7") {
		t.Errorf("preview: %d", a.status)
	}
	form := url.Values{"act": {hidden(record.text, "act")}, "certificate": {regexp.MustCompile(`name="certificate" type="checkbox" value="([^"]+)"`).FindStringSubmatch(record.text)[1]}, "size": {"a4"}, "language": {"en"}}
	printed := w.ask("anna", record.path+"/print", form).is(t, 200, "Copy 1, number 1")
	w.ask("anna", record.path+"/print", form).is(t, 200, "Copy 1, number 1") // sent again
	file := w.ask("anna", printed.path+"/file?download", nil)
	if file.status != 200 || file.header.Get("Content-Disposition") != `attachment; filename="certificate.pdf"` || file.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", file.status, file.header)
	}
	queue := w.ask("anna", "/desk/prints", nil).is(t, 200, "S. B.")
	w.ask("anna", "/desk/prints/1/again", url.Values{"act": {hidden(queue.text, "act")}}).is(t, 200, "Copy 2, number 2")
	// Another facility reaches none of it.
	w.ask("ben", record.path, nil).is(t, 404, "This has ended")
	w.ask("ben", printed.path, nil).is(t, 404, "This has ended")
	w.ask("ben", printed.path+"/file", nil).is(t, 404, "This has ended")
	w.ask("ben", "/desk/prints/1/again", url.Values{"act": {strings.Repeat("A", 22)}}).is(t, 404, "This has ended")
	w.ask("ben", "/desk/prints", nil).is(t, 200, "Nothing was printed")
	w.ask("anna", record.path+"/close", url.Values{}).is(t, 200, "Find a person")
	w.ask("anna", record.path, nil).is(t, 404, "This has ended")
	if strings.Contains(w.log.String(), "Shanice") {
		t.Error("a name is in the log")
	}
}

func TestWhoIsNotSignedInOrMayNot(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/desk", "/desk/found/x", "/desk/record/x", "/desk/record/x/preview", "/desk/record/x/correction", "/desk/print/x", "/desk/print/x/file", "/desk/prints", "/desk/dose", "/desk/dose/x", "/desk/on-demand", "/desk/slip"} {
		if a := w.ask("", path, nil); a.path != "/sign-in" {
			t.Errorf("%s by nobody: %d at %s", path, a.status, a.path)
		}
		if a := w.ask("auditor", path, nil); a.status != 403 {
			t.Errorf("%s by an auditor: %d", path, a.status)
		}
	}
	for _, path := range []string{"/desk/search", "/desk/found/x/open", "/desk/record/x/print", "/desk/record/x/close", "/desk/record/x/reopen", "/desk/record/x/correction", "/desk/prints/1/again", "/desk/dose/x", "/desk/on-demand", "/desk/later", "/desk/later/x/done"} {
		if a := w.ask("", path, url.Values{}); a.path != "/sign-in" {
			t.Errorf("%s by nobody: %d at %s", path, a.status, a.path)
		}
		if a := w.ask("auditor", path, url.Values{}); a.status != 403 {
			t.Errorf("%s by an auditor: %d", path, a.status)
		}
		if a := w.ask("anna", path, url.Values{}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.status != 403 {
			t.Errorf("%s from another site: %d", path, a.status)
		}
	}
	if a := w.ask("nowhere", "/desk/dose/"+strings.Repeat("A", 22), dose("A B", "1990-02-03")); a.status != 403 {
		t.Errorf("a dose by staff of no facility: %d", a.status)
	}
}

func TestFaultsAreTold(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"nothing":               {url.Values{}, "Type a number or scan a code"},
		"a date alone":          {url.Values{"birthDate-day": {"21"}, "birthDate-month": {"4"}, "birthDate-year": {"1987"}}, "add two letters of the name"},
		"no date":               {url.Values{"birthDate-day": {"31"}, "birthDate-month": {"2"}, "birthDate-year": {"1987"}, "name": {"Br"}}, "Give the whole date"},
		"a code that is no one": {url.Values{"text": {"HC1:ABC"}}, "not of a certificate issued here"},
	} {
		t.Run(name, func(t *testing.T) { w.ask("anna", "/desk/search", c.form).is(t, 422, c.says) })
	}
	w.ask("anna", "/desk/search", url.Values{"text": {"nobody"}}).is(t, 200, "Nobody was found")
	if a := w.ask("anna", "/desk/search", url.Values{"text": {strings.Repeat("x", 100_000)}}); a.status != 413 {
		t.Errorf("a large form: %d", a.status)
	}
}

func TestNamesAreTextAndNothingElse(t *testing.T) {
	w := newWorld(t)
	name := `<img src=x onerror=alert(1)> {{.}} "Brown"`
	id := w.issue("JM-<b>1</b>", name)
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "&lt;img src=x onerror=alert(1)&gt; {{.}}")
	if strings.Contains(record.text, "<img src=x") || strings.Contains(record.text, "<b>1</b>") {
		t.Errorf("a name is markup: %s", record.text)
	}
	if csp := record.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("%s", csp)
	}
	bad := w.ask("anna", "/desk/search", url.Values{"text": {`"><script>alert(1)</script>`}, "birthDate-day": {`"><script>`}})
	if strings.Contains(bad.text, "<script>alert") || strings.Contains(bad.text, `"><script>`) {
		t.Errorf("what was typed is markup: %s", bad.text)
	}
}

func dose(name, birth string) url.Values {
	b := strings.Split(birth, "-")
	return url.Values{"name": {name}, "birthDate-day": {b[2]}, "birthDate-month": {b[1]}, "birthDate-year": {b[0]}, "sex": {"female"}, "phone": {"876 555 0177"},
		"product": {"covid-19/vaxzevria"}, "dose": {"1"}, "date-day": {"20"}, "date-month": {"11"}, "date-year": {"2026"}, "lot": {"ABX1"}}
}

func TestADoseByForm(t *testing.T) {
	w := newWorld(t)
	form := w.ask("anna", "/desk/dose", nil).is(t, 200, "Register a dose")
	// What is typed survives a reload, for its owner alone.
	draft := dose("Marcia Reid", "1990-02-03")
	draft.Set("action", "save")
	if a := w.ask("anna", form.path, draft); a.status != 204 {
		t.Fatalf("%d", a.status)
	}
	w.ask("anna", form.path, nil).is(t, 200, `value="Marcia Reid"`)
	if a := w.ask("ben", form.path, nil); strings.Contains(a.text, "Marcia") {
		t.Error("a draft is another's too")
	}
	w.ask("anna", form.path, url.Values{"name": {"Marcia Reid"}, "dose": {"one"}}).is(t, 422, "1 for the first")
	bad := dose("Marcia Reid", "1990-02-03")
	bad.Set("date-year", "2027")
	w.ask("anna", form.path, bad).is(t, 422, "future")
	// Sent several times at once it is one dose.
	var wg sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		wg.Go(func() {
			a := w.ask("anna", form.path, dose("Marcia Reid", "1990-02-03"))
			if a.status == 200 {
				paths[i] = a.path
			}
		})
	}
	wg.Wait()
	if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, "/desk/record/") }) {
		t.Fatalf("%v", paths)
	}
	var n, sources int
	if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE source = 'desk') FROM certificate").Scan(&n, &sources); err != nil || n != 1 || sources != 1 {
		t.Errorf("%d certificates, %d of the desk, %v", n, sources, err)
	}
	// Somebody with the same name and date is asked about.
	second := w.ask("anna", "/desk/dose", nil)
	again := dose("Marcia Reid", "1990-02-03")
	again.Set("dose", "2")
	w.ask("anna", second.path, again).is(t, 200, "Is it one of these people?")
	again.Set("as", "0")
	record := w.ask("anna", second.path, again).is(t, 200, "Marcia Reid")
	if strings.Count(record.text, `name="certificate"`) != 2 {
		t.Error("the second dose is another person's")
	}
}

func TestACorrectionIsOfTheOpenedRecord(t *testing.T) {
	w := newWorld(t)
	id, other := w.issue("JM-000001", "Shanice Brown"), w.issue("JM-000002", "Oliver Brown")
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "Shanice Brown")
	form := w.ask("anna", record.path+"/correction", nil).is(t, 200, "Ask for a correction")
	send := func(certificate string) reply {
		body := "--x\r\nContent-Disposition: form-data; name=\"certificate\"\r\n\r\n" + certificate +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nperson.name\r\n--x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nShanice Browne" +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"act\"\r\n\r\n" + hidden(form.text, "act") +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\nPNG\r\n--x--\r\n"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+record.path+"/correction", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("As", "anna")
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return reply{a.StatusCode, record.path, string(text), a.Header}
	}
	send(other.String()).is(t, 422, "Choose a certificate")
	send(id.String()).is(t, 200, "The request was sent")
	if len(w.cases.requests) != 1 || w.cases.photos != 1 || w.cases.requests[0].Certificate != id || w.cases.requests[0].Facility != "KGN01" || w.cases.requests[0].Once == "" {
		t.Errorf("%+v", w.cases)
	}
}

func TestTheListForLater(t *testing.T) {
	w := newWorld(t)
	list := url.Values{"reference": {"7K2M-91XA", "7K2M-91XB"}, "text": {"8765550142", "JM-1"}, "at": {fmt.Sprint(w.house.Now().UnixMilli()), fmt.Sprint(w.house.Now().UnixMilli())}}
	for range 2 {
		a := w.ask("anna", "/desk/later", list).is(t, 200, "7K2M-91XA")
		if strings.Count(a.text, `<code class="reference">`) != 2 {
			t.Error("a list sent twice is there twice")
		}
	}
	if a := w.ask("ben", "/desk", nil); strings.Contains(a.text, "7K2M") {
		t.Error("a list is another's too")
	}
	a := w.ask("anna", "/desk/later/7K2M-91XA/done", url.Values{})
	if strings.Contains(a.text, "7K2M-91XA") || !strings.Contains(a.text, "7K2M-91XB") {
		t.Errorf("%s", a.text)
	}
	w.ask("anna", "/desk/later", url.Values{"reference": {"<b>"}, "text": {"x"}, "at": {"1"}}).is(t, 422, "cannot be done")
}

// TestHowLongPagesTake tells the time of the server for the pages of a desk.
func TestHowLongPagesTake(t *testing.T) {
	w := newWorld(t)
	id := w.issue("JM-000001", "Shanice Brown")
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "Shanice Brown")
	for name, path := range map[string]string{"start": "/desk", "record": record.path, "prints": "/desk/prints"} {
		var times []time.Duration
		for range 40 {
			begin := time.Now()
			w.ask("anna", path, nil)
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		t.Logf("%s: p50 %v, p95 %v", name, times[20], times[37])
	}
}
