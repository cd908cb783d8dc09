package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Settings collects what is wrong with the settings of a source. Its errors are
// [vaccination.Invalid], name settings and never their values.
type Settings struct{ wrong *vaccination.Error }

// ReadSettings reads the settings of a source of a kind ("DHIS2") into the struct
// that into points to, and refuses what that does not have. help says in an error
// what the settings are.
func ReadSettings(kind, help string, text json.RawMessage, into any) (*Settings, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "the settings of a %s source cannot be read: %s", kind, help)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, vaccination.Errorf(vaccination.Invalid, "something follows the settings of the %s source", kind)
	}
	return &Settings{vaccination.Errorf(vaccination.Invalid, "the settings of the %s source are not right", kind)}, nil
}

// Wrong reports a setting where bad is true; message says what it should be.
func (s *Settings) Wrong(bad bool, path, message string) {
	if bad {
		s.wrong.Faults = append(s.wrong.Faults, vaccination.Fault{Path: path, Code: vaccination.FaultFormat, Message: message})
	}
}

// Err is the error of everything that was reported, nil for nothing.
func (s *Settings) Err() error {
	if len(s.wrong.Faults) == 0 {
		return nil
	}
	return s.wrong
}

// CheckAddress says whether text can be the address of a server: https, or http
// on this machine, without credentials and query.
func CheckAddress(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return vaccination.Errorf(vaccination.Invalid, "the server's address, with https")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Duration is a time.Duration written as text in settings: "90s".
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes a duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
