package staff

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access/party/partytest"
	"github.com/opendivoc/divoc/vaccination"
)

// Who signs out at the provider is out here; a token that is none, or came before,
// ends nobody's session.
func TestWhoSignedOutAtTheProvider(t *testing.T) {
	w := newWorld(t)
	at := partytest.New(t, w.Now)
	file := filepath.Join(t.TempDir(), "provider.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "issuer: %s\nclientID: %s\nrolesClaim: roles\nroles: {boss: system-admin}\n", at.Issuer, partytest.ClientID), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ReadProvider(file, ProviderClient())
	if err != nil {
		t.Fatal(err)
	}
	in := func(subject, session string) string {
		t.Helper()
		secret, err := w.arrived(t.Context(), p, subject, map[string]any{"roles": []any{"boss"}}, away{}, &abroad{session: session, idToken: "x"}, Browser{})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	const telephone, computer, his = 0, 1, 2
	three := func() [3]string { return [3]string{in("psut-1", "s-1"), in("psut-1", "s-2"), in("psut-2", "s-3")} }
	open := func(all [3]string) string {
		var out []string
		for i, name := range [...]string{telephone: "telephone", computer: "computer", his: "his"} {
			if w.alive(all[i]) {
				out = append(out, name)
			}
		}
		return strings.Join(out, " ")
	}
	first := three()
	token := at.LogoutToken(map[string]any{"sid": "s-1"})
	for name, refused := range map[string]string{
		"an ID token":     at.LogoutToken(map[string]any{"events": nil, "nonce": "n"}),
		"for another":     at.LogoutToken(map[string]any{"aud": "another"}),
		"of nobody":       at.LogoutToken(map[string]any{"sub": nil}),
		"without a name":  at.LogoutToken(map[string]any{"jti": nil}),
		"of another time": at.LogoutToken(map[string]any{"iat": w.Now().AddDate(0, 0, -1).Unix()}),
	} {
		w.is(w.EndedAbroad(t.Context(), p, refused), vaccination.Invalid, name)
	}
	if got := open(first); got != "telephone computer his" {
		t.Errorf("after tokens that are none: %q", got)
	}
	if err := w.EndedAbroad(t.Context(), p, token); err != nil {
		t.Fatal(err)
	}
	if got := open(first); got != "computer his" {
		t.Errorf("after one session: %q", got)
	}
	again := in("psut-1", "s-1")
	w.is(w.EndedAbroad(t.Context(), p, token), vaccination.Invalid, "the same token")
	if !w.alive(again) {
		t.Error("a token of before ended it")
	}
	if err := w.EndedAbroad(t.Context(), p, at.LogoutToken(nil)); err != nil {
		t.Fatal(err)
	}
	if got := open(first); got != "his" || w.alive(again) {
		t.Errorf("after all of somebody's: %q", got)
	}
	out := 0
	for _, act := range w.acts() {
		if strings.HasSuffix(act, "at the identity provider") && strings.Contains(act, "staff.sign-out") {
			out++
		}
	}
	if out != 2 {
		t.Errorf("%d entries of the audit: %q", out, w.acts())
	}
}
