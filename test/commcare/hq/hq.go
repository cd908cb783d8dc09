// Package hq replays what CommCare HQ documents of its forwarders and of its case
// API, version 2. It is not CommCare HQ: it keeps cases in memory, knows no forms
// and no applications, and has faults that a test can switch on.
//
// What it follows, from the public documentation and constants of CommCare HQ: a
// forwarder posts one whole case as JSON, made when it is sent and not when the
// case changed; which statuses are tried again, how often and when
// ([Forwarder]); that several workers send in no order; the list's order by
// indexed_on, its cursor, its limits and its 429.
package hq

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Case is a case of the project.
type Case struct {
	ID         string
	Type       string
	Name       string
	Properties map[string]string
	Parent     string // id of the case it belongs to
	ParentType string
	Closed     bool
	Changed    time.Time // server_date_modified
	Indexed    time.Time // when the list shows it
	deleted    bool
	hidden     bool
}

// Options say what the server is.
type Options struct {
	Domain, User, APIKey string
	Now                  func() time.Time
	IndexLag             time.Duration // by which the list is behind the cases
}

// Server is the replay. It is safe for concurrent use.
type Server struct {
	Options
	mu    sync.Mutex
	cases map[string]*Case
	queue []*record
	// Faults, by the number of the next requests that get them.
	refuse map[int]int // status → how many
	asked  int
}

// New returns a server without cases.
func New(o Options) *Server {
	return &Server{Options: o, cases: map[string]*Case{}, refuse: map[int]int{}}
}

// Put creates or changes a case, as a submitted form does, and queues it to be
// forwarded. Properties that are not given stay.
func (s *Server) Put(c Case) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now().UTC()
	old := s.cases[c.ID]
	if old == nil {
		old = &Case{ID: c.ID, Type: c.Type, Parent: c.Parent, ParentType: c.ParentType, Properties: map[string]string{}}
		s.cases[c.ID] = old
	}
	if c.Name != "" {
		old.Name = c.Name
	}
	maps.Copy(old.Properties, c.Properties)
	old.Closed, old.Changed, old.Indexed = c.Closed, now, now.Add(s.IndexLag)
	s.queue = append(s.queue, &record{id: c.ID, due: now})
}

// Delete removes a case, which forwards nothing.
func (s *Server) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cases[id]; c != nil {
		c.deleted = true
	}
}

// Restore brings a case back that was deleted.
func (s *Server) Restore(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cases[id]; c != nil {
		c.deleted = false
	}
}

// Hide takes a case out of the lists; asked for by its id, it is there.
func (s *Server) Hide(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cases[id]; c != nil {
		c.hidden = true
	}
}

// Reindex moves every case to the end of the list without changing it, as
// maintenance does.
func (s *Server) Reindex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cases {
		c.Indexed = s.Now().UTC()
	}
}

// Refuse answers the next n questions with a status.
func (s *Server) Refuse(status, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[status] = n
}

// Asked is how many questions the server got.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Start serves on loopback until stop.
func (s *Server) Start() (address string, stop func()) {
	srv := httptest.NewServer(s)
	return srv.URL, srv.Close
}

const stamp = "2006-01-02T15:04:05.000000Z"

// forwarded is a case as a forwarder posts it.
func (c *Case) forwarded(domain string) []byte {
	properties := map[string]any{"case_type": c.Type, "case_name": c.Name, "owner_id": "owner-1", "external_id": nil}
	for k, v := range c.Properties {
		properties[k] = v
	}
	return marshal(map[string]any{
		"case_id": c.ID, "domain": domain, "closed": c.Closed, "user_id": "user-1", "version": "2.0", "xform_ids": []string{"form-1"},
		"date_modified": c.Changed.Format(stamp), "server_date_modified": c.Changed.Format(stamp), "properties": properties, "indices": c.indices(),
	})
}

// listed is a case as the API lists it.
func (c *Case) listed(domain string) json.RawMessage {
	return marshal(map[string]any{
		"domain": domain, "case_id": c.ID, "case_type": c.Type, "case_name": c.Name, "external_id": nil, "owner_id": "owner-1", "closed": c.Closed,
		"last_modified": c.Changed.Format(stamp), "server_last_modified": c.Changed.Format(stamp), "indexed_on": c.Indexed.Format(stamp),
		"properties": c.Properties, "indices": c.indices(),
	})
}

func (c *Case) indices() map[string]any {
	if c.Parent == "" {
		return map[string]any{}
	}
	return map[string]any{"parent": map[string]string{"case_id": c.Parent, "case_type": c.ParentType, "relationship": "child"}}
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// ServeHTTP is the case API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	for status, n := range s.refuse {
		if n > 0 {
			s.refuse[status]--
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "0.4")
			}
			http.Error(w, `{"error": "refused by the test"}`, status)
			return
		}
	}
	if r.Header.Get("Authorization") != "ApiKey "+s.User+":"+s.APIKey {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/a/"+s.Domain+"/api/case/v2/")
	switch {
	case ok && r.Method == http.MethodGet && path == "":
		s.list(w, r)
	case ok && r.Method == http.MethodPost && path == "bulk-fetch/":
		s.bulk(w, r)
	default:
		http.Error(w, "", http.StatusNotFound)
	}
}

// list answers the oldest first by indexed_on, with a cursor to go on behind the
// last one.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if cursor := q.Get("cursor"); cursor != "" {
		inner, err := url.ParseQuery(cursor)
		if err != nil {
			http.Error(w, `{"error": "bad cursor"}`, http.StatusBadRequest)
			return
		}
		q = inner
	}
	limit := 20
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 5000 {
			http.Error(w, `{"error": "limit"}`, http.StatusBadRequest)
			return
		}
		limit = n
	}
	since, _ := time.Parse(stamp, q.Get("indexed_on.gte"))
	after := q.Get("after") // of the cursor: "time id"
	now := s.Now().UTC()
	var found []*Case
	for _, c := range s.cases {
		if !c.deleted && !c.hidden && (q.Get("case_type") == "" || c.Type == q.Get("case_type")) && !c.Indexed.Before(since) && !c.Indexed.After(now) && place(c) > after {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *Case) int { return strings.Compare(place(a), place(b)) })
	matching, next := len(found), any(nil)
	if len(found) > limit {
		found = found[:limit]
		q.Set("after", place(found[limit-1]))
		next = "?" + url.Values{"cursor": {q.Encode()}}.Encode()
	}
	cases := make([]json.RawMessage, len(found))
	for i, c := range found {
		cases[i] = c.listed(s.Domain)
	}
	answer(w, map[string]any{"matching_records": matching, "cases": cases, "next": next})
}

func place(c *Case) string { return c.Indexed.Format(stamp) + " " + c.ID }

func (s *Server) bulk(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []string `json:"case_ids"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	var cases []any
	missing := 0
	for _, id := range body.IDs {
		if c := s.cases[id]; c != nil && !c.deleted {
			cases = append(cases, c.listed(s.Domain))
			continue
		}
		missing++
		cases = append(cases, map[string]string{"case_id": id, "error": "not found"})
	}
	answer(w, map[string]any{"matching_records": len(body.IDs) - missing, "missing_records": missing, "cases": cases})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "%s", marshal(v))
}
