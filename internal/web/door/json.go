package door

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/vaccination"
)

// ReadBody reads the body of r, at most max bytes. One that is larger is
// [vaccination.TooLarge], one that breaks off [vaccination.Invalid]: it must not
// pass for a broken connection to the database.
func ReadBody(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, vaccination.Errorf(vaccination.TooLarge, "the request is too large: at most %d bytes at once", max)
	case err != nil:
		return nil, vaccination.Errorf(vaccination.Invalid, "the body did not arrive whole: send it again")
	}
	return data, nil
}

// ReadJSON reads the one JSON value of a request's body, with or without a byte
// order mark, into v. The error is a sentence that says where reading failed and
// never what stands there. Text that is not UTF-8 is refused: it would be
// certified with its characters lost.
func ReadJSON(data []byte, v any) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return errors.New("the body is not UTF-8: send JSON in UTF-8")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("the body is empty")
	}
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("the body is not JSON: it breaks at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s has the wrong type: %s is expected", kind.Field, kindOf(kind))
	case errors.As(err, &kind):
		return fmt.Errorf("the wrong type: %s is expected", kindOf(kind))
	}
	var moment *time.ParseError // which repeats it
	if errors.As(err, &moment) {
		return errors.New("a time is written as 2021-11-30T09:05:00Z, with its zone")
	}
	// The rest comes from types of ours, whose errors repeat nothing.
	return err
}

// kindOf is what JSON calls the type that was expected.
func kindOf(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Bool:
		return "true or false"
	default:
		return "a number"
	}
}
