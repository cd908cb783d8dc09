package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
)

// BenchmarkTable_Portal measures the citizens' portal as 64 browsers use it, and
// the time of every page, with a million certificates in the database: slim ones,
// and some hundreds that open. Browsers, server and PostgreSQL share the machine.
// What is left out of asking for a code is that its answer is held back to a
// multiple of 250 ms, and the gateway.
func BenchmarkTable_Portal(b *testing.B) {
	w := newWorld(b, "jamaica")
	w.quick() // before there is anything, so that statements are prepared
	issuancetest.Fill(b, w.service.Store.Pool(), "filler", 1_000_000)
	const people = 300
	ids := make([]string, people)
	for first := 0; first < people; first += 100 {
		var all []m
		for i := first; i < first+100; i++ {
			all = append(all, event(fmt.Sprintf("PORTAL-%d", i), "contacts", []string{"tel:" + portalNumber(i)}))
		}
		for i, r := range w.report("/api/v1/events", all...) {
			ids[first+i] = r.Certificate
		}
	}
	b.Run("Code", func(b *testing.B) {
		var next atomic.Int64
		byBrowsers(b, func(*browser, int) error {
			n := next.Add(1)
			v := w.browser(int(n))
			defer v.end()
			_, err := v.ask(http.MethodPost, "/my", url.Values{"number": {portalNumber(1_000_000 + int(n))}}, http.StatusSeeOther)
			return err
		}, nil)
	})
	b.Run("Login", func(b *testing.B) {
		var next atomic.Int64
		byBrowsers(b, func(*browser, int) error {
			n := int(next.Add(1))
			v := w.browser(n)
			defer v.end()
			return v.signIn(portalNumber(n % people))
		}, nil)
	})
	opened := func(c int) (*browser, error) {
		v := w.browser(100_000 + c)
		if err := v.signIn(portalNumber(c)); err != nil {
			return nil, err
		}
		_, err := v.ask(http.MethodPost, "/my/certificates/"+ids[c], url.Values{"answer-day": {"21"}, "answer-month": {"4"}, "answer-year": {"1987"}}, http.StatusSeeOther)
		return v, err
	}
	for name, path := range map[string]string{"View": "", "PDF": "/pdf?language=en"} {
		b.Run(name, func(b *testing.B) {
			byBrowsers(b, func(v *browser, c int) error {
				_, err := v.ask(http.MethodGet, "/my/certificates/"+ids[c]+path, nil, http.StatusOK)
				return err
			}, opened)
		})
	}
	pages, end := w.everyPage(b, ids, opened)
	defer end()
	b.Run("Pages", func(b *testing.B) { measurePages(b, pages) })
}

func portalNumber(i int) string { return fmt.Sprintf("+1876%07d", 2_000_000+i) }

// quick asks once for what all benchmarks ask.
func (w *world) quick() {
	w.ask(http.MethodPost, "/api/v1/events", events(event("QUICK", "contacts", []string{"tel:+18765550142"}))).is(w.t, 200)
	w.visit().enter("8765550142")
}

// byBrowsers runs an act from 64 browsers until it was done b.N times, and reports
// its rate and the time of the slowest hundredth. open makes the browser c before
// the clock runs; nil makes none.
func byBrowsers(b *testing.B, act func(v *browser, c int) error, open func(c int) (*browser, error)) {
	const clients = 64
	browsers := make([]*browser, clients)
	for c := range browsers {
		if open == nil {
			continue
		}
		v, err := open(c)
		if err != nil {
			b.Fatal(err)
		}
		defer v.end()
		browsers[c] = v
	}
	var done atomic.Int64
	took := make([][]time.Duration, clients)
	var work sync.WaitGroup
	b.ResetTimer()
	for c := range clients {
		work.Go(func() {
			for done.Add(1) <= int64(b.N) {
				start := time.Now()
				if err := act(browsers[c], c); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(start))
			}
		})
	}
	work.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	if len(all) == 0 {
		return
	}
	b.ReportMetric(quantile(all, .5), "p50-ms")
	b.ReportMetric(quantile(all, .99), "p99-ms")
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "req/s")
}

// quantile is the time below which a share of all is, in milliseconds.
func quantile(all []time.Duration, share float64) float64 {
	slices.Sort(all)
	return float64(all[min(len(all)-1, int(share*float64(len(all))))].Microseconds()) / 1000
}

// browser is somebody's, with an address and a connection of its own.
type browser struct {
	w       *world
	client  *http.Client
	cookies map[string]string
}

func (w *world) browser(n int) *browser {
	own := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))}}
	return &browser{w: w, cookies: map[string]string{}, client: &http.Client{
		Transport:     &http.Transport{DialContext: own.DialContext, MaxIdleConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (v *browser) end() { v.client.CloseIdleConnections() }

// ask sends a request and wants an answer.
func (v *browser) ask(method, path string, form url.Values, want int) (string, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, v.w.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Encoding", "br, gzip")
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s %s: status %d, want %d: %.300s", method, path, answer.StatusCode, want, body)
	}
	return string(body), err
}

// signIn goes from the first page to the list of certificates.
func (v *browser) signIn(number string) error {
	if _, err := v.ask(http.MethodPost, "/my", url.Values{"number": {number}}, http.StatusSeeOther); err != nil {
		return err
	}
	page, err := v.ask(http.MethodGet, "/my/code", nil, http.StatusOK)
	if err != nil {
		return err
	}
	code := shownCode.FindStringSubmatch(page)
	if code == nil {
		return fmt.Errorf("no code on the page: %.300s", page)
	}
	if _, err := v.ask(http.MethodPost, "/my/code", url.Values{"code": {code[1]}}, http.StatusSeeOther); err != nil {
		return err
	}
	_, err = v.ask(http.MethodGet, "/my/certificates", nil, http.StatusOK)
	return err
}

var loads = regexp.MustCompile(`(?:src|<link[^>]+rel="stylesheet"[^>]+href|<link[^>]+href)="(/[^"]+)"`)

// aPage is a page that somebody asks for.
type aPage struct {
	by   *browser
	path string
	size int // with everything that its text loads, as it goes over the wire
}

// everyPage lists every page that has an address of its own, for whoever may open
// most, and the pages of a certificate.
func (w *world) everyPage(b *testing.B, ids []string, opened func(int) (*browser, error)) (pages []*aPage, end func()) {
	staff, nobody := w.browser(200_000), w.browser(200_001)
	staff.cookies["__Host-staff"] = w.colleague("bench", access.SystemAdmin, "").session
	mine, err := opened(100)
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/my/certificates", "/my/certificates/" + ids[100], "/my/reports"} {
		pages = append(pages, &aPage{by: mine, path: path})
	}
	pages = append(pages, &aPage{by: staff, path: "/admin/certificates/" + ids[100]}, &aPage{by: nobody, path: "/"}, &aPage{by: nobody, path: "/verify"})
	for _, pattern := range w.patterns {
		method, path, ok := strings.Cut(pattern, " ")
		of := areaOf(pattern)
		if !ok || method != http.MethodGet || strings.Contains(path, "{") || of == nil {
			continue
		}
		by := nobody
		if of.roles != "*" {
			by = staff
		}
		pages = append(pages, &aPage{by: by, path: path})
	}
	pages = slices.DeleteFunc(pages, func(p *aPage) bool {
		text, err := p.by.ask(http.MethodGet, p.path, nil, http.StatusOK)
		if err != nil || !strings.HasPrefix(text, "<!") {
			return true // it leads elsewhere, or needs what is not there
		}
		p.size = len(text)
		for _, asset := range loads.FindAllStringSubmatch(text, -1) {
			body, err := p.by.ask(http.MethodGet, strings.ReplaceAll(asset[1], "&amp;", "&"), nil, http.StatusOK)
			if err == nil {
				p.size += len(body)
			}
		}
		return false
	})
	if len(pages) < 30 {
		b.Errorf("only %d pages are measured", len(pages))
	}
	return pages, func() { staff.end(); mine.end(); nobody.end() }
}

// measurePages asks for each page in turn, and reports the slowest and the largest.
func measurePages(b *testing.B, pages []*aPage) {
	took := make([][]time.Duration, len(pages))
	for range max(b.N, 40) {
		for i, p := range pages {
			start := time.Now()
			if _, err := p.by.ask(http.MethodGet, p.path, nil, http.StatusOK); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	worst, largest := 0.0, 0
	for i, p := range pages {
		ms := quantile(took[i], .95)
		b.Logf("%-50s p50 %5.1f ms, p95 %5.1f ms, %6d bytes", p.path, quantile(took[i], .5), ms, p.size)
		worst, largest = max(worst, ms), max(largest, p.size)
	}
	b.ReportMetric(worst, "slowest-p95-ms")
	b.ReportMetric(float64(largest), "largest-B")
}
