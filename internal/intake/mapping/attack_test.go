package mapping

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/profile"
)

// TestHostileTexts: a mapping is written by an administrator, or by whoever got
// hold of their token: reading one takes little time and memory whatever it is.
func TestHostileTexts(t *testing.T) {
	p, err := profile.Open("jamaica")
	if err != nil {
		t.Fatal(err)
	}
	const rest = "person: {name: name}\ndose: {number: number, date: date, product: "
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 12 {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	for name, text := range map[string]string{
		"aliases of aliases": bomb.String() + rest + "*a12}\n",
		"an alias of itself": "person: &p {name: name, code: *p}\ndose: {number: number, date: date}\n",
		"merged keys":        "x: &x {name: name}\nperson: {<<: *x}\ndose: {number: number, date: date}\n",
		"deep lists":         rest + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}\n",
		"deep mappings":      rest + strings.Repeat("{a: ", 20_000) + "1" + strings.Repeat("}", 20_000) + "}\n",
		"too much":           rest + "{from: [v], codes: {" + strings.Repeat("aaaaaaaa: Comirnaty, ", 20_000) + "}}}\n",
		"a key twice":        rest + "v, product: w}\n",
		"two documents":      rest + "v}\n---\n" + rest + "v}\n",
		"an unknown key":     rest + "{from: [v], codes: {\"\\0\": Comirnaty}, nothing: 1}}\n",
		"nothing":            "",
		"a NUL":              rest + "\x00}\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			m, err := Parse("mapping", []byte(text), p)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil {
				t.Errorf("read as %+v", m)
			} else if len(err.Error()) > 20_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}
