package browser

import "testing"

// TestDesk is the work of a facility's staff, by keyboard, on a small and on a
// large screen.
func TestDesk(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	run(t, s, c, "desk")
}
