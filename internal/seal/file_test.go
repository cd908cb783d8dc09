package seal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opendivoc/divoc/internal/seal"
)

func TestWriteFileReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, text := range []string{"first, longer", "second"} {
		if err := seal.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files remain, want one", len(entries))
	}
	if err := seal.WriteFile(filepath.Join(dir, "missing", "a"), nil); err == nil {
		t.Error("wrote into a folder that does not exist")
	}
	// What cannot be put in place leaves nothing behind.
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := seal.WriteFile(filepath.Join(dir, "folder"), []byte("x")); err == nil {
		t.Error("replaced a folder")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%d files remain, want two", len(entries))
	}
}

func TestInside(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "data")
	for _, d := range []string{"data/keys", "data2", "out"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "keys", "seal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"link-to-data":   data,
		"link-to-key":    filepath.Join(data, "keys", "seal"),
		"out/link-up":    root,
		"link-nowhere":   filepath.Join(root, "nowhere"),
		"data/link-out":  filepath.Join(root, "out"),
		"link-to-a-link": filepath.Join(root, "link-to-data"),
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		path string
		want bool
	}{
		"a file in it":                        {"data/keys/seal", true},
		"the folder itself":                   {"data", true},
		"a file in it yet to be made":         {"data/new/seal", true},
		"a file beside it":                    {"seal", false},
		"a folder whose name begins alike":    {"data2/seal", false},
		"a name that begins with dots":        {"data/..seal", true},
		"dots that lead out":                  {"data/../seal", false},
		"dots that lead back in":              {"data2/../data/seal", true},
		"through a link to it":                {"link-to-data/seal", true},
		"through a link to a link to it":      {"link-to-a-link/seal", true},
		"a link to a file in it":              {"link-to-key", true},
		"through a link above it":             {"out/link-up/data/seal", true},
		"through a link in it that leads out": {"data/link-out/seal", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := seal.Inside(filepath.Join(root)+"/"+c.path, data)
			if err != nil || got != c.want {
				t.Errorf("inside = %v, %v, want %v", got, err, c.want)
			}
		})
	}
	t.Run("the data folder named through a link", func(t *testing.T) {
		if got, err := seal.Inside(filepath.Join(data, "seal"), filepath.Join(root, "link-to-data")); err != nil || !got {
			t.Errorf("inside = %v, %v", got, err)
		}
	})
	t.Run("a data folder yet to be made", func(t *testing.T) {
		if got, err := seal.Inside(filepath.Join(root, "fresh", "seal"), filepath.Join(root, "fresh")); err != nil || !got {
			t.Errorf("inside = %v, %v", got, err)
		}
	})
	t.Run("a link that leads nowhere", func(t *testing.T) {
		if _, err := seal.Inside(filepath.Join(root, "link-nowhere"), data); err == nil {
			t.Error("was not refused")
		}
	})
}
