package divocqr_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/vaccination"
)

// vector returns a shared test vector: of $DIVOC_VECTORS, or of shared/vectors
// beside the checkout.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	data, err := os.ReadFile(filepath.Join(root, "divoc", name))
	if err != nil {
		t.Skipf("test vector divoc/%s is not here; set DIVOC_VECTORS", name)
	}
	return data
}

func demoRSA(t testing.TB) crypto.PublicKey {
	t.Helper()
	block, _ := pem.Decode(vector(t, "demo-rsa-public.pem"))
	if block == nil {
		t.Fatal("demo-rsa-public.pem: no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func demoEd25519() ed25519.PublicKey { return base58("DaipNW4xaH2bh1XGNNdqjnSYyru3hLnUgTBSfSvmZ2hi") }

func base58(s string) []byte {
	n := new(big.Int)
	for _, c := range s {
		i := bytes.IndexRune([]byte("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"), c)
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(i)))
	}
	return n.FillBytes(make([]byte, 32))
}

func TestPublishedCertificates(t *testing.T) {
	for _, c := range []struct {
		file string
		key  func(testing.TB) crypto.PublicKey
		want error
		weak []string
	}{
		{"rsa-valid.json", demoRSA, nil, []string{divocqr.FieldsNotBound}},
		{"rsa-v2-valid.json", demoRSA, nil, []string{divocqr.FieldsNotBound}},
		{"ed25519-valid.json", func(testing.TB) crypto.PublicKey { return demoEd25519() }, nil, []string{divocqr.FieldsNotBound}},
		{"rsa-tampered-must-fail.json", demoRSA, divocqr.ErrSignature, []string{divocqr.FieldsNotBound}},
		{
			"rsa-v2-subject-not-signed-must-be-refused.json", demoRSA, divocqr.ErrSubjectNotSigned,
			[]string{divocqr.SubjectNotSigned, divocqr.FieldsNotBound},
		},
		{"rsa-valid.json", func(testing.TB) crypto.PublicKey { return demoEd25519() }, divocqr.ErrSignature, []string{divocqr.FieldsNotBound}},
		{"ed25519-valid.json", demoRSA, divocqr.ErrSignature, []string{divocqr.FieldsNotBound}},
	} {
		t.Run(c.file, func(t *testing.T) {
			cred, err := divocqr.Decode(vector(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if err := cred.Verify(c.key(t)); !errors.Is(err, c.want) {
				t.Errorf("Verify: %v, want %v\n%s", err, c.want, cred.NQuads())
			}
			if d := cmp.Diff(c.weak, cred.Weaknesses()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestContentOfAPublishedCertificate(t *testing.T) {
	cred, err := divocqr.Decode(vector(t, "rsa-v2-valid.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := vaccination.Certificate{
		Person: vaccination.Person{
			Name: "John Doeq", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 23},
			Nationality: "Sri Lankan", Identifier: vaccination.Identifier{Value: "872550100V"},
		},
		Info: vaccination.CertificateInfo{
			Issuer: vaccination.Issuer{ID: "https://cowin.gov.in/"},
			KeyID:  "did:india", HCID: "303232161",
			Period: vaccination.Period{Start: time.Date(2022, 4, 7, 12, 31, 45, 0, time.UTC)},
		},
		Vaccination: vaccination.Dose{
			Vaccine: vaccination.Coding{
				Code: "XM9QW8", System: vaccination.SystemICD11,
				Display: "COVID-19 vaccine, non-replicating viral vector",
			},
			Brand:        vaccination.Coding{Display: "Covishield"},
			Manufacturer: vaccination.Coding{Display: "india"},
			Lot:          "41202025",
			Date:         vaccination.Date{Year: 2021, Month: 2, Day: 17},
			ValidFrom:    vaccination.Date{Year: 2021, Month: 5, Day: 21},
			ValidUntil:   vaccination.Date{Year: 2022, Month: 5, Day: 21},
			Number:       1, Total: 2,
			Country:       vaccination.Coding{Code: "IND", System: vaccination.SystemISO3166, Display: "India"},
			Centre:        "MOH Gothatuwa",
			CentreAddress: vaccination.Address{Country: "IND"},
			Practitioner:  "ss",
		},
	}
	got := cred.Certificate()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if cred.Age() != "35" || cred.RefID() != "987456102" || cred.Method() != "did:india" || cred.ProofType() != "RsaSignature2018" {
		t.Errorf("age %q, refId %q, method %q, proof %q", cred.Age(), cred.RefID(), cred.Method(), cred.ProofType())
	}
	if want := time.Date(2022, 4, 7, 12, 31, 45, 0, time.UTC); !cred.Created().Equal(want) {
		t.Errorf("created %v, want %v", cred.Created(), want)
	}
	groups := []divocqr.Group{
		{IRI: "https://schema.org/id", Fields: []string{"evidence.batch", "evidence.vaccine", "evidence.manufacturer", "evidence.icd11Code"}},
		{IRI: "https://schema.org/date", Fields: []string{"evidence.date", "evidence.effectiveStart", "evidence.effectiveUntil"}},
		{IRI: "https://schema.org/doseValue", Fields: []string{"evidence.dose", "evidence.totalDoses"}},
	}
	if d := cmp.Diff(groups, cred.Unbound()); d != "" {
		t.Error(d)
	}
}
