package commcare

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/remote"
)

// Config are the settings of a source of kind commcare, as JSON. It holds
// credentials. Forwarding alone needs none of them: what the forwarder signs in
// with is a token of the source.
type Config struct {
	// URL is the server's address; empty where it may not be asked. Then what
	// forwarding loses stays lost, and form stubs are held.
	URL string `json:"url,omitempty"`
	// Domain is the project space.
	Domain string `json:"domain,omitempty"`
	// User and APIKey are of a web user who may read the project's data.
	User   string `json:"user,omitempty"`
	APIKey string `json:"apiKey,omitempty"`
	// CaseTypes are asked for; empty: the types that the mapping names.
	CaseTypes []string `json:"caseTypes,omitempty"`
	// Every is the time between two polls: "30m", where it is empty.
	Every remote.Duration `json:"every,omitzero"`
	// Allow are the networks that may forward to us; empty: all.
	Allow []netip.Prefix `json:"allow,omitempty"`
}

// The bounds of the time between polls.
const (
	minEvery     = time.Minute
	maxEvery     = 24 * time.Hour
	defaultEvery = 30 * time.Minute
)

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// ReadConfig reads the settings of a source; none is right for one that only
// forwards. The error names every setting that is wrong and none of their
// values.
func ReadConfig(text json.RawMessage) (*Config, error) {
	c := &Config{Every: remote.Duration(defaultEvery)}
	if len(bytes.TrimSpace(text)) == 0 {
		return c, nil
	}
	s, err := remote.ReadSettings("CommCare", "JSON with url, domain, user and apiKey, as docs/sources-commcare.md says, or nothing for one that only forwards", text, c)
	if err != nil {
		return nil, err
	}
	every := time.Duration(c.Every)
	s.Wrong(every < minEvery || every > maxEvery, "every", "1m to 24h")
	for _, t := range c.CaseTypes {
		s.Wrong(!name.MatchString(t), "caseTypes", "names of case types")
	}
	if c.URL == "" {
		s.Wrong(c.Domain+c.User+c.APIKey != "", "url", "the server's address, with https: without it the server is not asked")
	} else {
		c.URL = strings.TrimRight(c.URL, "/")
		s.Wrong(remote.CheckAddress(c.URL) != nil, "url", "the server's address, with https")
		s.Wrong(!name.MatchString(c.Domain), "domain", "the name of the project space, as it stands behind /a/ in its addresses")
		s.Wrong(c.User == "" || strings.ContainsAny(c.User, ":\r\n"), "user", "the web user whose API key it is")
		s.Wrong(c.APIKey == "" || strings.ContainsAny(c.APIKey, "\r\n"), "apiKey", "the API key, one line")
	}
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

// Allows reports whether a forwarder may send from an address.
func (c *Config) Allows(from netip.Addr) bool {
	for _, network := range c.Allow {
		if network.Contains(from.Unmap()) {
			return true
		}
	}
	return len(c.Allow) == 0
}
