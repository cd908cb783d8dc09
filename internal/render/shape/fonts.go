package shape

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-text/typesetting/font"
)

// Base is the font that spaces, digits, punctuation and every other character
// it has are set in, so that numbers look alike beside every script.
const Base = "NotoSans"

// Font is one font file.
type Font struct {
	Name string // "NotoSans-Bold"
	Data []byte

	parsed *font.Font
}

// Set is a choice of fonts that together cover the scripts of a page. It is
// safe for concurrent use.
type Set struct {
	Fonts []Font

	chains [2][]int // regular and bold: indices in Fonts, first choice first
	pool   workers
	cache  cache
}

// Load reads every *.ttf at the root of fsys. The files are named
// Family-Regular.ttf and Family-Bold.ttf; NotoSans-Regular.ttf must be there. A
// family without bold is set in regular.
func Load(fsys fs.FS) (*Set, error) {
	names, err := fs.Glob(fsys, "*.ttf")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, Base+"-Regular.ttf") {
		return nil, errors.New("fonts missing: run make build")
	}
	s := &Set{}
	families := map[string][2]int{} // index + 1 of regular and bold
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		face, err := font.ParseTTF(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("font %s: %w", name, err)
		}
		name = strings.TrimSuffix(name, ".ttf")
		s.Fonts = append(s.Fonts, Font{Name: name, Data: data, parsed: face.Font})
		family, style, _ := strings.Cut(name, "-")
		f := families[family]
		switch style {
		case "Regular":
			f[0] = len(s.Fonts)
		case "Bold":
			f[1] = len(s.Fonts)
		}
		families[family] = f
	}
	order := make([]string, 0, len(families))
	for family := range families {
		order = append(order, family)
	}
	slices.SortFunc(order, func(a, b string) int {
		if a == Base || b == Base {
			return map[bool]int{true: -1, false: 1}[a == Base]
		}
		return strings.Compare(a, b)
	})
	for _, family := range order {
		f := families[family]
		for bold := range s.chains {
			at := f[bold]
			if at == 0 {
				at = f[1-bold]
			}
			if at > 0 {
				s.chains[bold] = append(s.chains[bold], at-1)
			}
		}
	}
	s.pool.set = s
	return s, nil
}
