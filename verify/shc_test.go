package verify_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan"
)

func (e *env) card(t testing.TB, issuer, rid string) string {
	t.Helper()
	jws, err := shc.Issue(e.content, e.options.Catalogue, issuer, rid, e.qr)
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// Each row changes one thing of a card that is otherwise valid.
func TestCards(t *testing.T) {
	id, _ := credentialtest.Jamaica().ID()
	own := base64.RawURLEncoding.EncodeToString(id[:])
	url := "https://" + strings.TrimPrefix(credentialtest.Jamaica().Info.Issuer.ID, "did:web:")
	bare := func(list string, newest int64) func(*env) {
		return func(e *env) { // an issuer of cards alone, with its list of revoked ones
			e.issuer.ID, e.bundle.Status = url, nil
			e.issuer.Keys = []trust.Key{{Public: e.qr.Public(), CardList: newest}}
			if list != "" {
				b, err := trust.ParseNamed([]byte(strings.ReplaceAll(list, "KID", shc.Thumbprint(e.qr.Public()))))
				if err != nil {
					t.Fatal(err)
				}
				e.others = append(e.others, b)
			}
		}
	}
	list := func(rids string) string { return `{"kid":"KID","method":"rid","ctr":2,"rids":[` + rids + `]}` }
	for name, tc := range map[string]struct {
		issuer, rid string
		change      func(*env)
		edit        func(string) string
		reason      string
		shown       bool
		status      vaccination.Status
	}{
		"ours": {rid: own, shown: true, status: vaccination.StatusValid},
		"ours, revoked": {rid: own, change: func(e *env) {
			e.bundle.Status[0].Revoked = trust.NewHashes([]trust.Hash{trust.HashOf(e.content.Info.HCID)})
		}, reason: verify.Revoked, shown: true, status: vaccination.StatusRevoked},
		"ours, superseded": {rid: own, change: func(e *env) {
			e.bundle.Status[0].Superseded = trust.NewHashes([]trust.Hash{trust.HashOf(e.content.Info.HCID)})
		}, reason: verify.Superseded, shown: true, status: vaccination.StatusSuperseded},
		"of another issuer": {issuer: "https://other.example.org", rid: own, reason: verify.IssuerMismatch},
		"expired": {rid: own, change: func(e *env) {
			e.options.At = e.content.Info.Period.End.Add(time.Second)
			e.bundle.Status[0].AsOf = e.options.At
		}, reason: verify.Expired, shown: true, status: vaccination.StatusValid},
		"a key that is not trusted": {rid: own, change: func(e *env) { e.issuer.Keys = e.issuer.Keys[1:] }, reason: verify.UnknownIssuer},
		"a key for tests alone":     {rid: own, change: func(e *env) { e.key().Usage = []trust.Usage{trust.Test} }, reason: verify.KeyNotAllowed},
		"a changed payload": {rid: own, edit: func(s string) string {
			p := strings.Split(s, ".")
			p[2] = p[2][:10] + "AAAA" + p[2][14:]
			return strings.Join(p, ".")
		}, reason: verify.BadSignature},
		"another algorithm": {rid: own, edit: func(s string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","zip":"DEF"}`)) + s[strings.Index(s, "."):]
		}, reason: verify.BadSignature},
		"no lists published":           {rid: "abc", change: bare("", 0), shown: true, status: verify.StatusNotPublished},
		"no rid":                       {change: bare(list(`"abc"`), 2), shown: true, status: verify.StatusNotPublished},
		"not in the list":              {rid: "abc", change: bare(list(`"abd"`), 2), shown: true, status: vaccination.StatusValid},
		"in the list":                  {rid: "abc", change: bare(list(`"abc"`), 2), reason: verify.Revoked, shown: true, status: vaccination.StatusRevoked},
		"in the list, before its time": {rid: "abc", change: bare(list(`"abc.99999999999"`), 2), reason: verify.Revoked, shown: true, status: vaccination.StatusRevoked},
		"in the list, after its time":  {rid: "abc", change: bare(list(`"abc.1"`), 2), shown: true, status: vaccination.StatusValid},
		"rollback: older than the key": {rid: "abc", change: bare(list(`"abd"`), 3), reason: verify.StatusMissing, shown: true, status: verify.StatusUnknown},
		"partial: published, not here": {rid: "abc", change: bare("", 3), reason: verify.StatusMissing, shown: true, status: verify.StatusUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			if tc.change != nil {
				tc.change(e)
			}
			if tc.issuer == "" {
				tc.issuer = url
			}
			jws := e.card(t, tc.issuer, tc.rid)
			if tc.edit != nil {
				jws = tc.edit(jws)
			}
			code, err := shc.Code(jws)
			if err != nil {
				t.Fatal(err)
			}
			for form, in := range map[string]string{"JWS": jws, "code": code, "file": string(shc.File(jws))} {
				s := verify.Text(t.Context(), in, e.opts())
				check(t, form, s, tc.reason, tc.shown)
				if s.Format != verify.FormatSHC || tc.shown && s.Status != tc.status {
					t.Errorf("%s: %s %s", form, s.Format, s.Status)
				}
			}
		})
	}
}

// cardTrust are the issuers' keys and revocation lists of a set; what is not readable as
// such is left out.
func cardTrust(t *testing.T, v *credentialtest.Vectors) *trust.List {
	t.Helper()
	var bundles []*trust.Bundle
	for _, file := range v.Files(t, ".json") {
		keys := strings.HasSuffix(file, "jwks.json")
		if !keys && filepath.Base(filepath.Dir(file)) != "crl" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := trust.ParseNamed(data); err == nil {
			bundles = append(bundles, b)
		}
	}
	return trust.New(bundles...)
}

// The specification's examples, with the issuer's keys as the only trusted ones.
func TestVectorsSHCAreVerified(t *testing.T) {
	v := credentialtest.NewVectors(t, "smart-health-cards", "verify")
	names := newEnv(t).options.Catalogue
	list := cardTrust(t, v)
	for _, file := range v.Files(t, "-d-jws.txt", "-e-file.smart-health-card", "-f-qr-code-numeric-value-0.txt") {
		var data []byte
		paths := []string{file}
		if strings.Contains(file, "numeric-value") {
			paths, _ = filepath.Glob(strings.TrimSuffix(file, "0.txt") + "*.txt")
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			data = append(append(data, b...), '\n')
		}
		o := verify.Options{Trust: list, At: time.Date(2023, 7, 1, 0, 0, 0, 0, time.UTC), Catalogue: names}
		s := scan.File(t.Context(), data, o)
		good := len(s) == 1 && (s[0].Verdict == verify.Valid || s[0].Has(verify.UnsupportedContent) && s[0].Issuer.Key != "")
		if strings.Contains(file, "example-03") { // of "Johnny Revoked", which one of the lists beside it says too
			good = len(s) == 1 && s[0].Has(verify.Revoked)
		}
		v.Check(t, v.Name(file), good, s[0].Text("en"))
		o.At = time.Date(2030, 7, 1, 0, 0, 0, 0, time.UTC)
		if s := scan.File(t.Context(), data, o); strings.Contains(file, "example-03") && !s[0].Has(verify.Expired) {
			t.Errorf("%s is past its time and %v", file, s[0].Reasons)
		}
		o.Trust = nil
		if s := scan.File(t.Context(), data, o); s[0].Verdict == verify.Valid {
			t.Errorf("%s is valid without trust", file)
		}
	}
}
