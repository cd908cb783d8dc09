package profile

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opendivoc/divoc/profiles"
)

// FuzzProfile reads anything as a profile.yaml: it is taken, or every fault
// names the file and a line.
func FuzzProfile(f *testing.F) {
	dir := fstest.MapFS{"layouts/standard.yaml": &fstest.MapFile{}}
	for _, name := range Shipped() {
		b, err := fs.ReadFile(profiles.FS, name+"/profile.yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
		svg, err := fs.ReadFile(profiles.FS, name+"/emblem.svg")
		if err != nil {
			f.Fatal(err)
		}
		dir["emblem.svg"] = &fstest.MapFile{Data: svg}
	}
	for _, s := range []string{"", "a", "[]", "a: &b [*b]", "programmes: {x: null, '': {}}", "languages: [en]\nmessages: {en: null}", "? [a]\n: b", "<<: {country: JAM}", "phone: {national: ['(']}", "a: !!binary x", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := fstest.MapFS{"emblem.svg": dir["emblem.svg"], "layouts/standard.yaml": dir["layouts/standard.yaml"]}
		dir["profile.yaml"] = &fstest.MapFile{Data: []byte(text)}
		p, err := read(dir, "x", "x")
		if err == nil {
			if pr, ok := p.Programme("", ""); !ok || p.TimeZone == nil || p.IssuerName("en") == "" || pr.Names == nil {
				t.Errorf("taken: %+v", p)
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "x/profile.yaml:") {
				t.Errorf("%q does not begin with the file and line", line)
			}
		}
	})
}
