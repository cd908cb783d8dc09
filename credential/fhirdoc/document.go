package fhirdoc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// ddcc is where WHO's implementation guide (DDCC 1.0) has its code systems and extensions.
const ddcc = "http://smart.who.int/ddcc/"

// ErrMissing is what [Write] returns for a certificate that [Missing] names
// something of.
var ErrMissing = errors.New("a DDCC document requires what is not recorded")

// Document is what a DDCC document is written from.
type Document struct {
	Certificate vaccination.Certificate
	// COVID: the dose is against COVID-19. The title that WHO's profile fixes says
	// so, and is written of no other.
	COVID bool
	// Code is the text of the certificate's QR code, Image the code as PNG: what
	// proves the document.
	Code  string
	Image []byte
}

// Missing returns what the profiles of a DDCC document require (DDCCVSDocument,
// DDCCPatient, DDCCImmunization) and c does not have, as paths in its JSON. A
// date that was estimated is none: FHIR has no word for that.
func Missing(c vaccination.Certificate) []string {
	var missing []string
	v := c.Vaccination
	for _, r := range []struct {
		path  string
		there bool
	}{
		{"name", c.Name != ""},
		{"birthDate", !c.BirthDate.IsZero() && !c.BirthDate.Estimated},
		{"certificate.hcid", c.Info.HCID != ""},
		{"certificate.issuer", c.Info.Issuer.Name != ""},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
		{"vaccination.vaccine", v.Vaccine.Code != ""},
		{"vaccination.brand", v.Brand.Code != ""},
		{"vaccination.date", !v.Date.IsZero() && !v.Date.Estimated},
		{"vaccination.dose", v.Number > 0},
		{"vaccination.country", v.Country.Code != ""},
		{"vaccination.centre", v.Centre != ""},
	} {
		if !r.there {
			missing = append(missing, r.path)
		}
	}
	return missing
}

type object = map[string]any

// Write returns the FHIR R4 document of a vaccination as WHO's DDCC guide has it
// (DDCCVSDocument): a Bundle of Composition, Patient, Organization, Immunization,
// the next dose where one is recommended, and the certificate's code. It is the
// same whenever it is written. Nothing stands in it that the certificate does not
// say; what was recorded without a code has its text alone.
func Write(d Document) ([]byte, error) {
	c := d.Certificate
	if missing := Missing(c); len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrMissing, strings.Join(missing, ", "))
	}
	w := writer{c}
	entries := []object{w.entry("Composition", w.composition(d.COVID)), w.entry("Patient", w.patient()), w.entry("Organization", w.organization()), w.entry("Immunization", w.immunization())}
	if w.due() {
		entries = append(entries, w.entry("ImmunizationRecommendation", w.recommendation()))
	}
	entries = append(entries, w.entry("DocumentReference", w.code(d.Code, d.Image)))
	bundle := object{
		"resourceType": "Bundle", "type": "document", "identifier": w.identifier(), "timestamp": moment(c.Info.Period.Start),
		"link": []object{{"relation": "publication", "url": c.Info.HCID}}, "entry": entries,
	}
	if id, ok := c.ID(); ok {
		bundle["id"] = id.String()
	}
	if c.Specimen {
		bundle["meta"] = object{"security": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}}}
	}
	return json.Marshal(bundle)
}

type writer struct{ c vaccination.Certificate }

// due reports whether it is known when the next dose is.
func (w writer) due() bool {
	next := w.c.Vaccination.NextDose
	return !next.IsZero() && !next.Estimated
}

// url names a resource within the document: a UUID (RFC 9562, version 8) of the
// certificate and the resource's type, so that it is the same each time.
func (w writer) url(kind string) string {
	h := sha256.Sum256([]byte(w.c.Info.HCID + "\x00" + kind))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	s := hex.EncodeToString(h[:16])
	return "urn:uuid:" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func (w writer) entry(kind string, resource object) object {
	resource["resourceType"] = kind
	return object{"fullUrl": w.url(kind), "resource": resource}
}

func (w writer) to(kind string) object { return object{"reference": w.url(kind)} }

// identifier is the health certificate id, which is a URN.
func (w writer) identifier() object {
	return object{"system": "urn:ietf:rfc:3986", "value": w.c.Info.HCID}
}

func (w writer) composition(covid bool) object {
	title := "Vaccination certificate"
	if covid {
		title = "Digital Documentation of COVID-19 Certificate (DDCC)"
	}
	period := object{"start": moment(w.c.Info.Period.Start)}
	if end := w.c.Info.Period.End; !end.IsZero() {
		period["end"] = moment(end)
	}
	entries := []object{w.to("Immunization")}
	if w.due() {
		entries = append(entries, w.to("ImmunizationRecommendation"))
	}
	return object{
		"identifier": w.identifier(), "status": "final", "type": concept1(vaccination.SystemLOINC, "82593-5"),
		"category": []object{concept1(ddcc+"CodeSystem/DDCCCompositionCategoryCodeSystem", "ddcc-vs")},
		"subject":  w.to("Patient"), "date": moment(w.c.Info.Period.Start), "author": []object{w.to("Organization")}, "title": title,
		"attester": []object{{"mode": "official", "party": w.to("Organization")}}, "event": []object{{"period": period}},
		"section": []object{{"code": concept1(vaccination.SystemLOINC, "11369-6"), "focus": w.to("Immunization"), "entry": append(entries, w.to("DocumentReference"))}},
	}
}

func (w writer) patient() object {
	p := object{"name": []object{{"use": "official", "text": w.c.Name}}, "birthDate": w.c.BirthDate.String()}
	if w.c.Sex != "" {
		p["gender"] = string(w.c.Sex)
	}
	if id := w.c.Identifier; id.Value != "" {
		i := object{"value": id.Value}
		if id.Kind != "" {
			i["type"] = object{"text": id.Kind}
		}
		p["identifier"] = []object{i}
	}
	return p
}

func (w writer) organization() object {
	o := object{"name": w.c.Info.Issuer.Name}
	if id := w.c.Info.Issuer.ID; id != "" {
		o["identifier"] = []object{{"system": "urn:ietf:rfc:3986", "value": id}}
	}
	return o
}

func (w writer) immunization() object {
	v := w.c.Vaccination
	extension := func(name, kind string, value any) object {
		return object{"url": ddcc + "StructureDefinition/" + name, kind: value}
	}
	extensions := []object{extension("DDCCEventBrand", "valueCoding", coded(v.Brand)), extension("DDCCCountryOfEvent", "valueCode", v.Country.Code)}
	if !v.MAHolder.IsZero() {
		extensions = append(extensions, extension("DDCCVaccineMarketAuthorization", "valueCoding", coded(v.MAHolder)))
	}
	if !v.ValidFrom.IsZero() && !v.ValidFrom.Estimated {
		extensions = append(extensions, extension("DDCCVaccineValidFrom", "valueDate", v.ValidFrom.String()))
	}
	protocol := object{"authority": w.to("Organization"), "doseNumberPositiveInt": v.Number}
	if v.Total > 0 {
		protocol["seriesDosesPositiveInt"] = v.Total
	}
	if !v.Disease.IsZero() {
		protocol["targetDisease"] = []object{{"coding": []object{coded(v.Disease)}}}
	}
	i := object{
		"extension": extensions, "status": "completed", "vaccineCode": object{"coding": []object{coded(v.Vaccine)}}, "patient": w.to("Patient"),
		"occurrenceDateTime": v.Date.String(), "location": object{"display": v.Centre}, "protocolApplied": []object{protocol},
	}
	if v.Lot != "" {
		i["lotNumber"] = v.Lot
	}
	if v.Practitioner != "" {
		i["performer"] = []object{{"actor": object{"display": v.Practitioner}}}
	}
	if v.FromEvidence {
		i["primarySource"] = false
	}
	if m := v.Manufacturer; !m.IsZero() {
		by := object{}
		if m.Display != "" {
			by["display"] = m.Display
		}
		if m.Code != "" {
			id := object{"value": m.Code}
			if m.System != "" {
				id["system"] = m.System
			}
			by["identifier"] = id
		}
		i["manufacturer"] = by
	}
	return i
}

// recommendation is the next dose (DDCCImmunizationRecommendation).
func (w writer) recommendation() object {
	one := object{
		"vaccineCode": []object{{"coding": []object{coded(w.c.Vaccination.Vaccine)}}}, "forecastStatus": concept1("http://terminology.hl7.org/CodeSystem/immunization-recommendation-status", "due"),
		"dateCriterion":          []object{{"code": concept1(vaccination.SystemLOINC, "30980-7"), "value": w.c.Vaccination.NextDose.String()}},
		"supportingImmunization": []object{w.to("Immunization")},
	}
	return object{"patient": w.to("Patient"), "date": moment(w.c.Info.Period.Start), "recommendation": []object{one}}
}

// code is the certificate's QR code (DDCCDocumentReferenceQR): its picture and its text.
func (w writer) code(text string, image []byte) object {
	content := func(kind, format string, data []byte) object {
		return object{"attachment": object{"contentType": kind, "data": base64.StdEncoding.EncodeToString(data)}, "format": object{"system": ddcc + "CodeSystem/DDCCQRFormatCodeSystem", "code": format}}
	}
	return object{
		"status": "current", "type": concept1(ddcc+"CodeSystem/DDCCQRTypeCodeSystem", "who"), "subject": w.to("Patient"), "authenticator": w.to("Organization"),
		"content": []object{content("image/png", "image", image), content("text/plain", "serialized", []byte(text))},
	}
}

func concept1(system, code string) object {
	return object{"coding": []object{{"system": system, "code": code}}}
}

func coded(c vaccination.Coding) object {
	o := object{}
	for name, value := range map[string]string{"system": c.System, "code": c.Code, "display": c.Display} {
		if value != "" {
			o[name] = value
		}
	}
	return o
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
