package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRightToLeft shows every area of the pages in a language that is written from
// right to left. Nobody speaks it, and no program for users has it: the test builds
// one that does.
func TestRightToLeft(t *testing.T) {
	chromium, users := needs(t)
	binary := os.Getenv("DIVOC_RTL_BINARY") // one that was built so already
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "divoc")
		if out, err := exec.Command("go", "build", "-tags", "pseudo", "-o", binary, "github.com/opendivoc/divoc/cmd/divoc").CombinedOutput(); err != nil {
			t.Fatalf("building: %v\n%s", err, out)
		}
	}
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	c.Certificate = regexp.MustCompile(`[0-9A-Z]{24}`).FindString(c.Print)
	token, err := exec.Command(binary, "token", "create", "--role", "source", "--source", "clinic", "--data", s.data).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, width := range []string{"360", "1280"} {
		who := citizen{Number: fmt.Sprintf("876555030%d", i), Day: "21", Month: "4", Year: fmt.Sprint(1980 + i), Name: fmt.Sprintf("Citizen%c Testperson", 'a'+i)}
		c.Citizen, c.Citizens = who, map[string]citizen{width: who}
		s.issue(t, strings.TrimSpace(string(token)), who)
		t.Run(width, func(t *testing.T) { run(t, s, c, "rtl") })
	}

	plain := start(t, users, "jamaica")
	if page := string(plain.get(t, "/?lang=ar-XB")); strings.Contains(page, "ar-XB") || strings.Contains(page, `dir="rtl"`) {
		t.Error("users are offered the language of the tests")
	}
}
