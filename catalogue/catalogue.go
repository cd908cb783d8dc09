// Package catalogue knows vaccines: products, what they are called and by whom
// they are made, against which disease, and under which codes others know them.
// It also knows the countries of ISO 3166-1.
//
// A product is found by a name or not at all: nothing here guesses. What could
// mean two products is an error when the data is loaded, unless the manufacturer
// tells them apart.
//
// The codes are those of the WHO DDCC implementation guide 1.0.1 (ICD-11, and
// its maps from CVX and the EU register), the EU value sets of 2023-07 (vp, mp,
// ma) and the CDC's CVX list. A product that ICD-11 does not name has the code
// of its vaccine type only.
package catalogue

import (
	"embed"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

//go:embed data
var data embed.FS

// Code systems of temporary EU codes, for products and manufacturers that the
// EU registers do not list.
const (
	SystemEUTempBrand = "http://ec.europa.eu/temp/vaccineproductname"
	SystemEUTempOrg   = "http://ec.europa.eu/temp/vaccinemanufacturer"
)

// Catalogue is a set of products, immutable once loaded.
type Catalogue struct {
	files    [][]byte // what it was loaded from, for With
	diseases []Disease
	products []Product
	byKey    map[string]int
	byName   map[string]int    // folded key, name, alias or code → product
	byMaker  map[nameAt]int    // a name that means this product when its maker is named
	makers   map[string]string // folded name of an organisation → its key
}

type nameAt struct{ name, maker string }

// Disease is what a vaccine protects against.
type Disease struct {
	Key    string            // "covid-19", "yellow-fever"
	Names  map[string]string // language → name
	ICD11  string
	SNOMED string
}

// Product is one vaccine as a person can get it.
type Product struct {
	Key     string
	Disease string            // key of the disease
	Names   map[string]string // language → name as printed; "en" is always there
	Aliases []string          // other names that mean this product and no other

	TypeNames map[string]string // language → name of the vaccine type
	ICD11Type string            // of the vaccine type
	ICD11     string            // of the product; empty where ICD-11 does not name it
	SNOMED    string            // of the vaccine type
	CVX       []string          // all that mean this product, the usual one first
	EUVP      string            // EU value sets: vaccine or prophylaxis (SNOMED CT),
	EUMP      string            // medicinal product,
	EUMA      string            // marketing authorisation holder or manufacturer
	WHOPQ     string            // WHO prequalification product id, as ICVP wants it; empty when not known

	// One of the two is known for every product that is not Generic.
	Manufacturer vaccination.Coding
	MAHolder     vaccination.Coding
	// Generic marks a vaccine recorded without its product: it has no brand
	// and no manufacturer, so international formats refuse it.
	Generic bool

	disease vaccination.Coding
}

// Load reads the data that comes with the program. An error means that the data
// is wrong, which the tests of this package exclude.
func Load() (*Catalogue, error) {
	b, err := data.ReadFile("data/vaccines.json")
	if err != nil {
		return nil, err
	}
	return load([][]byte{b})
}

// With returns a catalogue of c and what extra adds: a file of the form of
// data/vaccines.json, for a country's own products. A key or name that c has
// already is an error; so is an unknown field.
func (c *Catalogue) With(extra []byte) (*Catalogue, error) {
	return load(append(slices.Clip(c.files), extra))
}

// Product returns the product with this key.
func (c *Catalogue) Product(key string) (Product, bool) {
	i, ok := c.byKey[key]
	if !ok {
		return Product{}, false
	}
	return c.products[i], true
}

// Disease returns the coding of the disease with this key in ICD-11, nothing
// when there is none.
func (c *Catalogue) Disease(key string) vaccination.Coding {
	d, ok := c.disease(key)
	if !ok {
		return vaccination.Coding{}
	}
	return d.coding()
}

// Diseases returns every disease, in the order of the data.
func (c *Catalogue) Diseases() []Disease { return slices.Clone(c.diseases) }

func (c *Catalogue) disease(key string) (Disease, bool) {
	for _, d := range c.diseases {
		if d.Key == key {
			return d, true
		}
	}
	return Disease{}, false
}

func (d Disease) coding() vaccination.Coding {
	return vaccination.Coding{Code: d.ICD11, System: vaccination.SystemICD11, Display: d.Name("en")}
}

// Find returns the product that has name as its key, name, alias or code (ICD-11
// of the product, CVX, EU mp). Case, spaces and punctuation do not matter,
// everything else does. manufacturer, which may be empty, only tells apart
// products that share a name: "AstraZeneca" by the Serum Institute of India is
// Covishield. Names in Unicode normalisation form C are found.
func (c *Catalogue) Find(name, manufacturer string) (Product, bool) {
	n := fold(name)
	if n == "" {
		return Product{}, false
	}
	if maker, ok := c.makers[fold(manufacturer)]; ok {
		if i, ok := c.byMaker[nameAt{n, maker}]; ok {
			return c.products[i], true
		}
	}
	if i, ok := c.byName[n]; ok {
		return c.products[i], true
	}
	return Product{}, false
}

// Products returns the products against a disease, by its key, in the order of
// the data; all products for "".
func (c *Catalogue) Products(disease string) []Product {
	var out []Product
	for _, p := range c.products {
		if disease == "" || p.Disease == disease {
			out = append(out, p)
		}
	}
	return out
}

// Fill sets Product, Vaccine, Brand, Manufacturer, MAHolder and Disease of d.
// Vaccine is the type in ICD-11; Brand the product in ICD-11, else in the EU
// value set, else by its key here; of Manufacturer and MAHolder one is set.
func (p Product) Fill(d *vaccination.Dose) {
	d.Product = p.Key
	d.Vaccine = vaccination.Coding{Code: p.ICD11Type, System: vaccination.SystemICD11, Display: name(p.TypeNames, "en")}
	d.Brand = p.Brand()
	d.Manufacturer, d.MAHolder, d.Disease = p.Manufacturer, p.MAHolder, p.disease
}

// Brand returns the coding of the product itself; a generic one has none.
func (p Product) Brand() vaccination.Coding {
	c := vaccination.Coding{Code: p.ICD11, System: vaccination.SystemICD11, Display: p.Name("en")}
	switch {
	case p.Generic:
		return vaccination.Coding{}
	case p.ICD11 != "":
	case strings.HasPrefix(p.EUMP, "EU/"):
		c.Code, c.System = p.EUMP, vaccination.SystemEUBrand
	case p.EUMP != "":
		c.Code, c.System = p.EUMP, SystemEUTempBrand
	default:
		c.Code, c.System = p.Key, vaccination.SystemCatalogue
	}
	return c
}

// Name returns the name in a language, in English where there is none.
func (p Product) Name(lang string) string { return name(p.Names, lang) }

// TypeName returns the name of the vaccine type in a language, in English where
// there is none.
func (p Product) TypeName(lang string) string { return name(p.TypeNames, lang) }

// Name returns the name in a language, in English where there is none.
func (d Disease) Name(lang string) string { return name(d.Names, lang) }

func name(names map[string]string, lang string) string {
	if n := names[lang]; n != "" {
		return n
	}
	return names["en"]
}
