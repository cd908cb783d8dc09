package transport

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/gsm"
)

// maxAnswer bounds what a gateway may answer, in bytes.
const maxAnswer = 256 << 10

// HTTP hands messages to a provider's or operator's HTTP interface, as its file
// describes it.
type HTTP struct {
	s      Settings
	o      Options
	client http.Client

	mu    sync.Mutex
	token string
	until time.Time
}

// NewHTTP returns the transport of checked settings.
func NewHTTP(s Settings, o Options) *HTTP {
	return &HTTP{s: s, o: o, client: http.Client{
		Transport: o.Client,
		// A redirect could take number and credentials elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Again implements [Transport].
func (h *HTTP) Again() bool { return h.s.Idempotent }

// fill puts values into the places of a template, each written as encode has it.
func fill(template string, values map[string]string, encode func(string) string) string {
	return place.ReplaceAllStringFunc(template, func(p string) string { return encode(values[p[1:len(p)-1]]) })
}

func plainly(s string) string { return s }

// encoder is how a value is written within a body.
func encoder(kind string) func(string) string {
	switch kind {
	case "json":
		return func(s string) string {
			b, err := json.Marshal(s)
			if err != nil {
				return ""
			}
			return string(b[1 : len(b)-1])
		}
	case "xml":
		return func(s string) string {
			var b strings.Builder
			if err := xml.EscapeText(&b, []byte(s)); err != nil {
				return ""
			}
			return b.String()
		}
	default:
		return plainly
	}
}

// values are what stands in the places of a request.
func (h *HTTP) values(m Message) map[string]string {
	coding, kind := "0", "text"
	if gsm.Measure(m.Text).Alphabet == gsm.UCS2 {
		coding, kind = "2", "unicode"
	}
	ttl := max(m.Expires.Sub(h.o.Now()), time.Minute)
	v := map[string]string{
		"to": m.To, "number": strings.TrimPrefix(m.To, "+"), "text": m.Text, "from": h.s.From, "ref": m.Ref, "receipts": m.ReceiptURL,
		"coding": coding, "type": kind, "ttl": strconv.Itoa(int(ttl.Seconds())), "ttlMinutes": strconv.Itoa(int(math.Ceil(ttl.Minutes()))),
	}
	for name, value := range h.s.Credentials {
		v[name] = value
	}
	return v
}

// request writes the request for a message.
func (h *HTTP) request(ctx context.Context, m Message) (*http.Request, error) {
	v := h.values(m)
	u, err := url.Parse(fill(h.s.Request.URL, v, url.PathEscape))
	if err != nil {
		return nil, &Error{Class: Down, Code: "bad-url", Credentials: true}
	}
	encode := func(fields map[string]string) url.Values {
		out := url.Values{}
		for k, text := range fields {
			out.Set(k, fill(text, v, plainly))
		}
		return out
	}
	if len(h.s.Request.Query) > 0 {
		q := u.Query()
		for k, value := range encode(h.s.Request.Query) {
			q[k] = value
		}
		u.RawQuery = q.Encode()
	}
	var body io.Reader
	kind := ""
	switch {
	case len(h.s.Request.Form) > 0:
		body, kind = strings.NewReader(encode(h.s.Request.Form).Encode()), "application/x-www-form-urlencoded"
	case h.s.Request.Body != "":
		body = strings.NewReader(fill(h.s.Request.Body, v, encoder(h.s.Request.Encoding)))
		kind = map[string]string{"json": "application/json", "xml": "text/xml; charset=utf-8", "text": "text/plain; charset=utf-8"}[h.s.Request.Encoding]
	}
	r, err := http.NewRequestWithContext(ctx, h.s.Request.Method, u.String(), body)
	if err != nil {
		return nil, &Error{Class: Down, Code: "bad-url", Credentials: true}
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for k, text := range h.s.Request.Headers {
		r.Header.Set(k, header(fill(text, v, plainly)))
	}
	return r, h.authorise(ctx, r, v)
}

// header keeps a value on its line.
func header(v string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, v)
}

// Send implements [Transport].
func (h *HTTP) Send(ctx context.Context, m Message) (Sent, error) {
	r, err := h.request(ctx, m)
	if err != nil {
		return Sent{}, err
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return Sent{}, unreached(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return Sent{}, &Error{Class: Unknown, Code: "answer-broke-off"}
	}
	a := read(answer.StatusCode, body)
	if h.taken(a) {
		id, _ := a.find(h.s.ID)
		return Sent{ProviderID: id}, nil
	}
	e := h.refusal(a)
	if e.After == 0 {
		e.After = retryAfter(answer.Header.Get("Retry-After"))
	}
	if e.Credentials {
		h.mu.Lock()
		h.token = ""
		h.mu.Unlock()
	}
	return Sent{}, e
}

// unreached is what a request that got no answer means: nothing was sent where
// there was no connection, else nobody knows.
func unreached(err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return &Error{Class: Down, Code: "no-connection"}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{Class: Down, Code: "no-address"}
	}
	return &Error{Class: Unknown, Code: "no-answer"}
}

// answer is what a gateway said.
type answer struct {
	status int
	text   string
	json   any // nil where it is none
}

func read(status int, body []byte) answer {
	a := answer{status: status, text: string(body)}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil {
		a.json = v
	}
	return a
}

// lookUp finds what stands at a path of JSON, as text.
func lookUp(v any, path string) (string, bool) {
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	switch at := v.(type) {
	case string:
		return at, true
	case json.Number:
		return at.String(), true
	case bool:
		return strconv.FormatBool(at), true
	default:
		return "", false
	}
}

// find is what stands at a field, or is matched in the text.
func (a answer) find(f Find) (string, bool) {
	if f.Field != "" {
		return lookUp(a.json, f.Field)
	}
	if f.match != nil {
		if m := f.match.FindStringSubmatch(a.text); len(m) > 1 {
			return m[1], true
		}
	}
	return "", false
}

// holds reports whether an answer is as a rule says.
func (a answer) holds(status []int, field string, equals []string, match func(string) bool) bool {
	if len(status) > 0 && !slices.Contains(status, a.status) {
		return false
	}
	if field != "" {
		v, ok := lookUp(a.json, field)
		if !ok || !slices.Contains(equals, v) {
			return false
		}
	}
	return match == nil || match(a.text)
}

func (h *HTTP) taken(a answer) bool {
	s := &h.s.Success
	var match func(string) bool
	if s.match != nil {
		match = s.match.MatchString
	}
	return a.holds(s.Status, s.Field, s.Equals, match)
}

// refusal is what an answer means that is no success: by the file's rules, else
// by its status.
func (h *HTTP) refusal(a answer) *Error {
	code := strconv.Itoa(a.status)
	for i := range h.s.Errors {
		r := &h.s.Errors[i]
		var match func(string) bool
		if r.match != nil {
			match = r.match.MatchString
		}
		if !a.holds(r.Status, r.Field, r.Equals, match) {
			continue
		}
		if v, ok := lookUp(a.json, r.Field); ok && r.Field != "" {
			code = v
		}
		return &Error{Class: r.Class, Code: code, Suppress: r.Suppress, Credentials: r.Credentials}
	}
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return &Error{Class: Down, Code: code, Credentials: true}
	case a.status == http.StatusTooManyRequests:
		return &Error{Class: Throttled, Code: code}
	case a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout:
		return &Error{Class: Unknown, Code: code} // who stands behind it may have got it
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		return &Error{Class: Down, Code: code}
	case slices.Contains(h.s.Success.Status, a.status):
		return &Error{Class: Temporary, Code: "refused-in-body"}
	case a.status >= 400:
		return &Error{Class: Permanent, Code: code}
	default:
		return &Error{Class: Down, Code: code} // a redirect: a person has to look
	}
}

// retryAfter reads the header of that name, in seconds.
func retryAfter(v string) time.Duration {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 86400 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// authorise adds who we are.
func (h *HTTP) authorise(ctx context.Context, r *http.Request, v map[string]string) error {
	a := &h.s.Auth
	switch a.Kind {
	case "basic":
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(fill(a.User, v, plainly)+":"+fill(a.Password, v, plainly))))
	case "bearer":
		r.Header.Set("Authorization", "Bearer "+header(fill(a.Value, v, plainly)))
	case "header":
		r.Header.Set(a.Header, header(fill(a.Value, v, plainly)))
	case "token":
		token, err := h.fetchToken(ctx, v)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// fetchToken gets a token and keeps it until shortly before its end. Nothing is
// sent when there is none.
func (h *HTTP) fetchToken(ctx context.Context, v map[string]string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.token != "" && h.o.Now().Before(h.until) {
		return h.token, nil
	}
	form := url.Values{}
	for k, text := range h.s.Auth.Form {
		form.Set(k, fill(text, v, plainly))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.s.Auth.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", &Error{Class: Down, Code: "bad-token-url", Credentials: true}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if h.s.Auth.User != "" {
		r.SetBasicAuth(fill(h.s.Auth.User, v, plainly), fill(h.s.Auth.Password, v, plainly))
	}
	got, err := h.client.Do(r)
	if err != nil {
		return "", &Error{Class: Down, Code: "no-token"}
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err != nil {
		return "", &Error{Class: Down, Code: "no-token"}
	}
	a := read(got.StatusCode, body)
	token, ok := lookUp(a.json, h.s.Auth.Token)
	if a.status != http.StatusOK || !ok || token == "" || header(token) != token {
		return "", &Error{Class: Down, Code: "token-" + strconv.Itoa(a.status), Credentials: a.status/100 == 4}
	}
	life := 5 * time.Minute
	if text, ok := lookUp(a.json, h.s.Auth.Seconds); ok {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 1<<30 {
			life = time.Duration(n) * time.Second
		}
	}
	h.token, h.until = token, h.o.Now().Add(life-min(life/10, time.Minute))
	return token, nil
}
