package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/profile"
)

// TestHeadsByMail fails where the message has not what its template needs: it
// would never be sent.
func TestHeadsByMail(t *testing.T) {
	m := headsMail("https://certificates.example.org", "auditor@example.org", 7, []byte("a statement"))
	want := map[string]string{
		"number": "7", "link": "https://certificates.example.org/audit/heads/7",
		"hash": "28462c1e5b25025505bd65c591cfe44d71c8c6c25be18a877780f6a5904f7bdc",
	}
	if diff := cmp.Diff(want, m.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	places, ok := profile.Places(m.Template)
	if !ok || len(places) != len(m.Values) {
		t.Errorf("the template has the places %v", places)
	}
	other := headsMail("https://certificates.example.org", "auditor@example.org", 7, []byte("another one, after a restore"))
	if m.Once == other.Once || !strings.Contains(m.Once, m.Values["hash"]) {
		t.Error("another statement of the same number would not be sent")
	}
}
