package credentialtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
)

// TestVectorsUnread says of each set that no test reads, in a line, that it is not.
func TestVectorsUnread(t *testing.T) {
	for _, set := range credentialtest.Unread(t) {
		fmt.Printf("vectors %-45s no test reads this set\n", set)
	}
}

func TestSetsAreFoundByTheirNames(t *testing.T) {
	root := t.TempDir()
	t.Setenv("DIVOC_VECTORS", root)
	for _, name := range []string{"dgc-testdata", "eu-dcc-schema", "of-tomorrow"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "README.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for set, dir := range map[string]string{"eu-dcc-testdata": "dgc-testdata", "eu-dcc-schema": "eu-dcc-schema"} {
		v := credentialtest.NewVectors(quiet{t}, set, "")
		if filepath.Base(v.Dir) != dir {
			t.Errorf("%s is in %s", set, v.Dir)
		}
	}
	if got := credentialtest.Unread(t); len(got) != 1 || got[0] != "of-tomorrow" {
		t.Errorf("not read: %v", got)
	}
}

// quiet counts nothing.
type quiet struct{ testing.TB }

func (quiet) Cleanup(func()) {}
