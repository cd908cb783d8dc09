package desk_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestARecordIsOpenedAgainForWhoShowsADocument: three wrong answers on a phone
// are undone by staff who say what they saw.
func TestARecordIsOpenedAgainForWhoShowsADocument(t *testing.T) {
	w := newWorld(t)
	id := w.issue("JM-000001", "Shanice Brown")
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "The phone does not open this record")
	if strings.Contains(record.text, "<details class=\"govuk-details\" open") {
		t.Error("it is open before anybody asks for it")
	}
	w.ask("anna", record.path+"/reopen", url.Values{}).is(t, 422, "Choose the document that you saw")
	if len(w.reopened) != 0 {
		t.Fatalf("opened again without a document: %v", w.reopened)
	}
	w.ask("anna", record.path+"/reopen", url.Values{"seen": {"passport"}}).is(t, 200, "can open their record by phone again")
	if want := []string{id.String() + " staff:1 passport"}; !slices.Equal(w.reopened, want) {
		t.Errorf("opened again: %v, want %v", w.reopened, want)
	}
	w.ask("ben", record.path+"/reopen", url.Values{"seen": {"passport"}}).is(t, 404, "This has ended")
	if a := w.ask("auditor", record.path+"/reopen", url.Values{"seen": {"passport"}}); a.status != 403 {
		t.Errorf("by an auditor: %d", a.status)
	}
	if a := w.ask("anna", record.path+"/reopen", url.Values{"seen": {"passport"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.status != 403 {
		t.Errorf("from another site: %d", a.status)
	}
	if len(w.reopened) != 1 {
		t.Errorf("opened again: %v", w.reopened)
	}
}
