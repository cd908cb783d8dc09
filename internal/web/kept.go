package web

import (
	"net/http"

	"github.com/opendivoc/divoc/internal/web/auditor"
)

// kept is what the auditors' page says of retention.
func (s *server) kept(r *http.Request) ([]auditor.Kept, error) {
	if s.Retention == nil {
		return nil, nil
	}
	lines, err := s.Retention.Report(r.Context())
	out := make([]auditor.Kept, len(lines))
	for i, l := range lines {
		out[i] = auditor.Kept{Class: l.Class, Keep: l.Keep, Last: l.Ran, Removed: l.Removed, Due: l.Due}
	}
	return out, err
}
