package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/opendivoc/divoc/internal/web/divocapi"
	"github.com/opendivoc/divoc/vaccination"
)

// ReadEvents reads a file of records as the doors take them: events of ours (an
// array, one object, or {"events": […]}), or DIVOC's certification requests,
// whose times are read in zone. An unknown member is an error that names it.
func ReadEvents(data []byte, zone *time.Location) ([]vaccination.Event, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if bytes.Contains(data, []byte(`"preEnrollmentCode"`)) {
		return divocapi.ReadEvents(data, zone)
	}
	var wrapped struct {
		Events []vaccination.Event `json:"events"`
	}
	if strict(data, &wrapped) == nil && len(wrapped.Events) > 0 {
		return wrapped.Events, nil
	}
	if len(data) > 0 && data[0] == '{' {
		data = append(append([]byte{'['}, data...), ']')
	}
	var events []vaccination.Event
	if err := strict(data, &events); err != nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "the file is not a JSON array of events: %s", plain(err))
	}
	return events, nil
}

func strict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// plain is err without values of the file: the JSON package names members and
// offsets, and a date's error never repeats the date.
func plain(err error) string {
	if e, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // returned bare
		return e.Field + " has the wrong type"
	}
	var moment *time.ParseError // which repeats it
	if errors.As(err, &moment) {
		return "a time is written as 2021-11-30T09:05:00Z, with its zone"
	}
	return err.Error()
}
