package pgserver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/pgserver"
)

// fake makes a folder with programs that say they are of a version.
func fake(t *testing.T, major int) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %d.3 (Debian)'\n", major)
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWhatToInstall(t *testing.T) {
	t.Parallel()
	onlyPostgres := fake(t, 15)
	if err := os.Remove(filepath.Join(onlyPostgres, "initdb")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		major  string // of the folder
		search []string
		want   []string // in the error
	}{
		{"nothing installed", "", []string{t.TempDir()}, []string{"PostgreSQL 15 or newer", "apt-get install postgresql", "DIVOC_DATABASE_URL"}},
		{"no initdb beside it", "", []string{onlyPostgres}, []string{"was not found"}},
		{"too old", "", []string{fake(t, 14)}, []string{"PostgreSQL 15 or newer", "only 14"}},
		{"the folder is of a newer one", "17", []string{fake(t, 15), fake(t, 16)}, []string{"made by PostgreSQL 17", "15, 16", "apt-get install postgresql-17"}},
		{"the folder is of another and nothing is installed", "16", []string{t.TempDir()}, []string{"made by PostgreSQL 16", "none", "postgresql-16"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.major != "" {
				if err := os.Mkdir(filepath.Join(dir, "cluster"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "cluster", "PG_VERSION"), []byte(tt.major+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir, Search: tt.search})
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// A newer PostgreSQL on the machine is not taken for a folder of an older one.
func TestTheMajorOfTheFolderIsTaken(t *testing.T) {
	t.Parallel()
	dir := clusterDir(t)
	b, err := os.ReadFile(filepath.Join(dir, "cluster", "PG_VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	real := "/usr/lib/postgresql/" + strings.TrimSpace(string(b)) + "/bin"
	if _, err := os.Stat(real); err != nil {
		t.Skip("not Debian's folders: ", err)
	}
	mustRun(t, start(t, pgserver.Options{Dir: dir, Search: []string{fake(t, 99), real}}).URL(), "SELECT 1")
}

func TestAClusterFolderThatIsNoneIsNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "cluster", "base")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := pgserver.Start(t.Context(), pgserver.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "PG_VERSION") {
		t.Errorf("%v; want an error about PG_VERSION", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}
