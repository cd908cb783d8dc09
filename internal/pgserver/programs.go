package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// oldest is the first major version of PostgreSQL that divoc works with.
const oldest = 15

// programs is a folder with postgres and initdb of one version.
type programs struct {
	dir   string
	major int
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// find returns the programs of the given major version, as a cluster's
// PG_VERSION has it, or the newest where that is empty. The error is one line
// that says what to install.
func find(search []string, major string) (programs, error) {
	if search == nil {
		search = usualFolders()
	}
	var best programs
	seen := map[string]bool{}
	var others []string
	for _, dir := range search {
		// The real folder: initdb looks for postgres beside itself.
		real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		dir = filepath.Dir(real)
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil || seen[dir] {
			continue
		}
		seen[dir] = true
		v, err := version(real)
		if err != nil {
			continue
		}
		switch {
		case major != "" && strconv.Itoa(v) != major, v < oldest:
			others = append(others, strconv.Itoa(v))
		case v > best.major:
			best = programs{dir: dir, major: v}
		}
	}
	switch {
	case best.major != 0:
		return best, nil
	case major != "":
		found := "none was found"
		if len(others) > 0 {
			found = "only " + strings.Join(others, ", ") + " was found"
		}
		return best, fmt.Errorf("this data folder was made by PostgreSQL %s and %s: install postgresql-%s (Debian: apt-get install postgresql-%s)", major, found, major, major)
	case len(others) > 0:
		return best, fmt.Errorf("PostgreSQL %d or newer is needed and only %s was found: install a newer one, or set DIVOC_DATABASE_URL", oldest, strings.Join(others, ", "))
	}
	return best, fmt.Errorf("PostgreSQL %d or newer is needed and was not found: install it (Debian: apt-get install postgresql), or set DIVOC_DATABASE_URL", oldest)
}

// usualFolders lists where PostgreSQL's programs may be. Debian and Red Hat put
// them outside PATH, one folder for each major version.
func usualFolders() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"} {
		found, _ := filepath.Glob(pattern) // fails for a bad pattern only
		dirs = append(dirs, found...)
	}
	if out, err := output("pg_config", "--bindir"); err == nil {
		dirs = append(dirs, strings.TrimSpace(out))
	}
	return dirs
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

func version(postgres string) (major int, err error) {
	out, err := output(postgres, "-V")
	if err != nil {
		return 0, err
	}
	m := versionLine.FindStringSubmatch(out)
	if m == nil {
		return 0, errors.New("not PostgreSQL")
	}
	return strconv.Atoi(m[1])
}

func output(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return string(out), err
}
