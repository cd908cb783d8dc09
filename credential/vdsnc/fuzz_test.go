package vdsnc_test

import (
	"errors"
	"testing"

	"github.com/opendivoc/divoc/credential/vdsnc"
)

// FuzzDecode: no input makes reading fail badly, and none is taken for a seal
// that verifies without an authority.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"data":{"hdr":{"t":"icao.vacc","v":1,"is":"UTO"},"msg":{}},"sig":{"alg":"ES256","cer":"AA","sigvl":"AA"}}`,
		`{"data":{"hdr":{"t":"icao.test","v":1,"is":"UTO"},"msg":{"utci":"U1","pid":{"n":"A","dob":"1951-01-20","dt":"P","dn":"E1"},"dat":{"sc":"2021-02-15T12:00:00Z","ri":"x"},"tr":{"tc":"antigen","r":"negative"}}},"sig":{"alg":"ES256","cer":"AA","sigvl":"AA"}}`, `{}`, `{"data":{},"sig":{}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := vdsnc.Decode([]byte(in))
		if err != nil {
			if s != nil || !errors.Is(err, vdsnc.ErrNotVDS) && !errors.Is(err, vdsnc.ErrMalformed) && !errors.Is(err, vdsnc.ErrTooLarge) && !errors.Is(err, vdsnc.ErrContent) {
				t.Errorf("%v with an error of another kind: %v", s, err)
			}
			return
		}
		if s.Verify(nil) == nil || s.VerifyBy(nil) == nil {
			t.Error("verified by nobody")
		}
		_, _ = s.Certificates()
	})
}
