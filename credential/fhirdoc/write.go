package fhirdoc

import (
	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// VaccineCode returns the coding by which a health card names the product of a
// dose: CVX where there is one, else ICD-11 of the product or the vaccine.
func VaccineCode(d vaccination.Dose, products *catalogue.Catalogue) vaccination.Coding {
	if products != nil {
		if p, ok := products.Product(d.Product); ok && len(p.CVX) > 0 {
			return vaccination.Coding{System: vaccination.SystemCVX, Code: p.CVX[0]}
		}
	}
	for _, c := range []vaccination.Coding{d.Brand, d.Vaccine} {
		if c.Code != "" && (c.System == vaccination.SystemCVX || c.System == vaccination.SystemICD11 || c.System == vaccination.SystemSNOMED) {
			return vaccination.Coding{System: c.System, Code: c.Code}
		}
	}
	return vaccination.Coding{}
}

// AppendBundle appends the minimal Bundle of one vaccination: Patient and
// Immunization with short references and no display texts, as health cards have
// it (profiles Patient-dm and Immunization-dm). code is what [VaccineCode] found.
func AppendBundle(b []byte, c vaccination.Certificate, code vaccination.Coding) []byte {
	b = append(b, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"resource:0","resource":{"resourceType":"Patient","name":[{"text":`...)
	b = jcs.AppendString(b, c.Name)
	b = append(b, `}],"birthDate":`...)
	b = jcs.AppendString(b, c.BirthDate.String())
	b = append(b, `}},{"fullUrl":"resource:1","resource":{"resourceType":"Immunization","status":"completed","vaccineCode":{"coding":[{"system":`...)
	b = jcs.AppendString(b, code.System)
	b = append(b, `,"code":`...)
	b = jcs.AppendString(b, code.Code)
	b = append(b, `}]},"patient":{"reference":"resource:0"},"occurrenceDateTime":`...)
	b = jcs.AppendString(b, c.Vaccination.Date.String())
	if c.Vaccination.Centre != "" {
		b = append(b, `,"performer":[{"actor":{"display":`...)
		b = jcs.AppendString(b, c.Vaccination.Centre)
		b = append(b, `}}]`...)
	}
	if c.Vaccination.Lot != "" {
		b = append(b, `,"lotNumber":`...)
		b = jcs.AppendString(b, c.Vaccination.Lot)
	}
	return append(b, `}}]}`...)
}
