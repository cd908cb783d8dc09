package vaccination_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/vaccination"
)

func TestUVCICheckFollowsThePublishedVector(t *testing.T) {
	if got := vaccination.UVCICheck("URN:UVCI:01:NL:187/37512422923"); got != 'Z' {
		t.Errorf("check character = %c, want Z", got)
	}
}

func TestCertificateIDCarriesItsBucket(t *testing.T) {
	for b := vaccination.Bucket(0); b.Valid(); b++ {
		id, err := vaccination.NewCertificateID(b, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if id.Bucket() != b {
			t.Fatalf("bucket = %d, want %d", id.Bucket(), b)
		}
		for _, text := range []string{id.String(), strings.ToLower(id.String()), id.UVCI("jm"), strings.TrimRight(id.UVCI("JM"), "#ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:") + ":" + id.String()} {
			if !strings.Contains(strings.ToUpper(text), id.String()) {
				continue
			}
			if got, err := vaccination.ParseCertificateID(text); err == nil && got != id {
				t.Fatalf("%s read back as %s", text, got)
			}
		}
		if got, err := vaccination.ParseCertificateID(id.UVCI("JM")); err != nil || got != id {
			t.Fatalf("UVCI read back as %v, %v", got, err)
		}
	}
}

func TestParseCertificateIDRefuses(t *testing.T) {
	id, err := vaccination.NewCertificateID(77, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := id.UVCI("LK")
	wrong := byte('A')
	if good[len(good)-1] == wrong {
		wrong = 'B'
	}
	for name, text := range map[string]string{
		"nothing":                 "",
		"too short":               id.String()[1:],
		"too long":                id.String() + "0",
		"a letter of no meaning":  "U" + id.String()[1:],
		"a wrong check character": good[:len(good)-1] + string(wrong),
		"a UVCI without id":       "URN:UVCI:01:LK",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := vaccination.ParseCertificateID(text); err == nil {
				t.Errorf("read as %s", got)
			}
		})
	}
}
