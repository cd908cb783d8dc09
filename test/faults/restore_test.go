package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

// TestRestoreDrill does what an administrator does on the worst day: a backup of
// a running server, life goes on, the machine is gone, the backup is brought
// back elsewhere and reconciled with copies of what was published. Backup and
// restore are killed on the way.
func TestRestoreDrill(t *testing.T) {
	dir := t.TempDir()
	data, saved, elsewhere := filepath.Join(dir, "data"), filepath.Join(dir, "backup"), filepath.Join(dir, "elsewhere")
	listen := freeAddress(t)
	s := program.Start(t, data, "--profile", "jamaica", "--demo", "--listen", listen)
	d := &drill{t: t, s: s, token: s.Token("drill")}
	ids := map[string]string{}
	for _, code := range []string{"STANDS", "REVOKED", "CORRECTED"} {
		ids[code] = d.certify(http.StatusOK, "/api/v1/events", code, "L1")
	}

	// A backup that is killed leaves none; the next one is whole.
	for after := 20 * time.Millisecond; ; after *= 2 {
		r := program.RunWith(t, program.Options{KillAfter: after}, "backup", "--data", data, "-o", saved)
		if r.Code == 0 {
			break
		}
		if _, err := os.Stat(saved); err == nil {
			t.Fatalf("killed after %v, it left a backup", after)
		}
	}
	key := filepath.Join(data, "seal.key")
	program.Must(t, "backup", "--verify", saved, "--seal-key", key)
	if r := program.Run(t, "backup", "--data", data, "-o", saved); r.Code == 0 {
		t.Error("a backup was overwritten")
	}
	noKey(t, saved, key)

	// Life goes on, and is published.
	d.post(http.StatusOK, "/api/v1/certificates/"+ids["REVOKED"]+"/revocation", `{"reason":"test"}`)
	ids["CORRECTION"] = d.certify(http.StatusOK, "/api/v1/corrections", "CORRECTED", "L2")
	ids["LOST"] = d.certify(http.StatusOK, "/api/v1/events", "LOST", "L1")
	d.post(http.StatusOK, "/api/v1/certificates/"+ids["LOST"]+"/revocation", `{"reason":"test"}`)
	codes := map[string]string{}
	for name, id := range ids {
		_, codes[name], _ = s.Do(http.MethodGet, "/api/v1/certificates/"+id+"/code", d.token, "")
	}
	mirror := d.mirror(filepath.Join(dir, "mirror"))
	s.Kill()
	program.AwaitNone(t, data)
	seal, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	key = filepath.Join(dir, "seal.key") // kept apart
	if err := os.WriteFile(key, seal, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}

	// A changed backup is refused and leaves nothing.
	changed := filepath.Join(dir, "changed")
	if err := os.CopyFS(changed, os.DirFS(saved)); err != nil {
		t.Fatal(err)
	}
	spoil(t, filepath.Join(changed, "database.zst"))
	if r := program.Run(t, "restore", changed, "--data", elsewhere, "--seal-key", key); r.Code == 0 || !strings.Contains(r.Err, "was changed") {
		t.Errorf("a changed backup: exit %d %s", r.Code, r.Err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("it left a folder")
	}

	// A killed restore is not served; the same one goes on.
	for after := 200 * time.Millisecond; ; after *= 2 {
		r := program.RunWith(t, program.Options{KillAfter: after}, "restore", saved, "--data", elsewhere, "--seal-key", key)
		program.AwaitNone(t, elsewhere)
		if r.Code == 0 {
			break
		}
		if _, err := os.Stat(filepath.Join(elsewhere, "restore.unfinished")); err != nil {
			continue // killed before it began
		}
		if _, err := program.TryStart(t, elsewhere, "--profile", "jamaica", "--demo", "--listen", listen); err == nil || !strings.Contains(err.Error(), "was not finished") {
			t.Fatalf("a half restore is served: %v", err)
		}
		if r := program.Run(t, "restore", changed, "--data", elsewhere, "--seal-key", key); r.Code == 0 {
			t.Error("another backup goes on with it")
		}
	}
	if r := program.Run(t, "restore", saved, "--data", elsewhere, "--seal-key", key); r.Code == 0 || !strings.Contains(r.Err, "not empty") {
		t.Errorf("restored over what is there: %d %s", r.Code, r.Err)
	}

	// On hold it starts and verifies.
	s = program.Start(t, elsewhere, "--demo", "--listen", listen)
	d.s = s
	if _, body, _ := s.Do(http.MethodGet, "/readyz", "", ""); !strings.Contains(body, "on hold") {
		t.Errorf("/readyz says %s", body)
	}
	for _, path := range []string{"/trust/bundle.json", "/status/revocation/0"} {
		if status, body, _ := s.Do(http.MethodGet, path, "", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "restore --reconcile") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	d.certify(http.StatusServiceUnavailable, "/api/v1/events", "NEW", "L1")
	d.verdicts(codes, map[string]string{"STANDS": "unknown", "REVOKED": "unknown", "CORRECTED": "unknown", "CORRECTION": "unknown", "LOST": "unknown"})
	if r := program.Run(t, "restore", "--reconcile", "--data", elsewhere, "--published", filepath.Join(mirror, "trust")); r.Code == 0 {
		t.Error("a bundle alone was enough")
	}

	// Reconciled beside the running server.
	t.Log(program.Must(t, "restore", "--reconcile", "--data", elsewhere, "--published", mirror))
	d.verdicts(codes, map[string]string{"STANDS": "valid", "REVOKED": "revoked", "CORRECTED": "superseded", "CORRECTION": "unknown", "LOST": "revoked"})
	ids["NEW"] = d.certify(http.StatusOK, "/api/v1/events", "NEW", "L1")
	d.certify(http.StatusOK, "/api/v1/events", "STANDS", "L1")
	if again := d.certify(http.StatusOK, "/api/v1/corrections", "CORRECTED", "L2"); again == ids["CORRECTION"] {
		t.Error("an id was used twice")
	}
	if status, bundle, _ := s.Do(http.MethodGet, "/trust/bundle.json", "", ""); status != http.StatusOK || version(t, bundle) <= version(t, read(t, filepath.Join(mirror, "trust", "bundle.json"))) {
		t.Error("the trust bundle does not go on")
	}
	fsck(t, elsewhere)
}

type drill struct {
	t     *testing.T
	s     *program.Server
	token string
}

func (d *drill) post(want int, path, body string) string {
	d.t.Helper()
	status, answer, err := d.s.Do(http.MethodPost, path, d.token, body)
	if err != nil || status != want {
		d.t.Errorf("%s: %d %s %v, want %d", path, status, answer, err, want)
	}
	return answer
}

func (d *drill) certify(want int, path, code, lot string) string {
	d.t.Helper()
	answer := d.post(want, path, encode(map[string]any{"events": []map[string]any{{
		"enrolmentCode": code, "person": map[string]any{"name": "Kemar Brown", "birthDate": "1990-02-03", "sex": "male"},
		"vaccination": map[string]any{"product": "Comirnaty", "lot": lot, "date": "2021-11-30", "dose": 1, "centre": "Falmouth Health Centre"},
	}}}))
	var out struct {
		Results []struct{ Certificate string }
	}
	if want == http.StatusOK && (json.Unmarshal([]byte(answer), &out) != nil || len(out.Results) != 1) {
		d.t.Fatalf("answer %s", answer)
	}
	if len(out.Results) == 0 {
		return ""
	}
	return out.Results[0].Certificate
}

// mirror keeps what the server publishes, as a cache before it would.
func (d *drill) mirror(dir string) string {
	d.t.Helper()
	paths := []string{"/trust/bundle.json"}
	for group := range 16 {
		paths = append(paths, fmt.Sprintf("/status/revocation/%d", group<<16), fmt.Sprintf("/status/suspension/%d", group<<16))
	}
	for _, path := range paths {
		status, body, err := d.s.Do(http.MethodGet, path, "", "")
		if status == http.StatusNotFound {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, path), []byte(body), 0o600)
		}
		if err != nil || status != http.StatusOK {
			d.t.Fatalf("%s: %d %v", path, status, err)
		}
	}
	return dir
}

func (d *drill) verdicts(codes, want map[string]string) {
	d.t.Helper()
	for name, code := range codes {
		_, answer, err := d.s.Do(http.MethodPost, "/api/v1/verify", "", encode(map[string]string{"data": code}))
		var said struct{ Verdict, Status string }
		if err != nil || json.Unmarshal([]byte(answer), &said) != nil || said.Status != want[name] || (said.Verdict == "valid") != (want[name] == "valid") {
			d.t.Errorf("%s is %s, %s (%v), want %s", name, said.Verdict, said.Status, err, want[name])
		}
	}
}

// noKey fails when a file of the backup holds the sealing key.
func noKey(t *testing.T, dir, key string) {
	t.Helper()
	text := read(t, key)
	secret := strings.TrimSpace(text[strings.LastIndex(text, ":")+1:])
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && bytes.Contains([]byte(read(t, path)), []byte(secret)) {
			t.Errorf("%s holds the sealing key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func spoil(t *testing.T, path string) {
	t.Helper()
	data := []byte(read(t, path))
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func version(t *testing.T, bundle string) int64 {
	t.Helper()
	var b struct{ Version int64 }
	if err := json.Unmarshal([]byte(bundle), &b); err != nil {
		t.Fatal(err)
	}
	return b.Version
}

// TestADiskThatIsFullLeavesNoBackup writes a backup where there is no room.
func TestADiskThatIsFullLeavesNoBackup(t *testing.T) {
	dir := t.TempDir()
	small := filepath.Join(dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, 0) })
	data := filepath.Join(dir, "data")
	s := program.Start(t, data, "--profile", "jamaica", "--demo")
	r := program.Run(t, "backup", "--data", data, "-o", filepath.Join(small, "backup"))
	if r.Code == 0 || !strings.Contains(r.Err, "no space left") {
		t.Errorf("exit %d %s", r.Code, r.Err)
	}
	if left, _ := os.ReadDir(small); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("the server stopped with exit %d", code)
	}
}
