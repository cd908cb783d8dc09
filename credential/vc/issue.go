package vc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	contexts     = `["` + ContextV2 + `","` + ContextURL + `"]`
	testContexts = `["` + ContextV2 + `","` + TestContextURL + `"]`
)

// writer writes members of fixed shapes in canonical order; a member without
// value is left out. It is an order of magnitude faster than a tree of maps.
type writer struct {
	b   []byte
	bad string // the first member that cannot be written
}

// name begins a member.
func (w *writer) name(name string) {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *writer) text(name, value string) {
	if value == "" {
		return
	}
	if !utf8.ValidString(value) && w.bad == "" {
		w.bad = name
	}
	w.name(name)
	w.b = jcs.AppendString(w.b, value)
}

func (w *writer) number(name string, n int) {
	if n == 0 {
		return
	}
	if n < 0 || n > maxDose {
		w.bad = name
	}
	w.name(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
}

func (w *writer) flag(name string, on bool) {
	if on {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w.text(name, t.UTC().Format(timeForm))
	}
}

func (w *writer) object(name string, members func()) {
	w.name(name)
	w.b = append(w.b, '{')
	members()
	w.b = append(w.b, '}')
}

func (w *writer) coding(name string, c vaccination.Coding) {
	if c.IsZero() {
		return
	}
	w.object(name, func() {
		w.text("code", c.Code)
		w.text("display", c.Display)
		w.text("system", c.System)
	})
}

// Issue returns the credential of c, signed by s at created: its exact text,
// which is the canonical form of RFC 8785, proof included. status lists the
// entries of credentialStatus. Info.KeyID is not written: the proof names the
// key.
//
// c needs an id (its HCID is a UVCI of ours), an issuer with an id and a start
// of its period. Everything else may be missing and is then left out.
func Issue(c vaccination.Certificate, status []StatusEntry, s Signer, created time.Time) ([]byte, error) {
	if _, ok := c.ID(); !ok {
		return nil, errors.New("a credential needs a certificate id")
	}
	if c.Info.Issuer.ID == "" || c.Info.Period.Start.IsZero() {
		return nil, errors.New("a credential needs an issuer with an id and a time of issue")
	}
	own, kind := contexts, Type
	if c.IsTest() {
		own, kind = testContexts, TestType
	}
	w := &writer{b: make([]byte, 0, 2048)}
	w.b = append(append(w.b, `{"@context":`...), own...)
	if len(status) > 0 {
		w.status(status)
	}
	w.subject(c)
	w.flag("domestic", c.Domestic)
	w.text("hcid", c.Info.HCID)
	w.text("id", idOf(c.Info.HCID))
	w.object("issuer", func() {
		w.text("country", c.Info.Issuer.Country)
		w.text("id", c.Info.Issuer.ID)
		w.text("name", c.Info.Issuer.Name)
	})
	w.text("programme", c.Programme)
	w.b = append(w.b, ',')

	tail := &writer{b: make([]byte, 0, 256), bad: w.bad}
	tail.b = append(tail.b, '[') // stands for the brace: no comma after it
	tail.flag("specimen", c.Specimen)
	tail.name("type")
	tail.b = append(append(append(tail.b, `["VerifiableCredential","`...), kind...), `"]`...)
	tail.time("validFrom", c.Info.Period.Start)
	tail.time("validUntil", c.Info.Period.End)
	tail.text("version", c.Info.Version)
	tail.b = append(tail.b, '}')
	if tail.bad != "" {
		return nil, fmt.Errorf("the certificate's %s cannot be written", tail.bad)
	}
	return secure(w.b, tail.b[1:], own, s, created)
}

// idOf returns the id of the credential with this HCID: the same UVCI as a URN,
// without its check character, which would be a fragment.
func idOf(hcid string) string {
	body, _, _ := strings.Cut(hcid, "#")
	rest := body[min(len("URN:UVCI:"), len(body)):]
	return "urn:uvci:" + rest
}

func (w *writer) status(entries []StatusEntry) {
	w.name("credentialStatus")
	w.b = append(w.b, '[')
	for i, e := range entries {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("id", e.ID())
		w.text("statusListCredential", e.List)
		w.text("statusListIndex", strconv.FormatUint(uint64(e.Index), 10))
		w.text("statusPurpose", e.Purpose)
		w.text("type", entryType)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (w *writer) subject(c vaccination.Certificate) {
	w.object("credentialSubject", func() {
		w.text("birthDate", c.BirthDate.String())
		if !c.Identifier.IsZero() {
			w.object("identifier", func() {
				w.text("kind", c.Identifier.Kind)
				w.text("value", c.Identifier.Value)
			})
		}
		w.text("name", c.Name)
		w.text("nationality", c.Nationality)
		w.text("sex", string(c.Sex))
		if c.IsTest() {
			w.object("test", func() { w.test(c.Test) })
		}
		w.text("type", "Person")
		if !c.IsTest() {
			w.object("vaccination", func() { w.dose(c.Vaccination) })
		}
	})
}

func (w *writer) test(t vaccination.Test) {
	w.coding("brand", t.Brand)
	w.text("centre", t.Centre)
	w.address("centreAddress", t.CentreAddress)
	w.coding("country", t.Country)
	w.time("date", t.Date)
	w.text("lot", t.Lot)
	w.coding("manufacturer", t.Manufacturer)
	w.number("number", t.Number)
	w.coding("origin", t.Origin)
	w.coding("pathogen", t.Pathogen)
	w.text("practitioner", t.Practitioner)
	w.coding("result", t.Result)
	w.time("resultDate", t.ResultDate)
	w.coding("testType", t.Type)
}

func (w *writer) address(name string, a vaccination.Address) {
	if a.IsZero() {
		return
	}
	w.object(name, func() {
		w.text("country", a.Country)
		w.text("district", a.District)
		w.text("line1", a.Line1)
		w.text("line2", a.Line2)
		w.text("postCode", a.PostCode)
		w.text("region", a.Region)
	})
}

func (w *writer) dose(d vaccination.Dose) {
	w.coding("brand", d.Brand)
	w.text("centre", d.Centre)
	w.address("centreAddress", d.CentreAddress)
	w.coding("country", d.Country)
	w.text("date", d.Date.String())
	w.coding("disease", d.Disease)
	w.number("dose", d.Number)
	w.flag("fromEvidence", d.FromEvidence)
	w.text("lot", d.Lot)
	w.coding("maholder", d.MAHolder)
	w.coding("manufacturer", d.Manufacturer)
	w.text("nextDose", d.NextDose.String())
	w.text("practitioner", d.Practitioner)
	w.text("product", d.Product)
	w.number("totalDoses", d.Total)
	w.coding("vaccine", d.Vaccine)
	w.text("validFrom", d.ValidFrom.String())
	w.text("validUntil", d.ValidUntil.String())
}
