package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// file is the form of data/vaccines.json.
type file struct {
	Diseases []struct {
		Key    string            `json:"key"`
		ICD11  string            `json:"icd11"`
		SNOMED string            `json:"snomed"`
		Names  map[string]string `json:"names"`
	} `json:"diseases"`
	Types []struct {
		Key     string            `json:"key"`
		Disease string            `json:"disease"`
		ICD11   string            `json:"icd11"`
		SNOMED  string            `json:"snomed"`
		Names   map[string]string `json:"names"`
	} `json:"types"`
	Organisations []organisation `json:"organisations"`
	Products      []struct {
		Key     string            `json:"key"`
		Type    string            `json:"type"`
		ICD11   string            `json:"icd11"`
		CVX     []string          `json:"cvx"`
		VP      string            `json:"vp"` // where the EU wants another than the type's SNOMED code
		MP      string            `json:"mp"`
		WHOPQ   string            `json:"whopq"`
		Maker   string            `json:"maker"`  // key of the manufacturer, or
		Holder  string            `json:"holder"` // of the marketing authorisation holder
		Generic bool              `json:"generic"`
		Names   map[string]string `json:"names"`
		Aliases []string          `json:"aliases"`
		With    []string          `json:"with"` // names that mean this product when its maker is named too
	} `json:"products"`
}

type organisation struct {
	Key     string   `json:"key"`
	Code    string   `json:"code"` // of the EU value set; empty where it has none
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

func (o organisation) coding() vaccination.Coding {
	switch {
	case strings.HasPrefix(o.Code, "ORG-"):
		return vaccination.Coding{Code: o.Code, System: vaccination.SystemEUOrg, Display: o.Name}
	case o.Code != "":
		return vaccination.Coding{Code: o.Code, System: SystemEUTempOrg, Display: o.Name}
	default:
		return vaccination.Coding{Code: o.Key, System: vaccination.SystemCatalogue, Display: o.Name}
	}
}

func load(files [][]byte) (*Catalogue, error) {
	c := &Catalogue{
		files: files, byKey: map[string]int{}, byName: map[string]int{},
		byMaker: map[nameAt]int{}, makers: map[string]string{},
	}
	var all file
	for _, b := range files {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		var f file
		if err := dec.Decode(&f); err != nil {
			return nil, fmt.Errorf("catalogue: %w", err)
		}
		all.Diseases = append(all.Diseases, f.Diseases...)
		all.Types = append(all.Types, f.Types...)
		all.Organisations = append(all.Organisations, f.Organisations...)
		all.Products = append(all.Products, f.Products...)
	}
	for _, d := range all.Diseases {
		if _, ok := c.disease(d.Key); ok || d.Key == "" || d.ICD11 == "" || d.Names["en"] == "" {
			return nil, fmt.Errorf("catalogue: disease %q is there twice, or has no key, icd11 or English name", d.Key)
		}
		c.diseases = append(c.diseases, Disease{Key: d.Key, Names: d.Names, ICD11: d.ICD11, SNOMED: d.SNOMED})
	}
	orgs, err := c.addOrganisations(all.Organisations)
	if err != nil {
		return nil, err
	}
	for _, in := range all.Products {
		p := Product{
			Key: in.Key, Names: in.Names, Aliases: in.Aliases, ICD11: in.ICD11, CVX: in.CVX,
			EUVP: in.VP, EUMP: in.MP, WHOPQ: in.WHOPQ, Generic: in.Generic,
		}
		typed := false
		for _, t := range all.Types {
			if t.Key != in.Type {
				continue
			}
			d, ok := c.disease(t.Disease)
			if !ok {
				return nil, fmt.Errorf("catalogue: type %s is against the unknown disease %q", t.Key, t.Disease)
			}
			typed = true
			p.Disease, p.TypeNames, p.ICD11Type, p.SNOMED = t.Disease, t.Names, t.ICD11, t.SNOMED
			p.disease = d.coding()
		}
		maker, holder := orgs[in.Maker], orgs[in.Holder]
		switch {
		case in.Key == "" || in.Names["en"] == "":
			return nil, fmt.Errorf("catalogue: product %q needs a key and an English name", in.Key)
		case !typed:
			return nil, fmt.Errorf("catalogue: product %s has the unknown type %q", in.Key, in.Type)
		case in.Maker != "" && maker.Key == "", in.Holder != "" && holder.Key == "":
			return nil, fmt.Errorf("catalogue: product %s is by an unknown organisation", in.Key)
		case in.Generic == (maker.Key != "" || holder.Key != ""):
			return nil, fmt.Errorf("catalogue: product %s needs a maker or a holder, or else to be generic", in.Key)
		}
		if maker.Key != "" {
			p.Manufacturer = maker.coding()
		}
		if holder.Key != "" {
			p.MAHolder = holder.coding()
		}
		if in.MP != "" {
			p.EUMA = maker.Code + holder.Code
			if p.EUVP == "" {
				p.EUVP = p.SNOMED
			}
		}
		if _, ok := c.byKey[p.Key]; ok {
			return nil, fmt.Errorf("catalogue: product %s is there twice", p.Key)
		}
		c.byKey[p.Key] = len(c.products)
		c.products = append(c.products, p)
		if err := c.index(p, in.With, maker.Key+holder.Key); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addOrganisations enters the names of organisations and returns them by key.
func (c *Catalogue) addOrganisations(all []organisation) (map[string]organisation, error) {
	orgs := map[string]organisation{}
	for _, o := range all {
		if _, ok := orgs[o.Key]; ok || o.Key == "" || o.Name == "" {
			return nil, fmt.Errorf("catalogue: organisation %q is there twice, or has no key or name", o.Key)
		}
		orgs[o.Key] = o
		for _, n := range append(o.Aliases, o.Name, o.Key, o.Code) {
			if other, ok := c.makers[fold(n)]; ok && other != o.Key {
				return nil, fmt.Errorf("catalogue: %q names the organisations %s and %s", n, other, o.Key)
			}
			if fold(n) != "" {
				c.makers[fold(n)] = o.Key
			}
		}
	}
	return orgs, nil
}

// index enters every name of p, the last of c's products.
func (c *Catalogue) index(p Product, with []string, maker string) error {
	i := len(c.products) - 1
	names := slices.Concat([]string{p.Key, p.ICD11, p.EUMP}, p.CVX, slices.Collect(maps.Values(p.Names)), p.Aliases)
	for _, n := range names {
		f := fold(n)
		if other, ok := c.byName[f]; ok && other != i {
			return fmt.Errorf("catalogue: %q names the products %s and %s", n, c.products[other].Key, p.Key)
		}
		if f != "" {
			c.byName[f] = i
		}
	}
	for _, n := range with {
		at := nameAt{fold(n), maker}
		if other, ok := c.byMaker[at]; ok && other != i {
			return fmt.Errorf("catalogue: %q by %s names the products %s and %s", n, maker, c.products[other].Key, p.Key)
		}
		c.byMaker[at] = i
	}
	return nil
}
