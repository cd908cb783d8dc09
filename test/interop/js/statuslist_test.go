package interop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/tokenstatus"
)

type listKey struct{ ed25519.PrivateKey }

func (k listKey) ID() string                    { return "did:web:certificates.example.org#key" }
func (k listKey) Sign(m []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, m), nil }

// jose verifies our token status list, and cbor with Node's own cryptography the same as
// a CWT. They read the values that we wrote, and refuse a changed one, one that has
// expired, one of another address and one of another key.
func TestOthersJudgeOurTokenStatusLists(t *testing.T) {
	packages(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const uri = "https://certificates.example.org/status/token/0"
	now := time.Now().Truncate(time.Second)
	list := tokenstatus.New(131072)
	list.Set(0, tokenstatus.Invalid)
	list.Set(5, tokenstatus.Suspended)
	list.Set(131071, tokenstatus.Invalid)
	info := tokenstatus.Info{URL: uri, Issuer: "did:web:certificates.example.org", IssuedAt: now, ExpiresAt: now.Add(time.Hour), TTL: time.Minute}
	jwt, err := tokenstatus.Issue(info, list, listKey{private})
	if err != nil {
		t.Fatal(err)
	}
	cwt, err := tokenstatus.IssueCWT(info, list, listKey{private})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(jwt), ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), `"ttl":60`, `"ttl":61`, 1)))
	changed := bytes.Replace(cwt, []byte("\x19\xff\xfe\x18\x3c"), []byte("\x19\xff\xfe\x18\x3d"), 1) // the same
	for name, form := range map[string]struct{ list, changed string }{
		"jwt": {string(jwt), strings.Join(parts, ".")},
		"cwt": {base64.StdEncoding.EncodeToString(cwt), base64.StdEncoding.EncodeToString(changed)},
	} {
		t.Run(name, func(t *testing.T) { judgeList(t, name, form.list, form.changed, uri, now, private, stranger) })
	}
}

func judgeList(t *testing.T, form, list, changed, uri string, now time.Time, private ed25519.PrivateKey, stranger ed25519.PublicKey) {
	type answer struct {
		Verified bool
		Error    string
		Claims   struct {
			Sub, Iss      string
			Iat, Exp, TTL int64
		}
		Header struct{ Alg, Typ, Kid string }
		Values []int
	}
	jwk := func(key ed25519.PublicKey) map[string]string {
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(key)}
	}
	in := func(change func(map[string]any)) map[string]any {
		in := map[string]any{
			form: list, "uri": uri, "now": now.UnixMilli(), "indexes": []int{0, 1, 4, 5, 6, 131070, 131071, 131072},
			"jwk": jwk(private.Public().(ed25519.PublicKey)),
		}
		change(in)
		return in
	}
	a := node[answer](t, "verify-statuslist.mjs", in(func(map[string]any) {}))
	if diff := cmp.Diff([]int{1, 0, 0, 2, 0, 0, 1, -1}, a.Values); !a.Verified || diff != "" {
		t.Fatalf("%s %s", a.Error, diff)
	}
	if a.Claims.Sub != uri || a.Claims.Iss != "did:web:certificates.example.org" || a.Claims.Iat != now.Unix() || a.Claims.Exp != now.Add(time.Hour).Unix() || a.Claims.TTL != 60 || a.Header.Kid != (listKey{}).ID() {
		t.Errorf("%+v", a)
	}
	for name, change := range map[string]func(map[string]any){
		"changed":                 func(in map[string]any) { in[form] = changed },
		"freeze: expired":         func(in map[string]any) { in["now"] = now.Add(2 * time.Hour).UnixMilli() },
		"list of another address": func(in map[string]any) { in["uri"] = uri + "1" },
		"wrong list signer":       func(in map[string]any) { in["jwk"] = jwk(stranger) },
	} {
		if a := node[answer](t, "verify-statuslist.mjs", in(change)); a.Verified {
			t.Errorf("%s: verified", name)
		}
	}
}
