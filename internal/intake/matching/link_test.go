package matching

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// TestHalfALink is what a crash leaves between the two rows, where they are not
// written together.
func TestHalfALink(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued issued", "a; nic=; phone=; dose=1", "b; nic=; phone=; name=Anil Bandara; dose=2")
	a, b := w.certificate("clinic:a", 1), w.certificate("clinic:b", 2)
	const pointer, counts = "(bucket, person_id) > (other_bucket, other_id)", "(bucket, person_id) < (other_bucket, other_id)"
	merge := func() {
		t.Helper()
		if err := w.Service.Merge(t.Context(), w.Admin, a, b, "a test"); err != nil {
			t.Fatal(err)
		}
		w.shows("clinic:a", "1 clinic:a, 2 clinic:b")
		w.shows("clinic:b", "1 clinic:a, 2 clinic:b")
	}
	merge()
	w.checked()
	// Made halfway: the row that counts is not there.
	w.exec("DELETE FROM person_link WHERE " + counts)
	w.shows("clinic:a", "1 clinic:a")
	w.shows("clinic:b", "2 clinic:b")
	if report, err := w.Service.Check(t.Context()); err != nil || len(report.Problems) == 0 {
		t.Errorf("the check says nothing: %v", err)
	}
	merge() // goes on with it
	// Ended halfway: the row that points stands still.
	w.exec("UPDATE person_link SET ended_at = now(), ended_by = 'x', ended_why = 'x' WHERE " + counts)
	w.shows("clinic:a", "1 clinic:a")
	w.shows("clinic:b", "2 clinic:b")
	if err := w.Service.Unmerge(t.Context(), w.Admin, a, b, "a test"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM person_link WHERE ended_at IS NULL AND "+pointer).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows stand, %v", n, err)
	}
}

func TestLinksThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued issued issued", "a; nic=; phone=; dose=1; dose=2", "b; nic=; phone=; name=Anil Bandara; dose=1")
	a, b := w.certificate("clinic:a", 1), w.certificate("clinic:b", 1)
	is := func(what string, err error, want vaccination.Code) {
		t.Helper()
		if vaccination.ErrorCode(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	is("one person", w.Service.Merge(t.Context(), w.Admin, a, w.certificate("clinic:a", 2), "x"), vaccination.Invalid)
	is("no reason", w.Service.Merge(t.Context(), w.Admin, a, b, ""), vaccination.Invalid)
	is("nobody", w.Service.Merge(t.Context(), w.Admin, a, vaccination.CertificateID{9}, "x"), vaccination.NotFound)
	is("not linked", w.Service.Unmerge(t.Context(), w.Admin, a, b, "x"), vaccination.NotFound)
	source := access.Caller{Actor: "token:1 clinic", Role: access.SourceRole, Source: "clinic"}
	is("a source", w.Service.Merge(t.Context(), source, a, b, "x"), vaccination.Forbidden)
	is("a source", w.Service.Unmerge(t.Context(), source, a, b, "x"), vaccination.Forbidden)
	_, err := w.Service.Links(t.Context(), source, a)
	is("a source", err, vaccination.Forbidden)
	for i := range 9 {
		w.sent("clinic", "issued", fmt.Sprintf("n%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=1", i, 'a'+i, i))
		err := w.Service.Merge(t.Context(), w.Admin, a, w.certificate(fmt.Sprintf("clinic:n%d", i), 1), "x")
		is("a person more", err, "")
	}
	is("too many", w.Service.Merge(t.Context(), w.Admin, a, b, "x"), vaccination.Conflict)
	is("by way of others", w.Service.Unmerge(t.Context(), w.Admin, w.certificate("clinic:n1", 1), w.certificate("clinic:n2", 1), "x"), vaccination.Conflict)
	w.checked()
}

// TestMergeAndUnmergeIsAsBefore makes and ends links at random and compares what
// is shown with a model; in the end all are ended, and all is as it was.
func TestMergeAndUnmergeIsAsBefore(t *testing.T) {
	w := newWorld(t)
	const people = 5
	var ids []vaccination.CertificateID
	for i := range people {
		w.sent("clinic", "issued", fmt.Sprintf("m%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=%d", i, 'a'+i, i, i+1))
		ids = append(ids, w.certificate(fmt.Sprintf("clinic:m%d", i), i+1))
	}
	type edge [2]int
	rapid.Check(t, func(rt *rapid.T) {
		edges := map[edge]bool{}
		group := func(i int) []int {
			out := []int{i}
			for k := 0; k < len(out); k++ {
				for e := range edges {
					for side := range 2 {
						if e[side] == out[k] && !slices.Contains(out, e[1-side]) {
							out = append(out, e[1-side])
						}
					}
				}
			}
			slices.Sort(out)
			return out
		}
		shown := func() {
			for i := range people {
				var want []string
				for _, k := range group(i) {
					want = append(want, fmt.Sprintf("%d clinic:m%d", k+1, k))
				}
				if got := w.page(fmt.Sprintf("clinic:m%d", i)); got != strings.Join(want, ", ") {
					rt.Fatalf("the page of m%d lists %s, want %s", i, got, want)
				}
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "acts") {
			x, y := rapid.IntRange(0, people-1).Draw(rt, "x"), rapid.IntRange(0, people-1).Draw(rt, "y")
			e := edge{min(x, y), max(x, y)}
			switch {
			case x == y:
			case rapid.Bool().Draw(rt, "merge"):
				if err := w.Service.Merge(w.t.Context(), w.Admin, ids[x], ids[y], "a test"); err != nil {
					rt.Fatal(err)
				}
				if !slices.Contains(group(x), y) {
					edges[e] = true
				}
			default:
				err := w.Service.Unmerge(w.t.Context(), w.Admin, ids[x], ids[y], "a test")
				if (err == nil) != edges[e] {
					rt.Fatalf("unmerged %v: %v", e, err)
				}
				delete(edges, e)
			}
			shown()
		}
		for e := range edges {
			if err := w.Service.Unmerge(w.t.Context(), w.Admin, ids[e[1]], ids[e[0]], "a test"); err != nil {
				rt.Fatal(err)
			}
		}
		clear(edges)
		shown()
	})
	w.checked()
}

// TestLinksAtOnce: acts on links of the same people at the same time leave no
// ring, so that each link can be ended.
func TestLinksAtOnce(t *testing.T) {
	w := newWorld(t)
	var ids []vaccination.CertificateID
	for i := range 4 {
		w.sent("clinic", "issued", fmt.Sprintf("m%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=1", i, 'a'+i, i))
		ids = append(ids, w.certificate(fmt.Sprintf("clinic:m%d", i), 1))
	}
	for range 5 {
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				if err := w.Service.Merge(context.Background(), w.Admin, ids[i], ids[(i+1)%4], "a test"); err != nil && vaccination.ErrorCode(err) != vaccination.Unavailable {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var n int
		if err := w.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM person_link WHERE ended_at IS NULL").Scan(&n); err != nil || n != 6 {
			t.Fatalf("%d rows of links between four people, %v", n, err)
		}
		for i := range ids {
			_ = w.Service.Unmerge(t.Context(), w.Admin, ids[i], ids[(i+1)%4], "a test") // one of them there is not
		}
	}
	w.checked()
}
