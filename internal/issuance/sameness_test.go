package issuance_test

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// model is the rules of sameness once more, as plain as can be.
type model struct {
	contents []int // lot number of each version
	status   vaccination.Status
}

func (m *model) holds(content int) bool {
	for _, c := range m.contents {
		if c == content {
			return true
		}
	}
	return false
}

// TestSamenessFollowsItsRules runs random requests against the service and a
// model of the rules.
func TestSamenessFollowsItsRules(t *testing.T) {
	w := newWorld(t, "jamaica")
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		records := map[string]*model{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			code := fmt.Sprintf("P%d-%d", run, rapid.IntRange(0, 1).Draw(t, "person"))
			dose := rapid.IntRange(1, 2).Draw(t, "dose")
			content := rapid.IntRange(0, 2).Draw(t, "content")
			key := fmt.Sprint(code, "/", dose)
			m := records[key]
			e := with(event(code, dose), lot(fmt.Sprint("L", content)))
			switch act := rapid.SampledFrom([]string{"certify", "certify", "correct", "revoke"}).Draw(t, "act"); act {
			case "revoke":
				_, err := w.RevokeDoses(w.ctx, w.by, "", code, []int{dose}, "test")
				allowed := m != nil && (dose == 2 || records[fmt.Sprint(code, "/", 2)] == nil)
				if (err == nil) != allowed {
					t.Fatalf("revoking: %v, model allows it: %t", err, allowed)
				}
				if allowed {
					m.status = vaccination.StatusRevoked
				}
			default:
				action := issuance.Certify
				if act == "correct" {
					action = issuance.Correct
				}
				r, err := w.issue(action, e)
				wantCode, wantVersion := expect(&m, act, content)
				records[key] = m
				if m == nil {
					delete(records, key)
				}
				if vaccination.ErrorCode(err) != wantCode {
					t.Fatalf("%s: %v, want %q", act, err, wantCode)
				}
				if err == nil && r[0].Version != wantVersion {
					t.Fatalf("%s: version %d, want %d", act, r[0].Version, wantVersion)
				}
			}
		}
	})
	w.checked()
}

// expect says what an act answers and changes the model.
func expect(m **model, act string, content int) (vaccination.Code, int) {
	issued := func() (vaccination.Code, int) {
		if *m == nil {
			*m = &model{}
		}
		(*m).contents, (*m).status = append((*m).contents, content), vaccination.StatusValid
		return "", len((*m).contents)
	}
	if *m == nil {
		if act == "correct" {
			return vaccination.NotFound, 0
		}
		return issued()
	}
	n := len((*m).contents)
	revoked := (*m).status == vaccination.StatusRevoked
	switch {
	case revoked && (*m).holds(content):
		return vaccination.Revoked, 0
	case revoked:
		return issued()
	case act == "certify" && (*m).holds(content):
		return "", n
	case act == "certify":
		return vaccination.Conflict, 0
	case (*m).contents[n-1] == content:
		return "", n
	default:
		return issued()
	}
}

// TestManyAtOnceIssueOneCertificate sends one record by many callers at once.
func TestManyAtOnceIssueOneCertificate(t *testing.T) {
	w := newWorld(t, "jamaica")
	const callers = 16
	for round := range 5 {
		results := make([]issuance.Result, callers)
		failures := make([]error, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				// Two doses of one new person: the person's row is contended too.
				r, err := w.issue(issuance.Certify, event(fmt.Sprint("R-", round), 1+i%2))
				failures[i] = err
				if err == nil {
					results[i] = r[0]
				}
			})
		}
		wg.Wait()
		for i := range callers {
			if failures[i] != nil {
				t.Fatalf("caller %d: %v", i, failures[i])
			}
			if results[i].ID != results[i%2].ID {
				t.Errorf("caller %d got another certificate for the same record", i)
			}
		}
	}
	w.checked()
}

// TestCorrectionsAtOnceFormOneLine corrects one record by many callers at once.
func TestCorrectionsAtOnceFormOneLine(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A", 1))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := w.issue(issuance.Correct, with(event("A", 1), lot(fmt.Sprint("C", i)))); err != nil {
				t.Errorf("correction %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	records, err := w.ByCode(w.ctx, w.by, "", "A", "test")
	if err != nil || len(records) != 5 {
		t.Fatalf("%d versions, %v; want 5", len(records), err)
	}
	w.checked()
}
