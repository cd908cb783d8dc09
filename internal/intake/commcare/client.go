package commcare

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/intake/remote"
)

// pageSize is how many cases are asked for at once (the API gives at most 5000).
const pageSize = 1000

// Client asks one project of CommCare HQ through the case API, version 2. Its
// errors are those of [remote.Client].
type Client struct {
	config *Config
	remote *remote.Client
}

// NewClient returns a client that asks again after each of patience when the
// server is not there.
func NewClient(c *Config, transport http.RoundTripper, patience ...time.Duration) *Client {
	header := http.Header{"Authorization": {"ApiKey " + c.User + ":" + c.APIKey}}
	return &Client{config: c, remote: remote.New("CommCare HQ", header, transport, patience...)}
}

func (c *Client) address(path string, q url.Values) string {
	a := c.config.URL + "/a/" + url.PathEscape(c.config.Domain) + "/api/case/v2/" + path
	if len(q) > 0 {
		a += "?" + q.Encode()
	}
	return a
}

// Listed is one case of a list: as the server wrote it, and what a poll looks at.
type Listed struct {
	ID      string
	Indexed time.Time // when the server made it visible to the list, which is its order
	Changed time.Time // when somebody changed it
	Raw     json.RawMessage
}

// Page is one page of a list, the oldest first.
type Page struct {
	Cases []Listed
	Next  string // address of the next page, "" at the end
}

// First asks for the cases of one type that were indexed at or after a time.
func (c *Client) First(ctx context.Context, caseType string, since time.Time, limit int) (Page, error) {
	q := url.Values{"case_type": {caseType}, "limit": {strconv.Itoa(limit)}}
	if !since.IsZero() {
		q.Set("indexed_on.gte", since.UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	return c.Page(ctx, c.address("", q))
}

// Page asks for the page at an address that a page before it named.
func (c *Client) Page(ctx context.Context, address string) (Page, error) {
	var answer struct {
		Next  *string           `json:"next"`
		Cases []json.RawMessage `json:"cases"`
	}
	if err := c.remote.JSON(ctx, http.MethodGet, address, nil, &answer); err != nil {
		return Page{}, err
	}
	p := Page{Cases: make([]Listed, len(answer.Cases))}
	for i, raw := range answer.Cases {
		var v struct {
			ID      string `json:"case_id"`
			Indexed string `json:"indexed_on"`
			Changed string `json:"server_last_modified"`
		}
		if err := json.Unmarshal(raw, &v); err != nil || v.ID == "" {
			return Page{}, c.remote.Strange("a case of a list has no case_id")
		}
		p.Cases[i] = Listed{ID: v.ID, Indexed: parseTime(v.Indexed), Changed: parseTime(v.Changed), Raw: raw}
		if p.Cases[i].Indexed.IsZero() {
			return Page{}, c.remote.Strange("a case of a list does not say when it was indexed")
		}
	}
	if answer.Next != nil && *answer.Next != "" {
		next, err := c.remote.Next(address, *answer.Next)
		if err != nil {
			return Page{}, err
		}
		p.Next = next
	}
	return p, nil
}

// maxIDs is how many cases are fetched at once.
const maxIDs = 100

// Fetch returns cases by id, and the ids that the server does not have. It never
// returns a case that was not asked for.
func (c *Client) Fetch(ctx context.Context, ids []string) (cases map[string]json.RawMessage, gone []string, err error) {
	cases = map[string]json.RawMessage{}
	for part := range slices.Chunk(ids, maxIDs) {
		body, err := json.Marshal(map[string]any{"case_ids": part})
		if err != nil {
			return nil, nil, err
		}
		var answer struct {
			Cases []json.RawMessage `json:"cases"`
		}
		if err := c.remote.JSON(ctx, http.MethodPost, c.address("bulk-fetch/", nil), body, &answer); err != nil {
			return nil, nil, err
		}
		for _, raw := range answer.Cases {
			var v struct {
				ID    string `json:"case_id"`
				Error string `json:"error"`
			}
			if err := json.Unmarshal(raw, &v); err != nil {
				return nil, nil, c.remote.Strange("a case is no object")
			}
			switch {
			case !slices.Contains(part, v.ID):
				return nil, nil, c.remote.Strange("it sent a case that was not asked for")
			case v.Error == notFound:
				gone = append(gone, v.ID)
			case v.Error == "":
				cases[v.ID] = raw
			default:
				return nil, nil, c.remote.Strange("a case comes with an error that is not known")
			}
		}
	}
	return cases, gone, nil
}
