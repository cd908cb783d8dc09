package auditor

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/audit"
)

func TestDaysAreThoseOfTheCountry(t *testing.T) {
	zone := time.FixedZone("here", -5*3600)
	h := &handler{Options{Zone: zone}}
	at := func(day int) time.Time { return time.Date(2026, 11, day, 5, 0, 0, 0, time.UTC) }
	tests := map[string]struct {
		typed search
		want  audit.Filter
		wrong []string
	}{
		"nothing":                 {},
		"one day, to its end":     {typed: search{From: "2026-11-22", Until: "2026-11-22"}, want: audit.Filter{From: at(22), Until: at(23)}},
		"who, what and about":     {typed: search{Actor: "staff:3", Act: "read", Object: "x"}, want: audit.Filter{Actor: "staff:3", Act: "read", Object: "x"}},
		"days that are none":      {typed: search{From: "22.11.2026", Until: "2026-02-30"}, wrong: []string{"from", "until"}},
		"the end before the days": {typed: search{From: "2026-11-23", Until: "2026-11-22"}, wrong: []string{"until"}},
	}
	for name, tt := range tests {
		got, wrong := h.filter(tt.typed)
		if !slices.Equal(wrong, tt.wrong) {
			t.Errorf("%s: faults %v, want %v", name, wrong, tt.wrong)
		}
		if tt.wrong == nil {
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestASearchIsReadAsItIsWritten(t *testing.T) {
	s := search{From: "2026-11-22", Until: "2026-11-23", Actor: "token:1 a&b=c", Act: "read", Object: "item 7"}
	q, err := url.ParseQuery(s.values().Encode())
	if err != nil || read(q) != s {
		t.Errorf("%+v, %v", read(q), err)
	}
	if len(search{}.values()) != 0 {
		t.Error("an empty search fills the address")
	}
}

func TestNumbersOfStatements(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "365": 365, "0": -1, "-1": -1, "x": -1, "9223372036854775808": -1} {
		n, err := number(text)
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%q is read as %d, %v", text, n, err)
		}
	}
}
