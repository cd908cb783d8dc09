package issuers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of getting keys.
const (
	maxKeys      = 100       // of one issuer
	maxKeysFile  = 512 << 10 // bytes
	fetchTimeout = 5 * time.Second
	refreshEvery = time.Hour   // so long a withdrawn key may count
	refreshPause = time.Minute // between two tries for a key that is not known
	minRSABits   = 2048
)

// keySet is the keys of one issuer. What was read last stays when they cannot be
// read again.
type keySet struct {
	of   string // the issuer, in the log
	load func(context.Context) ([]byte, error)
	now  func() time.Time
	log  *slog.Logger

	reading sync.Mutex // one at a time; the others wait for it
	mu      sync.Mutex
	keys    map[string]any
	tried   time.Time
	err     error // of the last try
}

// find returns the key of an id. For one that is not known the keys are read
// again, at most once a minute; an error says that they could not be.
func (s *keySet) find(ctx context.Context, id string) (key any, known bool, err error) {
	if key, known, _, _ = s.look(id); known {
		return key, true, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	key, known, due, err := s.look(id) // somebody may have read them meanwhile
	if known || !due {
		return key, known, err
	}
	s.read(ctx)
	key, known, _, err = s.look(id)
	return key, known, err
}

// look finds a public key among those there are. due says that it is time to read them
// again; err is why that failed last.
func (s *keySet) look(id string) (key any, known, due bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, known = s.keys[id]; known {
		return key, true, false, nil
	}
	since := s.now().Sub(s.tried)
	return key, false, since < 0 || since >= refreshPause, s.err
}

// refresh reads the keys again.
func (s *keySet) refresh(ctx context.Context) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.read(ctx)
}

func (s *keySet) read(ctx context.Context) {
	// Whoever asked first may go away; the others still want the keys.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	data, err := s.load(ctx)
	var keys map[string]any
	if err == nil {
		keys, err = parseKeys(data)
	}
	if err != nil {
		s.log.Warn("the keys of a token issuer could not be read; those read before stay", slog.String("issuer", s.of), slog.String("error", err.Error()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.err = s.now(), err
	if err == nil {
		s.keys = keys
	}
}

// parseKeys reads a JSON Web Key Set (RFC 7517) and keeps what can verify a
// token: RSA keys of 2048 bits or more for RS256, P-256 keys for ES256. Other
// keys are passed over, as issuers publish some for other things; a private one
// is refused, because it is not private any more.
func parseKeys(data []byte) (map[string]any, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("this is no JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	out := map[string]any{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil { // of a kind that is not known
			continue
		}
		if _, secret := k.Key.([]byte); !secret && !k.IsPublic() {
			return nil, errors.New("it holds a private key: whoever read it can make tokens; replace that key and publish only public ones")
		}
		algorithm := algorithmOf(k.Key)
		if algorithm == "" || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != algorithm || k.KeyID == "" {
			continue
		}
		if _, twice := out[k.KeyID]; twice {
			return nil, errors.New("two keys have one id (kid)")
		}
		out[k.KeyID] = k.Key
	}
	if len(out) == 0 {
		return nil, errors.New("it holds no key that can verify RS256 or ES256 (RSA of 2048 bits or more, P-256; with a kid)")
	}
	return out, nil
}

// algorithmOf is what a key verifies, "" for nothing.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return string(jose.RS256)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(jose.ES256)
		}
	}
	return ""
}

// Client returns what fetches keys: it follows no redirect, which could lead
// anywhere.
func Client() *http.Client {
	return &http.Client{Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects: name the address it redirects to")
	}}
}

// fromURL loads keys from an address.
func fromURL(client *http.Client, address string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "application/jwk-set+json, application/json")
		response, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answers %s", address, response.Status)
		}
		data, err := bounded(response.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
		return data, nil
	}
}

// fromFile loads keys from a file.
func fromFile(path string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return bounded(f)
	}
}

func bounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeysFile+1))
	if err == nil && len(data) > maxKeysFile {
		err = fmt.Errorf("larger than %d bytes", maxKeysFile)
	}
	return data, err
}

// safe reports whether keys may be fetched from u: nobody on the way can change
// them.
func safe(u *url.URL) bool {
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	if u.Scheme == "http" {
		ip, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	}
	return u.Scheme == "https"
}
