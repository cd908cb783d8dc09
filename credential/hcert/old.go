package hcert

import (
	"fmt"

	"github.com/opendivoc/divoc/vaccination"
)

// rootPayload is what a code without -260 holds whose claims are the content
// itself: how DDCC was written before HCERT had a place for it. WHO's reference
// validator reads these; they are never written.
func rootPayload(claims map[any]any) Payload {
	if _, ok := claims["test"]; ok {
		return DDCCTest
	}
	return DDCC
}

// readOld reads such a content: all elements side by side, under their older
// names.
func (m *Message) readOld(top map[any]any) (vaccination.Certificate, error) {
	r := &reader{m: top}
	c := vaccination.Certificate{Person: vaccination.Person{
		Name: r.text("name"), BirthDate: r.date("birthDate"), Sex: r.sex("sex"), Identifier: r.identifier("identifier"),
	}}
	c.Info = vaccination.CertificateInfo{
		Issuer: r.issuer("pha"), HCID: r.identifier("hcid").Value, Version: r.text("version"),
		Period: vaccination.Period{Start: r.time("valid_from"), End: r.time("valid_until")},
	}
	m.envelope(&c.Info)
	if m.Payload == DDCCTest {
		readTest(r.sub("test"), &c.Test)
	} else {
		c.Vaccination = vaccination.Dose{
			Vaccine: r.coding("vaccine", vaccineSystem), Brand: r.coding("brand", brandSystem),
			Manufacturer: r.coding("manufacturer", makerSystem), MAHolder: r.coding("ma_holder", makerSystem), Disease: r.coding("disease", diseaseSystem),
			Lot: r.text("lot"), Date: r.date("date"), ValidFrom: r.date("vaccine_valid"), Number: r.number("dose"), Total: r.number("total_doses"),
			Country: r.coding("country", countrySystem), Centre: r.text("centre"), Practitioner: r.identifier("hw").Value, NextDose: r.date("due_date"),
		}
	}
	if r.failed != "" {
		return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrMalformed, r.failed)
	}
	return c, nil
}
