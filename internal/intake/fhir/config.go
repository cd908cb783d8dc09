package fhir

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/remote"
)

// Config are the settings of a source of kind fhir, as JSON. It holds
// credentials. A source that only posts to us needs none of them.
type Config struct {
	// URL is the base address of the server; empty where it may not be asked.
	URL string `json:"url,omitempty"`
	// Token is a Bearer token; User and Password are for servers without.
	Token    string `json:"token,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// Every is the time between two polls: "5m", where it is empty.
	Every remote.Duration `json:"every,omitzero"`
}

const (
	defaultEvery = 5 * time.Minute
	minEvery     = 30 * time.Second
	maxEvery     = 24 * time.Hour
	overlap      = 10 * time.Minute // again what was read: resources become visible late
	pageSize     = 200
)

// ReadConfig reads the settings of a source. The error names every setting that
// is wrong and none of their values.
func ReadConfig(text json.RawMessage) (*Config, error) {
	c := &Config{Every: remote.Duration(defaultEvery)}
	if len(bytes.TrimSpace(text)) == 0 {
		return c, nil
	}
	s, err := remote.ReadSettings("FHIR", "JSON with url and token (or user and password), as docs/sources-fhir.md says, or nothing for one that posts to us", text, c)
	if err != nil {
		return nil, err
	}
	every := time.Duration(c.Every)
	s.Wrong(every < minEvery || every > maxEvery, "every", "30s to 24h")
	if c.URL = strings.TrimRight(c.URL, "/"); c.URL != "" {
		s.Wrong(remote.CheckAddress(c.URL) != nil, "url", "the server's base address, with https")
	}
	s.Wrong(c.URL == "" && c.Token+c.User+c.Password != "", "url", "the server's base address: without it the server is not asked")
	s.Wrong(c.Token != "" && c.User != "", "token", "a token, or user and password: one of the two")
	s.Wrong(strings.ContainsAny(c.Token+c.User+c.Password, "\r\n"), "token", "one line")
	if err := s.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// CheckConfig is [ReadConfig] for package intake.
func CheckConfig(text json.RawMessage) error {
	_, err := ReadConfig(text)
	return err
}

func (c *Config) header() http.Header {
	switch {
	case c.Token != "":
		return http.Header{"Authorization": {"Bearer " + c.Token}}
	case c.User != "":
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))}}
	}
	return http.Header{}
}

// every is the time between two polls of a source with these settings.
func every(text json.RawMessage) (time.Duration, error) {
	c, err := ReadConfig(text)
	if err != nil || c.URL == "" {
		return 0, err
	}
	return time.Duration(c.Every), nil
}
