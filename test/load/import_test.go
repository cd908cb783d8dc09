package load

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// size is how many a test is about: a variable's number, or else usual. Without
// DIVOC_SOAK the test is skipped.
func size(t *testing.T, variable string, usual int) int {
	t.Helper()
	if os.Getenv("DIVOC_SOAK") == "" {
		t.Skip("only with DIVOC_SOAK=1: takes many minutes and gigabytes")
	}
	if v := os.Getenv(variable); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q is no number", variable, v)
		}
		return n
	}
	return usual
}

// TestImportAMillionRows imports a table of a million rows (DIVOC_ROWS), is
// killed at half, and imports it again: every row is issued once, and neither
// divoc nor its PostgreSQL grows with the file.
func TestImportAMillionRows(t *testing.T) {
	n := size(t, "DIVOC_ROWS", 1_000_000)
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "people.csv")
	f, err := os.Create(file)
	if err == nil {
		err = Table(f, n)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	program.Start(t, data, "--profile", "jamaica", "--demo").Stop()
	program.AwaitNone(t, data)

	first := run(t, data, file, n/2)
	program.AwaitNone(t, data)
	second := run(t, data, file, -1)
	t.Logf("first, until it was killed: %v", first)
	t.Logf("second: %v", second)
	var issued, unchanged int
	if _, err := fmt.Sscanf(second.last[strings.Index(second.last, ":")+1:], "%d rows, %d issued, %d unchanged", &n, &issued, &unchanged); err != nil || issued+unchanged != n || unchanged < first.rows {
		t.Errorf("after %d rows and a kill: %s", first.rows, second.last)
	}
	for _, m := range second.memory {
		if early, late := most(m[:len(m)/3]), most(m[2*len(m)/3:]); late > early+64 {
			t.Errorf("memory grew with the file: %d MB in the first third, %d MB in the last", early, late)
		}
	}
	t.Logf("data folder: %d MB, the file %d MB", folderSize(t, data)>>20, folderSize(t, file)>>20)
	out, err := exec.CommandContext(t.Context(), program.Path(), "fsck", "--data", data).CombinedOutput()
	if t.Logf("fsck: %s", out); err != nil || !strings.Contains(string(out), " 0 problems") {
		t.Errorf("fsck: %v", err)
	}
}

// imported is what one run of the import was seen to do.
type imported struct {
	rows   int // done when it ended
	took   time.Duration
	memory [2][]int // of divoc and of PostgreSQL, every second, in MB
	last   string   // what it printed at the end
}

func (i imported) String() string {
	return fmt.Sprintf("%d rows in %v, %.0f a second; divoc at most %d MB, its PostgreSQL %d MB; %s",
		i.rows, i.took.Round(time.Second), float64(i.rows)/i.took.Seconds(), most(i.memory[0]), most(i.memory[1]), i.last)
}

// run imports a file. With kill above 0 it is killed when so many rows are done.
func run(t *testing.T, data, file string, kill int) (got imported) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program.Path(), "import", "--data", data, file)
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				own, postgres := memory(data, cmd.Process.Pid)
				got.memory[0], got.memory[1] = append(got.memory[0], own), append(got.memory[1], postgres)
			}
		}
	})
	killed := false
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		var percent int
		if _, err := fmt.Sscanf(strings.TrimSpace(lines.Text()), "%d%% %d rows", &percent, &got.rows); err == nil && kill > 0 && got.rows >= kill && !killed {
			killed = true
			_ = cmd.Process.Signal(syscall.SIGKILL)
		}
	}
	_, _ = io.Copy(io.Discard, progress)
	err = cmd.Wait()
	got.took = time.Since(start)
	close(stop)
	watching.Wait()
	got.last = strings.TrimSpace(out.String())
	if err != nil && !killed {
		t.Fatalf("import: %v %s", err, got.last)
	}
	return got
}

// memory is what divoc (a process) and the others of its data folder hold, in MB
// (PSS: what they share counts once).
func memory(data string, divoc int) (own, postgres int) {
	for _, p := range program.Processes(data) {
		pid, _, _ := strings.Cut(p, " ")
		rollup, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup") // it may have ended
		for line := range strings.Lines(string(rollup)) {
			var kB int
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kB); n == 1 {
				if pid == strconv.Itoa(divoc) {
					own += kB / 1000
				} else {
					postgres += kB / 1000
				}
			}
		}
	}
	return own, postgres
}

func most(of []int) (m int) {
	for _, v := range of {
		m = max(m, v)
	}
	return m
}

func folderSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
