package verifier

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/rules"
)

// A genuine certificate that is not accepted does not look like a valid one.
func TestWhatIsNotAcceptedLooksSo(t *testing.T) {
	for outcome, want := range map[rules.Outcome]string{rules.Passed: "result--valid", rules.Failed: "result--not-accepted", rules.Open: "result--undecided"} {
		s := valid()
		s.Accepted, s.Rules = outcome, []rules.Result{{ID: "X", Outcome: outcome, Text: "Two <doses>."}}
		h := handlerFor(t, func(context.Context, []byte, string) ([]verify.Statement, error) { return []verify.Statement{s}, nil })
		page := post(t, h, Path, nil, []byte("HC1:")).Body.String()
		if !strings.Contains(page, want) || !strings.Contains(page, "Two &lt;doses&gt;.") || strings.Contains(page, "result--valid") != (outcome == rules.Passed) {
			t.Errorf("%s: %s", outcome, page)
		}
	}
}

func TestWhichRulesCanBeAsked(t *testing.T) {
	h := handlerFor(t, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
	for _, want := range []string{`name="rules"`, `value="yellow-fever"`, `data-verdict="not-accepted"`, `data-verdict="undecided"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
}
