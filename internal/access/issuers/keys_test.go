package issuers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/opendivoc/divoc/vaccination"
)

// asksFor is a token signed by a key of that id.
func (w *world) asksFor(t testing.TB, kid string) string {
	return sign(t, otherRSA(), m{"alg": "RS256", "kid": kid}, claimsOf(w.now))
}

func TestANewKeyIsFetchedOnceAMinute(t *testing.T) {
	w := newWorld(t, "")
	try := func(why, kid string, want vaccination.Code, fetches int32) {
		t.Helper()
		if _, err := w.Recognise(t.Context(), w.asksFor(t, kid)); vaccination.ErrorCode(err) != want {
			t.Errorf("%s: %v, want %q", why, err, want)
		}
		if got := w.fetches.Load(); got != fetches {
			t.Errorf("%s: fetched %d times, want %d", why, got, fetches)
		}
	}
	w.publish(func(out http.ResponseWriter) {
		_, _ = out.Write(jwks(jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "r2", Use: "sig"}))
	})
	try("the start was just now", "r2", vaccination.Unauthorized, 1)
	w.now = w.now.Add(59 * time.Second)
	try("a minute has not gone", "r2", vaccination.Unauthorized, 1)
	w.now = w.now.Add(time.Second)
	try("a minute has gone", "r2", "", 2)
	try("known from now on", "r2", "", 2)
	w.now = w.now.Add(time.Hour)
	try("what is known is not fetched again", "r2", "", 2)
	try("what is not known is", "r9", vaccination.Unauthorized, 3)
	w.now = w.now.Add(-24 * time.Hour)
	try("a clock that was set back waits for no day", "r9", vaccination.Unauthorized, 4)

	// Keys that cannot be read leave those there are, and say so.
	w.publish(func(out http.ResponseWriter) { out.WriteHeader(http.StatusBadGateway) })
	w.now = w.now.Add(time.Minute)
	try("the issuer is down", "r9", vaccination.Unavailable, 5)
	try("and not asked again at once", "r9", vaccination.Unavailable, 5)
	try("what is known stays", "r2", "", 5)
	w.publish(func(out http.ResponseWriter) { _, _ = out.Write([]byte(`{"keys":[]}`)) })
	w.now = w.now.Add(time.Minute)
	try("an empty list is believed of nobody", "r9", vaccination.Unavailable, 6)
	try("what is known still stays", "r2", "", 6)

	// A key that was withdrawn ends with the next reading.
	w.publish(func(out http.ResponseWriter) { _, _ = out.Write(jwks()) })
	w.issuers[realm].keys.refresh(t.Context())
	try("withdrawn", "r2", vaccination.Unauthorized, 7)
}

func TestManyAskForAKeyAtOnce(t *testing.T) {
	w := newWorld(t, "")
	w.now = w.now.Add(time.Hour)
	w.publish(func(out http.ResponseWriter) {
		time.Sleep(50 * time.Millisecond)
		_, _ = out.Write(jwks(jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "r2"}))
	})
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			if _, err := w.Recognise(t.Context(), w.asksFor(t, "r2")); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if got := w.fetches.Load(); got != 2 {
		t.Errorf("fetched %d times", got)
	}
}

func TestKeysThatCannotBeHad(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"not found": func(out http.ResponseWriter) { out.WriteHeader(http.StatusNotFound) },
		"a page":    func(out http.ResponseWriter) { _, _ = io.WriteString(out, "<html>") },
		"too large": func(out http.ResponseWriter) { _, _ = out.Write(append(jwks(), make([]byte, maxKeysFile)...)) },
		"without an end": func(out http.ResponseWriter) {
			for {
				if _, err := out.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"elsewhere": func(out http.ResponseWriter) {
			out.Header().Set("Location", "/other")
			out.WriteHeader(http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.publish(answer)
			w.now = w.now.Add(time.Hour)
			if _, err := w.Recognise(t.Context(), w.asksFor(t, "r2")); vaccination.ErrorCode(err) != vaccination.Unavailable {
				t.Errorf("%v", err)
			}
			if w.fetches.Load() != 2 {
				t.Errorf("fetched %d times", w.fetches.Load())
			}
			if !strings.Contains(w.log.String(), "level=WARN") {
				t.Errorf("nobody is told:\n%s", w.log)
			}
			if _, err := w.Recognise(t.Context(), w.token(t)); err != nil {
				t.Errorf("the keys of before are gone: %v", err)
			}
		})
	}
}

func TestWhichKeysCount(t *testing.T) {
	key := func(k any, id, alg, use string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: alg, Use: use}
	}
	small := must(rsa.GenerateKey(rand.Reader, 1024)) //nolint:gosec // too small on purpose
	curve := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for name, test := range map[string]struct {
		key   jose.JSONWebKey
		count bool
		says  string // the whole set is refused
	}{
		"RSA":                        {key(otherRSA().Public(), "x", "RS256", "sig"), true, ""},
		"RSA without alg and use":    {key(otherRSA().Public(), "x", "", ""), true, ""},
		"RSA for RS512":              {key(otherRSA().Public(), "x", "RS512", "sig"), false, ""},
		"RSA for encryption":         {key(otherRSA().Public(), "x", "", "enc"), false, ""},
		"RSA of 1024 bits":           {key(small.Public(), "x", "RS256", "sig"), false, ""},
		"RSA that says ES256":        {key(otherRSA().Public(), "x", "ES256", "sig"), false, ""},
		"P-384":                      {key(curve.Public(), "x", "", "sig"), false, ""},
		"a secret":                   {key([]byte("0123456789abcdef0123456789abcdef"), "x", "HS256", "sig"), false, ""},
		"without an id":              {key(otherRSA().Public(), "", "RS256", "sig"), false, ""},
		"of an id that is taken":     {key(otherRSA().Public(), "r1", "RS256", "sig"), false, "one id"},
		"a private key":              {key(otherRSA(), "x", "RS256", "sig"), false, "private key"},
		"a private key for the rest": {key(curve, "x", "ES384", "sig"), false, "private key"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := parseKeys(jwks(test.key))
			if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, want %q", err, test.says)
			}
			if _, there := keys["x"]; there != test.count {
				t.Errorf("counts: %t", there)
			}
		})
	}
}

// TestTheFileOfIssuers reads files that are wrong: every fault is told with its
// line.
func TestTheFileOfIssuers(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("keys.json", jwks())
	write("private.json", jwks(jose.JSONWebKey{Key: otherRSA(), KeyID: "x"}))
	const good = `issuers:
- name: moh
  issuer: https://id.example.org/realms/divoc
  keys: keys.json
  roles: {facility-staff: source}
`
	if err := Check(write("good.yaml", []byte(good))); err != nil {
		t.Error(err)
	}
	set, err := Open(t.Context(), write("good.yaml", []byte(good)), Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(set.issuers["https://id.example.org/realms/divoc"].keys.keys) != 2 {
		t.Errorf("a file of keys: %v", err)
	}
	for name, test := range map[string]struct{ old, new, says string }{
		"nothing":                    {good, "", "yaml:1: "},
		"no issuer":                  {good, "issuers: []", ":1: issuers: name at least one"},
		"an unknown key":             {"keys:", "jwks:", `:4: issuers.1.jwks: there is no such key here`},
		"no name":                    {"name: moh", "name: ''", ":2: issuers.1.name: "},
		"a name of our own":          {"name: moh", "name: staff", ":2: issuers.1.name: the audit calls others so"},
		"a name with a colon":        {"name: moh", "name: 'a:b'", ":2: issuers.1.name: "},
		"no issuer's name":           {"issuer: https://id.example.org/realms/divoc", "issuer: divoc", ":3: issuers.1.issuer: "},
		"no keys":                    {"keys: keys.json", "keys:", ":4: issuers.1.keys: say where"},
		"keys that are not there":    {"keys.json", "none.json", ":4: issuers.1.keys: none.json cannot be used"},
		"keys that are private":      {"keys.json", "private.json", ":4: issuers.1.keys: private.json cannot be used: it holds a private key"},
		"keys without https":         {"keys.json", "http://id.example.org/certs", ":4: issuers.1.keys: an address begins with https"},
		"keys by a name like ours":   {"keys.json", "http://localhost.example.org/certs", ":4: issuers.1.keys: an address begins with https"},
		"keys by another scheme":     {"keys.json", "file:///etc/passwd", ":4: issuers.1.keys: an address begins with https"},
		"keys with a password":       {"keys.json", "https://a:MARKED@id.example.org/", ":4: issuers.1.keys: an address"},
		"no roles":                   {"roles: {facility-staff: source}", "roles: {}", ":5: issuers.1.roles: "},
		"a role that there is not":   {"source}", "boss}", ":5: issuers.1.roles.facility-staff: the roles here are system-admin auditor source facility-staff facility-admin recipient"},
		"a source that is none":      {"source}", "source}\n  sources:\n    x: The Clinic", ":7: issuers.1.sources.x: a source's name"},
		"the administrators' source": {"source}", "source}\n  sources: {x: admin}", ":6: issuers.1.sources.x: a source's name"},
		"clocks an hour apart":       {"source}", "source}\n  clockSkewSeconds: 3600", ":6: issuers.1.clockSkewSeconds: from 0 to 300"},
		"a claim of nothing":         {"source}", "source}\n  rolesClaim: a..b", ":6: issuers.1.rolesClaim: names of claims"},
		"an issuer twice":            {"source}\n", "source}\n- name: other\n  issuer: https://id.example.org/realms/divoc\n  keys: keys.json\n  roles: {a: source}\n", ":7: issuers.2.issuer: stated twice"},
		"a name twice":               {"source}\n", "source}\n- name: moh\n  issuer: https://other.example.org\n  keys: keys.json\n  roles: {a: source}\n", ":6: issuers.2.name: two issuers"},
		"a list for a text":          {"name: moh", "name: [moh]", ":2: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(write("bad.yaml", []byte(strings.Replace(good, test.old, test.new, 1))))
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "MARKED") {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
	if err := Check(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "token issuers") {
		t.Errorf("no file: %v", err)
	}
	if err := Check(write("big.yaml", make([]byte, maxFile+1))); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
}

// TestThePageExplainsEveryKey compares the file's keys with docs/divoc-api.md,
// whose example must be good.
func TestThePageExplainsEveryKey(t *testing.T) {
	page := string(must(os.ReadFile("../../../docs/divoc-api.md")))
	for field := range reflect.TypeFor[issuerDocument]().Fields() {
		if key := field.Tag.Get("yaml"); !strings.Contains(page, "\n| `"+key+"` |") {
			t.Errorf("%s is not explained", key)
		}
	}
	_, example, _ := strings.Cut(page, "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	path := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil || !ok {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Error(err)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ecKey().Public(), KeyID: "e1"}}})))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"},{"kty":"oct","k":"AA"},null,1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if err == nil && (len(keys) == 0 || len(keys) > maxKeys) {
			t.Errorf("%d keys", len(keys))
		}
	})
}
