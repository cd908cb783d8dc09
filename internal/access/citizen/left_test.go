package citizen_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/vaccination"
)

// as signs somebody in under a name of the provider's, in one of its sessions.
func (w *abroad) as(subject, session string) string {
	w.t.Helper()
	w.provider.Lie = ""
	w.provider.Said = map[string]any{"individual_id": newCard, "sub": subject}
	w.provider.Told = map[string]any{"sub": subject, "sid": session}
	secret, _ := w.enter("")
	return secret
}

// open are those of some sessions that are sessions still.
func (w *abroad) open(sessions map[string]string) string {
	w.t.Helper()
	var out []string
	for _, name := range []string{"her telephone", "her computer", "his"} {
		if _, err := w.Session(w.t.Context(), sessions[name]); err == nil {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

// three are sessions of two people, of whom one has two.
func (w *abroad) three() map[string]string {
	w.t.Helper()
	return map[string]string{"her telephone": w.as("psut-1", "s-1"), "her computer": w.as("psut-1", "s-2"), "his": w.as("psut-2", "s-3")}
}

// Who signs out at the provider is out here.
func TestWhoSignedOutAtTheProvider(t *testing.T) {
	w := newAbroad(t)
	for name, test := range map[string]struct {
		token map[string]any
		open  string
	}{
		"one of its sessions":           {map[string]any{"sid": "s-1", "sub": nil}, "her computer, his"},
		"one of its sessions, of whom":  {map[string]any{"sid": "s-1"}, "her computer, his"},
		"somebody, everywhere":          {nil, "his"},
		"a session that we do not know": {map[string]any{"sid": "s-9"}, "her telephone, her computer, his"},
		"somebody whom we do not know":  {map[string]any{"sub": "psut-9"}, "her telephone, her computer, his"},
		"for several services":          {map[string]any{"aud": []string{"another", "divoc"}}, "his"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			if _, err := w.h.Store.Pool().Exec(t.Context(), "DELETE FROM citizen_session"); err != nil {
				t.Fatal(err)
			}
			sessions := w.three()
			if err := w.EndedIdentity(t.Context(), w.provider.LogoutToken(test.token)); err != nil {
				t.Fatal(err)
			}
			if got := w.open(sessions); got != test.open {
				t.Errorf("open is %q, want %q", got, test.open)
			}
		})
	}
	var out int
	if err := w.h.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM audit WHERE act = 'citizen.out' AND detail = 'at the identity provider'").Scan(&out); err != nil || out != 6 {
		t.Errorf("%d entries of the audit, %v", out, err)
	}
}

// What is no logout token ends nobody's session.
func TestWhatIsNoLogoutToken(t *testing.T) {
	w := newAbroad(t)
	sessions := w.three()
	const everybody = "her telephone, her computer, his"
	try := func(t *testing.T, token string) {
		t.Helper()
		w.t = t
		refused(t, "the token", w.EndedIdentity(t.Context(), token), vaccination.Invalid)
		if got := w.open(sessions); got != everybody {
			t.Errorf("open is %q", got)
		}
	}
	for _, lie := range []string{"aud", "iss", "nonce", "expired", "key", "none", "hs256"} {
		t.Run("another "+lie, func(t *testing.T) {
			w.provider.Lie = lie
			defer func() { w.provider.Lie = "" }()
			try(t, w.provider.LogoutToken(nil))
		})
	}
	now := w.h.Now()
	for name, change := range map[string]map[string]any{
		"no events":                  {"events": nil},
		"another event":              {"events": map[string]any{"https://example.org/event": map[string]any{}}},
		"events that are none":       {"events": "http://schemas.openid.net/event/backchannel-logout"},
		"no name of its own":         {"jti": nil},
		"nobody":                     {"sub": nil},
		"no time":                    {"iat": nil},
		"eleven minutes old":         {"iat": now.Add(-11 * time.Minute).Unix()},
		"two minutes ahead":          {"iat": now.Add(2 * time.Minute).Unix()},
		"no end":                     {"exp": nil},
		"an ID token":                {"events": nil, "nonce": "n"},
		"an ID token with the event": {"nonce": "n"},
	} {
		t.Run(name, func(t *testing.T) { try(t, w.provider.LogoutToken(change)) })
	}
	for name, token := range map[string]string{"nothing": "", "garbage": "x.y.z", "half": strings.TrimRight(w.provider.LogoutToken(nil), "0123456789-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")} {
		t.Run(name, func(t *testing.T) { try(t, token) })
	}
}

// A token that came before ends nothing of what began since, however often it comes
// at once; it is forgotten when it would not count any more.
func TestALogoutTokenCountsOnce(t *testing.T) {
	w := newAbroad(t)
	token := w.provider.LogoutToken(map[string]any{"exp": w.h.Now().Add(time.Hour).Unix()})
	w.as("psut-1", "s-1")
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if w.EndedIdentity(t.Context(), token) == nil {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times", taken.Load())
	}
	later := w.as("psut-1", "s-2")
	for _, wait := range []time.Duration{0, 9 * time.Minute, 3 * time.Minute} {
		w.h.Pass(wait)
		refused(t, "again", w.EndedIdentity(t.Context(), token), vaccination.Invalid)
	}
	if _, err := w.Session(t.Context(), later); err != nil {
		t.Errorf("a token of before ended it: %v", err)
	}
	if err := w.EndedIdentity(t.Context(), w.provider.LogoutToken(nil)); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := w.h.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM logout_token").Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d are kept, %v", kept, err)
	}
}

// leftFaults are the writes when somebody signs out at the provider.
func leftFaults() []string {
	return []string{"INSERT ON logout_token", "DELETE ON citizen_session", "INSERT ON audit"}
}

// TestSigningOutAtTheProviderFails lets each write fail: the session goes on, the
// provider hears an error, and the same token counts when it comes again.
func TestSigningOutAtTheProviderFails(t *testing.T) {
	w := newAbroad(t)
	session := w.as("psut-1", "s-1")
	token := w.provider.LogoutToken(map[string]any{"sid": "s-1"})
	for _, write := range leftFaults() {
		heal := pgtest.Fail(t, w.h.Store.Pool(), write)
		if err := w.EndedIdentity(t.Context(), token); err == nil || vaccination.ErrorCode(err) == vaccination.Invalid {
			t.Errorf("%s: %v", write, err)
		}
		heal()
		if _, err := w.Session(t.Context(), session); err != nil {
			t.Errorf("%s: %v", write, err)
		}
	}
	if err := w.EndedIdentity(t.Context(), token); err != nil {
		t.Error(err)
	}
	_, err := w.Session(t.Context(), session)
	refused(t, "the session", err, vaccination.Unauthorized)
}
