package browser

import "testing"

// TestAdmin is the work of an administrator, on a small and on a large screen.
func TestAdmin(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	run(t, s, c, "admin")
}
