package deliver_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry/query"
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
	first, second := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}, access.Caller{Actor: "staff:2", Role: access.ProgrammeAdmin}
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
		if _, err := w.CreateCampaign(t.Context(), first, c); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.CreateCampaign(t.Context(), w.Admin, n); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("the machine itself made one: %v", err)
	}
	c, err := w.CreateCampaign(t.Context(), first, n)
	if err != nil || !c.Counting || c.People != 0 || c.State != "draft" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := w.ApproveCampaign(t.Context(), second, c.ID); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("approved before it was counted: %v", err)
	}
	if err := w.CountCampaigns(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err = w.Campaign(t.Context(), second, c.ID); err != nil || c.Counting || c.People != 2 || c.Parts != 2 || c.State != "draft" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := w.RunCampaigns(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want()
	for who, by := range map[string]access.Caller{"whoever made it": first, "the machine itself": w.Admin, "a token": {Actor: "token:1 x", Role: access.SystemAdmin}} {
		if err := w.ApproveCampaign(t.Context(), by, c.ID); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s approved it: %v", who, err)
		}
	}
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
	again, err := w.CreateCampaign(t.Context(), first, n)
	if err == nil {
		err = w.CountCampaigns(t.Context())
	}
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

// thousands puts people with a number each into the registry, as rows alone: their
// contacts are of the test.
func (w *world) thousands(n int) {
	w.t.Helper()
	w.exec(`INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source)
		SELECT i % 1024, 1000 + i, decode(md5(i::text), 'hex'), '', convert_to(i::text, 'UTF8'), now(), 'commcare' FROM generate_series(1, $1) i`, n)
	w.exec(`INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, content, programme, source, sealed)
		SELECT bucket, 1, 1, 0, 0, id, id, now(), now(), substring(sha256(id::text::bytea) FROM 1 FOR 15), '', 'covid-19', 'commcare', '' FROM person`)
	w.options.Contacts = func(p query.Person) ([]string, *sealKey, error) {
		n, err := strconv.Atoi(string(p.Sealed))
		return []string{fmt.Sprintf(map[string]string{"JM": "tel:+1658%07d", "LK": "tel:+9471%07d"}[w.Profile.Country.Alpha2], n)}, nil, err
	}
	w.Service = deliver.New(w.options)
}

// TestManyPeopleAreCountedBeside makes a campaign at once, whomever it reaches, and
// counts in pages of which none is counted twice, whoever counts.
func TestManyPeopleAreCountedBeside(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	const people = 6100
	w.thousands(people)
	for _, n := range []string{"658 000 0007", "658 000 4321"} {
		if err := w.SuppressNumber(t.Context(), w.Admin, n, deliver.OptedOut, false); err != nil {
			t.Fatal(err)
		}
	}
	w.exec("INSERT INTO suppression (bucket, person_id, recipient, reason, made_at, made_by) VALUES (8, 1008, '', 'died', now(), 'x')")
	by := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}
	began := time.Now()
	c, err := w.CreateCampaign(t.Context(), by, deliver.NewCampaign{Name: "all", Template: "ready"})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("to make it took %s", took)
	}
	began = time.Now()
	var all sync.WaitGroup
	for range 3 {
		counter := deliver.New(w.options)
		all.Go(func() {
			if err := counter.CountCampaigns(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if c, err = w.Campaign(t.Context(), by, c.ID); err != nil || c.Counting || c.People != people-3 {
		t.Errorf("%+v, %v", c, err)
	}
	t.Logf("%d people were counted in %s", people, time.Since(began))
	var entries int
	w.scan("SELECT count(*) FROM audit WHERE act = 'campaign.count'", &entries)
	if entries != 1 {
		t.Errorf("it was counted %d times", entries)
	}
}

// countWrites are the writes of the last page of a count.
func countWrites() []string { return []string{"UPDATE ON campaign", "INSERT ON audit"} }

// TestACountThatFailsGoesOn lets each write of a page fail, and counts on.
func TestACountThatFailsGoesOn(t *testing.T) {
	for _, write := range countWrites() {
		t.Run(write, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			w.gateway(gatewayFile)
			w.thousands(700)
			by := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}
			c, err := w.CreateCampaign(t.Context(), by, deliver.NewCampaign{Name: "all", Template: "ready"})
			if err != nil {
				t.Fatal(err)
			}
			heal := pgtest.Fail(t, w.Store.Pool(), write)
			if err := w.CountCampaigns(t.Context()); err == nil {
				t.Error("it succeeds")
			}
			heal()
			if c, err = w.Campaign(t.Context(), by, c.ID); err != nil || !c.Counting {
				t.Errorf("%+v, %v", c, err)
			}
			if err := w.CountCampaigns(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c, err = w.Campaign(t.Context(), by, c.ID); err != nil || c.Counting || c.People != 700 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// TestAStoppedDraftIsNotCounted ends with the campaign.
func TestAStoppedDraftIsNotCounted(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.thousands(10)
	by := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}
	c, err := w.CreateCampaign(t.Context(), by, deliver.NewCampaign{Name: "all", Template: "ready"})
	if err == nil {
		err = w.StopCampaign(t.Context(), by, c.ID)
	}
	if err == nil {
		err = w.CountCampaigns(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if c, err = w.Campaign(t.Context(), by, c.ID); err != nil || c.Counting || c.People != 0 || c.State != "stopped" {
		t.Errorf("%+v, %v", c, err)
	}
}
