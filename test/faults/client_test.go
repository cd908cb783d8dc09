package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

// record is what a client knows of one dose of one person: what it last sent,
// and what was acknowledged.
type record struct {
	code    string
	dose    int
	lot     int // content of the current version
	version int
	id      string
	revoked bool
	old     []string // ids of earlier versions, none of which stands any more
}

// client sends records, corrections and revocations one after the other. What
// is not answered is sent again until it is, as a source system does.
type client struct {
	t      *testing.T
	name   string
	server func() *program.Server
	native bool // the native API; DIVOC's otherwise
	token  string
	random *rand.Rand

	mu      sync.Mutex
	records []*record
	acked   int // answers 200
	lost    int // requests without one, sent again
	repeats int // answers that said the first sending had been done
}

// run works until stop is closed.
func (c *client) run(stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(c.random.IntN(30)) * time.Millisecond):
		}
		var r *record
		if len(c.records) > 0 {
			r = c.records[c.random.IntN(len(c.records))]
		}
		switch n := c.random.IntN(10); {
		case r == nil || n < 4:
			c.certify(i)
		case r.revoked && n < 6: // changed content after a revocation is a new certificate
			c.send(http.MethodPost, "issued", r, r.lot+1)
		case r.revoked:
		case n < 8:
			c.send(http.MethodPut, "corrected", r, r.lot+1)
		case n < 9:
			c.revoke(r)
		default:
			c.again(r)
		}
	}
}

// certify sends one to three new records in one request.
func (c *client) certify(i int) {
	var fresh []*record
	for dose := range 1 + c.random.IntN(3) {
		fresh = append(fresh, &record{code: fmt.Sprintf("%s-%d", c.name, i), dose: dose + 1, lot: 1})
	}
	results, sent := c.until(http.MethodPost, fresh)
	for k, r := range fresh {
		c.expect(results[k], sent, "issued", r, 1)
		r.id, r.version = results[k].ID, results[k].Version
	}
	c.mu.Lock()
	c.records = append(c.records, fresh...)
	c.mu.Unlock()
}

// send sends changed content for one record.
func (c *client) send(method, outcome string, r *record, lot int) {
	r.lot = lot
	results, sent := c.until(method, []*record{r})
	c.expect(results[0], sent, outcome, r, r.version+1)
	r.old = append(r.old, r.id)
	r.id, r.version, r.revoked = results[0].ID, results[0].Version, false
}

// again sends what was acknowledged once more.
func (c *client) again(r *record) {
	results, _ := c.until(http.MethodPost, []*record{r})
	if results[0].Outcome != "unchanged" || results[0].ID != r.id {
		c.t.Errorf("%s dose %d again = %+v, want %s unchanged", r.code, r.dose, results[0], r.id)
	}
}

// expect checks an answer: what was asked, or, when the request was sent more
// than once, that an earlier sending had done it.
func (c *client) expect(got result, sent int, outcome string, r *record, version int) {
	if got.Outcome == "unchanged" && sent > 1 {
		c.mu.Lock()
		c.repeats++
		c.mu.Unlock()
	} else if got.Outcome != outcome {
		c.t.Errorf("%s dose %d: %s after %d sendings, want %s", r.code, r.dose, got.Outcome, sent, outcome)
	}
	if got.Version != version {
		c.t.Errorf("%s dose %d: version %d, want %d", r.code, r.dose, got.Version, version)
	}
	if got.ID == "" || got.ID == r.id {
		c.t.Errorf("%s dose %d: id %q, before %q", r.code, r.dose, got.ID, r.id)
	}
}

// revoke revokes one record; by DIVOC's rule, all doses from it upwards.
func (c *client) revoke(r *record) {
	if c.native {
		c.untilOK(http.MethodPost, "/api/v1/certificates/"+r.id+"/revocation", "{}")
		r.revoked = true
		return
	}
	path := "/divoc/api/v1/certificates/" + r.code + "?"
	var gone []*record
	for _, o := range c.records {
		if o.code == r.code && o.dose >= r.dose {
			path += fmt.Sprintf("doses=%d&", o.dose)
			gone = append(gone, o)
		}
	}
	c.untilOK(http.MethodDelete, path, "")
	for _, o := range gone {
		o.revoked = true
	}
}

// result is what an answer says of one record.
type result struct {
	Outcome, ID string
	Version     int
}

// until sends records until the answer is 200 and returns what it says, and how
// often it was sent.
func (c *client) until(method string, records []*record) ([]result, int) {
	path, body := c.request(method, records)
	answer, sent := c.untilOK(method, path, body)
	var both struct {
		Results []struct {
			Outcome, Certificate string
			Version              int
		}
		Certificates []struct {
			Outcome, CertificateID string
			Version                int
		}
	}
	if err := json.Unmarshal([]byte(answer), &both); err != nil {
		c.t.Errorf("answer %s: %v", answer, err)
	}
	out := make([]result, len(records))
	for i := range out {
		if c.native && i < len(both.Results) {
			out[i] = result{both.Results[i].Outcome, both.Results[i].Certificate, both.Results[i].Version}
		} else if i < len(both.Certificates) {
			out[i] = result{both.Certificates[i].Outcome, both.Certificates[i].CertificateID, both.Certificates[i].Version}
		}
	}
	return out, sent
}

// untilOK sends a request until it is answered 200. No answer, 500 and above
// count as lost; any other answer is a fault of the server.
func (c *client) untilOK(method, path, body string) (string, int) {
	if c.native && method == http.MethodPut { // corrections are POSTed there
		method = http.MethodPost
	}
	for sent := 1; ; sent++ {
		status, answer, err := c.server().Do(method, path, c.token, body)
		c.mu.Lock()
		if err == nil && status == http.StatusOK {
			c.acked++
		} else {
			c.lost++
		}
		c.mu.Unlock()
		switch {
		case err == nil && status == http.StatusOK:
			return answer, sent
		case err == nil && status != http.StatusServiceUnavailable:
			c.t.Errorf("%s %s: %d %s", method, path, status, answer)
			if status < 500 {
				return answer, sent
			}
		case sent > 3000:
			c.t.Errorf("%s %s: given up: %d %v", method, path, status, err)
			return answer, sent
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// request is path and body of a request that certifies or corrects records.
func (c *client) request(method string, records []*record) (path, body string) {
	if c.native {
		var in struct {
			Events []map[string]any `json:"events"`
		}
		for _, r := range records {
			in.Events = append(in.Events, map[string]any{
				"enrolmentCode": r.code,
				"person":        map[string]any{"name": "Kemar Brown", "birthDate": "1990-02-03", "sex": "male"},
				"contacts":      []string{"tel:8765550142"},
				"vaccination":   map[string]any{"product": "Comirnaty", "lot": fmt.Sprint("L", r.lot), "date": "2021-11-30", "dose": r.dose, "centre": "Falmouth Health Centre"},
			})
		}
		if method == http.MethodPut {
			return "/api/v1/corrections", encode(in)
		}
		return "/api/v1/events", encode(in)
	}
	var in []map[string]any
	for _, r := range records {
		in = append(in, map[string]any{
			"preEnrollmentCode": r.code,
			"recipient":         map[string]any{"name": "Shanice Grant", "dob": "1985-06-07", "gender": "Female", "nationality": "JAM", "identity": "123456789", "contact": []string{"tel:8765550143"}},
			"vaccination":       map[string]any{"name": "Comirnaty", "batch": fmt.Sprint("L", r.lot), "date": "2021-11-30", "dose": r.dose, "totalDoses": 3},
			"vaccinator":        map[string]any{"name": "N. Brown"},
			"facility":          map[string]any{"name": "Falmouth Health Centre", "address": map[string]any{"country": "JAM"}},
		})
	}
	if method == http.MethodPut {
		return "/divoc/api/v1/certificate", encode(in)
	}
	return "/divoc/api/v1/certify", encode(in)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return string(b)
}
