package degraded

import (
	"fmt"
	"strings"
)

// Rates counts what a reader reads, by harm and format, in the order of [Pictures].
type Rates struct {
	harms, formats []string
	read, all      map[[2]string]int
}

// NewRates returns an empty count.
func NewRates() *Rates { return &Rates{read: map[[2]string]int{}, all: map[[2]string]int{}} }

// Add counts a picture.
func (r *Rates) Add(p Picture, read bool) {
	key := [2]string{p.Harm, p.Format}
	if r.all[key] == 0 {
		if r.all[[2]string{p.Harm}] == 0 {
			r.harms = append(r.harms, p.Harm)
		}
		if len(r.harms) == 1 {
			r.formats = append(r.formats, p.Format)
		}
	}
	r.all[[2]string{p.Harm}]++
	r.all[key]++
	if read {
		r.read[key]++
	}
}

// Share is the share of all pictures that was read, in percent.
func (r *Rates) Share() float64 {
	read, all := 0, 0
	for key, n := range r.all {
		if key[1] != "" {
			read, all = read+r.read[key], all+n
		}
	}
	return 100 * float64(read) / float64(all)
}

// String is a line for each harm: of each format how many were read of how many.
func (r *Rates) String() string {
	var b strings.Builder
	for _, h := range r.harms {
		fmt.Fprintf(&b, "%-50s", h)
		for _, f := range r.formats {
			fmt.Fprintf(&b, "  %s %d/%d", f, r.read[[2]string{h, f}], r.all[[2]string{h, f}])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
