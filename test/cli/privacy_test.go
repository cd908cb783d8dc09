package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/test/program"
)

// The values that must never be found again, each spelled so that nothing else
// has it.
const (
	markName    = "Zerubbabel Markedname"
	markCode    = "ENROLMARK77"
	markBirth   = "1931-07-19"
	markID      = "QX7788991"
	markPhone   = "8765550177"
	markStreet  = "77 Markedstreet"
	markMail    = "markedmail@example.org"
	markDoctor  = "Dr Markeddoctor"
	markLot     = "LOTMARK9"
	markDigits  = "19310719" // where a number stands
	markProgram = "programmark"
)

func marks() []string {
	return []string{"Zerubbabel", "Markedname", markCode, markBirth, "1931", markID, markPhone, "5550177", "Markedstreet", "markedmail", "Markeddoctor", markLot, markDigits, markProgram}
}

// found are the marks in text, in any letter case and as a URL writes them.
func found(text string) (out []string) {
	lower := strings.ToLower(text)
	for _, mark := range marks() {
		if strings.Contains(lower, strings.ToLower(mark)) || strings.Contains(lower, strings.ToLower(url.QueryEscape(mark))) {
			out = append(out, mark)
		}
	}
	return out
}

// divocRecord is a certification request full of marks.
func divocRecord(change func(recipient, vaccination map[string]any)) []any {
	recipient := map[string]any{
		"name": markName, "dob": markBirth, "gender": "Female", "nationality": "JAM", "identity": "did:Passport:" + markID,
		"contact": []string{"tel:" + markPhone, "mailto:" + markMail}, "address": map[string]any{"addressLine1": markStreet},
	}
	vaccination := map[string]any{"name": "Comirnaty", "batch": "B1", "date": "2021-11-30", "dose": 1, "totalDoses": 2}
	if change != nil {
		change(recipient, vaccination)
	}
	return []any{map[string]any{
		"preEnrollmentCode": markCode, "recipient": recipient, "vaccination": vaccination, "vaccinator": map[string]any{"name": markDoctor},
		"facility": map[string]any{"name": "Falmouth Health Centre", "address": map[string]any{"country": "JAM"}},
	}}
}

// nativeRecord is the same for the native API.
func nativeRecord(change func(event, person, dose map[string]any)) map[string]any {
	person := map[string]any{"name": markName, "birthDate": markBirth, "sex": "female", "identifier": map[string]any{"type": "passport", "value": markID}}
	dose := map[string]any{"product": "Comirnaty", "lot": "B1", "date": "2021-11-30", "dose": 2, "centre": "Falmouth Health Centre", "practitioner": markDoctor}
	event := map[string]any{"enrolmentCode": markCode, "person": person, "contacts": []string{"tel:" + markPhone}, "address": map[string]any{"line1": markStreet}, "vaccination": dose}
	if change != nil {
		change(event, person, dose)
	}
	return map[string]any{"events": []any{event}}
}

// TestNothingPersonalIsLoggedOrRepeated sends marked values by every door, right
// and wrong, and looks for them in logs, metrics and error bodies.
func TestNothingPersonalIsLoggedOrRepeated(t *testing.T) {
	t.Parallel()
	s := demo(t, "--log-level", "debug")
	p := &prober{t: t, s: s, token: s.Token("privacy")}
	p.right()
	p.wrongRecords()
	p.wrongRequests()
	p.wrongLines()
	p.brokenDatabase()
	t.Logf("%d requests were refused", p.errors)
	if p.errors < 400 {
		t.Errorf("only %d requests were refused", p.errors)
	}
	metrics := ask(t, s, http.MethodGet, "/metrics", "", nil, http.StatusOK, nil)
	if !strings.Contains(metrics, `route="GET /divoc/api/v1/certificates/{preEnrollmentCode}"`) {
		t.Error("the metrics name no route")
	}
	s.Stop()
	if !strings.Contains(s.Log(), `"DEBUG"`) || !strings.Contains(s.Log(), "PostgreSQL says") {
		t.Error("the log holds nothing of the debugging level, or nothing of PostgreSQL")
	}
	for what, text := range map[string]string{"metrics": withoutValues(metrics), "output": s.Out()} {
		if m := found(text); m != nil {
			t.Errorf("%s: %v", what, m)
		}
	}
	for line := range strings.Lines(s.Log()) {
		if m := found(withoutTimes(line)); m != nil {
			t.Errorf("the log shows %v: %s", m, line)
		}
	}
}

// withoutValues are metrics by their names and labels alone: seconds and bytes may
// look like a year by chance.
func withoutValues(metrics string) string {
	var out strings.Builder
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "#") {
			line = line[:strings.LastIndexByte(line, ' ')+1] + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// withoutTimes removes what may look like a year by chance.
func withoutTimes(line string) string {
	for _, key := range []string{`"ms":`, `"time":"`, `"address":"`} {
		if i := strings.Index(line, key); i >= 0 {
			end := strings.IndexByte(line[i+len(key):], ',')
			if end < 0 {
				end = len(line) - i - len(key)
			}
			line = line[:i] + line[i+len(key)+end:]
		}
	}
	return line
}

type prober struct {
	t      *testing.T
	s      *program.Server
	token  string
	errors int
}

// send sends a request; the body of an error, or of any answer that is not a
// success, must repeat nothing. It returns the status.
func (p *prober) send(method, path, contentType, body string, header ...string) int {
	p.t.Helper()
	r, err := http.NewRequest(method, p.s.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := *p.s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		p.t.Logf("%s %.60s: %v", method, path, err)
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Errorf("%s %.60s: %v", method, path, err)
	}
	if answer.StatusCode >= 400 {
		p.errors++
		if m := found(string(text)); m != nil {
			p.t.Errorf("%s %.60s with %.80s is answered %d, repeating %v: %.400s", method, path, body, answer.StatusCode, m, text)
		}
	}
	return answer.StatusCode
}

func (p *prober) json(method, path string, body any, want int) {
	p.t.Helper()
	if got := p.send(method, path, "application/json", encode(p.t, body)); got != want {
		p.t.Errorf("%s %s with %.200s: %d, want %d", method, path, encode(p.t, body), got, want)
	}
}

// right are the requests that succeed, and those that contradict them.
func (p *prober) right() {
	const certify, correct = "/divoc/api/v1/certify", "/divoc/api/v1/certificate"
	lot := func(_, dose map[string]any) { dose["batch"] = markLot }
	p.json("POST", certify, divocRecord(nil), 200)
	p.json("POST", certify, divocRecord(lot), 409)
	p.json("PUT", correct, divocRecord(lot), 200)
	p.json("POST", "/api/v1/events", nativeRecord(nil), 200)
	p.json("POST", "/api/v1/events", nativeRecord(func(_, _, d map[string]any) { d["lot"] = markLot }), 409)
	p.json("POST", "/api/v1/corrections", nativeRecord(func(_, _, d map[string]any) { d["lot"] = markLot }), 200)
	for _, path := range []string{"/divoc/api/v1/certificates/", "/certificate/api/certificatePDF/", "/certificate/api/certificateQRCode/"} {
		if got := p.send("GET", path+markCode, "", ""); got != 200 {
			p.t.Errorf("%s: %d", path, got)
		}
	}
	var of struct {
		Certificates []struct{ ID, Status string }
	}
	ask(p.t, p.s, "POST", "/api/v1/certificates/search", p.token, map[string]string{"enrolmentCode": markCode}, 200, &of)
	for _, c := range of.Certificates {
		code := ask(p.t, p.s, "GET", "/api/v1/certificates/"+c.ID+"/code", p.token, nil, 200, nil)
		p.json("POST", "/api/v1/verify", map[string]string{"data": code}, 200)
		p.send("POST", "/verify", "application/x-www-form-urlencoded", "text="+url.QueryEscape(code))
		p.send("GET", "/demo/certificates/"+c.ID+"/print", "", "")
		p.send("GET", "/api/v1/certificates/"+c.ID+"/pdf", "", "")
		for _, reason := range []string{markName + "\x00", markName + "\x1f", strings.Repeat(markName, 20)} {
			body := encode(p.t, map[string]string{"reason": reason})
			if got := p.send("POST", "/api/v1/certificates/"+c.ID+"/revocation", "application/json", body); got != http.StatusUnprocessableEntity {
				p.t.Errorf("the reason %.40q is answered %d", reason, got)
			}
		}
	}
	p.send("DELETE", "/divoc/api/v1/certificates/"+markCode+"?allDoses=true", "", "")
	p.json("POST", certify, divocRecord(lot), 410)
	p.json("PUT", correct, divocRecord(lot), 410)
}

// wrongRecords have a mark where it is a fault.
func (p *prober) wrongRecords() {
	for _, field := range []string{"name", "dob", "gender", "nationality", "identity", "contact", "address"} {
		for _, v := range []any{markName + "\x00", markDigits, 19310719, 1931.07191, []string{markName}, map[string]any{"value": markName}, strings.Repeat(markName, 200), []any{markPhone, markMail + "@" + markMail}} {
			status := p.send("POST", "/divoc/api/v3/certify", "application/json", encode(p.t, divocRecord(func(r, d map[string]any) { r[field], d["dose"] = v, 3 })))
			p.sane("recipient."+field, v, status)
		}
	}
	for _, field := range []string{"name", "batch", "manufacturer", "date", "effectiveStart", "dose", "totalDoses"} {
		for _, v := range []any{markName, 19310719, markBirth + "T99:00:00Z", []string{markName}} {
			status := p.send("PUT", "/divoc/api/v1/certificate", "application/json", encode(p.t, divocRecord(func(_, d map[string]any) { d[field] = v })))
			p.sane("vaccination."+field, v, status)
		}
	}
	for _, field := range []string{"name", "birthDate", "sex", "nationality", "identifier", "lot", "product", "date", "dose", "country", "enrolmentCode", "contacts", "address", "programme", "vaccination", "person"} {
		for _, v := range []any{markProgram, markName, 19310719, 1931.07191, []string{markName}, map[string]any{"value": markName, "type": markName}} {
			status := p.send("POST", "/api/v1/events", "application/json", encode(p.t, nativeRecord(func(e, person, dose map[string]any) {
				dose["dose"] = 4
				for _, m := range []map[string]any{dose, person, e} {
					if _, ok := m[field]; ok || field == "programme" || field == "nationality" {
						m[field] = v
						break
					}
				}
			})))
			p.sane(field, v, status)
		}
	}
}

// sane: whatever is sent, no fault is the server's.
func (p *prober) sane(field string, v any, status int) {
	p.t.Helper()
	if status >= 500 || status == 0 {
		p.t.Errorf("%s = %.60v is answered %d", field, v, status)
	}
}

// wrongRequests are no records at all.
func (p *prober) wrongRequests() {
	bodies := []string{
		`[{"recipient": {"name": "` + markName + `"`, `{"` + markName, markName, `"` + markName + `"`, `[` + markDigits + `]`, `[{"vaccination": {"dose": ` + markDigits + markName + `}}]`,
		`{"events": "` + markName + `"}`, `{"events": [` + markDigits + `]}`, `{"data": ` + markDigits + `}`, `{"data": "` + markName + `"}`, `{"enrolmentCode": [` + markDigits + `]}`,
		`{"reason": "` + markName + strings.Repeat("x", 300) + `"}`, `{"reason": "` + markName + `\u0000"}`, `{"reason": "` + markName + `\u001f"}`, "\xff\xfe" + markName, "",
		`[` + strings.Repeat(`{"name":"`+markName+`"},`, 400_000) + `{}]`, // too large
	}
	id := "AAAAAAAAAAAAAAAAAAAAAAAA"
	for _, path := range []string{
		"/divoc/api/v1/certify", "/api/v1/events", "/api/v1/corrections", "/api/v1/certificates/search", "/api/v1/certificates/" + id + "/revocation",
		"/api/v1/verify", "/divoc/api/v1/certificate/revoked",
	} {
		for _, body := range bodies {
			p.sane(path, body, p.send("POST", path, "application/json", body))
		}
		p.sane(path, "type", p.send("POST", path, markName, markName))
		p.sane(path, "encoding", p.send("POST", path, "application/json", markName, "Content-Encoding", markName))
	}
	m := url.PathEscape(markName)
	for _, path := range []string{
		"/" + m, "/verify/" + m, "/divoc/api/v1/certificates/" + m, "/divoc/api/v1/certificates/" + m + "/" + m, "/certificate/api/certificatePDF/" + m, "/certificate/api/certificateQRCode/" + m,
		"/api/v1/certificates/" + m, "/api/v1/certificates/" + m + "/pdf", "/api/v1/certificates/" + m + "/" + m, "/status/" + m + "/1", "/status/revocation/" + m, "/status/revocation/99999999999",
		"/demo/certificates/" + m + "/pdf", "/assets/" + m, "/.well-known/" + m, "/%00" + m, "/a//" + m, "/x/../" + m,
		"/divoc/api/v1/certificates/" + markCode + "?programId=" + m, "/certificate/api/certificatePDF/" + markCode + "?lang=" + m, "/?lang=" + m, "/verify?lang=" + m + "&text=" + m, "/openapi.json?" + m, "/verify?;" + m,
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "MARKEDNAME"} {
			p.sane(path, method, p.send(method, path, "application/json", `{"name": "`+markName+`"}`))
		}
	}
	p.send("DELETE", "/divoc/api/v1/certificates/"+markCode+"?doses="+m, "", "")
	for _, header := range []string{"Authorization", "Accept-Language", "User-Agent", "Cookie", "Accept", "If-None-Match", "X-Forwarded-For", "Origin", "Sec-Fetch-Site", "Range"} {
		for _, path := range []string{"/", "/verify", "/api/v1/certificates/" + id, "/divoc/api/v1/certificates/" + markCode} {
			p.sane(path, header, p.send("GET", path, "", "", header, "Bearer "+markName))
			p.sane(path, header, p.send("POST", path, "application/x-www-form-urlencoded", "name="+m, header, markName))
		}
	}
	p.send("GET", "/", "", "", "X-Long", strings.Repeat(markName, 3000))
	form := url.Values{"name": {markName}, "birthDate-day": {"77"}, "birthDate-month": {markName}, "birthDate-year": {markDigits}, "enrolmentCode": {markCode}, "product": {markProgram + "/" + markName}, "dose": {markName}}
	for _, path := range []string{"/", "/issue", "/verify"} {
		if got := p.send("POST", path, "application/x-www-form-urlencoded", form.Encode()); got >= 500 {
			p.t.Errorf("the form at %s: %d", path, got)
		}
	}
}

// wrongLines are not even HTTP.
func (p *prober) wrongLines() {
	for _, text := range []string{
		"GET /" + markCode + " HTTP/1.1\r\nHost: x\r\nBad " + markCode + "\r\n\r\n", markCode + "\r\n\r\n", "GET /" + markCode + " HTTP/9.9\r\n\r\n",
		"POST /divoc/api/v1/certify HTTP/1.1\r\nHost: x\r\nContent-Length: " + markDigits + markName + "\r\n\r\n",
		"POST /divoc/api/v1/certify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ" + markCode + "\r\n",
		"GET / HTTP/1.1\r\nHost: " + markCode + "@\r\n\r\n", "\x16\x03\x01" + markCode,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.s.URL, "http://"))
		if err != nil {
			p.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.WriteString(conn, text)
		answer, _ := io.ReadAll(conn) // until it closes, or the deadline
		_ = conn.Close()
		if m := found(string(answer)); m != nil {
			p.t.Errorf("%q is answered with %v: %s", text, m, answer)
		}
	}
}

// brokenDatabase lets PostgreSQL refuse a row, which it then describes, and
// crash in the midst of requests.
func (p *prober) brokenDatabase() {
	ctx := p.t.Context()
	address, err := pgserver.Attach(ctx, filepath.Join(p.s.Data, "postgres"))
	if err != nil {
		p.t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "ALTER TABLE certificate ADD CONSTRAINT no_seventh CHECK (dose <> 7)"); err != nil {
		p.t.Fatal(err)
	}
	_ = conn.Close(ctx)
	seventh := encode(p.t, divocRecord(func(_, d map[string]any) { d["dose"] = 7 }))
	if got := p.send("POST", "/divoc/api/v1/certify", "application/json", seventh); got != http.StatusInternalServerError {
		p.t.Errorf("a row that PostgreSQL refuses is answered %d", got)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 60 {
			p.send("POST", "/divoc/api/v1/certify", "application/json", encode(p.t, divocRecord(func(_, d map[string]any) { d["dose"] = 8; d["batch"] = fmt.Sprint(i) })))
		}
	}()
	time.Sleep(50 * time.Millisecond)
	for _, pid := range p.s.Backends() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		break
	}
	<-done
	p.s.AwaitReady()
}
