package verify_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

func TestATextThatIsTooLongIsNotLookedAt(t *testing.T) {
	s := verify.Text(t.Context(), strings.Repeat("hello ", verify.MaxText), newEnv(t).opts())
	check(t, "text", s, verify.TooLarge, false)
}

func TestAnInterruptedCheckCannotTell(t *testing.T) {
	e := newEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := verify.Text(ctx, text(t, e.cose(t)), e.opts())
	check(t, "code", s, verify.Interrupted, false)
	if s.Verdict != verify.CannotTell {
		t.Error(s.Verdict)
	}
}

func TestADocumentOfAnotherIssuerThanItsKey(t *testing.T) {
	e := newEnv(t)
	e.issuer.ID = "did:web:other.example"
	check(t, "document", verify.Text(t.Context(), e.document(t), e.opts()), verify.IssuerMismatch, false)
}

// A document without an end is valid as long as its key.
func TestWithoutAnEndTheKeysIsTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		keyEnd time.Duration // after the issue
		at     time.Duration
		reason string
		shown  bool
	}{
		"in the life of the key": {200 * dayLong, 199 * dayLong, "", true},
		"after it":               {200 * dayLong, 201 * dayLong, verify.Expired, true},
		"issued after it":        {-dayLong, dayLong, verify.KeyOutOfPeriod, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			start := e.content.Info.Period.Start
			e.content.Info.Period.End = time.Time{}
			for i := range e.issuer.Keys {
				e.issuer.Keys[i].NotAfter = start.Add(tc.keyEnd)
			}
			at(e, start.Add(tc.at))
			check(t, "document", verify.Text(t.Context(), e.document(t), e.opts()), tc.reason, tc.shown)
			code := resigned(t, e, func(claims map[any]any) { delete(claims, uint64(4)) })
			check(t, "code", verify.Text(t.Context(), code, e.opts()), tc.reason, tc.shown)
		})
	}
}

// Where the envelope does not say when it ends, the content does.
func TestTheContentsEndCounts(t *testing.T) {
	e := newEnv(t)
	code := resigned(t, e, func(claims map[any]any) { delete(claims, uint64(4)) })
	at(e, e.content.Info.Period.End.Add(time.Second))
	check(t, "code", verify.Text(t.Context(), code, e.opts()), verify.Expired, true)
}

// resigned changes the claims of a code and signs them again with the right
// key: what a faulty issuer could make.
func resigned(t *testing.T, e *env, change func(map[any]any)) string {
	t.Helper()
	was := e.content.Info.Period.End
	if was.IsZero() {
		e.content.Info.Period.End = e.content.Info.Period.Start.Add(dayLong)
	}
	var tag cbor.RawTag
	if err := cbor.Unmarshal(e.cose(t), &tag); err != nil {
		t.Fatal(err)
	}
	e.content.Info.Period.End = was
	var parts []cbor.RawMessage
	if err := cbor.Unmarshal(tag.Content, &parts); err != nil {
		t.Fatal(err)
	}
	var protected, payload []byte
	for i, into := range map[int]*[]byte{0: &protected, 2: &payload} {
		if err := cbor.Unmarshal(parts[i], into); err != nil {
			t.Fatal(err)
		}
	}
	var claims map[any]any
	if err := cbor.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	change(claims)
	if was.IsZero() {
		delete(claims[int64(-260)].(map[any]any)[uint64(3)].(map[any]any)["certificate"].(map[any]any), "period")
	}
	payload = encode(t, claims)
	signature, err := e.qr.Sign(encode(t, []any{"Signature1", protected, []byte{}, payload}))
	if err != nil {
		t.Fatal(err)
	}
	return text(t, encode(t, cbor.Tag{Number: 18, Content: []any{protected, map[any]any{}, payload, signature}}))
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := mode.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// DIVOC's own published vectors, with the key they were signed with.
func TestDIVOC(t *testing.T) {
	dir := os.Getenv("DIVOC_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, "divoc", name))
		if err != nil {
			t.Skipf("no test vectors: set DIVOC_VECTORS (%v)", err)
		}
		return string(data)
	}
	block, _ := pem.Decode([]byte(read("demo-rsa-public.pem")))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := trust.Key{Public: public}
	valid := read("rsa-valid.json")
	for name, tc := range map[string]struct {
		in     string
		change func(*trust.Key)
		reason string
		shown  bool
	}{
		"a genuine one":                 {in: valid, reason: verify.FieldsNotBound, shown: true},
		"a changed one":                 {in: read("rsa-tampered-must-fail.json"), reason: verify.BadSignature},
		"one whose holder anyone is":    {in: read("rsa-v2-subject-not-signed-must-be-refused.json"), reason: verify.SubjectNotSigned},
		"number and batch exchanged":    {in: exchanged(t, valid, "certificateId", "batch"), reason: verify.ValuesMoved},
		"doses exchanged":               {in: exchanged(t, valid, "dose", "totalDoses"), reason: verify.FieldsNotBound, shown: true},
		"signed by a key not trusted":   {in: read("ed25519-valid.json"), reason: verify.UnknownIssuer},
		"signed after the key was left": {in: valid, change: func(k *trust.Key) { k.Retired = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }, reason: verify.KeyRetired},
		"a key for tests only":          {in: valid, change: func(k *trust.Key) { k.Usage = []trust.Usage{trust.Test} }, reason: verify.KeyNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			k := key
			if tc.change != nil {
				tc.change(&k)
			}
			s := verify.Text(t.Context(), tc.in, verify.Options{
				Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{{Keys: []trust.Key{k}}}}), At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			})
			check(t, "credential", s, tc.reason, tc.shown)
			if s.Format != verify.FormatDIVOC {
				t.Errorf("format %s", s.Format)
			}
			if tc.reason == verify.FieldsNotBound && (s.Verdict != verify.CannotTell || s.Status != verify.StatusNotPublished) {
				t.Errorf("%s, status %s", s.Verdict, s.Status)
			}
		})
	}
}

// exchanged is the credential with two values of its evidence in each other's
// place, which its signature does not notice.
func exchanged(t *testing.T, credential, a, b string) string {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal([]byte(credential), &c); err != nil {
		t.Fatal(err)
	}
	e := c["evidence"].([]any)[0].(map[string]any)
	e[a], e[b] = e[b], e[a]
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
