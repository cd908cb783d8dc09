// Package remote asks the servers of other systems for JSON, with bounds on what
// they may answer and patience where they are not there.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Limits of one request.
const (
	timeout   = time.Minute
	maxAnswer = 32 << 20         // bytes: some thousand records
	maxWait   = 30 * time.Second // that a server's Retry-After may make one call wait
)

// Client asks one server. It is safe for concurrent use.
//
// Its errors are [vaccination.Unauthorized] where the server refuses the
// credentials: whoever gets it stops asking; [vaccination.NotFound];
// [vaccination.Unavailable] where asking again later may help; and
// [vaccination.Conflict] where the answer is not one of such a server. None
// repeats an address or what the server said, which may name people.
type Client struct {
	// Name is what errors call the server: "CommCare HQ".
	Name string
	// Header holds the credentials, sent with each request.
	Header http.Header
	// Patience are the waits before asking again when the server is not there.
	Patience []time.Duration
	// Refused, where set, looks first at an answer that is no success: it is
	// the answer all the same, or an error that says more than its status; nil
	// leaves it to the status.
	Refused func(status int, body []byte) (answer bool, err error)

	http http.Client
}

// Patience are the waits for a poll: it can wait, and the next one comes anyway.
func Patience() []time.Duration {
	return []time.Duration{time.Second, 4 * time.Second, 16 * time.Second}
}

// New returns a client. transport nil is the default one.
func New(name string, header http.Header, transport http.RoundTripper, patience ...time.Duration) *Client {
	return &Client{Name: name, Header: header, Patience: patience, http: http.Client{
		Transport: transport,
		Timeout:   timeout,
		// A redirect could take the credentials elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// JSON asks and reads the answer into into, which may be nil.
func (c *Client) JSON(ctx context.Context, method, address string, body []byte, into any) error {
	for try := 0; ; try++ {
		wait, err := c.once(ctx, method, address, body, into)
		if vaccination.ErrorCode(err) != vaccination.Unavailable || try >= len(c.Patience) {
			return err
		}
		if wait > maxWait {
			return err // the next poll comes later than that
		}
		select {
		case <-time.After(max(wait, c.Patience[try])):
		case <-ctx.Done():
			return err
		}
	}
}

// once asks one time. wait is how long the server asks to be left alone.
func (c *Client) once(ctx context.Context, method, address string, body []byte, into any) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, vaccination.Errorf(vaccination.Invalid, "the source's url is no address")
	}
	for name, values := range c.Header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := c.http.Do(r)
	if err != nil {
		return 0, vaccination.Errorf(vaccination.Unavailable, "%s cannot be reached", c.Name)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, vaccination.Errorf(vaccination.Unavailable, "the answer of %s broke off", c.Name)
	case len(data) > maxAnswer:
		return 0, c.Strange(fmt.Sprintf("an answer has more than %d MB", maxAnswer>>20))
	}
	if a.StatusCode/100 != 2 {
		answer, err := false, error(nil)
		if c.Refused != nil {
			answer, err = c.Refused(a.StatusCode, data)
		}
		if err == nil && !answer {
			err = c.refusal(a.StatusCode)
		}
		if err != nil {
			return retryAfter(a.Header.Get("Retry-After")), err
		}
	}
	if into != nil && json.Unmarshal(data, into) != nil {
		return 0, c.Strange("an answer is no JSON of the kind asked for") // a proxy's page, mostly
	}
	return 0, nil
}

// Strange is the error for an answer that such a server does not give.
func (c *Client) Strange(what string) error {
	return vaccination.Errorf(vaccination.Conflict, "this server does not answer as %s does: %s", c.Name, what)
}

func (c *Client) refusal(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return vaccination.Errorf(vaccination.Unauthorized, "%s refuses our credentials (%d): give the source others, or their user more rights", c.Name, status)
	case status == http.StatusNotFound, status == http.StatusGone:
		return vaccination.Errorf(vaccination.NotFound, "%s has no such thing", c.Name)
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return vaccination.Errorf(vaccination.Unavailable, "%s is not able to answer just now (%d)", c.Name, status)
	}
	return c.Strange(fmt.Sprintf("it answers with status %d", status))
}

// retryAfter reads the header of that name: seconds, which some servers give with
// a fraction. Dates are not read.
func retryAfter(value string) time.Duration {
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || !(seconds > 0) || seconds > 1e6 {
		return 0
	}
	return time.Duration(math.Ceil(seconds)) * time.Second
}

// Next resolves the address of a list's next page, as the server gave it, against
// that of this one. One on another server is refused: our credentials are not for
// it.
func (c *Client) Next(page, next string) (string, error) {
	at, err := url.Parse(page)
	if err != nil {
		return "", vaccination.Errorf(vaccination.Invalid, "the source's url is no address")
	}
	to, err := at.Parse(next)
	if err != nil || to.Scheme != at.Scheme || !strings.EqualFold(to.Host, at.Host) || to.User != nil {
		return "", c.Strange("the next page of a list is on another server")
	}
	return to.String(), nil
}
