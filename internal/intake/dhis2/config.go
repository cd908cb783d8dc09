// Package dhis2 reads vaccinations from a tracker programme of DHIS2.
//
// DHIS2 pushes nothing that can be relied on, so it is asked: every few minutes
// for what changed ([Service.Poll]), each night for everything, and for one
// person when that person asks (package ondemand). No id of an attribute, stage
// or data element stands in this package: the source's mapping names them, and
// is compared with the server's own metadata before anything is read.
//
// Facts about the API, with their sources, are in docs/sources-dhis2.md.
package dhis2

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/remote"
	"github.com/opendivoc/divoc/vaccination"
)

// Config are the settings of a source of kind dhis2, as JSON. It holds
// credentials.
type Config struct {
	// URL is the server's address, with its context path, without "/api".
	URL string `json:"url"`
	// Token is a personal access token ("d2pat_…"); User and Password are for
	// servers without them.
	Token    string `json:"token,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// TokenExpires is the day the token dies, as DHIS2 said when it was made.
	TokenExpires vaccination.Date `json:"tokenExpires,omitzero"`
	Program      string           `json:"program"`
	// SystemID are the attributes that hold the server's own number of a person,
	// which somebody may type to be found.
	SystemID []string `json:"systemId,omitempty"`
	// OnDemand says that certificates are made only for people who ask: then a
	// poll keeps right what they were given, and reads nobody else.
	OnDemand bool `json:"onDemand,omitempty"`
	// Every is the time between polls: "2m". Empty: two minutes.
	Every remote.Duration `json:"every,omitzero"`
	// Quiet are hours of the server's day without polls: "08:00-12:00".
	Quiet []Hours `json:"quiet,omitempty"`
	// OrgUnitMode is which units are read: ACCESSIBLE (the default) or ALL.
	OrgUnitMode string `json:"orgUnitMode,omitempty"`
	// Certificates, where given, is where certificates are written back.
	Certificates *WriteBack `json:"certificates,omitempty"`
}

// WriteBack names a repeatable programme stage and its data elements, for the
// id, version, status, time of issue and address of a certificate. An element
// that is not named is not written.
type WriteBack struct {
	Stage   string `json:"stage"`
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
	Status  string `json:"status,omitempty"`
	Issued  string `json:"issued,omitempty"`
	Link    string `json:"link,omitempty"`
}

// Hours is a part of a day, "22:00-06:00"; the end does not belong to it.
type Hours struct{ From, To time.Duration }

// UnmarshalText reads the part of a day.
func (h *Hours) UnmarshalText(b []byte) error {
	from, to, ok := strings.Cut(string(b), "-")
	a, err1 := time.Parse("15:04", from)
	z, err2 := time.Parse("15:04", to)
	if !ok || err1 != nil || err2 != nil {
		return errors.New("hours look like 08:00-12:00")
	}
	h.From, h.To = ofDay(a), ofDay(z)
	return nil
}

func ofDay(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

// Has reports whether an instant's time of day lies in it.
func (h Hours) Has(t time.Time) bool {
	d := ofDay(t)
	if h.From <= h.To {
		return h.From <= d && d < h.To
	}
	return d >= h.From || d < h.To
}

var uid = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{10}$`)

// The bounds of the time between polls.
const (
	minEvery     = 30 * time.Second
	defaultEvery = 2 * time.Minute
)

// ReadConfig reads the settings of a source. The error names every setting that
// is wrong and none of their values.
func ReadConfig(text json.RawMessage) (*Config, error) {
	c := &Config{}
	s, err := remote.ReadSettings("DHIS2", "JSON with url, program, token (or user and password), and docs/sources-dhis2.md for the rest", text, c)
	if err != nil {
		return nil, err
	}
	c.URL = strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/api")
	s.Wrong(remote.CheckAddress(c.URL) != nil, "url", "the server's address, with https")
	s.Wrong((c.Token == "") == (c.User == ""), "token", "a personal access token, or user and password: one of the two")
	s.Wrong(strings.ContainsAny(c.Token+c.User, "\r\n"), "token", "one line")
	s.Wrong(!uid.MatchString(c.Program), "program", "the programme's id, of 11 letters and digits")
	for _, id := range c.SystemID {
		s.Wrong(!uid.MatchString(id), "systemId", "ids of attributes, of 11 letters and digits")
	}
	s.Wrong(c.OrgUnitMode != "" && c.OrgUnitMode != "ACCESSIBLE" && c.OrgUnitMode != "ALL", "orgUnitMode", "ACCESSIBLE or ALL")
	s.Wrong(c.Every != 0 && (time.Duration(c.Every) < minEvery || time.Duration(c.Every) > 24*time.Hour), "every", "30s to 24h")
	if w := c.Certificates; w != nil {
		s.Wrong(!uid.MatchString(w.Stage), "certificates.stage", "the stage's id, of 11 letters and digits")
		s.Wrong(!uid.MatchString(w.ID), "certificates.id", "the data element's id, of 11 letters and digits")
		for name, id := range map[string]string{"version": w.Version, "status": w.Status, "issued": w.Issued, "link": w.Link} {
			s.Wrong(id != "" && !uid.MatchString(id), "certificates."+name, "the data element's id, of 11 letters and digits")
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if c.Every == 0 {
		c.Every = remote.Duration(defaultEvery)
	}
	if c.OrgUnitMode == "" {
		c.OrgUnitMode = "ACCESSIBLE"
	}
	return c, nil
}

// CheckConfig is [ReadConfig] for package intake.
func CheckConfig(text json.RawMessage) error {
	_, err := ReadConfig(text)
	return err
}

// Dying says when a source's token dies: known is false where nobody said so.
func (c *Config) Dying(now time.Time) (left time.Duration, known bool) {
	end, ok := c.TokenExpires.Earliest()
	return end.Sub(now), ok
}
