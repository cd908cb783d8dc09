package fhirdoc

import (
	"slices"

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

// TestCode returns the coding in LOINC by which a health card names a test for
// SARS-CoV-2: its kind and what the sample was. It is zero for a kind that has
// none, and for an antigen test of a sample that is not known to be respiratory:
// LOINC has no code that leaves it open.
func TestCode(t vaccination.Test) vaccination.Coding {
	kind, _ := catalogue.TestType(t.Type.Code)
	respiratory := RespiratorySample(t)
	switch {
	case kind.Key == catalogue.NAAT && respiratory:
		return vaccination.Coding{System: vaccination.SystemLOINC, Code: "94500-6"}
	case kind.Key == catalogue.NAAT:
		return vaccination.Coding{System: vaccination.SystemLOINC, Code: "94309-2"} // of a specimen
	case kind.Key == catalogue.RAT && respiratory:
		return vaccination.Coding{System: vaccination.SystemLOINC, Code: "94558-4"}
	}
	return vaccination.Coding{}
}

// RespiratorySample reports whether a test's sample is recorded to be of nose or throat.
func RespiratorySample(t vaccination.Test) bool {
	origin, _ := catalogue.TestOrigin(t.Origin.Code)
	return slices.Contains([]string{"nasopharyngeal", "oropharyngeal", "nasal"}, origin.Key)
}

// ResultCode returns the coding in SNOMED CT of a result that health cards have a
// word for: detected or not detected.
func ResultCode(t vaccination.Test) vaccination.Coding {
	result, _ := catalogue.TestResult(t.Result.Code)
	if result.EU == "" {
		return vaccination.Coding{}
	}
	return vaccination.Coding{System: vaccination.SystemSNOMED, Code: result.EU}
}

// AppendBundle appends the minimal Bundle of one vaccination or one test: Patient and
// Immunization, or Observation, with short references and no display texts, as
// health cards have it (HL7 SMART Health Cards: Vaccination & Testing 1.0, profiles
// …-dm). code is what [VaccineCode] or [TestCode] found.
func AppendBundle(b []byte, c vaccination.Certificate, code vaccination.Coding) []byte {
	b = append(b, `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"resource:0","resource":{"resourceType":"Patient","name":[{"text":`...)
	b = jcs.AppendString(b, c.Name)
	b = append(b, `}],"birthDate":`...)
	b = jcs.AppendString(b, c.BirthDate.String())
	b = append(b, `}},{"fullUrl":"resource:1","resource":`...)
	if c.IsTest() {
		b = appendObservation(b, c.Test, code)
	} else {
		b = appendImmunization(b, c.Vaccination, code)
	}
	return append(b, `}]}`...)
}

func appendConcept(b []byte, code vaccination.Coding) []byte {
	b = append(b, `{"coding":[{"system":`...)
	b = jcs.AppendString(b, code.System)
	b = append(b, `,"code":`...)
	b = jcs.AppendString(b, code.Code)
	return append(b, `}]}`...)
}

func appendImmunization(b []byte, d vaccination.Dose, code vaccination.Coding) []byte {
	b = append(b, `{"resourceType":"Immunization","status":"completed","vaccineCode":`...)
	b = appendConcept(b, code)
	b = append(b, `,"patient":{"reference":"resource:0"},"occurrenceDateTime":`...)
	b = jcs.AppendString(b, d.Date.String())
	if d.Centre != "" {
		b = append(b, `,"performer":[{"actor":{"display":`...)
		b = jcs.AppendString(b, d.Centre)
		b = append(b, `}}]`...)
	}
	if d.Lot != "" {
		b = append(b, `,"lotNumber":`...)
		b = jcs.AppendString(b, d.Lot)
	}
	return append(b, '}')
}

// appendObservation writes the time of the sample in full: a result counts for hours.
func appendObservation(b []byte, t vaccination.Test, code vaccination.Coding) []byte {
	b = append(b, `{"resourceType":"Observation","status":"final","code":`...)
	b = appendConcept(b, code)
	b = append(b, `,"subject":{"reference":"resource:0"},"effectiveDateTime":`...)
	b = jcs.AppendString(b, moment(t.Date))
	if t.Centre != "" {
		b = append(b, `,"performer":[{"display":`...)
		b = jcs.AppendString(b, t.Centre)
		b = append(b, `}]`...)
	}
	b = append(b, `,"valueCodeableConcept":`...)
	return append(appendConcept(b, ResultCode(t)), '}')
}
