package scan_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/verify/scan"
)

// TestVectorsEUPictures reads the picture of each code of the EU's test data: what
// stands in it must be, or must not be, the file's text.
func TestVectorsEUPictures(t *testing.T) {
	v := credentialtest.NewVectors(t, "eu-dcc-testdata", "picture")
	for _, file := range v.Files(t, ".json") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			PREFIX          string
			Picture         string `json:"2DCODE"`
			EXPECTEDRESULTS map[string]*bool
		}
		if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &c); err != nil {
			continue
		}
		want := c.EXPECTEDRESULTS["EXPECTEDPICTUREDECODE"]
		if want == nil || c.Picture == "" { // one file expects of a picture that it does not have
			continue
		}
		picture, err := base64.StdEncoding.DecodeString(c.Picture)
		good, why := err == nil, "not base64"
		if good {
			codes, err := scan.Codes(t.Context(), picture)
			good, why = err == nil && len(codes) == 1 && codes[0] == c.PREFIX, "another text than the file's"
			if err != nil {
				why = err.Error()
			}
		}
		v.Check(t, v.Name(file), good == *want, why)
	}
}
