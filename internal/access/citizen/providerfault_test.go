package citizen_test

import (
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
)

// providerFaults are the writes of a sign-in at the provider.
func providerFaults() map[string][]string {
	return map[string][]string{
		"go to the identity provider":   {"INSERT ON citizen_away"},
		"come back from it":             {"DELETE ON citizen_away"},
		"begin a session of theirs":     {"INSERT ON citizen_session", "INSERT ON audit"},
		"make the key of this service":  {"INSERT ON client_key", "INSERT ON audit"},
		"renew the key of this service": {"DELETE ON client_key", "INSERT ON client_key", "INSERT ON audit"},
	}
}

// TestASignInAtTheProviderFails lets each write fail: nobody is signed in, and the
// next sign-in succeeds.
func TestASignInAtTheProviderFails(t *testing.T) {
	w := newAbroad(t)
	keys := func() string {
		var out string
		if err := w.h.Store.Pool().QueryRow(t.Context(), "SELECT coalesce(string_agg(encode(sealed, 'hex'), ' '), '') FROM client_key").Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	begin := func() error { _, _, err := w.BeginIdentity(t.Context(), "en"); return err }
	for _, act := range []string{"make the key of this service", "renew the key of this service"} {
		do := func() error { _, err := w.ClientKeys(t.Context()); return err }
		if strings.HasPrefix(act, "renew") {
			do = func() error { return w.RenewClientKey(t.Context()) }
		}
		before := keys()
		for _, write := range providerFaults()[act] {
			heal := pgtest.Fail(t, w.h.Store.Pool(), write)
			if err := do(); err == nil || keys() != before {
				t.Errorf("%s, %s: %v", act, write, err)
			}
			heal()
		}
		if err := do(); err != nil || keys() == before {
			t.Errorf("%s afterwards: %v", act, err)
		}
	}
	for _, act := range []string{"go to the identity provider", "come back from it", "begin a session of theirs"} {
		for _, write := range providerFaults()[act] {
			do := begin
			if !strings.HasPrefix(act, "go ") {
				secret, answer := w.begin()
				do = func() error { _, _, err := w.EndIdentity(t.Context(), secret, answer, ""); return err }
			}
			heal := pgtest.Fail(t, w.h.Store.Pool(), write)
			if err := do(); err == nil {
				t.Errorf("%s, %s: it succeeds", act, write)
			}
			heal()
			if n := w.sessions(); n != 0 {
				t.Errorf("%s, %s: %d sessions", act, write, n)
			}
		}
	}
	w.enter("")
}
