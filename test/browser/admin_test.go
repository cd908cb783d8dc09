package browser

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/commcare/hq"
)

// TestAdmin is the work of an administrator, on a small and on a large screen.
func TestAdmin(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	run(t, s, c, "admin")
}

// TestAdminMore is what else administrators and auditors see: staff, messages,
// layouts, a system whose records are held, keys.
func TestAdminMore(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	s.held(t, binary)
	for _, width := range []int{1280, 360} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			run(t, s, struct {
				setup
				Width int `json:"width"`
			}{c, width}, "admin-more")
		})
	}
}

// held connects a system, whose second record has a code that nobody knows.
func (s *server) held(t *testing.T, binary string) {
	t.Helper()
	divoc := func(args ...string) string {
		out, err := exec.Command(binary, append(args, "--data", s.data)...).Output()
		if err != nil {
			t.Fatalf("divoc %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	project := hq.New(hq.Options{Domain: "jamaica", User: "reader@moh", APIKey: "key", Now: time.Now})
	api, stop := project.Start()
	t.Cleanup(stop)
	config := filepath.Join(t.TempDir(), "commcare.json")
	write(t, config, fmt.Sprintf(`{"url":%q,"domain":"jamaica","user":"reader@moh","apiKey":"key"}`, api))
	divoc("source", "create", "commcare", "--kind", "commcare", "--mapping", filepath.Join("..", "..", "profiles", "jamaica", "sources", "commcare.yaml"), "--config", config)
	token := divoc("token", "create", "--role", "source", "--source", "commcare")
	forwarder := &hq.Forwarder{
		Server: project, URL: s.base + "/api/v1/intake/commcare", Client: http.DefaultClient, Random: mathrand.New(mathrand.NewPCG(1, 2)), //nolint:gosec // a game of chance
		Authorize: func(r *http.Request) { r.SetBasicAuth("commcare", token) },
	}
	for i, n := range []int{142, 143} {
		person, doses := hq.Invent(n)
		if i == 1 {
			doses[0].Properties["vaccine"] = "something new"
		}
		doses[0].Properties["date_given"] = time.Now().AddDate(0, 0, -2).Format(time.DateOnly) // nobody is told of old doses
		project.Put(person)
		project.Put(doses[0])
	}
	if sent := forwarder.Step(); sent.Delivered != 4 {
		t.Fatalf("CommCare's forwarder says %+v", sent)
	}
}
