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
	b.Run("Pages", func(b *testing.B) { w.everyPage(b, ids, opened) })
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

// everyPage asks for every page that has an address of its own, as whoever may
// open most, and reports the slowest and the largest: with everything that its
// text loads, as it goes over the wire.
func (w *world) everyPage(b *testing.B, ids []string, opened func(int) (*browser, error)) {
	staff := w.browser(200_000)
	defer staff.end()
	staff.cookies["__Host-staff"] = w.colleague("bench", access.SystemAdmin, "").session
	mine, err := opened(100)
	if err != nil {
		b.Fatal(err)
	}
	defer mine.end()
	nobody := w.browser(200_001)
	defer nobody.end()
	type page struct {
		by   *browser
		path string
	}
	pages := []page{{mine, "/my/certificates"}, {mine, "/my/certificates/" + ids[100]}, {staff, "/admin/certificates/" + ids[100]}}
	for _, pattern := range w.patterns {
		method, path, ok := strings.Cut(pattern, " ")
		of := areaOf(pattern)
		if !ok || method != http.MethodGet || strings.ContainsAny(path, "{") || of == nil {
			continue
		}
		by := nobody
		if of.roles != "*" {
			by = staff
		}
		pages = append(pages, page{by, path})
	}
	pages = append(pages, page{nobody, "/"}, page{nobody, "/verify"})
	worst, largest, slow, large, counted := 0.0, 0, "", "", 0
	for range b.N {
		for _, p := range pages {
			took := make([]time.Duration, 0, 40)
			var text string
			shown := true
			for range cap(took) {
				start := time.Now()
				text, err = p.by.ask(http.MethodGet, p.path, nil, http.StatusOK)
				if err != nil {
					shown = false // it leads elsewhere, or needs what is not there
					b.Logf("left out: %.120v", err)
					break
				}
				took = append(took, time.Since(start))
			}
			if !shown || !strings.Contains(text[:min(len(text), 100)], "<!") {
				continue
			}
			counted++
			size := len(text)
			for _, asset := range loads.FindAllStringSubmatch(text, -1) {
				body, err := p.by.ask(http.MethodGet, strings.ReplaceAll(asset[1], "&amp;", "&"), nil, http.StatusOK)
				if err == nil {
					size += len(body)
				}
			}
			ms := quantile(took, .95)
			b.Logf("%-40s %6.1f ms %6d bytes", strings.ReplaceAll(p.path, ids[100], "{id}"), ms, size)
			if ms > worst {
				worst, slow = ms, p.path
			}
			if size > largest {
				largest, large = size, p.path
			}
		}
	}
	if counted < 20 {
		b.Errorf("only %d pages were asked", counted)
	}
	b.Logf("slowest %s, largest %s", slow, large)
	b.ReportMetric(worst, "slowest-p95-ms")
	b.ReportMetric(float64(largest), "largest-B")
}
