package web

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// citizenVisit is a browser at the citizens' portal.
type citizenVisit struct {
	w      *world
	client *http.Client
	urls   []string
}

func (w *world) visit() *citizenVisit {
	jar, _ := cookiejar.New(nil)
	v := &citizenVisit{w: w}
	// The portal's cookies are for https; the test speaks http to it.
	v.client = &http.Client{Transport: http.DefaultTransport, Jar: insecureJar{jar}}
	return v
}

// insecureJar sends cookies that are for https over http too.
type insecureJar struct{ http.CookieJar }

func (j insecureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		c.Secure = false
	}
	j.CookieJar.SetCookies(u, cookies)
}

func (v *citizenVisit) do(method, path string, form url.Values, headers ...string) reply {
	v.w.t.Helper()
	q := must(http.NewRequest(method, v.w.url+path, strings.NewReader(form.Encode())))(v.w.t)
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	v.urls = append(v.urls, q.URL.String())
	r := must(v.client.Do(q))(v.w.t) //nolint:bodyclose // it is, below
	defer r.Body.Close()
	v.urls = append(v.urls, r.Request.URL.String())
	return reply{r.StatusCode, r.Header, string(must(io.ReadAll(r.Body))(v.w.t))}
}

var shownCode = regexp.MustCompile(`<strong>([0-9]{6})</strong>`)

// enter signs in by a number and returns the list.
func (v *citizenVisit) enter(number string) reply {
	v.w.t.Helper()
	page := v.do(http.MethodPost, "/my", url.Values{"number": {number}}).is(v.w.t, 200)
	code := shownCode.FindStringSubmatch(page.body)
	if code == nil {
		v.w.t.Fatalf("no code on the page: %.800s", page.body)
	}
	return v.do(http.MethodPost, "/my/code", url.Values{"code": {code[1]}}).is(v.w.t, 200)
}

// TestTheWholeStoryTellsNobody follows a citizen to their PDF and searches log and
// addresses for what is theirs; then others try what is not theirs.
func TestTheWholeStoryTellsNobody(t *testing.T) {
	w := newWorld(t, "jamaica")
	issued := into[struct{ Results []result }](t, w.ask(http.MethodPost, "/api/v1/events", events(event("STORY-1"))).is(t, 200)).Results[0].Certificate
	v := w.visit()
	list := v.enter("876 555 0142")
	if strings.Contains(list.body, "Marcia") || strings.Contains(list.body, "Comirnaty") || !strings.Contains(list.body, "M. A. C.") || list.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the masked list: %.2000s", list.body)
	}
	at := "/my/certificates/" + issued
	v.do(http.MethodGet, at+"/pdf", nil).is(t, 404) // not opened yet
	v.do(http.MethodPost, at, url.Values{"answer-day": {"22"}, "answer-month": {"4"}, "answer-year": {"1987"}}).is(t, 422)
	opened := v.do(http.MethodPost, at, url.Values{"answer-day": {"21"}, "answer-month": {"4"}, "answer-year": {"1987"}}).is(t, 200)
	if !strings.Contains(opened.body, "Marcia Ann-Louise Campbell") {
		t.Errorf("the opened record: %.2000s", opened.body)
	}
	for _, path := range []string{"/pdf?language=en", "/print", "/qr.png", "/exports/vc", "/exports/code"} {
		r := v.do(http.MethodGet, at+path, nil).is(t, 200)
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	v.do(http.MethodGet, at+"/exports/none", nil).is(t, 404)

	// Another site posts in the citizen's browser.
	for _, path := range []string{"/my", "/my/code", "/my/again", "/my/leave", at, at + "/report"} {
		v.do(http.MethodPost, path, url.Values{"number": {"8765550142"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").is(t, 403)
	}
	// Somebody else, signed in, with the id of a record that is not theirs.
	w.ask(http.MethodPost, "/api/v1/events", events(event("STORY-2", "contacts", []string{"tel:8765550199"}, "person.name", "Other Person"))).is(t, 200)
	o := w.visit()
	if r := o.enter("8765550199"); strings.Contains(r.body, issued) {
		t.Error("somebody else's record is in the list")
	}
	for _, path := range []string{"", "/pdf", "/print", "/qr.png", "/exports/vc", "/report"} {
		foreign, none := o.do(http.MethodGet, at+path, nil), o.do(http.MethodGet, "/my/certificates/13FB6BBKS21CTAP4DP2TN9NA"+path, nil)
		if foreign.status != 404 || none.status != 404 || len(foreign.body) != len(none.body) {
			t.Errorf("%s: %d with %d bytes, where there is none %d with %d", path, foreign.status, len(foreign.body), none.status, len(none.body))
		}
	}
	o.do(http.MethodPost, at, url.Values{"answer-day": {"21"}, "answer-month": {"4"}, "answer-year": {"1987"}}).is(t, 404)

	// Unknown numbers: the same page but for the number's end.
	known, unknown := w.visit(), w.visit()
	a := known.do(http.MethodPost, "/my", url.Values{"number": {"8765550142"}}).is(t, 200)
	b := unknown.do(http.MethodPost, "/my", url.Values{"number": {"8765550143"}}).is(t, 200)
	blank := func(text string) string {
		return strings.ReplaceAll(shownCode.ReplaceAllString(text, ""), "0143", "0142")
	}
	if blank(a.body) != blank(b.body) {
		t.Error("a number on record and one that is not get different pages")
	}

	left := v.do(http.MethodPost, "/my/leave", nil).is(t, 200)
	if left.header.Get("Clear-Site-Data") == "" {
		t.Errorf("after leaving: %v", left.header)
	}
	if r := v.do(http.MethodGet, at, nil).is(t, 200); strings.Contains(r.body, "Marcia") {
		t.Error("after leaving the record is shown")
	}
	log := w.log.String() + strings.Join(v.urls, "\n")
	for _, mark := range []string{"5550142", "555 0142", "Marcia", "Campbell", "1987-04-21", "STORY-1", "code=", "number="} {
		if strings.Contains(log, mark) {
			t.Errorf("log or addresses tell %q", mark)
		}
	}
}
