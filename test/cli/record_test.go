package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/test/program"
)

// event is a record as the native API and `divoc issue` take it.
func event(code, lot string) map[string]any {
	return map[string]any{
		"enrolmentCode": code,
		"person":        map[string]any{"name": "Kemar Brown", "birthDate": "1990-02-03", "sex": "male"},
		"vaccination":   map[string]any{"product": "Comirnaty", "lot": lot, "date": "2021-11-30", "dose": 1, "centre": "Falmouth Health Centre"},
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ask sends a request that must be answered as wanted and decodes the answer.
func ask(t *testing.T, s *program.Server, method, path, token string, body any, want int, into any) string {
	t.Helper()
	text := ""
	if body != nil {
		text = encode(t, body)
	}
	status, answer, err := s.Do(method, path, token, text)
	if err != nil || status != want {
		t.Fatalf("%s %s: %d %s %v, want %d", method, path, status, answer, err, want)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, answer, err)
		}
	}
	return answer
}

// certified is one certificate as its source sees it.
type certified struct{ id, code string }

// certify issues a certificate and fetches its code.
func certify(t *testing.T, s *program.Server, token, code string) certified {
	t.Helper()
	var answer struct {
		Results []struct{ Certificate string }
	}
	ask(t, s, http.MethodPost, "/api/v1/events", token, map[string]any{"events": []any{event(code, "PF1")}}, http.StatusOK, &answer)
	id := answer.Results[0].Certificate
	return certified{id, ask(t, s, http.MethodGet, "/api/v1/certificates/"+id+"/code", token, nil, http.StatusOK, nil)}
}

// statement is what verification says, as far as these tests look.
type statement struct {
	Verdict, Status string
	Specimen        bool
	Issuer          struct{ ID, Name, Key string }
	Reasons         []struct{ Code string }
}

func verify(t *testing.T, s *program.Server, code string) statement {
	t.Helper()
	var said statement
	ask(t, s, http.MethodPost, "/api/v1/verify", "", map[string]string{"data": code}, http.StatusOK, &said)
	return said
}

// verifyOffline verifies a code by the command, with trust files.
func verifyOffline(t *testing.T, code string, trust ...string) (program.Result, statement) {
	t.Helper()
	args := []string{"verify", "--json", "-"}
	for _, file := range trust {
		args = append(args, "--trust", file)
	}
	r := program.RunWith(t, program.Options{In: code}, args...)
	var said statement
	if err := json.Unmarshal([]byte(r.Out), &said); err != nil {
		t.Fatalf("divoc %s: %s%s: %v", strings.Join(args, " "), r.Out, r.Err, err)
	}
	return r, said
}

// bundle exports the trust bundle of a folder to a file.
func bundle(t *testing.T, data string, flags ...string) string {
	t.Helper()
	return write(t, "bundle.json", program.Must(t, append([]string{"trust", "export", "--data", data}, flags...)...))
}

// fixtures is the folder of example records, or skips the test.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the example records are not there: %v (DIVOC_FIXTURES names their folder)", err)
	}
	return dir
}
