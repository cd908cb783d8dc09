package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/test/program"
)

const ministry = `
dateOrder: DMY
person: {code: Cédula, name: Nombre, birthDate: Nacimiento}
dose: {number: Dosis, date: Fecha, lot: Lote, product: {from: [Biológico], codes: {PFIZER: Comirnaty}}}
`

// ministryFile is a table of an invented ministry; every hundredth row has a
// product that its mapping does not know.
func ministryFile(first, n int) string {
	var b strings.Builder
	b.WriteString("cédula;Nombre;Nacimiento;Dosis;Fecha;Lote;Biológico;Nota\n")
	for i := range n {
		product := "Pfizer"
		if i%100 == 99 {
			product = "Otra"
		}
		fmt.Fprintf(&b, "M-%d;María Peña;03/04/1987;1;05/03/2021;PF1;%s;nada\n", first+i, product)
	}
	return b.String()
}

// drop puts a file into a folder as it is some time after it was written.
func drop(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is in a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			path, err = filepath.Rel(dir, path)
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestImportOfAFolder(t *testing.T) {
	t.Parallel()
	s := demo(t)
	program.Must(t, "source", "create", "--data", s.Data, "ministry", "--kind", "file", "--mapping", write(t, "ministry.yaml", ministry))
	dir := t.TempDir()
	secret := write(t, "secret.csv", ministryFile(9000, 1))
	drop(t, dir, "a.csv", ministryFile(0, 50))
	drop(t, dir, "b.csv", ministryFile(50, 100))
	drop(t, dir, "c.csv", "Nombre;MARKED\n")
	drop(t, dir, ".hidden.csv", ministryFile(500, 1))
	drop(t, dir, "d.csv.part", ministryFile(500, 1))
	if err := os.Symlink(secret, filepath.Join(dir, "e.csv")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "f.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{".hidden.csv", "a.csv", "b.csv", "c.csv", "d.csv.part", "e.csv", "f.csv"}

	r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", "--dry-run", dir)
	if r.Code != 3 || !strings.Contains(r.Out, "dry run, nothing is issued: 100 rows, 99 issued, 0 unchanged, 1 wrong") || !strings.Contains(r.Out, "row 100: Biológico: ") {
		t.Errorf("dry run: %d %s%s", r.Code, r.Out, r.Err)
	}
	if diff := cmp.Diff(all, tree(t, dir)); diff != "" {
		t.Errorf("a dry run moves files (-want +got):\n%s", diff)
	}

	r = program.Run(t, "import", "--data", s.Data, "--source", "ministry", dir)
	for _, want := range []string{"50 rows, 50 issued", "100 rows, 99 issued, 0 unchanged, 1 wrong", "does not name them: Nota", "Missing Headers", "e.csv is a link", "f.csv is a link or no file"} {
		if r.Code != 3 || !strings.Contains(r.Out, want) {
			t.Errorf("import: %d; %q is not in\n%s%s", r.Code, want, r.Out, r.Err)
		}
	}
	if strings.Contains(r.Out+r.Err, "MARKED") || !strings.Contains(r.Err, "100%") {
		t.Errorf("import says %s%s", r.Out, r.Err)
	}
	left := []string{".hidden.csv", "d.csv.part", "done/a.csv", "e.csv", "f.csv", "wrong/b.csv", "wrong/b.errors.csv", "wrong/c.csv", "wrong/c.csv.errors.txt"}
	if diff := cmp.Diff(left, tree(t, dir)); diff != "" {
		t.Errorf("the folder (-want +got):\n%s", diff)
	}
	for name, want := range map[string]fs.FileMode{"done": 0o700, "wrong": 0o700, "wrong/b.errors.csv": 0o600, "wrong/c.csv.errors.txt": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}

	// The same file again, and one of the same name with more.
	drop(t, dir, "a.csv", ministryFile(0, 50))
	if r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", dir); !strings.Contains(r.Out, "the same file as upload ") {
		t.Errorf("the same file again: %s%s", r.Out, r.Err)
	}
	drop(t, dir, "a.csv", ministryFile(0, 60))
	if r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", dir); !strings.Contains(r.Out, "60 rows, 0 issued, 60 unchanged") {
		t.Errorf("a longer file: %s%s", r.Out, r.Err)
	}
	for _, name := range []string{"done/a.csv", "done/a.2.csv", "done/a.3.csv"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}

	// A folder that is a link leads nowhere.
	other, outside := t.TempDir(), t.TempDir()
	drop(t, other, "x.csv", ministryFile(700, 1))
	if err := os.Symlink(outside, filepath.Join(other, "done")); err != nil {
		t.Fatal(err)
	}
	if r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", other); r.Code != 3 || !strings.Contains(r.Err, "is no folder") || len(tree(t, outside)) > 0 {
		t.Errorf("done is a link: %d %s%s", r.Code, r.Out, r.Err)
	}
	if out := program.Must(t, "fsck", "--data", s.Data); !strings.Contains(out, " 0 problems") {
		t.Errorf("fsck: %s", out)
	}
}

// TestImportOfAFolderIsKilled kills the import of a folder until nothing is left
// to import.
func TestImportOfAFolderIsKilled(t *testing.T) {
	t.Parallel()
	s := demo(t)
	program.Must(t, "source", "create", "--data", s.Data, "ministry", "--kind", "file", "--mapping", write(t, "ministry.yaml", ministry))
	s.Stop()
	dir := t.TempDir()
	const files, rows = 4, 1500
	for i := range files {
		drop(t, dir, fmt.Sprintf("%d.csv", i), ministryFile(i*rows, rows))
	}
	killed := 0
	for range 30 {
		wait := time.Duration(700+150*killed) * time.Millisecond
		r := program.RunWith(t, program.Options{KillAfter: wait}, "import", "--data", s.Data, "--source", "ministry", dir)
		program.AwaitNone(t, s.Data)
		if r.Code != -1 {
			break
		}
		killed++
	}
	t.Logf("killed %d times", killed)
	var want []string
	for i := range files {
		want = append(want, fmt.Sprintf("wrong/%d.csv", i), fmt.Sprintf("wrong/%d.errors.csv", i))
	}
	got := slices.DeleteFunc(tree(t, dir), func(name string) bool { return strings.Contains(name, ".errors.2") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the folder (-want +got):\n%s", diff)
	}
	if out := program.Must(t, "fsck", "--data", s.Data); !strings.Contains(out, " 0 problems") {
		t.Errorf("fsck: %s", out)
	}
	for i := range files { // every row was issued
		r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", "--dry-run", filepath.Join(dir, "wrong", fmt.Sprintf("%d.csv", i)))
		if !strings.Contains(r.Out, fmt.Sprintf("%d rows, 0 issued, %d unchanged, %d wrong", rows, rows*99/100, rows/100)) {
			t.Errorf("file %d: %s%s", i, r.Out, r.Err)
		}
	}
}

// TestAFolderIsWatched drops files while an import watches.
func TestAFolderIsWatched(t *testing.T) {
	t.Parallel()
	s := demo(t)
	program.Must(t, "source", "create", "--data", s.Data, "ministry", "--kind", "file", "--mapping", write(t, "ministry.yaml", ministry))
	dir := t.TempDir()
	drop(t, dir, "a.csv", ministryFile(0, 5))
	ended := make(chan program.Result, 1)
	go func() {
		ended <- program.RunWith(t, program.Options{StopAfter: 25 * time.Second}, "import", "--data", s.Data, "--source", "ministry", "--watch", dir)
	}()
	eventually(t, "the first file to be done", func() bool { _, err := os.Stat(filepath.Join(dir, "done/a.csv")); return err == nil })
	if r := program.Run(t, "import", "--data", s.Data, "--source", "ministry", dir); r.Code != 3 || !strings.Contains(r.Err, "another import works on") {
		t.Errorf("a second import of the folder: %d %s%s", r.Code, r.Out, r.Err)
	}
	drop(t, dir, "b.csv", ministryFile(5, 5))
	eventually(t, "the second file to be done", func() bool { _, err := os.Stat(filepath.Join(dir, "done/b.csv")); return err == nil })
	if r := <-ended; r.Code != 0 {
		t.Errorf("stopped: %d %s%s", r.Code, r.Out, r.Err)
	}
}
