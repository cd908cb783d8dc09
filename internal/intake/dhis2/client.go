package dhis2

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/intake/remote"
	"github.com/opendivoc/divoc/vaccination"
)

// Client asks one DHIS2. It is safe for concurrent use. Its errors are those of
// [remote.Client] and [vaccination.Forbidden] where one record is not for our
// user to see.
type Client struct {
	config *Config
	remote *remote.Client
	room   chan struct{} // as many requests at once as have a place in it

	mu  sync.Mutex
	api *api // nil until the version is known
}

// NewClient returns a client that asks at most parallel things at once and asks
// again after each of patience when the server is not there.
func NewClient(c *Config, transport http.RoundTripper, parallel int, patience ...time.Duration) *Client {
	credentials := "ApiToken " + c.Token
	if c.Token == "" {
		credentials = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
	}
	r := remote.New("DHIS2", http.Header{"Authorization": {credentials}}, transport, patience...)
	r.Refused = refused
	return &Client{config: c, remote: r, room: make(chan struct{}, parallel)}
}

// api are the words of the server's version.
type api struct {
	entities, events           string // paths
	entityKey, listKey         string // names of a person's id and of the list
	ids, sep                   string // parameter that asks for ids, and what is between them
	mode                       string
	after, before, order       string
	updated, occurred, planned string
}

func words(minor int) *api {
	switch {
	case minor < 36:
		return &api{
			entities: "trackedEntityInstances", events: "events", entityKey: "trackedEntityInstance", listKey: "trackedEntityInstances",
			ids: "trackedEntityInstance", sep: ";", mode: "ouMode", after: "lastUpdatedStartDate", before: "lastUpdatedEndDate",
			order: "lastUpdated:asc", updated: "lastUpdated", occurred: "eventDate", planned: "dueDate",
		}
	default:
		a := &api{
			entities: "tracker/trackedEntities", events: "tracker/events", entityKey: "trackedEntity", listKey: "trackedEntities",
			ids: "trackedEntities", sep: ",", mode: "orgUnitMode", after: "updatedAfter", before: "updatedBefore",
			order: "updatedAt:asc", updated: "updatedAt", occurred: "occurredAt", planned: "scheduledAt",
		}
		if minor < 41 {
			a.ids, a.sep, a.mode = "trackedEntity", ";", "ouMode"
		}
		return a
	}
}

// Info is what a server says of itself.
type Info struct {
	Version string
	// Now is the server's clock as it writes it: without a zone, here as UTC.
	Now  time.Time
	Zone *time.Location // UTC where the server does not say
}

// stampForm is how timestamps are written, without a zone.
const stampForm = "2006-01-02T15:04:05.000"

// stamp reads a timestamp as the server's clock showed it, here as UTC.
func stamp(text string) (time.Time, error) {
	text = strings.TrimSuffix(text, "Z")
	if i := strings.LastIndexByte(text, '+'); i > 10 {
		text = text[:i]
	}
	return time.Parse("2006-01-02T15:04:05.999999999", text)
}

// Info asks the server for its version and its clock.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var v struct{ Version, ServerDate, ServerTimeZoneID string }
	if err := c.get(ctx, "system/info", nil, &v); err != nil {
		return Info{}, err
	}
	now, err := stamp(v.ServerDate)
	if err != nil {
		return Info{}, strange("its system/info has no serverDate")
	}
	minor, err := minorOf(v.Version)
	if err != nil {
		return Info{}, err
	}
	i := Info{Version: v.Version, Now: now, Zone: zone(v.ServerTimeZoneID)}
	c.mu.Lock()
	c.api = words(minor)
	c.mu.Unlock()
	return i, nil
}

func zone(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil && name != "" {
		return z
	}
	return time.UTC
}

// minorOf reads "41" out of "2.41.0-SNAPSHOT", or out of "41.0" and later forms.
func minorOf(version string) (int, error) {
	parts := strings.FieldsFunc(version, func(r rune) bool { return r == '.' || r == '-' })
	if len(parts) > 1 && parts[0] == "2" {
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if n, err := strconv.Atoi(parts[0]); err == nil && n >= 20 {
			return n, nil
		}
	}
	return 0, strange("its system/info has no version that can be read")
}

// words are those of the server's version, asked for once.
func (c *Client) words(ctx context.Context) (*api, error) {
	c.mu.Lock()
	a := c.api
	c.mu.Unlock()
	if a == nil {
		if _, err := c.Info(ctx); err != nil {
			return nil, err
		}
		c.mu.Lock()
		a = c.api
		c.mu.Unlock()
	}
	return a, nil
}

func strange(what string) error {
	return vaccination.Errorf(vaccination.Conflict, "this server does not answer as DHIS2 does: %s", what)
}

// get asks for JSON.
func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	return c.ask(ctx, http.MethodGet, path, q, nil, into)
}

func (c *Client) ask(ctx context.Context, method, path string, q url.Values, body []byte, into any) error {
	select {
	case c.room <- struct{}{}:
		defer func() { <-c.room }()
	case <-ctx.Done():
		return vaccination.Errorf(vaccination.Unavailable, "DHIS2 was not asked: others were before us")
	}
	address := c.config.URL + "/api/" + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	return c.remote.JSON(ctx, method, address, body, into)
}

// refused says what DHIS2 means by a refusal: a record that is another's to see
// is no wrong password, and an import's report is an answer.
func refused(status int, body []byte) (answer bool, err error) {
	var v struct {
		Message, ErrorCode string
		ValidationReport   json.RawMessage
	}
	_ = json.Unmarshal(body, &v) // a page of a proxy says nothing more
	switch {
	case v.ErrorCode == "E1006" || v.Message == "OWNERSHIP_ACCESS_DENIED" || v.Message == "PROGRAM_ACCESS_CLOSED":
		return false, vaccination.Errorf(vaccination.Forbidden, "DHIS2's user may not see this record")
	case status == http.StatusConflict && v.ValidationReport != nil:
		return true, nil
	case status == http.StatusConflict:
		return false, vaccination.Errorf(vaccination.Conflict, "DHIS2 refuses the question (409): a limit of the server is lower than what we ask for")
	}
	return false, nil
}
