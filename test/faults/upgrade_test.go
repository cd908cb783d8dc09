package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/test/program"
)

// before is the commit of the version that an upgrade begins from. It had the
// first two migrations.
const before = "a24efb781c4234734ee65931d6419f2c01449245"

// TestUpgradeUnderLoad runs the version before on a database of its own, puts
// load on it, starts this version beside it, which migrates, and lets both
// serve: no request fails, and this version finds everything as it should be.
func TestUpgradeUnderLoad(t *testing.T) {
	old := buildBefore(t)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pg, err := pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	// Two servers share a data folder where the database is not in it.
	data, database := filepath.Join(dir, "data"), []string{"--database", pg.URL()}
	args := append(database, "--profile", "jamaica", "--demo", "--public-url", "http://localhost:8080")
	first := program.StartOther(t, old, data, args...)
	token := regexp.MustCompile("divoc_[a-z0-9]+").FindString(first.Out())
	stop := make(chan struct{})
	var working sync.WaitGroup
	var clients []*client
	load := func(s *program.Server, name string) {
		for i := range 2 {
			c := &client{
				t: t, name: fmt.Sprintf("%s-%d", name, i), server: func() *program.Server { return s }, native: i == 1, token: token,
				random: rand.New(rand.NewPCG(1, uint64(len(clients)))), //nolint:gosec // not a secret
			}
			clients = append(clients, c)
			working.Go(func() { c.run(stop) })
		}
	}
	load(first, "OLD")
	time.Sleep(2 * time.Second)
	began := time.Now()
	second := program.Start(t, data, args...)
	t.Logf("this version migrated and was ready in %v", time.Since(began).Round(time.Millisecond))
	load(second, "NEW")
	time.Sleep(3 * time.Second)
	close(stop)
	working.Wait()
	answers := 0
	for _, c := range clients {
		answers += c.acked
		if c.lost > 0 || c.acked == 0 {
			t.Errorf("%s: %d answers, %d requests failed", c.name, c.acked, c.lost)
		}
	}
	t.Logf("%d requests, none failed", answers)
	for _, c := range clients {
		c.check(second)
		if strings.HasPrefix(c.name, "OLD") {
			c.check(first) // see opensAll
		}
	}
	opensAll(t, first, clients)
	for _, s := range []*program.Server{first, second} {
		if code := s.Stop(); code != 0 {
			t.Errorf("stopped with exit %d", code)
		}
	}
	if r := program.Run(t, append([]string{"fsck", "--data", data}, database...)...); r.Code != 0 {
		t.Errorf("fsck: exit %d\n%s%s", r.Code, r.Out, r.Err)
	}
	// It may be started again: nothing that was added keeps it away.
	third := program.StartOther(t, old, data, args...)
	third.Stop()
}

// opensAll says whether the version before opens what this one wrote. That of
// commit a24efb7 does not: it lacks the dictionary that certificates are packed
// with since. It was never released; from the first release on, a version has to
// read a new form before the next one writes it.
func opensAll(t *testing.T, first *program.Server, clients []*client) {
	t.Helper()
	for _, c := range clients {
		for _, r := range c.records {
			if status, body, err := first.Do(http.MethodGet, "/api/v1/certificates/"+r.id+"/code", c.token, ""); err != nil || status != http.StatusOK {
				t.Logf("the version before does not open what this one wrote: %d %s %v", status, body, err)
				return
			}
		}
	}
}

// buildBefore builds the version before from the history of this checkout.
func buildBefore(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err == nil {
		err = exec.Command("git", "cat-file", "-e", before+"^{commit}").Run()
	}
	if err != nil {
		t.Skipf("the version before cannot be built: this is no checkout of git with commit %s in its history", before)
	}
	top, dir := strings.TrimSpace(string(root)), t.TempDir()
	archive := exec.Command("sh", "-c", "git archive "+before+" | tar -x -C "+dir)
	archive.Dir = top
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("reading the version before: %v\n%s", err, out)
	}
	// What is made by the build is not in the history.
	for _, made := range []string{"internal/web/assets/dist", "internal/render/fonts"} {
		files, _ := filepath.Glob(filepath.Join(top, made, "*"))
		for _, f := range files {
			to := filepath.Join(dir, made, filepath.Base(f))
			if _, err := os.Stat(to); err == nil {
				continue
			}
			data, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	binary := filepath.Join(dir, "divoc-before")
	build := exec.Command("go", "build", "-o", binary, "./cmd/divoc")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the version before: %v\n%s", err, out)
	}
	return binary
}
