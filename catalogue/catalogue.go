// Package catalogue knows vaccines: products, what they are called, by whom they
// are made and under which codes other systems know them.
package catalogue

import "github.com/opendivoc/divoc/vaccination"

// Catalogue is a set of products, immutable once loaded.
type Catalogue struct{}

// Product is one vaccine as a person can get it.
type Product struct {
	Key          string
	Disease      string            // key of the disease: "covid-19", "yellow-fever"
	Names        map[string]string // language → name as printed; "en" always there
	Aliases      []string
	ICD11        string // of the product, or of its type where the product has none
	ICD11Type    string // of the vaccine type
	SNOMED       string // of the vaccine type
	CVX          string
	EUVP         string // eHealth Network value sets: vaccine type,
	EUMP         string // medicinal product,
	EUMA         string // marketing authorisation holder or manufacturer
	WHOPQ        string // WHO prequalification product id (ICVP), empty when not known
	Manufacturer vaccination.Coding
	MAHolder     vaccination.Coding
}

// Load reads the embedded data.
func Load() (*Catalogue, error) { return &Catalogue{}, nil }

// With returns c and the products of extra, a file of the form of products.json.
func (c *Catalogue) With(extra []byte) (*Catalogue, error) { return c, nil }

// Product returns the product with this key.
func (c *Catalogue) Product(key string) (Product, bool) { return Product{}, false }

// Find returns the product with this key, name, alias or code.
func (c *Catalogue) Find(name, manufacturer string) (Product, bool) { return Product{}, false }

// Closest returns up to n products whose names are most like name, best first.
func (c *Catalogue) Closest(name string, n int) []Product { return nil }

// Products returns the products against a disease, by key; all for "".
func (c *Catalogue) Products(disease string) []Product { return nil }

// Fill sets Product, Vaccine, Brand, Manufacturer, MAHolder and Disease of d.
func (p Product) Fill(d *vaccination.Dose) {}

// Name returns the name in a language, in English where there is none.
func (p Product) Name(lang string) string { return p.Names["en"] }

// Country is a country of ISO 3166-1.
type Country struct{ Alpha2, Alpha3, Name string }

// FindCountry returns the country with this code, name or demonym.
func FindCountry(s string) (Country, bool) { return Country{}, false }
