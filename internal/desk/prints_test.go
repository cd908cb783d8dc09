package desk_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/vaccination"
)

func order(act string, ids ...vaccination.CertificateID) desk.Order {
	return desk.Order{Act: act, Certificates: ids, Size: render.A4}
}

// TestNumbersNeverRepeat prints one and several certificates at two facilities at
// once, each form sent three times at the same moment.
func TestNumbersNeverRepeat(t *testing.T) {
	w := newWorld(t)
	second := event("JM-000001", "Shanice Brown", "1987-04-21", "")
	second.Vaccination.Number, second.Vaccination.Date = 2, date("2021-07-01")
	ids := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", ""), second)
	const forms = 12
	var mu sync.Mutex
	acts := map[string][]desk.Print{}
	var wg sync.WaitGroup
	for f := range forms {
		by := clerk(f, []string{"KGN01", "MBJ02"}[f%2])
		record, act := w.opened(by, ids[0]), w.act()
		for range 3 {
			wg.Go(func() {
				prints, err := w.Print(t.Context(), by, record, order(act, ids...))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if before := acts[act]; before != nil && fmt.Sprint(before) != fmt.Sprint(prints) {
					t.Errorf("one form printed twice: %v and %v", before, prints)
				}
				acts[act] = prints
			})
		}
	}
	wg.Wait()
	serials, copies := map[string][]int64{}, map[vaccination.CertificateID][]int{}
	for _, prints := range acts {
		for _, p := range prints {
			serials[p.Facility] = append(serials[p.Facility], p.Serial)
			copies[p.Certificate] = append(copies[p.Certificate], p.Copy)
		}
	}
	for facility, list := range serials {
		slices.Sort(list)
		for i, n := range list {
			if n != int64(i+1) {
				t.Errorf("%s: numbers %v", facility, list)
				break
			}
		}
	}
	for id, list := range copies {
		slices.Sort(list)
		for i, n := range list {
			if n != i+1 {
				t.Errorf("%s: copies %v", id, list)
				break
			}
		}
	}
	if n := w.count(desk.ActPrint); n != 2*forms {
		t.Errorf("%d prints in the audit, %d were made", n, 2*forms)
	}
}

// printSteps are the writes of a print.
func printSteps() []string {
	return []string{"INSERT ON print_counter", "INSERT ON print", "UPDATE OF last ON print_counter", "INSERT ON desk_day", "INSERT ON audit"}
}

// TestAPrintIsWholeOrNotAtAll fails each write of a print: no number is lost to a
// print that was not made, and none is given twice.
func TestAPrintIsWholeOrNotAtAll(t *testing.T) {
	for _, step := range printSteps() {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			id := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", ""))[0]
			by := clerk(1, "KGN01")
			act := w.act()
			record := w.opened(by, id)
			if step == "INSERT ON audit" { // reading writes there too, before anything is printed
				if _, err := w.Print(t.Context(), by, record, order(w.act(), id)); err != nil {
					t.Fatal(err)
				}
			}
			before := w.prints()
			lift := pgtest.Fail(t, w.house.Store.Pool(), step)
			if _, err := w.Print(t.Context(), by, record, order(act, id)); err == nil {
				t.Fatal("printed")
			}
			lift()
			if n := w.prints(); n != before {
				t.Errorf("%d prints, there were %d", n, before)
			}
			prints, err := w.Print(t.Context(), by, record, order(act, id))
			if err != nil || len(prints) != 1 || prints[0].Serial != int64(before+1) || prints[0].Copy != before+1 {
				t.Errorf("%+v, %v", prints, err)
			}
		})
	}
}

func (w *world) prints() (n int) {
	w.t.Helper()
	if err := w.house.Store.Pool().QueryRow(w.t.Context(), "SELECT count(*) FROM print").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestTheConnectionBreaksAtTheCommit ends the connection before the commit comes
// to PostgreSQL, and before its answer comes back: asking again ends with one
// print, under one number.
func TestTheConnectionBreaksAtTheCommit(t *testing.T) {
	for cut, made := range map[pgtest.Cut]int{pgtest.BeforeCommit: 0, pgtest.AfterCommit: 1} {
		t.Run(string(cut), func(t *testing.T) {
			w := newWorld(t)
			id := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", ""))[0]
			by, act := clerk(1, "KGN01"), w.act()
			record := w.opened(by, id)
			p := pgtest.NewProxy(t, w.house.Store.Pool().Config().ConnString())
			store, err := registry.Open(t.Context(), p.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			o := w.Options
			o.Store = store // issuance keeps its own: the cut is at the print's commit
			behind := desk.New(o)
			p.Cut(cut)
			if _, err := behind.Print(t.Context(), by, record, order(act, id)); err == nil {
				t.Fatal("printed")
			}
			p.Cut(pgtest.Never)
			if n := w.prints(); n != made {
				t.Errorf("%d prints, want %d", n, made)
			}
			prints, err := w.Print(t.Context(), by, record, order(act, id))
			if err != nil || len(prints) != 1 || prints[0].Serial != 1 || prints[0].Copy != 1 || w.prints() != 1 {
				t.Errorf("%+v, %v", prints, err)
			}
		})
	}
}

// TestTheTableOfFaults compares docs/faults.md with what the tests do.
func TestTheTableOfFaults(t *testing.T) {
	want := map[string]string{}
	for _, step := range printSteps() {
		want["print | "+step+" | not persisted"] = "TestAPrintIsWholeOrNotAtAll"
	}
	want["print | commit | not persisted"] = "TestTheConnectionBreaksAtTheCommit"
	want["print | commit | persisted"] = "TestTheConnectionBreaksAtTheCommit"
	pgtest.CheckFaultTable(t, "internal/desk", want)
}

func TestAnotherFacilitysPrintsAreNotReached(t *testing.T) {
	w := newWorld(t)
	id := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", ""))[0]
	here, there, colleague := clerk(1, "KGN01"), clerk(2, "MBJ02"), clerk(3, "KGN01")
	record, act := w.opened(here, id), w.act()
	if _, err := w.Print(t.Context(), here, record, order(act, id)); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, err := w.Again(ctx, there, 1, w.act())
	is(t, err, vaccination.NotFound)
	list, _, err := w.Queue(ctx, there, 0)
	if err != nil || len(list) != 0 {
		t.Errorf("another facility sees %+v, %v", list, err)
	}
	for _, by := range []int{2, 3} {
		_, err = w.File(ctx, clerk(by, "KGN01"), act)
		is(t, err, vaccination.NotFound)
		_, err = w.Printed(ctx, clerk(by, "KGN01"), act)
		is(t, err, vaccination.NotFound)
	}
	// The name of somebody else's form prints nothing and tells nothing.
	theirs := w.opened(colleague, id)
	_, err = w.Print(ctx, colleague, theirs, order(act, id))
	is(t, err, vaccination.NotFound)
	// A colleague prints it again from the queue, as the next copy.
	list, more, err := w.Queue(ctx, colleague, 0)
	if err != nil || more || len(list) != 1 || list[0].Serial != 1 || list[0].Initials != "S. B." || list[0].BirthYear != 1987 {
		t.Fatalf("%+v, %t, %v", list, more, err)
	}
	next := w.act()
	for range 2 {
		prints, err := w.Again(ctx, colleague, 1, next)
		if err != nil || len(prints) != 1 || prints[0].Copy != 2 || prints[0].Serial != 2 {
			t.Errorf("%+v, %v", prints, err)
		}
	}
	// The file is to be had for a quarter of an hour; tomorrow nothing is.
	if _, err := w.File(ctx, here, act); err != nil {
		t.Error(err)
	}
	w.house.Pass(16 * time.Minute)
	_, err = w.File(ctx, here, act)
	is(t, err, vaccination.NotFound)
	w.house.Pass(24 * time.Hour)
	_, err = w.Again(ctx, here, 1, w.act())
	is(t, err, vaccination.NotFound)
}

func TestAReplacedCertificateIsNotPrinted(t *testing.T) {
	w := newWorld(t)
	e := event("JM-000001", "Shanice Brown", "1987-04-21", "")
	id := w.issue(e)[0]
	by := clerk(1, "KGN01")
	record, act := w.opened(by, id), w.act()
	if _, err := w.Print(t.Context(), by, record, order(act, id)); err != nil {
		t.Fatal(err)
	}
	e.Person.Name = "Shanice Browne"
	results, err := w.house.Service.Issue(t.Context(), w.house.Admin, issuance.Correct, []vaccination.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.File(t.Context(), by, act)
	is(t, err, vaccination.Conflict)
	_, err = w.Again(t.Context(), by, 1, w.act())
	is(t, err, vaccination.Conflict)
	_, err = w.Print(t.Context(), by, record, order(w.act(), id))
	is(t, err, vaccination.NotFound)
	// The paper of before finds the person; the new version counts its own copies.
	prints, err := w.Print(t.Context(), by, w.opened(by, id), order(w.act(), results[0].ID))
	if err != nil || prints[0].Copy != 1 || prints[0].Serial != 2 {
		t.Errorf("%+v, %v", prints, err)
	}
}

// TestThePageSaysWhichPrintItIs looks at the files as their reader does.
func TestThePageSaysWhichPrintItIs(t *testing.T) {
	for _, name := range []string{"pdftotext", "pdftoppm", "zbarimg"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	w := newWorld(t)
	e := event("JM-000001", `Shanice <script>{{.}} Brown`, "1987-04-21", "")
	id := w.issue(e)[0]
	r, err := w.house.Service.ByID(t.Context(), w.house.Admin, id, "test")
	if err != nil {
		t.Fatal(err)
	}
	by := clerk(1, "KGN01")
	for i, size := range render.Sizes() {
		act := w.act()
		o := order(act, id)
		o.Size = size
		if _, err := w.Print(t.Context(), by, w.opened(by, id), o); err != nil {
			t.Fatal(err)
		}
		data, err := w.File(t.Context(), by, act)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.File(t.Context(), by, act)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s: fetched again it is another file, %v", size, err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "print.pdf")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.CommandContext(t.Context(), "pdftotext", "-raw", file, "-").Output()
		plain := strings.Join(strings.Fields(string(text)), " ")
		if want := fmt.Sprintf("Copy %d · KGN01 · %d · 2026-11-22", i+1, i+1); err != nil || !strings.Contains(plain, want) || !strings.Contains(plain, "<script>{{.}}") {
			t.Errorf("%s: no %q in %q, %v", size, want, plain, err)
		}
		if out, err := exec.CommandContext(t.Context(), "pdftoppm", "-r", "200", "-png", file, filepath.Join(dir, "page")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		pages, _ := filepath.Glob(filepath.Join(dir, "page*.png"))
		out, _ := exec.CommandContext(t.Context(), "zbarimg", append([]string{"-q", "--raw"}, pages...)...).Output()
		if !strings.Contains(string(out), r.Code) {
			t.Errorf("%s: its code is not read from paper: %q", size, out)
		}
		// A preview has no code that could be handed over.
		preview, err := w.PreviewFile(t.Context(), by, w.opened(by, id), id, size, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, preview, 0o600); err != nil {
			t.Fatal(err)
		}
		text, _ = exec.CommandContext(t.Context(), "pdftotext", "-raw", file, "-").Output()
		if strings.Contains(string(text), "Copy ") || !strings.Contains(strings.Join(strings.Fields(string(text)), " "), "no code") {
			t.Errorf("%s: the preview says %q", size, text)
		}
	}
}
