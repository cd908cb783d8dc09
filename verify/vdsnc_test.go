package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// sealer is an authority (CSCA), a signer of barcodes under it, and what is to be
// changed before they sign. All of it is self-made: no public seal of a test is
// known.
type sealer struct {
	authority, signer *x509.Certificate
	ca                crypto.Signer
	key               *ecdsa.PrivateKey
	alg               string
	data              string
}

const vacc = `{"hdr":{"t":"icao.vacc","v":1,"is":"AUS"},"msg":{"uvci":"VB0009990012","pid":{"n":"CITIZEN  JANE SUE","dob":"1961-05-15","sex":"F","i":"PA0941262"},
"ve":[{"des":"XM68M6","nam":"Comirnaty","dis":"RA01.0","vd":[{"dvc":"2021-09-02","seq":1,"ctr":"AUS","adm":"G","lot":"300157P","dvn":"2021-09-15"},{"dvc":"2021-09-15","seq":2,"ctr":"AUS","adm":"G","lot":"300157Q"}]}]}}`

func newSealer(t *testing.T, change func(ca, bsc *x509.Certificate, s *sealer)) *sealer {
	t.Helper()
	s := &sealer{alg: "ES256", data: vacc}
	curve := elliptic.P256()
	from, until := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "CSCA", Country: []string{"AU"}}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	types, err := asn1.Marshal(struct {
		Version int
		Types   []string `asn1:"set"`
	}{0, []string{"NV"}})
	if err != nil {
		t.Fatal(err)
	}
	bsc := &x509.Certificate{
		Subject: pkix.Name{CommonName: "BSC", Country: []string{"AU"}}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 14, 2}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}, Value: types}},
	}
	if change != nil {
		change(ca, bsc, s)
	}
	switch s.alg {
	case "ES384":
		curve = elliptic.P384()
	case "ES512":
		curve = elliptic.P521()
	}
	if s.ca == nil {
		s.ca = credentialtest.Key(t, elliptic.P384())
	}
	s.key = credentialtest.Key(t, curve)
	s.authority = credentialtest.X509(t, ca, ca, s.ca.Public(), s.ca)
	s.signer = credentialtest.X509(t, bsc, s.authority, s.key.Public(), s.ca)
	return s
}

func (s *sealer) seal(t *testing.T) string {
	t.Helper()
	v, err := jcs.Parse([]byte(s.data))
	if err != nil {
		t.Fatal(err)
	}
	canonical := v.Append(nil)
	digest := sha256.New()
	switch s.alg {
	case "ES384":
		digest = sha512.New384()
	case "ES512":
		digest = sha512.New()
	}
	digest.Write(canonical)
	r, w, err := ecdsa.Sign(rand.Reader, s.key, digest.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	size := (s.key.Curve.Params().BitSize + 7) / 8
	sig := append(r.FillBytes(make([]byte, size)), w.FillBytes(make([]byte, size))...)
	// Padded, and its members in another order: both occur.
	return `{"sig":{"alg":"` + s.alg + `","sigvl":"` + base64.URLEncoding.EncodeToString(sig) + `","cer":"` + base64.URLEncoding.EncodeToString(s.signer.Raw) + `"},"data":` + s.data + `}`
}

func trusting(t *testing.T, certs ...*x509.Certificate) *trust.List {
	t.Helper()
	var file []byte
	for _, c := range certs {
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	b, err := trust.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	return trust.New(b)
}

// Each row changes one thing of a seal that is otherwise valid.
func TestSeals(t *testing.T) {
	names := newEnv(t).options.Catalogue
	now := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)
	big4096, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(s, old, with string) string {
		out := strings.Replace(s, old, with, 1)
		if out == s {
			t.Fatalf("no %s", old)
		}
		return out
	}
	type certs = func(ca, bsc *x509.Certificate, s *sealer)
	for name, tc := range map[string]struct {
		change certs
		edit   func(string) string
		trust  func(s *sealer) []*x509.Certificate
		at     time.Time
		reason string
		shown  bool
	}{
		"well sealed":                   {shown: true},
		"ES384":                         {change: func(_, _ *x509.Certificate, s *sealer) { s.alg = "ES384" }, shown: true},
		"ES512":                         {change: func(_, _ *x509.Certificate, s *sealer) { s.alg = "ES512" }, shown: true},
		"an authority with RSA-4096":    {change: func(_, _ *x509.Certificate, s *sealer) { s.ca = big4096 }, shown: true},
		"the signer itself is trusted":  {trust: func(s *sealer) []*x509.Certificate { return []*x509.Certificate{s.signer} }, shown: true},
		"a specimen":                    {change: func(_, _ *x509.Certificate, s *sealer) { s.data = replace(s.data, `"is":"AUS"`, `"is":"UTO"`) }, shown: true},
		"a name changed":                {edit: func(s string) string { return replace(s, "CITIZEN", "CITIZEM") }, reason: verify.BadSignature},
		"a dose changed":                {edit: func(s string) string { return replace(s, `"seq":1`, `"seq":3`) }, reason: verify.BadSignature},
		"another algorithm":             {edit: func(s string) string { return replace(s, "ES256", "none") }, reason: verify.BadSignature},
		"an authority of the same name": {trust: func(*sealer) []*x509.Certificate { return []*x509.Certificate{newSealer(t, nil).authority} }, reason: verify.KeyNotAllowed},
		"an authority nobody trusts": {trust: func(*sealer) []*x509.Certificate {
			return []*x509.Certificate{newSealer(t, func(ca, _ *x509.Certificate, _ *sealer) { ca.Subject.CommonName = "other" }).authority}
		}, reason: verify.UnknownIssuer},
		"a signer for other seals": {change: func(_, bsc *x509.Certificate, _ *sealer) { bsc.UnknownExtKeyUsage = nil }, reason: verify.KeyNotAllowed},
		"a signer for tests": {change: func(_, bsc *x509.Certificate, _ *sealer) {
			bsc.ExtraExtensions[0].Value[len(bsc.ExtraExtensions[0].Value)-1] = 'T'
		}, reason: verify.KeyNotAllowed},
		"a signer that is an authority": {change: func(_, bsc *x509.Certificate, _ *sealer) { bsc.IsCA, bsc.BasicConstraintsValid = true, true }, reason: verify.KeyNotAllowed},
		"a signer of another country":   {change: func(_, bsc *x509.Certificate, _ *sealer) { bsc.Subject.Country = []string{"NZ"} }, reason: verify.KeyNotAllowed},
		"a seal of another country":     {change: func(_, _ *x509.Certificate, s *sealer) { s.data = replace(s.data, `"is":"AUS"`, `"is":"NZL"`) }, reason: verify.KeyNotAllowed},
		"a signer past its time":        {at: time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC), reason: verify.Expired, shown: true},
		"a signer made after its authority": {change: func(ca, _ *x509.Certificate, _ *sealer) {
			ca.NotAfter = time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)
			ca.NotBefore = ca.NotAfter.AddDate(-1, 0, 0)
		}, reason: verify.KeyNotAllowed},
		"another version":         {edit: func(s string) string { return replace(s, `"v":1`, `"v":2`) }, reason: verify.UnsupportedFormat},
		"no certificate in it":    {edit: func(s string) string { return replace(s, `"cer":"`, `"cer":"A`) }, reason: verify.Damaged},
		"a member twice":          {edit: func(s string) string { return replace(s, `"hdr":`, `"msg":{},"hdr":`) }, reason: verify.Damaged},
		"a person without a name": {change: func(_, _ *x509.Certificate, s *sealer) { s.data = replace(s.data, `"n":"CITIZEN  JANE SUE",`, "") }, reason: verify.UnsupportedContent},
		"a dose without a day":    {change: func(_, _ *x509.Certificate, s *sealer) { s.data = replace(s.data, `"dvc":"2021-09-02",`, "") }, reason: verify.UnsupportedContent},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSealer(t, tc.change)
			text := s.seal(t)
			if tc.edit != nil {
				text = tc.edit(text)
			}
			trusted := []*x509.Certificate{s.authority}
			if tc.trust != nil {
				trusted = tc.trust(s)
			}
			o := verify.Options{Trust: trusting(t, trusted...), At: now, Catalogue: names}
			if !tc.at.IsZero() {
				o.At = tc.at
			}
			st := verify.Text(t.Context(), text, o)
			check(t, "seal", st, tc.reason, tc.shown)
			if tc.shown && (st.Content.Name != "CITIZEN JANE SUE" || st.Content.Vaccination.Number != 2 || len(st.More) != 1 || st.Content.Info.HCID != "VB0009990012") {
				t.Errorf("%+v", st)
			}
			if st.Format != verify.FormatVDS {
				t.Error(st.Format)
			}
		})
	}
}
