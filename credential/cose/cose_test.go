package cose_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/opendivoc/divoc/credential/cose"
)

func message(t testing.TB, header map[int]any, payload []byte) []byte {
	t.Helper()
	data, err := cose.Sign(header, payload, func(m []byte) ([]byte, error) { return m[len(m)-2:], nil })
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A message reads back as it was written, under each of its tags, and what is signed is
// the protected header and the payload as their bytes are.
func TestAMessageReadsBackTheSame(t *testing.T) {
	data := message(t, map[int]any{cose.HeaderAlg: cose.EdDSA, cose.HeaderKid: []byte("k")}, []byte("payload"))
	for name, form := range map[string][]byte{"tagged": data, "bare": data[1:], "as a CWT": append([]byte{0xd8, 61}, data...), "a tag in two bytes": append([]byte{0xd8, 18}, data[1:]...)} {
		m, err := cose.Parse(form)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		alg, ok := m.Algorithm()
		kid, err := m.KeyID(1)
		if !ok || alg != cose.EdDSA || err != nil || string(kid) != "k" || string(m.Payload) != "payload" || string(m.Signature) != "ad" {
			t.Errorf("%s: %+v %v", name, m, err)
		}
		if !bytes.Contains(m.Signed(), []byte("Signature1")) || !bytes.HasSuffix(m.Signed(), m.Payload) {
			t.Errorf("%s: signed is %x", name, m.Signed())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := message(t, map[int]any{cose.HeaderAlg: cose.EdDSA}, []byte("p"))
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                 {nil, cose.ErrMalformed},
		"another tag":             {append([]byte{0xd1}, good[1:]...), cose.ErrMalformed},
		"a CWT of something else": {append([]byte{0xd8, 61}, good[1:]...), cose.ErrMalformed},
		"something behind it":     {append(bytes.Clone(good), 0), cose.ErrMalformed},
		"cut short":               {good[:len(good)-1], cose.ErrMalformed},
		"no payload":              {[]byte{0x84, 0x40, 0xa0, 0xf6, 0x40}, cose.ErrMalformed},
		"a header twice":          {[]byte{0x84, 0x45, 0xa2, 1, 0x26, 1, 0x27, 0xa0, 0x40, 0x40}, cose.ErrMalformed},
		"a critical header":       {message(t, map[int]any{cose.HeaderCrit: []int{7}}, nil), cose.ErrMalformed},
		"nested too deep":         {append(append([]byte{0x84, 0x40, 0xa1, 1}, bytes.Repeat([]byte{0x81}, 20)...), 0, 0x40, 0x40), cose.ErrTooLarge},
	} {
		if _, err := cose.Parse(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
