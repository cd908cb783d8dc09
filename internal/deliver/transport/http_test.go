package transport

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as the provider signs
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// to sends every request to one server, whatever its address says.
type to struct{ url *url.URL }

func (t to) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Asked", r.URL.Scheme+"://"+r.URL.Host)
	r.URL.Scheme, r.URL.Host = t.url.Scheme, t.url.Host
	return http.DefaultTransport.RoundTrip(r)
}

func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// provider answers with a status and a body, and keeps what it was sent.
func provider(t *testing.T, settings string, status int, body string) (h *HTTP, got **http.Request, sent *string) {
	t.Helper()
	s, err := Parse("test", []byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	got, sent = new(*http.Request), new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		*got, *sent = r, string(b)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return NewHTTP(s, Options{Now: now, Client: to{u}}), got, sent
}

func message() Message {
	return Message{
		Ref: "0007000000000000002a", To: "+94712345678", Text: "ඔබගේ \"සහතිකය\" & <සූදානම්>: https://c.example/my", Expires: now().Add(5 * time.Minute),
		ReceiptURL: "https://c.example/api/v1/receipts/sms/secret",
	}
}

const secrets = "credentials: {sid: AC1, token: s3cret, key: s3cret, secret: s3cret, username: ministry, user: ministry, password: s3cret, host: x1.api.infobip.com}\nfrom: MOH\nperSecond: 10\n"

// TestProviders hands a message to each provider as it documents requests and
// answers.
func TestProviders(t *testing.T) {
	tests := map[string]struct {
		preset string
		status int
		body   string
		id     string
		err    string
		form   map[string]string // of the request
		json   string
	}{
		"Twilio takes it": {"twilio", 201, `{"sid":"SM1","status":"queued","error_code":null}`, "SM1", "",
			map[string]string{"To": "+94712345678", "From": "MOH", "Body": message().Text, "StatusCallback": message().ReceiptURL, "ValidityPeriod": "300"}, ""},
		"Twilio: opted out":      {"twilio", 400, `{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}`, "", "permanent 21610 opted-out", nil, ""},
		"Twilio: no such number": {"twilio", 400, `{"code":21211,"message":"The 'To' number +94712345678 is not valid","status":400}`, "", "permanent 21211 unreachable", nil, ""},
		"Twilio: too fast":       {"twilio", 429, `{"code":20429,"status":429}`, "", "throttled 429", nil, ""},
		"Twilio: refused":        {"twilio", 401, `{"code":20003,"status":401}`, "", "down 20003 credentials", nil, ""},
		"Twilio: its own fault":  {"twilio", 500, `oops`, "", "down 500", nil, ""},
		"Infobip takes it":       {"infobip", 200, `{"messages":[{"messageId":"0007000000000000002a","status":{"groupId":1,"groupName":"PENDING","id":26,"name":"PENDING_ACCEPTED"},"to":"94712345678"}]}`, "0007000000000000002a", "", nil, `{"messages":[{"destinations":[{"to":"94712345678","messageId":"0007000000000000002a"}],"from":"MOH","text":"ඔබගේ \"සහතිකය\" \u0026 \u003cසූදානම්\u003e: https://c.example/my","validityPeriod":5,"notifyUrl":"https://c.example/api/v1/receipts/sms/secret","notifyContentType":"application/json"}]}`},
		"Infobip: on a list":     {"infobip", 200, `{"messages":[{"messageId":"1","status":{"groupName":"REJECTED","name":"REJECTED_DESTINATION_ON_BLACKLIST"}}]}`, "", "permanent REJECTED_DESTINATION_ON_BLACKLIST opted-out", nil, ""},
		"Infobip: no credit":     {"infobip", 200, `{"messages":[{"messageId":"1","status":{"groupName":"REJECTED","name":"REJECTED_NOT_ENOUGH_CREDITS"}}]}`, "", "down REJECTED_NOT_ENOUGH_CREDITS credentials", nil, ""},
		"Infobip: rejected":      {"infobip", 200, `{"messages":[{"messageId":"1","status":{"groupName":"REJECTED","name":"REJECTED_NETWORK"}}]}`, "", "permanent REJECTED", nil, ""},
		"Africa's Talking takes it": {"africastalking", 201, `{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: KES 0.8","Recipients":[{"statusCode":101,"number":"+94712345678","status":"Success","cost":"KES 0.8","messageId":"ATPid_1"}]}}`, "ATPid_1", "",
			map[string]string{"username": "ministry", "to": "+94712345678", "from": "MOH", "message": message().Text}, ""},
		"Africa's Talking: blocked":    {"africastalking", 201, `{"SMSMessageData":{"Recipients":[{"statusCode":406,"status":"UserInBlacklist","messageId":"None"}]}}`, "", "permanent 406 opted-out", nil, ""},
		"Africa's Talking: no balance": {"africastalking", 201, `{"SMSMessageData":{"Recipients":[{"statusCode":405,"status":"InsufficientBalance"}]}}`, "", "down 405 credentials", nil, ""},
		"Africa's Talking: a fault":    {"africastalking", 201, `{"SMSMessageData":{"Recipients":[{"statusCode":501,"status":"GatewayError"}]}}`, "", "temporary 501", nil, ""},
		"Africa's Talking: nobody":     {"africastalking", 201, `{"SMSMessageData":{"Message":"InvalidSenderId","Recipients":[]}}`, "", "temporary refused-in-body", nil, ""},
		"Vonage takes it": {"vonage", 200, `{"message-count":"1","messages":[{"to":"94712345678","message-id":"0A0000000123ABCD1","status":"0","remaining-balance":"3.14","network":"41301"}]}`, "0A0000000123ABCD1", "",
			map[string]string{"to": "94712345678", "type": "unicode", "client-ref": "0007000000000000002a", "text": message().Text}, ""},
		"Vonage: too fast":            {"vonage", 200, `{"message-count":"1","messages":[{"status":"1","error-text":"Throughput Rate Exceeded"}]}`, "", "throttled 1", nil, ""},
		"Vonage: wrong credentials":   {"vonage", 200, `{"message-count":"1","messages":[{"status":"4","error-text":"Bad Credentials"}]}`, "", "down 4 credentials", nil, ""},
		"Vonage: barred":              {"vonage", 200, `{"message-count":"1","messages":[{"status":"7","error-text":"Number barred"}]}`, "", "permanent 7 opted-out", nil, ""},
		"Kannel takes it":             {"kannel", 202, "0: Accepted for delivery", "", "", nil, ""},
		"Kannel: a wrong password":    {"kannel", 403, "Authorization failed for sendsms", "", "down 403 credentials", nil, ""},
		"Kannel: no operator":         {"kannel", 503, "Temporal failure, try again later.", "", "down 503", nil, ""},
		"Kannel: 202 with other text": {"kannel", 202, "something else", "", "temporary refused-in-body", nil, ""},
		"a page of a proxy":           {"vonage", 200, "<html>Sign in to the network</html>", "", "temporary refused-in-body", nil, ""},
		"a proxy that lost it":        {"vonage", 502, "<html>", "", "unknown 502", nil, ""},
		"a redirect":                  {"vonage", 302, "", "", "down 302", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, got, body := provider(t, "preset: "+tt.preset+"\n"+secrets, tt.status, tt.body)
			sent, err := h.Send(t.Context(), message())
			if tt.err == "" && (err != nil || sent.ProviderID != tt.id) {
				t.Errorf("%+v, %v", sent, err)
			}
			if tt.err != "" {
				e := AsError(err)
				if e == nil {
					t.Fatal("taken")
				}
				said := strings.TrimSpace(fmt.Sprint(e.Class, " ", e.Code, " ", e.Suppress))
				if e.Credentials {
					said += " credentials"
				}
				if said != tt.err {
					t.Errorf("%s, want %s", said, tt.err)
				}
				if strings.Contains(err.Error(), "9471") || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the error says too much: %v", err)
				}
			}
			if tt.form != nil {
				form, err := url.ParseQuery(*body)
				if err != nil {
					t.Fatal(err)
				}
				for k, want := range tt.form {
					if form.Get(k) != want {
						t.Errorf("%s = %q, want %q", k, form.Get(k), want)
					}
				}
			}
			if tt.json != "" && *body != tt.json {
				t.Errorf("sent %s", *body)
			}
			_ = got
		})
	}
}

func TestWhoWeAre(t *testing.T) {
	for preset, want := range map[string][2]string{
		"twilio":         {"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("AC1:s3cret"))},
		"infobip":        {"Authorization", "App s3cret"},
		"africastalking": {"Apikey", "s3cret"},
	} {
		h, got, _ := provider(t, "preset: "+preset+"\n"+secrets, 500, "")
		_, _ = h.Send(t.Context(), message())
		if v := (*got).Header.Get(want[0]); v != want[1] {
			t.Errorf("%s: %s is %q", preset, want[0], v)
		}
	}
	h, got, _ := provider(t, "preset: kannel\n"+secrets, 202, "0: Accepted for delivery")
	if _, err := h.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	q := (*got).URL.Query()
	want := url.Values{
		"username": {"ministry"}, "password": {"s3cret"}, "to": {"94712345678"}, "from": {"MOH"}, "text": {message().Text}, "coding": {"2"}, "charset": {"UTF-8"},
		"dlr-mask": {"31"}, "dlr-url": {message().ReceiptURL + "?id=0007000000000000002a&st=%d&a=%A"},
	}
	if d := cmp.Diff(want, q); d != "" {
		t.Error(d)
	}
}

const tokenSettings = `
kind: http
perSecond: 5
credentials: {id: ministry, pass: s3cret}
request: {method: POST, url: "https://sms.example/{number}/send", body: '<sms to="{to}">{text}</sms>', encoding: xml}
auth: {kind: token, url: "https://sms.example/token", form: {grant_type: client_credentials, client_id: "{id}", client_secret: "{pass}"}, token: access_token, seconds: expires_in}
success: {status: [200], match: "^OK"}
id: {match: "OK ([0-9]+)"}
`

// TestATokenThatEnds gets a token once, and again when it ended or is refused.
func TestATokenThatEnds(t *testing.T) {
	s, err := Parse("test", []byte(tokenSettings))
	if err != nil {
		t.Fatal(err)
	}
	tokens, refuse, at := 0, false, now()
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			tokens++
			if r.PostFormValue("client_secret") != "s3cret" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprintf(w, `{"access_token":"t%d","expires_in":600}`, tokens)
			return
		}
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(b))
		if refuse {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "OK 17")
	}))
	defer server.Close()
	u, _ := url.Parse(server.URL)
	h := NewHTTP(s, Options{Now: func() time.Time { return at }, Client: to{u}})
	send := func() error { _, err := h.Send(context.Background(), message()); return err }
	sent, err := h.Send(t.Context(), message())
	if err != nil || sent.ProviderID != "17" {
		t.Fatalf("%+v, %v", sent, err)
	}
	if want := `/94712345678/send Bearer t1 <sms to="+94712345678">ඔබගේ &#34;සහතිකය&#34; &amp; &lt;සූදානම්&gt;: https://c.example/my</sms>`; bodies[0] != want {
		t.Errorf("sent %s", bodies[0])
	}
	_ = send()
	if tokens != 1 {
		t.Errorf("%d tokens", tokens)
	}
	at = at.Add(10 * time.Minute)
	_ = send()
	if tokens != 2 {
		t.Errorf("%d tokens after the first ended", tokens)
	}
	refuse = true
	if e := AsError(send()); e == nil || e.Class != Down || !e.Credentials {
		t.Errorf("refused: %v", e)
	}
	refuse = false
	if err := send(); err != nil || tokens != 3 {
		t.Errorf("after it was refused: %v, %d tokens", err, tokens)
	}
	s.Credentials["pass"] = "wrong"
	h = NewHTTP(s, Options{Now: now, Client: to{u}})
	if e := AsError(send()); e == nil || e.Code != "token-401" || !e.Credentials {
		t.Errorf("no token: %v", e)
	}
}

// TestNoAnswer tells what was certainly not sent from what may have been.
func TestNoAnswer(t *testing.T) {
	s, err := Parse("test", []byte("preset: kannel\n"+secrets+"request: {url: \"http://127.0.0.1:9/cgi-bin/sendsms\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP(s, Options{Now: now, Client: http.DefaultTransport})
	if _, err := h.Send(t.Context(), message()); AsError(err).Class != Down {
		t.Errorf("nobody is there: %v", err)
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	u, _ := url.Parse(slow.URL)
	h = NewHTTP(s, Options{Now: now, Client: to{u}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Send(ctx, message()); AsError(err).Class != Unknown || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no answer: %v", err)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "0: Acc")
		panic(http.ErrAbortHandler)
	}))
	defer broken.Close()
	u, _ = url.Parse(broken.URL)
	h = NewHTTP(s, Options{Now: now, Client: to{u}})
	if _, err := h.Send(t.Context(), message()); AsError(err).Class != Unknown {
		t.Errorf("an answer that broke off: %v", err)
	}
}

// TestReceipts reads each provider's receipts as it documents them.
func TestReceipts(t *testing.T) {
	const address = "https://c.example/api/v1/receipts/sms/secret"
	sign := func(body string) string {
		form, _ := url.ParseQuery(body)
		var names []string
		for n := range form {
			names = append(names, n)
		}
		slices.Sort(names)
		h := hmac.New(sha1.New, []byte("s3cret"))
		h.Write([]byte(address))
		for _, n := range names {
			h.Write([]byte(n + form.Get(n)))
		}
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	const twilio = "SmsSid=SM1&SmsStatus=delivered&MessageStatus=delivered&To=%2B94712345678&MessageSid=SM1&AccountSid=AC1&From=MOH&ApiVersion=2010-04-01"
	tests := map[string]struct {
		preset, more, query, body, signature, from string
		want                                       []Receipt
		err                                        bool
	}{
		"Twilio":                        {preset: "twilio", body: twilio, signature: sign(twilio), want: []Receipt{{ProviderID: "SM1", State: Delivered}}},
		"Twilio, not signed":            {preset: "twilio", body: twilio, err: true},
		"Twilio, another's signature":   {preset: "twilio", body: twilio, signature: sign(twilio + "&x=1"), err: true},
		"Twilio, failed":                {preset: "twilio", body: "MessageStatus=undelivered&MessageSid=SM1&ErrorCode=30003", signature: sign("MessageStatus=undelivered&MessageSid=SM1&ErrorCode=30003"), want: []Receipt{{ProviderID: "SM1", State: Failed, Code: "30003"}}},
		"Infobip, several":              {preset: "infobip", body: `{"results":[{"messageId":"a","to":"94712345678","status":{"groupId":3,"groupName":"DELIVERED"},"error":{"groupId":0,"name":"NO_ERROR"}},{"messageId":"b","status":{"groupName":"UNDELIVERABLE"},"error":{"name":"EC_ABSENT_SUBSCRIBER"}},{"messageId":"c","status":{"groupName":"NEW_WORD"}}]}`, want: []Receipt{{ProviderID: "a", State: Delivered, Code: "NO_ERROR"}, {ProviderID: "b", State: Failed, Code: "EC_ABSENT_SUBSCRIBER"}}},
		"Infobip, no list":              {preset: "infobip", body: `{"results":{}}`, err: true},
		"Infobip, no JSON":              {preset: "infobip", body: `x`, err: true},
		"Africa's Talking":              {preset: "africastalking", body: "id=ATPid_1&status=Failed&phoneNumber=%2B94712345678&networkCode=41301&failureReason=UserInactive&retryCount=0", want: []Receipt{{ProviderID: "ATPid_1", State: Failed, Code: "UserInactive"}}},
		"Africa's Talking, its network": {preset: "africastalking", more: "receipts: {networks: [198.51.100.0/24]}\n", from: "198.51.100.7:1234", body: "id=1&status=Success", want: []Receipt{{ProviderID: "1", State: Delivered}}},
		"Africa's Talking, another's":   {preset: "africastalking", more: "receipts: {networks: [198.51.100.0/24]}\n", from: "203.0.113.7:1234", body: "id=1&status=Success", err: true},
		"Vonage":                        {preset: "vonage", query: "msisdn=94712345678&to=MOH&network-code=41301&messageId=0A1&price=0.03&status=expired&scts=2611221200&err-code=1", want: []Receipt{{ProviderID: "0A1", State: Expired, Code: "1"}}},
		"Kannel":                        {preset: "kannel", query: "id=0007000000000000002a&st=1&a=ACK%2F", want: []Receipt{{Ref: "0007000000000000002a", State: Delivered, Code: "ACK/"}}},
		"Kannel, no state that it has":  {preset: "kannel", query: "id=0007000000000000002a&st=99"},
		"Kannel, of nothing":            {preset: "kannel", query: "st=1"},
		"signed by HMAC":                {preset: "infobip", more: "receipts: {signature: {kind: hmac-sha256, header: X-Sign, key: \"{key}\"}}\n", body: `{"results":[]}`, err: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := Parse("test", []byte("preset: "+tt.preset+"\n"+secrets+tt.more))
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodPost, "/api/v1/receipts/sms/secret?"+tt.query, nil)
			r.Header.Set("X-Twilio-Signature", tt.signature)
			if tt.from != "" {
				r.RemoteAddr = tt.from
			}
			got, err := s.Receipts(r, []byte(tt.body), address)
			if (err != nil) != tt.err {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzReceipts(f *testing.F) {
	f.Add("infobip", "", `{"results":[{"messageId":"a","status":{"groupName":"DELIVERED"}}]}`)
	f.Add("kannel", "id=0007000000000000002a&st=1", "")
	f.Add("africastalking", "", "id=1&status=Success")
	f.Fuzz(func(t *testing.T, preset, query, body string) {
		s, err := Parse("test", []byte("preset: "+preset+"\n"+secrets))
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(""))
		r.URL.RawQuery = query
		got, err := s.Receipts(r, []byte(body), "")
		for _, x := range got {
			if err != nil || x.ProviderID+x.Ref == "" || x.State < Accepted || x.State > Delivered {
				t.Fatalf("%+v, %v", x, err)
			}
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add("preset: kannel\n" + secrets)
	f.Add(tokenSettings)
	f.Add("kind: smtp\nfrom: a@example.org\nsmtp: {host: mail.example, port: 587, tls: starttls}\n")
	f.Fuzz(func(_ *testing.T, text string) {
		s, err := Parse("test", []byte(text))
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/?id=1&st=1", nil)
		_, _ = s.Receipts(r, []byte("{}"), "")
	})
}

func TestSettingsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":                       {"", "empty"},
		"no such key":                   {"kind: http\nperSeconds: 1", "perSecond"},
		"no such preset":                {"preset: twillio", "twilio"},
		"no rate":                       {"preset: twilio\ncredentials: {sid: a, token: b}", "perSecond"},
		"in clear to elsewhere":         {"preset: kannel\nperSecond: 1\ncredentials: {user: a, password: b}\nrequest: {url: \"http://sms.example/\"}", "https"},
		"a credential that is missing":  {"preset: twilio\nperSecond: 1\ncredentials: {sid: a}", "{token}"},
		"a place there is not":          {strings.Replace(tokenSettings, "{text}", "{name}", 1), "{name}"},
		"no class of that name":         {tokenSettings + "errors: [{status: [400], class: fatal}]", "errors.1.class"},
		"a wrong expression":            {strings.Replace(tokenSettings, "^OK", "(", 1), "success.match"},
		"a credential named as a place": {strings.Replace(tokenSettings, "id: ministry", "to: x, id: ministry", 1), "credentials.to"},
		"mail in clear":                 {"kind: smtp\nperSecond: 1\nfrom: a@example.org\nsmtp: {host: mail.example, port: 25, tls: none}", "smtp.tls"},
		"mail from nobody":              {"kind: smtp\nperSecond: 1\nsmtp: {host: mail.example, port: 587, tls: starttls}", "from"},
		"no kind":                       {"perSecond: 1", "kind"},
	} {
		_, err := Parse("sms", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, preset := range Presets() {
		if _, err := Parse("sms", []byte("preset: "+preset+"\n"+secrets)); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
	}
}
