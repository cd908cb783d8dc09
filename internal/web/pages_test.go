package web

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
)

// area is a part of the pages and the roles of staff that have any business in
// it. Every route below its path is asked as every role and as nobody: who has
// none is refused, before anything is looked up and with nothing personal; nobody
// is sent to sign in. What a page does for those who may is its own test's.
type area struct {
	path  string
	roles string // of those that may come in, by their letters; "*" is everybody, also without an account
}

// areas is the law of the pages, the longest path first.
func areas() []area {
	return []area{
		{"/admin/audit", "s-a"},
		{"/admin", "s-p-f"},
		{"/desk", "s-p-f-d"},
		{"/account", "s-p-f-d-a"},
		{"/sign-in/again", "s-p-f-d-a"},
		{"/sign-in", "*"}, {"/sign-out", "*"}, {"/my", "*"}, {"/privacy", "*"}, {"/report", "*"},
	}
}

// letters names the roles in areas.
func letters() map[string]access.Role {
	return map[string]access.Role{"s": access.SystemAdmin, "p": access.ProgrammeAdmin, "f": access.FacilityAdmin, "d": access.FacilityStaff, "a": access.Auditor}
}

// areaOf is the area of a pattern, nil for none.
func areaOf(pattern string) *area {
	_, path, ok := strings.Cut(pattern, " ")
	if !ok {
		path = pattern
	}
	if path == "/admin" { // what is counted is for auditors too
		return &area{path, "s-p-f-a"}
	}
	for _, a := range areas() {
		if path == a.path || strings.HasPrefix(path, a.path+"/") {
			return &a
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

func TestWhoMayOpenWhat(t *testing.T) {
	w := newWorld(t, "jamaica")
	people := map[string]*colleague{}
	for letter, role := range letters() {
		facility := ""
		if role == access.FacilityAdmin || role == access.FacilityStaff {
			facility = "KGN-1"
		}
		people[letter] = w.colleague("x-"+letter, role, facility)
	}
	asked := 0
	for _, pattern := range w.patterns {
		of := areaOf(pattern)
		if of == nil {
			continue
		}
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = http.MethodGet, pattern
		}
		path = placeholder.ReplaceAllString(path, "1")
		asked++
		w.now = w.now.Add(5 * time.Second) // no network asks too often
		check := func(who string, r reply, may bool) {
			t.Helper()
			toSignIn := r.status == http.StatusSeeOther && strings.HasPrefix(r.header.Get("Location"), "/sign-in")
			unknown := who == "nobody" || who == "an administrator's token" // the pages know no tokens
			switch {
			case r.status >= 500:
				t.Errorf("%s by %s: %d %.200s", pattern, who, r.status, r.body)
			case may && (r.status == 401 || toSignIn && !strings.HasPrefix(r.header.Get("Location"), "/sign-in/again") && of.roles != "*"):
				t.Errorf("%s by %s, who may: %d to %s", pattern, who, r.status, r.header.Get("Location"))
			case !may && unknown && !toSignIn && !slices.Contains([]int{401, 403}, r.status):
				t.Errorf("%s by nobody: %d %.200s", pattern, r.status, r.body)
			case !may && !unknown && !slices.Contains([]int{403, 404}, r.status):
				t.Errorf("%s by %s: %d to %q, want a refusal", pattern, who, r.status, r.header.Get("Location"))
			}
		}
		check("nobody", w.page(nil, method, path, ""), of.roles == "*")
		check("an administrator's token", w.page(nil, method, path, "", "Authorization", "Bearer "+w.admin()), of.roles == "*")
		for letter, role := range letters() {
			check(string(role), w.page(w.awake(people[letter]), method, path, ""), of.roles == "*" || slices.Contains(strings.Split(of.roles, "-"), letter))
		}
	}
	if asked < 20 {
		t.Errorf("only %d routes of pages were asked", asked)
	}
	for _, secret := range []string{"Ann Brown", fmt.Sprint(people["s"].session)} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %.10q…", secret)
		}
	}
}
