package deliver_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/vaccination"
)

// desk is staff who print.
func desk() access.Caller {
	return access.Caller{Actor: "staff:7", Role: access.FacilityStaff, Facility: "GAL-1"}
}

// languages are those of the messages of a template, the oldest first.
func (w *world) languages(template string) (out string) {
	w.t.Helper()
	w.scan("SELECT coalesce(string_agg(language, ' ' ORDER BY id), '') FROM message WHERE template = '"+template+"'", &out)
	return out
}

// TestPeopleAreWrittenToInTheirLanguage chooses a language for one of two people:
// every notice to them is in it, codes are in that of the page, and the other's are
// in the profile's first.
func TestPeopleAreWrittenToInTheirLanguage(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	w.gateway(gatewayFile)
	mine := w.issue(w.Admin, issuance.Certify, w.event("ONE", 1, contacts("tel:0712345678"))).ID
	others := w.issue(w.Admin, issuance.Certify, w.event("TWO", 1, contacts("tel:0712345679"))).ID
	if err := w.House.Service.ChooseLanguage(t.Context(), desk(), mine, "ta"); err != nil {
		t.Fatal(err)
	}
	if got, err := w.House.Service.LanguageAt(t.Context(), desk(), mine); err != nil || got != "ta" {
		t.Errorf("chosen %q, %v", got, err)
	}
	for _, id := range []vaccination.CertificateID{mine, others} {
		w.change(id, vaccination.ActRevoke)
	}
	if got := w.languages("ready"); got != "si si" {
		t.Errorf("before: %s", got)
	}
	if got := w.languages("revoked"); got != "ta si" {
		t.Errorf("after: %s, want ta si", got)
	}
	// What a case or a page asks for in a language of its own.
	who, err := w.House.Service.PersonOf(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	person := deliver.Person{Bucket: who.Bucket, ID: who.ID}
	for _, m := range []deliver.Message{
		{Template: "case-received", Class: deliver.Notice, To: "+94712345678", Once: "a", Person: person, Language: "en", Values: map[string]string{"reference": "a"}},
		{Template: "code", Class: deliver.Code, To: "+94712345678", Once: "b", Person: person, Language: "en", Values: map[string]string{"code": "123456", "minutes": "5"}},
	} {
		if err := w.queue(m); err != nil {
			t.Fatal(err)
		}
	}
	if notice, code := w.languages("case-received"), w.languages("code"); notice != "ta" || code != "en" {
		t.Errorf("a notice in %s, a code in %s", notice, code)
	}
	// The audit says that it was chosen, not what.
	var entries string
	w.scan("SELECT string_agg(actor || ' ' || object || ' ' || detail, ',') FROM audit WHERE act = 'person.language'", &entries)
	if want := "staff:7 person "; len(entries) < len(want) || entries[:len(want)] != want || entries[len(entries)-1] != ' ' {
		t.Errorf("the audit: %q", entries)
	}
}

// Who may choose, and what: a language that messages are written in, by who prints.
// Where its audit entry fails, nothing is chosen.
func TestWhoChoosesALanguage(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	id := w.issue(w.Admin, issuance.Certify, w.event("ONE", 1)).ID
	for what, err := range map[string]error{
		"a language without texts": w.House.Service.ChooseLanguage(t.Context(), desk(), id, "fr"),
		"none":                     w.House.Service.ChooseLanguage(t.Context(), desk(), id, ""),
		"something else":           w.House.Service.ChooseLanguage(t.Context(), desk(), id, "ta'; DROP TABLE person"),
	} {
		if vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, by := range []access.Caller{source(), {Actor: "staff:9", Role: access.Auditor}, {}} {
		if err := w.House.Service.ChooseLanguage(t.Context(), by, id, "ta"); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s: %v", by.Role, err)
		}
	}
	if err := w.House.Service.ChooseLanguage(t.Context(), desk(), vaccination.CertificateID{}, "ta"); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("of nobody: %v", err)
	}
	for _, step := range []string{"INSERT ON person_language", "INSERT ON audit"} {
		heal := pgtest.Fail(t, w.Store.Pool(), step)
		if err := w.House.Service.ChooseLanguage(t.Context(), desk(), id, "ta"); err == nil {
			t.Errorf("%s: it succeeds", step)
		}
		heal()
		if got, err := w.House.Service.LanguageAt(t.Context(), desk(), id); err != nil || got != "" {
			t.Errorf("%s: chosen %q, %v", step, got, err)
		}
	}
}
