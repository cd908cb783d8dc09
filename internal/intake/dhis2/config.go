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
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

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
	Every Duration `json:"every,omitzero"`
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

// Duration is a time.Duration written as text: "90s".
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes a duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

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
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "the settings of a DHIS2 source cannot be read: JSON with url, program, token (or user and password), and docs/sources-dhis2.md for the rest")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, vaccination.Errorf(vaccination.Invalid, "something follows the settings of the DHIS2 source")
	}
	e := vaccination.Errorf(vaccination.Invalid, "the settings of the DHIS2 source are not right")
	wrong := func(bad bool, path, message string) {
		if bad {
			e.Faults = append(e.Faults, vaccination.Fault{Path: path, Code: vaccination.FaultFormat, Message: message})
		}
	}
	c.URL = strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/api")
	u, err := url.Parse(c.URL)
	wrong(err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())),
		"url", "the server's address, with https")
	wrong((c.Token == "") == (c.User == ""), "token", "a personal access token, or user and password: one of the two")
	wrong(strings.ContainsAny(c.Token+c.User, "\r\n"), "token", "one line")
	wrong(!uid.MatchString(c.Program), "program", "the programme's id, of 11 letters and digits")
	for _, id := range c.SystemID {
		wrong(!uid.MatchString(id), "systemId", "ids of attributes, of 11 letters and digits")
	}
	wrong(c.OrgUnitMode != "" && c.OrgUnitMode != "ACCESSIBLE" && c.OrgUnitMode != "ALL", "orgUnitMode", "ACCESSIBLE or ALL")
	wrong(c.Every != 0 && (time.Duration(c.Every) < minEvery || time.Duration(c.Every) > 24*time.Hour), "every", "30s to 24h")
	if w := c.Certificates; w != nil {
		wrong(!uid.MatchString(w.Stage), "certificates.stage", "the stage's id, of 11 letters and digits")
		wrong(!uid.MatchString(w.ID), "certificates.id", "the data element's id, of 11 letters and digits")
		for name, id := range map[string]string{"version": w.Version, "status": w.Status, "issued": w.Issued, "link": w.Link} {
			wrong(id != "" && !uid.MatchString(id), "certificates."+name, "the data element's id, of 11 letters and digits")
		}
	}
	if len(e.Faults) > 0 {
		return nil, e
	}
	if c.Every == 0 {
		c.Every = Duration(defaultEvery)
	}
	if c.OrgUnitMode == "" {
		c.OrgUnitMode = "ACCESSIBLE"
	}
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
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
