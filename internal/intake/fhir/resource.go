// Package fhir reads vaccinations from FHIR R4 (4.0.1): a Bundle of Patient and
// Immunization with what they refer to, an Immunization by itself, and WHO's
// Submit Health Event, a QuestionnaireResponse of the DDCC guide.
//
// A field is named as FHIR names it, so that a mapping reads like the
// specification and a problem's place is an expression: "Patient.birthDate",
// "Immunization.lotNumber". Of codings and identifiers, the system stands in
// parentheses behind it: "Immunization.vaccineCode(http://hl7.org/fhir/sid/cvx)".
package fhir

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/intake/mapping"
)

// Code systems and extensions that a vaccination is described with.
const (
	SystemCVX    = "http://hl7.org/fhir/sid/cvx"
	SystemMVX    = "http://hl7.org/fhir/sid/mvx"
	SystemSNOMED = "http://snomed.info/sct"
	SystemATC    = "http://www.whocc.no/atc"
	SystemICD11  = "http://id.who.int/icd/release/11/mms"
)

// systemOf makes the spellings of ICD-11's address one.
func systemOf(system string) string {
	if strings.Contains(system, "id.who.int/icd") {
		return SystemICD11
	}
	return system
}

// element is any part of a resource. Only what is asked for is looked at; what is
// of another type than FHIR says is as if it were not there.
type element map[string]any

func (e element) text(name string) string {
	switch v := e[name].(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	return ""
}

func (e element) one(name string) element {
	m, _ := e[name].(map[string]any)
	return m
}

func (e element) list(name string) []element {
	items, _ := e[name].([]any)
	var out []element
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func (e element) texts(name string) []string {
	items, _ := e[name].([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// fields collects values under FHIR's names; the first of a name counts.
type fields mapping.Fields

func (f fields) set(name, value string) {
	if value = strings.TrimSpace(value); value != "" && f[name] == "" {
		f[name] = value
	}
}

// codeable sets what a CodeableConcept says: each code by its system, and a text.
func (f fields) codeable(name string, concept element) {
	for _, c := range concept.list("coding") {
		f.coding(name, c)
	}
	f.set(name+".text", concept.text("text"))
}

func (f fields) coding(name string, c element) {
	f.set(name+"("+systemOf(c.text("system"))+")", c.text("code"))
	f.set(name+".text", c.text("display"))
}

// identifiers sets each identifier by its system.
func (f fields) identifiers(name string, list []element) {
	for _, i := range list {
		f.set(name+"("+i.text("system")+")", i.text("value"))
		for _, c := range i.one("type").list("coding") {
			f.set(name+"("+c.text("code")+")", i.text("value"))
		}
	}
}

// person are the fields of a Patient.
func person(p element) mapping.Fields {
	f := fields{}
	f.set("Patient.id", p.text("id"))
	f.identifiers("Patient.identifier", p.list("identifier"))
	name := preferred(p.list("name"))
	f.set("Patient.name.text", name.text("text"))
	f.set("Patient.name.given", strings.Join(name.texts("given"), " "))
	f.set("Patient.name.family", name.text("family"))
	f.set("Patient.birthDate", p.text("birthDate"))
	f.set("Patient.gender", p.text("gender"))
	for _, t := range p.list("telecom") {
		if t.text("use") != "old" {
			f.set("Patient.telecom("+t.text("system")+")", t.text("value"))
		}
	}
	for _, a := range p.list("address") {
		lines := append(a.texts("line"), "", "")
		f.set("Patient.address.line", lines[0])
		f.set("Patient.address.line2", lines[1])
		f.set("Patient.address.district", a.text("district"))
		f.set("Patient.address.city", a.text("city"))
		f.set("Patient.address.state", a.text("state"))
		f.set("Patient.address.postalCode", a.text("postalCode"))
		f.set("Patient.address.country", a.text("country"))
		break
	}
	for _, x := range p.list("extension") {
		if strings.HasSuffix(x.text("url"), "/patient-nationality") {
			for _, inner := range x.list("extension") {
				f.codeable("Patient.nationality", inner.one("valueCodeableConcept"))
			}
		}
	}
	return mapping.Fields(f)
}

// preferred is the name to print: the official one, else the first that is not of
// the past.
func preferred(names []element) element {
	var best element
	for _, n := range names {
		switch use := n.text("use"); {
		case use == "official":
			return n
		case use != "old" && use != "maiden" && best == nil:
			best = n
		}
	}
	return best
}

// dose are the fields of an Immunization; look finds what it refers to.
func dose(i element, look func(reference string) element) mapping.Fields {
	f := fields{}
	f.set("Immunization.id", i.text("id"))
	f.identifiers("Immunization.identifier", i.list("identifier"))
	f.codeable("Immunization.vaccineCode", i.one("vaccineCode"))
	f.set("Immunization.occurrence", i.text("occurrenceDateTime"))
	f.set("Immunization.lotNumber", i.text("lotNumber"))
	f.set("Immunization.expirationDate", i.text("expirationDate"))
	maker := i.one("manufacturer")
	f.named("Immunization.manufacturer", maker, look)
	f.set("Immunization.manufacturer("+maker.one("identifier").text("system")+")", maker.one("identifier").text("value"))
	f.named("Immunization.location", i.one("location"), look)
	for _, p := range i.list("performer") {
		actor := p.one("actor")
		reference := actor.text("reference")
		if strings.Contains(reference, "Organization/") || look(reference).text("resourceType") == "Organization" {
			f.named("Immunization.performer(Organization)", actor, look)
			continue
		}
		f.named("Immunization.performer", actor, look)
	}
	if all := i.list("protocolApplied"); len(all) > 0 { // the first is the one it was given under
		p := all[0]
		for _, disease := range p.list("targetDisease") {
			f.codeable("Immunization.protocolApplied.targetDisease", disease)
		}
		f.set("Immunization.protocolApplied.doseNumber", p.text("doseNumberPositiveInt")+p.text("doseNumberString"))
		f.set("Immunization.protocolApplied.seriesDoses", p.text("seriesDosesPositiveInt")+p.text("seriesDosesString"))
		f.named("Immunization.protocolApplied.authority", p.one("authority"), look)
	}
	for _, x := range i.list("extension") {
		f.extension(x)
	}
	return mapping.Fields(f)
}

// extension sets what the DDCC guide adds to an Immunization, by the last part of
// the extension's address.
func (f fields) extension(x element) {
	url := x.text("url")
	last := url[strings.LastIndexByte(url, '/')+1:]
	for part, name := range map[string]string{
		"Brand": "Immunization.extension(brand)", "Country": "Immunization.extension(country)",
		"MarketAuthorization": "Immunization.extension(marketAuthorization)", "ValidFrom": "Immunization.extension(validFrom)",
	} {
		if !strings.HasPrefix(last, "DDCC") || !strings.Contains(last, part) {
			continue
		}
		f.coding(name, x.one("valueCoding"))
		f.codeable(name, x.one("valueCodeableConcept"))
		f.set(name, x.one("valueCoding").text("code")+x.text("valueCode")+x.text("valueDate")+x.text("valueDateTime"))
	}
}

// named sets the name of what a reference means: its display, else the name of
// the resource where it came with it.
func (f fields) named(name string, reference element, look func(string) element) {
	f.set(name+".display", reference.text("display"))
	r := look(reference.text("reference"))
	f.set(name+".display", r.text("name"))
	if n := preferred(r.list("name")); n != nil {
		f.set(name+".display", strings.TrimSpace(n.text("text")))
		f.set(name+".display", strings.TrimSpace(strings.Join(n.texts("given"), " ")+" "+n.text("family")))
	}
}
