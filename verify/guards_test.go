package verify_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/verifytest"
)

const dayLong = 24 * time.Hour

// Each row changes one thing of a certificate that is otherwise valid. A guard
// that is taken out of the verifier makes its row fail.
func TestGuards(t *testing.T) {
	status := func(s vaccination.Status, age time.Duration, ok bool) func(*testing.T, *env) {
		return func(_ *testing.T, e *env) {
			e.options.Status = func(context.Context, string, string) (vaccination.Status, time.Time, bool) {
				return s, e.now.Add(-age), ok
			}
		}
	}
	listed := func(set func(s *trust.Snapshot, h trust.Hashes)) func(*testing.T, *env) {
		return func(_ *testing.T, e *env) {
			set(&e.bundle.Status[0], trust.NewHashes([]trust.Hash{trust.HashOf(e.content.Info.HCID)}))
		}
	}
	start := func(e *env) time.Time { return e.content.Info.Period.Start }

	for name, tc := range map[string]struct {
		change func(*testing.T, *env)
		cose   func([]byte) []byte // changes the signed code
		code   func(string) string // changes the text of the code
		reason string              // "" for a valid certificate
		shown  bool                // the content may be shown
		both   bool                // the same is true of the document
	}{
		"nothing changed": {shown: true, both: true},

		// The text.
		"a letter changed":              {code: func(s string) string { return s[:60] + "&" + s[61:] }, reason: verify.Damaged},
		"cut short":                     {code: func(s string) string { return s[:len(s)/2] }, reason: verify.Damaged},
		"no certificate":                {code: func(string) string { return "https://example.org/" }, reason: verify.NotACertificate},
		"nothing":                       {code: func(string) string { return "" }, reason: verify.NotACertificate},
		"a later version of HCERT":      {code: func(s string) string { return "HC2" + s[3:] }, reason: verify.UnsupportedFormat},
		"a SMART Health Card cut short": {code: func(string) string { return "shc:/5676290952432060346029243740446031222959" }, reason: verify.Damaged},
		"a link to records":             {code: func(string) string { return "shlink:/5676290952432060346029243740446031222959" }, reason: verify.UnsupportedFormat},
		"one code of several": {code: func(string) string {
			return "shc:/1/2/567629095243206034602924374044603122295953265460346029254077280433602870286471674522280928"
		}, reason: verify.OneOfSeveral},
		"a text beyond all bounds":   {code: func(string) string { return strings.Repeat("HC1:", verify.MaxText) }, reason: verify.TooLarge},
		"a code beyond the bounds":   {code: func(s string) string { return s + strings.Repeat("0", 10_000) }, reason: verify.TooLarge},
		"JSON that is no credential": {code: func(string) string { return `{"a":1}` }, reason: verify.NotACertificate},

		// The signature.
		"a byte of the name changed": {cose: func(b []byte) []byte {
			return bytes.Replace(b, []byte("Marcia"), []byte("Marcib"), 1)
		}, reason: verify.BadSignature},
		"a byte of the signature changed": {cose: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, reason: verify.BadSignature},
		"a signature of zeros":            {cose: func(b []byte) []byte { clear(b[len(b)-64:]); return b }, reason: verify.BadSignature},
		"another algorithm":               {cose: func(b []byte) []byte { return bytes.Replace(b, []byte{1, 0x26}, []byte{1, 0x27}, 1) }, reason: verify.BadSignature},
		"HMAC, keyed with the public key": {cose: func(b []byte) []byte { return bytes.Replace(b, []byte{1, 0x26}, []byte{1, 0x05}, 1) }, reason: verify.BadSignature},
		"signed by another key, same kid": {change: func(t *testing.T, e *env) { e.qr.Private = verifytest.NewCodeKey(t, "JM", e.now, e.now).Private }, reason: verify.BadSignature},
		"two keys share the key id":       {change: collide, shown: true},
		"a key nobody trusts": {change: func(t *testing.T, e *env) {
			e.qr = verifytest.NewCodeKey(t, "JM", start(e), e.now.Add(800*dayLong))
			e.doc = verifytest.NewDocumentKey(t, e.issuer.ID)
		}, reason: verify.UnknownIssuer, both: true},
		"no trust list":                     {change: func(_ *testing.T, e *env) { e.issuer.Keys = nil }, reason: verify.NoTrustList, both: true},
		"an issuer that the key is not of":  {change: func(_ *testing.T, e *env) { e.content.Info.Issuer.Country = "LKA" }, reason: verify.IssuerMismatch},
		"a key for test certificates":       {change: func(_ *testing.T, e *env) { e.key().Usage = []trust.Usage{trust.Test} }, reason: verify.KeyNotAllowed},
		"issued before the key's life":      {change: func(_ *testing.T, e *env) { e.key().NotBefore = start(e).Add(time.Second) }, reason: verify.KeyOutOfPeriod},
		"issued after the key's life":       {change: func(_ *testing.T, e *env) { e.key().NotAfter = start(e).Add(-time.Second) }, reason: verify.KeyOutOfPeriod},
		"valid beyond the key's life":       {change: func(_ *testing.T, e *env) { e.key().NotAfter = e.content.Info.Period.End.Add(-time.Second) }, reason: verify.KeyOutOfPeriod},
		"issued after the key was retired":  {change: retire(-time.Second), reason: verify.KeyRetired, both: true},
		"issued before the key was retired": {change: retire(time.Second), shown: true, both: true},

		// The time.
		"expired":              {change: func(_ *testing.T, e *env) { at(e, e.content.Info.Period.End.Add(time.Second)) }, reason: verify.Expired, shown: true, both: true},
		"the last second":      {change: func(_ *testing.T, e *env) { at(e, e.content.Info.Period.End) }, shown: true, both: true},
		"issued in the future": {change: func(_ *testing.T, e *env) { at(e, start(e).Add(-10*time.Minute)) }, reason: verify.NotYetValid, shown: true, both: true},
		"issued by a clock that is a little fast": {change: func(_ *testing.T, e *env) { at(e, start(e).Add(-time.Minute)) }, shown: true, both: true},
		"a clock earlier than the trust list":     {change: func(_ *testing.T, e *env) { e.bundle.Issued = e.now.Add(time.Hour) }, reason: verify.ClockBehind, shown: true, both: true},
		"a clock before everything":               {change: func(_ *testing.T, e *env) { e.options.At = start(e).Add(-900 * dayLong) }, reason: verify.ClockBehind, shown: true, both: true},

		// The status.
		"superseded": {change: listed(func(s *trust.Snapshot, h trust.Hashes) { s.Superseded = h }), reason: verify.Superseded, shown: true, both: true},
		"suspended":  {change: listed(func(s *trust.Snapshot, h trust.Hashes) { s.Suspended = h }), reason: verify.Suspended, shown: true, both: true},
		"revoked":    {change: listed(func(s *trust.Snapshot, h trust.Hashes) { s.Revoked = h }), reason: verify.Revoked, shown: true, both: true},
		"revoked, an older snapshot replayed": {change: func(t *testing.T, e *env) {
			listed(func(s *trust.Snapshot, h trust.Hashes) { s.Revoked = h })(t, e)
			e.others = []*trust.Bundle{{Version: 9, Issued: e.now, Status: []trust.Snapshot{{Issuer: e.issuer.ID, AsOf: e.now.Add(-7 * time.Hour)}}}}
		}, reason: verify.Revoked, shown: true, both: true},
		"a snapshot that is too old":               {change: func(_ *testing.T, e *env) { e.bundle.Status[0].AsOf = e.now.Add(-8 * dayLong) }, reason: verify.StatusStale, shown: true, both: true},
		"a snapshot older than the profile allows": {change: func(_ *testing.T, e *env) { e.options.MaxStatusAge = time.Hour }, reason: verify.StatusStale, shown: true, both: true},
		"an old snapshot where age does not count": {change: func(_ *testing.T, e *env) {
			e.bundle.Status[0].AsOf, e.options.MaxStatusAge = e.now.Add(-900*dayLong), -1
		}, shown: true, both: true},
		"no status published":                {change: func(_ *testing.T, e *env) { e.bundle.Status = nil }, shown: true, both: true},
		"revoked online":                     {change: status(vaccination.StatusRevoked, 0, true), reason: verify.Revoked, shown: true, both: true},
		"not known online":                   {change: status(verify.StatusUnknown, 0, true), reason: verify.StatusMissing, shown: true, both: true},
		"a state nobody knows":               {change: status("fine", 0, true), reason: verify.StatusMissing, shown: true, both: true},
		"stale online":                       {change: status(vaccination.StatusValid, 900*dayLong, true), reason: verify.StatusStale, shown: true, both: true},
		"online without an answer, snapshot": {change: status(vaccination.StatusRevoked, 0, false), shown: true, both: true},
		"no answer and no fresh snapshot": {change: func(t *testing.T, e *env) {
			status(vaccination.StatusValid, 0, false)(t, e)
			e.bundle.Status[0].AsOf = e.now.Add(-900 * dayLong)
		}, reason: verify.StatusStale, shown: true, both: true},
		"of a demonstration": {change: func(_ *testing.T, e *env) { e.issuer.Specimen = true }, shown: true, both: true},
		"domestic":           {change: func(_ *testing.T, e *env) { e.payload = hcert.Domestic; e.content.Vaccination.Lot = "" }, shown: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			if tc.change != nil {
				tc.change(t, e)
			}
			cose := e.cose(t)
			if tc.cose != nil {
				before := bytes.Clone(cose)
				if cose = tc.cose(cose); bytes.Equal(before, cose) {
					t.Fatal("the code was not changed")
				}
			}
			code := text(t, cose)
			if tc.code != nil {
				code = tc.code(code)
			}
			forms := map[string]string{"code": code}
			if tc.both {
				forms["document"] = e.document(t)
			}
			o := e.opts()
			for form, in := range forms {
				s := verify.Text(t.Context(), in, o)
				check(t, form, s, tc.reason, tc.shown)
				if tc.shown && s.Content.Name != e.content.Name {
					t.Errorf("%s: content of somebody else", form)
				}
				if s.Specimen != e.issuer.Specimen || s.Specimen != s.Has(verify.SpecimenW) {
					t.Errorf("%s: specimen %v", form, s.Specimen)
				}
			}
		})
	}
}

// check compares a statement with what it should say, and with what every
// statement must hold to.
func check(t *testing.T, form string, s verify.Statement, reason string, shown bool) {
	t.Helper()
	switch {
	case reason == "" && (s.Verdict != verify.Valid || len(s.Reasons) > 0):
		t.Errorf("%s: %s %v, want valid", form, s.Verdict, s.Reasons)
	case reason != "" && (s.Verdict == verify.Valid || len(s.Reasons) != 1 || s.Reasons[0].Code != reason):
		t.Errorf("%s: %s %v, want %s", form, s.Verdict, s.Reasons, reason)
	}
	if (s.Content != nil) != shown {
		t.Errorf("%s: content shown is %v, want %v", form, s.Content != nil, shown)
	}
	if !shown && (s.Issuer.Name != "" && reason == verify.UnknownIssuer || !s.ValidFrom.IsZero() || s.Status != verify.StatusUnknown) {
		t.Errorf("%s: says more than it knows: %+v", form, s)
	}
	if s.Verdict == verify.Valid && (!s.Has(verify.CompareIdentity) || !s.Has(verify.PrintedWords)) {
		t.Errorf("%s: valid without telling to compare: %v", form, s.Warnings)
	}
	for _, n := range append(s.Reasons, s.Warnings...) {
		if n.Text == "" {
			t.Errorf("%s: %s has no text", form, n.Code)
		}
	}
}

// collide puts a key with the same id before the right one.
func collide(t *testing.T, e *env) {
	other := verifytest.NewCodeKey(t, "JM", e.now, e.now).Trusted()
	other.KeyID, other.Certificate = e.qr.KeyID(), nil
	e.bundle.Issuers = []trust.Issuer{{ID: "did:web:other.example", Country: "XX", Keys: []trust.Key{other}}}
}

// retire retires both keys so long after the certificate was issued.
func retire(after time.Duration) func(*testing.T, *env) {
	return func(_ *testing.T, e *env) {
		for i := range e.issuer.Keys {
			e.issuer.Keys[i].Retired = e.content.Info.Period.Start.Add(after)
		}
	}
}

// at moves the verifier's clock, and what is dated along with it.
func at(e *env, now time.Time) {
	e.options.At, e.bundle.Issued, e.bundle.Status[0].AsOf = now, now, now
}
