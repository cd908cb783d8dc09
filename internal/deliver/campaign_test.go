package deliver_test

import (
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestACampaign tells people of records that were brought from elsewhere: counted,
// approved by somebody else, one message a person, and nothing after it is stopped.
func TestACampaign(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	old := given("2021-10-20")
	w.issue(source(), issuance.Certify, w.event("A", 1, old), w.event("A", 2, old))
	w.issue(source(), issuance.Certify, w.event("B", 1, old, contacts("tel:6585550142")))
	w.issue(source(), issuance.Certify, w.event("C", 1, old, contacts()))
	w.issue(source(), issuance.Certify, w.event("D", 1, old, contacts("tel:6585550143")))
	if err := w.SuppressNumber(t.Context(), w.Admin, "658 555 0143", deliver.OptedOut, false); err != nil {
		t.Fatal(err)
	}
	w.want()
	n := deliver.NewCampaign{Name: "old records", Template: "campaign", Texts: map[string]string{"en": "Certificates of 2021 are here: {link}"}}
	for name, change := range map[string]func(*deliver.NewCampaign){
		"a place there is not": func(c *deliver.NewCampaign) { c.Texts = map[string]string{"en": "{name}: {link}"} },
		"another language":     func(c *deliver.NewCampaign) { c.Texts = map[string]string{"fr": "{link}"} },
		"a code":               func(c *deliver.NewCampaign) { c.Template, c.Texts = "code", nil },
		"a long text": func(c *deliver.NewCampaign) {
			c.Texts = map[string]string{"en": strings.Repeat("long ", 100) + "{link}"}
		},
		"no such programme": func(c *deliver.NewCampaign) { c.Filter.Programme = "polio" },
	} {
		c := n
		change(&c)
		if _, err := w.CreateCampaign(t.Context(), w.Admin, c); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := w.CreateCampaign(t.Context(), w.Admin, n)
	if err != nil || c.People != 2 || c.Parts != 2 || c.State != "draft" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := w.RunCampaigns(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want()
	if err := w.ApproveCampaign(t.Context(), w.Admin, c.ID); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("whoever made it approved it: %v", err)
	}
	second := access.Caller{Actor: "staff:2", Role: access.ProgrammeAdmin}
	if err := w.ApproveCampaign(t.Context(), second, c.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.RunCampaigns(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.want("campaign queued", "campaign queued")
	list, err := w.Campaigns(t.Context(), second)
	if err != nil || list[0].State != "done" || list[0].Queued != 2 || list[0].Approved != "staff:2" {
		t.Errorf("%+v, %v", list, err)
	}
	w.send(deliver.Notice)
	if got := w.carrier.texts(); len(got) != 2 || !strings.HasSuffix(got[0], "Certificates of 2021 are here: https://certificates.example.org/my") {
		t.Errorf("sent %q", got)
	}
	again, err := w.CreateCampaign(t.Context(), w.Admin, n)
	if err == nil {
		err = w.ApproveCampaign(t.Context(), second, again.ID)
	}
	if err == nil {
		err = w.RunCampaigns(t.Context())
	}
	if err == nil {
		_, err = w.Store.Pool().Exec(t.Context(), "UPDATE campaign SET state = 'running'")
	}
	if err == nil {
		err = w.StopCampaign(t.Context(), second, again.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	w.want("campaign accepted", "campaign accepted", "campaign expired stopped", "campaign expired stopped")
	if err := w.ApproveCampaign(t.Context(), access.Caller{Actor: "x", Role: access.FacilityAdmin}, again.ID); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("a facility approved: %v", err)
	}
}
