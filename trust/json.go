package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const maxDepth = 32

// CheckJSON refuses a document that is nested too deeply, names a member twice
// in one object or goes on after its end: readers would understand such a
// document differently.
func CheckJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end of the JSON document")
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("the JSON document is nested too deeply")
	}
	tok, err := dec.Token()
	if err != nil {
		return errors.New("the JSON document is not well formed")
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			tok, err := dec.Token()
			name, ok := tok.(string)
			if err != nil || !ok {
				return errors.New("the JSON document is not well formed")
			}
			if names[name] {
				return fmt.Errorf("the JSON document names %.40q twice", name)
			}
			names[name] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return errors.New("the JSON document is not well formed")
	}
	return nil
}
