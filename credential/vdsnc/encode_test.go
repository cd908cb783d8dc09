package vdsnc_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/vaccination"
)

// signer is a barcode signer under an authority, both made here.
type signer struct {
	cert, authority *x509.Certificate
	key             *ecdsa.PrivateKey
}

func newSigner(t testing.TB, curve elliptic.Curve) signer {
	t.Helper()
	caKey, key := credentialtest.Key(t, elliptic.P384()), credentialtest.Key(t, curve)
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "CSCA", Country: []string{"JM"}}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority := credentialtest.X509(t, ca, ca, caKey.Public(), caKey)
	cert := credentialtest.X509(t, &x509.Certificate{Subject: pkix.Name{CommonName: "BSC", Country: []string{"JM"}}, KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 14, 2}}}, authority, key.Public(), caKey)
	return signer{cert, authority, key}
}

func (s signer) Certificate() *x509.Certificate { return s.cert }

func (s signer) Sign(message []byte) ([]byte, error) {
	size := s.key.Curve.Params().BitSize / 8
	sum := sha256.Sum256(message)
	digest := sum[:]
	if size == 48 {
		wide := sha512.Sum384(message)
		digest = wide[:]
	}
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	v.FillBytes(out[size:])
	return out, nil
}

func certified() vaccination.Certificate {
	return vaccination.Certificate{
		Person: vaccination.Person{Name: "Marcia Campbell-Brown", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale},
		Vaccination: vaccination.Dose{
			Vaccine: vaccination.Coding{Code: "XM0GQ8", System: vaccination.SystemICD11}, Brand: vaccination.Coding{Display: "Comirnaty"}, Disease: vaccination.Coding{Code: "RA01", System: vaccination.SystemICD11},
			Date: vaccination.Date{Year: 2026, Month: 2, Day: 3}, NextDose: vaccination.Date{Year: 2026, Month: 3, Day: 3}, Number: 1, Total: 2, Lot: "PF1",
			Country: vaccination.Coding{Code: "JAM", System: vaccination.SystemISO3166}, Centre: "Falmouth Health Centre",
		},
	}
}

// What is written is read back, verifies under its authority, and is in its one
// form: reading and writing it again changes nothing.
func TestWrittenAndReadBack(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		s := newSigner(t, curve)
		rapid.Check(t, func(t *rapid.T) {
			word := rapid.StringMatching(`[A-Za-z][a-z]{0,9}`)
			line := rapid.StringMatching(`[A-Za-z0-9<>&"\\/é‘’ශ  ]{0,60}[A-Za-z0-9]`)
			c := certified()
			c.Name = strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "name"), " ")
			c.Sex = rapid.SampledFrom([]vaccination.Sex{vaccination.SexMale, vaccination.SexFemale, vaccination.SexOther, ""}).Draw(t, "sex")
			d := &c.Vaccination
			d.Lot, d.Centre, d.Brand.Display = line.Draw(t, "lot"), line.Draw(t, "centre"), line.Draw(t, "brand")
			d.Number = rapid.IntRange(1, 12).Draw(t, "dose")
			if rapid.Bool().Draw(t, "no next dose") {
				d.NextDose = vaccination.Date{}
			}
			handle := rapid.StringMatching(`[0-9A-Z]{1,12}`).Draw(t, "handle")
			text, err := vdsnc.Encode(c, "JAM", handle, s)
			if err != nil {
				t.Fatal(err)
			}
			if canonical, err := jcs.Canonical(text); err != nil || !bytes.Equal(canonical, text) {
				t.Fatalf("not in the form of RFC 8785: %v\n%s", err, text)
			}
			seal, err := vdsnc.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if again := seal.Text(); !bytes.Equal(again, text) {
				t.Errorf("read and written again as\n%s\nbefore\n%s", again, text)
			}
			if err := errors.Join(seal.Verify(s.authority), seal.VerifyBy(s.cert)); err != nil {
				t.Errorf("it does not verify: %v", err)
			}
			all, err := seal.Certificates()
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			got := all[0]
			want := c
			want.Name = strings.ToUpper(c.Name)
			if runes := []rune(want.Name); len(runes) > 39 {
				want.Name = strings.TrimSpace(string(runes[:39]))
			}
			want.Info.HCID, want.Info.Issuer.Country, want.Info.KeyID = handle, "JAM", got.Info.KeyID
			want.Vaccination.Lot, want.Vaccination.Centre, want.Vaccination.Brand.Display = strings.TrimSpace(d.Lot), strings.TrimSpace(d.Centre), strings.TrimSpace(d.Brand.Display)
			want.Vaccination.Total = 0 // a seal has no place for it
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each element that a seal requires is asked for by name.
func TestMissing(t *testing.T) {
	s := newSigner(t, elliptic.P256())
	if m := vdsnc.Missing(certified()); len(m) > 0 {
		t.Fatalf("%v", m)
	}
	for path, remove := range map[string]func(*vaccination.Certificate){
		"name":                func(c *vaccination.Certificate) { c.Name = "" },
		vdsnc.LatinName:       func(c *vaccination.Certificate) { c.Name = "කමලා" },
		"birthDate":           func(c *vaccination.Certificate) { c.BirthDate.Day = 0 },
		"vaccination.vaccine": func(c *vaccination.Certificate) { c.Vaccination.Vaccine.System = "other" },
		"vaccination.brand":   func(c *vaccination.Certificate) { c.Vaccination.Brand.Display = " " },
		"vaccination.date":    func(c *vaccination.Certificate) { c.Vaccination.Date.Estimated = true },
		"vaccination.dose":    func(c *vaccination.Certificate) { c.Vaccination.Number = 0 },
		"vaccination.country": func(c *vaccination.Certificate) { c.Vaccination.Country.Code = "Narnia" },
		"vaccination.centre":  func(c *vaccination.Certificate) { c.Vaccination.Centre = "" },
		"vaccination.lot":     func(c *vaccination.Certificate) { c.Vaccination.Lot = "" },
	} {
		c := certified()
		remove(&c)
		if m := vdsnc.Missing(c); !slices.Equal(m, []string{path}) {
			t.Errorf("%s: %v is missing", path, m)
		}
		if _, err := vdsnc.Encode(c, "JAM", "A", s); !errors.Is(err, vdsnc.ErrMissing) {
			t.Errorf("%s: written without it: %v", path, err)
		}
	}
	for _, handle := range []string{"", "ABCDEFGHIJKLM", "a", "URN:1"} {
		if _, err := vdsnc.Encode(certified(), "JAM", handle, s); !errors.Is(err, vdsnc.ErrContent) {
			t.Errorf("%q: %v", handle, err)
		}
	}
	if _, err := vdsnc.Encode(certified(), "JAM", "A", newSigner(t, elliptic.P521())); !errors.Is(err, vdsnc.ErrSigner) {
		t.Errorf("a key that is not written with: %v", err)
	}
}
