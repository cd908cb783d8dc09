package catalogue_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
	"pgregory.net/rapid"
)

func load(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// vectors returns a file of the outside test vectors, kept beside the checkout.
func vectors(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("DIVOC_VECTORS")
	if dir == "" {
		dir, _ = os.Getwd()
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
		}
		dir = filepath.Join(dir, "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		t.Skip("the outside vectors are not here: set DIVOC_VECTORS to their folder")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFind(t *testing.T) {
	c := load(t)
	for _, x := range []struct{ name, manufacturer, want string }{
		{"Comirnaty", "Pfizer", "comirnaty"},
		{"COMIRNATY®", "", "comirnaty"},
		{"Pfizer", "", "comirnaty"},
		{"Pfizer / BioNTech", "", "comirnaty"},
		{"biontechpfizer", "", "comirnaty"},
		{"BNT162b2", "", "comirnaty"},
		{"208", "", "comirnaty"},
		{"XM8NQ0", "", "comirnaty"},
		{"EU/1/20/1528", "", "comirnaty"},
		{"Ｃｏｍｉｒｎａｔｙ", "", "comirnaty"},
		{"moderna", "", "spikevax"},
		{"mRNA-1273", "", "spikevax"},
		{"COVAXIN", "Bharat Biotech", "covaxin"},
		{"Covishield", "", "covishield"},
		{"COVISHIELD (SII)", "", "covishield"},
		{"SII", "", "covishield"},
		{"AstraZeneca", "", "vaxzevria"},
		{"astrazeneca", "astrazeneca_ab", "vaxzevria"},
		{"astrazeneca_ab", "", "vaxzevria"},
		{"astrazeneca", "astrazenecaskbio", "vaxzevria"},
		{"AstraZeneca", "SII", "covishield"},
		{"AstraZeneca", "Serum Institute of India", "covishield"},
		{"AstraZeneca", "somebody else", "vaxzevria"},
		{"sinopharm", "sinopharm_bibp", "bbibp-corv"},
		{"Sinopharm", "Beijing Institute of Biological Product", "bbibp-corv"},
		{"Sinopharm", "WIBP", "wibp-corv"},
		{"gamaleya", "", "sputnik-v"},
		{"Sputnik-V", "", "sputnik-v"},
		{"Sputnik Light", "", "sputnik-light"},
		{"Johnson & Johnson", "", "jcovden"},
		{"Novavax", "Serum Institute of India", "covovax"},
		{"Yellow Fever", "", "yellow-fever"},
		{"Yellow Fever", "Bio-Manguinhos", "yellow-fever-bio-manguinhos"},
		{"yellow fever vaccine", "Sanofi Pasteur", "stamaril"},
		{"மொடர்னா", "", "spikevax"},

		{"", "", ""},
		{"  ", "Pfizer", ""},
		{"&%$", "", ""},
		{"Covid vaccine", "", ""},
		{"COVID-19", "Pfizer", ""},
		{"Sputnik", "", ""}, // V, Light or M
		{"Comirnatty", "", ""},
		{"Pfizer and Moderna", "", ""},
		{"XM0GQ8", "", ""}, // a vaccine type is no product
		{"1119349007", "", ""},
	} {
		got, ok := c.Find(x.name, x.manufacturer)
		if got.Key != x.want || ok != (x.want != "") {
			t.Errorf("Find(%q, %q) = %q, want %q", x.name, x.manufacturer, got.Key, x.want)
		}
	}
}

func TestEveryNameFindsItsProduct(t *testing.T) {
	c := load(t)
	for _, p := range c.Products("") {
		names := slices.Concat(p.Aliases, p.CVX, []string{p.Key})
		for lang, n := range p.Names {
			if n != strings.TrimSpace(n) || n == "" {
				t.Errorf("%s: name %q in %s", p.Key, n, lang)
			}
			names = append(names, n)
		}
		for _, n := range append(names, p.ICD11, p.EUMP) {
			if n == "" {
				continue
			}
			for _, form := range []string{n, strings.ToUpper(n), " " + strings.ToLower(n) + "\t"} {
				if got, ok := c.Find(form, ""); !ok || got.Key != p.Key {
					t.Errorf("Find(%q) = %q, want %s", form, got.Key, p.Key)
				}
			}
		}
	}
}

func TestFindIgnoresOnlyCaseSpacesAndPunctuation(t *testing.T) {
	c := load(t)
	products := c.Products("")
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(products).Draw(t, "product")
		name := p.Name("en")
		at := rapid.IntRange(0, len(name)).Draw(t, "at")
		noise := rapid.StringOf(rapid.SampledFrom([]rune(" \t-_./()®™,'–"))).Draw(t, "noise")
		if got, _ := c.Find(name[:at]+noise+name[at:], ""); got.Key != p.Key {
			t.Errorf("%q with %q at %d is %q", name, noise, at, got.Key)
		}
		if got, ok := c.Find(name[:at]+"q"+name[at:], ""); ok && got.Key == p.Key {
			t.Errorf("%q with a letter more at %d is still found", name, at)
		}
	})
}

func TestClosest(t *testing.T) {
	c := load(t)
	for name, want := range map[string]string{
		"Comirnatty": "comirnaty", "Astra Zenica": "vaxzevria", "covisheild": "covishield",
		"Sinofarm": "bbibp-corv", "Fizer": "comirnaty", "Stamarill": "stamaril", "coronavack": "coronavac",
	} {
		got := c.Closest(name, 3)
		if len(got) == 0 || got[0].Key != want {
			t.Errorf("Closest(%q) = %v, want %s first", name, keys(got), want)
		}
		if len(got) > 3 {
			t.Errorf("Closest(%q) gave %d", name, len(got))
		}
	}
	for _, name := range []string{"", "zzzz", "!!!", strings.Repeat("comirnaty", 100)} {
		if got := c.Closest(name, 3); len(got) > 0 {
			t.Errorf("Closest(%.20q) = %v", name, keys(got))
		}
	}
	if got := c.Closest("Comirnaty", 0); len(got) > 0 {
		t.Error("asked for none, got some")
	}
}

func keys(ps []catalogue.Product) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Key)
	}
	return out
}

func TestProductsHaveWhatTheirFormatsNeed(t *testing.T) {
	c := load(t)
	brands := map[vaccination.Coding]string{}
	for _, p := range c.Products("") {
		var d vaccination.Dose
		p.Fill(&d)
		if d.Product != p.Key || d.Vaccine.Code == "" || d.Vaccine.Display == "" || d.Disease.Code == "" {
			t.Errorf("%s fills %+v", p.Key, d)
		}
		if one := d.Manufacturer.IsZero() != d.MAHolder.IsZero(); one == p.Generic {
			t.Errorf("%s: manufacturer %v, holder %v", p.Key, d.Manufacturer, d.MAHolder)
		}
		if p.Generic != d.Brand.IsZero() {
			t.Errorf("%s: brand %v", p.Key, d.Brand)
		}
		if other, ok := brands[d.Brand]; ok && !p.Generic {
			t.Errorf("%s and %s have one brand code", p.Key, other)
		}
		brands[d.Brand] = p.Key
		if !p.Generic && p.Disease != "yellow-fever" {
			if got, _ := c.Find(d.Brand.Code, ""); got.Key != p.Key {
				t.Errorf("the brand code of %s finds %q", p.Key, got.Key)
			}
		}
		if p.TypeName("ta") == "" || p.Name("xx") != p.Name("en") {
			t.Errorf("%s: names", p.Key)
		}
		if got := c.Disease(p.Disease); got != d.Disease || got.Code == "" {
			t.Errorf("%s: disease %q", p.Key, p.Disease)
		}
	}
	if n := len(c.Products("covid-19")) + len(c.Products("yellow-fever")); n != len(c.Products("")) || n < 45 {
		t.Errorf("%d products", n)
	}
	if !c.Disease("tea").IsZero() || len(c.Diseases()) != 2 {
		t.Error("diseases")
	}
	if _, ok := c.Product("Comirnaty"); ok {
		t.Error("a key in another case is another key")
	}
}

func TestCodesAreWellFormed(t *testing.T) {
	for _, p := range load(t).Products("") {
		for _, code := range []string{p.ICD11, p.ICD11Type} {
			if code != "" && (len(code) != 6 || !strings.HasPrefix(code, "XM") || strings.Trim(code, "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") != "") {
				t.Errorf("%s: %q is no ICD-11 extension code", p.Key, code)
			}
		}
		if !verhoeff(p.SNOMED) || p.EUVP != "" && !verhoeff(p.EUVP) {
			t.Errorf("%s: the check digit of %q is wrong", p.Key, p.SNOMED)
		}
	}
}

// verhoeff checks the check digit of a SNOMED CT identifier.
func verhoeff(s string) bool {
	mul := [10][10]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6}, {3, 4, 0, 1, 2, 8, 9, 5, 6, 7}, {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1}, {6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3}, {8, 7, 6, 5, 9, 3, 2, 1, 0, 4}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}}
	perm := [8][10]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}
	perm[1] = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}
	for i := 2; i < 8; i++ {
		for j := range 10 {
			perm[i][j] = perm[i-1][perm[1][j]]
		}
	}
	c := 0
	for i := range len(s) {
		c = mul[c][perm[i%8][s[len(s)-1-i]-'0']]
	}
	return s != "" && c == 0
}

type valueSet struct {
	Values map[string]struct {
		Display string   `json:"display"`
		Active  bool     `json:"active"`
		Code    string   `json:"vaccine-code"`
		MA      string   `json:"vaccine-manufacturer"`
		VP      []string `json:"sct-codes"`
	} `json:"valueSetValues"`
}

func values(t testing.TB, name string) valueSet {
	t.Helper()
	var v valueSet
	if err := json.Unmarshal(vectors(t, "eu-dcc-valuesets/"+name), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEUProductsAreCovered(t *testing.T) {
	c := load(t)
	for code, v := range values(t, "vaccine-medicinal-product.json").Values {
		p, ok := c.Find(code, "")
		if !ok {
			t.Errorf("no product for %s (%s)", code, v.Display)
		} else if v.Active && p.EUMP != code {
			t.Errorf("%s is %s under %q", code, p.Key, p.EUMP)
		}
	}
	for name, v := range values(t, "vaccine-encoding-instructions.json").Values {
		p, ok := c.Find(name, "")
		if !ok {
			t.Errorf("no product for %s", name)
			continue
		}
		if strings.Contains(v.Code, "deprecated") || v.Code == "Inactivated-SARS-CoV-2-Vero-Cell" {
			continue // found above; issued under the code that replaced it
		}
		if p.EUMP != v.Code || p.EUMA != v.MA || !slices.Contains(v.VP, p.EUVP) {
			t.Errorf("%s: mp %s, ma %s, vp %s; the instructions say %s, %s, one of %v", name, p.EUMP, p.EUMA, p.EUVP, v.Code, v.MA, v.VP)
		}
	}
}

func TestEUHoldersAreCovered(t *testing.T) {
	absent := map[string]string{
		"ORG-100010771": "Sinopharm Weiqida: held the deprecated code for WIBP-CorV only",
		"ORG-100024420": "Sinopharm Zhijun: no product in the instructions names it",
	}
	used := map[string]bool{}
	for _, p := range load(t).Products("") {
		used[p.EUMA] = true
	}
	for code, v := range values(t, "vaccine-mah-manf.json").Values {
		if used[code] == (absent[code] != "") {
			t.Errorf("%s (%s): used %t, absent because %q", code, v.Display, used[code], absent[code])
		}
	}
}

// The value set WHODDCCVaccinesCOVID19 of the implementation guide, products only.
func TestDDCCProductsAreCovered(t *testing.T) {
	c := load(t)
	for _, code := range strings.Fields("XM7HT3 XM8866 XM9TQ1 XM1G90 XM85P5 XM9FQ7 XM97N6 XM2YG8 XM4YL8 XM97T2 XM6QV1 XM1AG7 XM5ZJ4 XM5QM6 XM3PG0 XM4EC8 XM6SZ8 XM52P3 XM8NQ0 XM3DT5") {
		if p, ok := c.Find(code, ""); !ok || p.ICD11 != code {
			t.Errorf("no product for %s", code)
		}
	}
	// Not products: XM3U61 "other inactivated", and XM3CT4 "recombinant",
	// which WHO's own maps use for products of four different kinds.
	for _, code := range []string{"XM3U61", "XM3CT4"} {
		if p, ok := c.Find(code, ""); ok {
			t.Errorf("%s found %s", code, p.Key)
		}
	}
}

func TestWith(t *testing.T) {
	c := load(t)
	more, err := c.With([]byte(`{"organisations": [{"key": "island", "name": "Island Laboratories"}],
		"products": [{"key": "islandvax", "type": "rna", "maker": "island", "names": {"en": "IslandVax"}, "aliases": ["IV-1"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := more.Find("iv1", ""); !ok || p.Manufacturer.Display != "Island Laboratories" || p.Disease != "covid-19" {
		t.Errorf("found %+v", p)
	}
	if _, ok := c.Find("iv1", ""); ok {
		t.Error("the first catalogue changed")
	}
	if d := cmp.Diff(len(c.Products(""))+1, len(more.Products(""))); d != "" {
		t.Error(d)
	}
	for name, extra := range map[string]string{
		"not JSON":                           `{`,
		"an unknown field":                   `{"product": []}`,
		"a key there already":                `{"products": [{"key": "comirnaty", "type": "rna", "holder": "biontech", "names": {"en": "X"}}]}`,
		"a name there already":               `{"products": [{"key": "x", "type": "rna", "holder": "biontech", "names": {"en": "Pfizer"}}]}`,
		"a code there already":               `{"products": [{"key": "x", "type": "rna", "cvx": ["207"], "holder": "biontech", "names": {"en": "X"}}]}`,
		"two products by one name and maker": `{"products": [{"key": "x", "type": "rna", "maker": "sii", "names": {"en": "X"}, "with": ["AstraZeneca"]}]}`,
		"no key":                             `{"products": [{"type": "rna", "holder": "biontech", "names": {"en": "X"}}]}`,
		"no English name":                    `{"products": [{"key": "x", "type": "rna", "holder": "biontech", "names": {"si": "X"}}]}`,
		"an unknown type":                    `{"products": [{"key": "x", "type": "tea", "holder": "biontech", "names": {"en": "X"}}]}`,
		"an unknown maker":                   `{"products": [{"key": "x", "type": "rna", "maker": "nobody", "names": {"en": "X"}}]}`,
		"no maker":                           `{"products": [{"key": "x", "type": "rna", "names": {"en": "X"}}]}`,
		"a generic one by a maker":           `{"products": [{"key": "x", "type": "rna", "maker": "sii", "generic": true, "names": {"en": "X"}}]}`,
		"an organisation twice":              `{"organisations": [{"key": "sii", "name": "X"}]}`,
		"an organisation's alias twice":      `{"organisations": [{"key": "x", "name": "X", "aliases": ["Pfizer"]}]}`,
		"a disease twice":                    `{"diseases": [{"key": "covid-19", "icd11": "RA01", "names": {"en": "X"}}]}`,
		"a type of an unknown disease":       `{"types": [{"key": "t", "disease": "d"}], "products": [{"key": "x", "type": "t", "maker": "sii", "names": {"en": "X"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.With([]byte(extra))
			if err == nil {
				t.Fatal("taken")
			}
			if name == "a key there already" && !strings.Contains(err.Error(), "comirnaty is there twice") {
				t.Errorf("the error does not say so: %v", err)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := catalogue.Load(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	c := load(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Find("COVISHIELD (SII)", "Serum Institute of India"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkClosest(b *testing.B) {
	c := load(b)
	for b.Loop() {
		c.Closest("Astra Zenica", 3)
	}
}
