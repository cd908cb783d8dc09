// Package replay is a replay of DHIS2's documented behaviour, not DHIS2.
//
// It answers the parts of DHIS2's Web API that a tracker integration uses, as
// its documentation and recorded answers describe them (docs/sources-dhis2.md
// lists the sources): inclusive windows, offset paging that drifts, soft
// deletion, unknown parameters that are ignored, both forms of lists and the
// older names. What its documentation does not say it does not do. Faults are
// switched on by tests, or by hand through /_replay/faults.
//
// Its people are invented. With a folder of fixtures it also holds the recorded
// and the reshaped persons of it.
package replay

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say which server is replayed.
type Options struct {
	// Version is the server's: below 2.36 it has the older names alone, below
	// 2.41 the older form of lists. Empty: 2.41.0.
	Version string
	Now     func() time.Time // nil: the machine's clock
	// Zone is the server's own; its timestamps do not name it. Nil: Asia/Colombo.
	Zone *time.Location
	// Token, and User with Password, are who may ask. Empty: everybody.
	Token, User, Password string
	Fixtures              string // folder of recorded answers; empty: none
	People                int    // invented persons beyond those with a name in docs
	// MaxPage is KeyTrackedEntityMaxLimit; 0: 1000.
	MaxPage int
}

// Faults are what goes wrong until it is switched off. Counts go down to zero
// with each request that met the fault.
type Faults struct {
	Delay     time.Duration `json:"delay"`     // before every answer
	Status    int           `json:"status"`    // answered to the next Times requests
	Times     int           `json:"times"`     // how many requests meet Status or Drop; -1: all
	Drop      bool          `json:"drop"`      // the connection breaks in the middle of the answer
	Drift     bool          `json:"drift"`     // a row moves to the end between two pages
	Clock     time.Duration `json:"clock"`     // the server's clock is off by this
	Duplicate bool          `json:"duplicate"` // lists hold rows twice
	Reorder   bool          `json:"reorder"`   // lists ignore the order asked for
	NoBump    bool          `json:"noBump"`    // an edited event does not move its person's updatedAt (DHIS2-11761)
	Leak      bool          `json:"leak"`      // a list of ids is ignored, as under a wrong name of the parameter
}

// Server is one replayed DHIS2. It is safe for concurrent use.
type Server struct {
	o     Options
	mux   *http.ServeMux
	minor int

	mu       sync.Mutex
	faults   Faults
	entities []*entity // in the order of their making
	units    []unit
	program  map[string]any
	last     time.Time // of the newest change: no two share one
	made     int       // ids made so far

	inventing bool // people who were there before it started
	requests  map[string]int
}

//go:embed metadata.json
var metadata []byte

// The ids of the COVAC package (version 1.0.5) and of the certificate stage.
const (
	Program          = "yDuAzyqYABS"
	VaccinationStage = "a1jCssI2LkW"
	CertificateStage = "GFeED6Pgnts"
	personType       = "MCPQUTHX1Ze"
)

// New returns a server with its people.
func New(o Options) (*Server, error) {
	if o.Version == "" {
		o.Version = "2.41.0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxPage == 0 {
		o.MaxPage = 1000
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("Asia/Colombo", 5*3600+1800)
	}
	s := &Server{o: o, requests: map[string]int{}}
	parts := strings.Split(o.Version, ".")
	if len(parts) < 2 {
		return nil, fmt.Errorf("a version looks like 2.41.0, not %q", o.Version)
	}
	var err error
	if s.minor, err = strconv.Atoi(parts[1]); err != nil {
		return nil, fmt.Errorf("a version looks like 2.41.0, not %q", o.Version)
	}
	var m struct {
		Program map[string]any
		Units   []unit
	}
	if err := json.Unmarshal(metadata, &m); err != nil {
		return nil, err
	}
	s.program, s.units = m.Program, m.Units
	if o.Fixtures != "" {
		if err := s.load(o.Fixtures); err != nil {
			return nil, err
		}
	}
	s.invent(o.People)
	s.routes()
	return s, nil
}

func (s *Server) routes() {
	m := http.NewServeMux()
	m.HandleFunc("GET /api/system/info", s.locked(s.info))
	m.HandleFunc("GET /api/programs/{id}", s.locked(s.programs))
	m.HandleFunc("GET /api/organisationUnits", s.locked(s.organisationUnits))
	if s.minor >= 36 {
		m.HandleFunc("GET /api/tracker/trackedEntities", s.locked(s.listEntities))
		m.HandleFunc("GET /api/tracker/trackedEntities/{id}", s.locked(s.oneEntity))
		m.HandleFunc("GET /api/tracker/events", s.locked(s.listEvents))
		m.HandleFunc("POST /api/tracker", s.locked(s.importTracker))
	} else {
		m.HandleFunc("GET /api/trackedEntityInstances", s.locked(s.listEntities))
		m.HandleFunc("GET /api/trackedEntityInstances/{id}", s.locked(s.oneEntity))
		m.HandleFunc("GET /api/events", s.locked(s.listEvents))
	}
	m.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "", "The requested resource could not be found.")
	})
	s.mux = m
}

// ServeHTTP answers as DHIS2 is documented to, after the faults that are on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "replay of DHIS2's documented behaviour, not DHIS2")
	if strings.HasPrefix(r.URL.Path, "/_replay/") {
		s.control(w, r)
		return
	}
	r.URL.Path = strings.TrimSuffix(r.URL.Path, ".json")
	s.mu.Lock()
	s.requests[r.Method+" "+r.URL.Path]++
	f := s.faults
	hit := (f.Status != 0 || f.Drop) && f.Times != 0
	if hit && f.Times > 0 {
		s.faults.Times--
	}
	s.mu.Unlock()
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case hit && f.Drop:
		drop(w)
		return
	case hit:
		refuse(w, f.Status, "", http.StatusText(f.Status))
		return
	case !s.knows(r):
		refuse(w, http.StatusUnauthorized, "", "The API token is expired or not valid")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// drop breaks the connection after the beginning of an answer.
func drop(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	c, b, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"pager\":{\"pa")
	_ = b.Flush()
	_ = c.Close()
}

func (s *Server) knows(r *http.Request) bool {
	if s.o.Token == "" && s.o.User == "" {
		return true
	}
	h := r.Header.Get("Authorization")
	if t, ok := strings.CutPrefix(h, "ApiToken "); ok {
		return s.o.Token != "" && t == s.o.Token
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(s.o.User+":"+s.o.Password))
	return s.o.User != "" && h == basic
}

// locked lets one request at a time read or change the people.
func (s *Server) locked(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		h(w, r)
	}
}

func (s *Server) now() time.Time {
	return s.o.Now().Add(s.faults.Clock).In(s.o.Zone)
}

// stamp is how DHIS2 writes an instant: the server's own time, no zone.
func (s *Server) stamp(t time.Time) string { return t.In(s.o.Zone).Format(stampForm) }

const stampForm = "2006-01-02T15:04:05.000"

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// refuse answers with DHIS2's form of an error.
func refuse(w http.ResponseWriter, status int, code, message string) {
	v := map[string]any{"httpStatus": http.StatusText(status), "httpStatusCode": status, "status": "ERROR", "message": message}
	if code != "" {
		v["errorCode"] = code
	}
	answer(w, status, v)
}

func (s *Server) info(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"version": s.o.Version, "revision": "replay", "systemName": "replay of DHIS2's documented behaviour, not DHIS2",
		"serverDate": s.stamp(s.now()), "serverTimeZoneId": s.o.Zone.String(), "calendar": "iso8601", "dateFormat": "yyyy-mm-dd",
	})
}

func (s *Server) programs(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != Program {
		refuse(w, http.StatusNotFound, "E1005", "Program with id "+r.PathValue("id")+" could not be found.")
		return
	}
	answer(w, http.StatusOK, project(s.program, parseFields(r.URL.Query().Get("fields"))))
}

func (s *Server) organisationUnits(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, "organisationUnits", len(s.units), func(i int) any { return s.units[i].json() })
}
