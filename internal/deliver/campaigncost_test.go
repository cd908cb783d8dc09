package deliver_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
)

// TestACampaignCostsWhatItsLanguagesTake counts for each person the parts of the text
// in their language: 70 and then 67 characters of Sinhala or Tamil to a part, 160 and
// 153 of English, none of an e-mail; and what is sent takes as many.
func TestACampaignCostsWhatItsLanguagesTake(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	w.gateway(gatewayFile)
	if _, err := w.SetGateway(t.Context(), w.Admin, "mail", "kind: smtp\nfrom: divoc@example.org\nperSecond: 10\nsmtp: {host: mail.example.org, port: 465, tls: tls}\n"); err != nil {
		t.Fatal(err)
	}
	w.Profile.Messaging.PricePerPart, w.Profile.Messaging.Currency = 0.5, "LKR"
	old := given("2021-10-20")
	for code, c := range map[string]struct{ contact, language string }{
		"S1": {"tel:0712345671", ""}, "S2": {"tel:0712345672", "si"}, "T1": {"tel:0712345673", "ta"}, "T2": {"tel:0712345674", "ta"},
		"E1": {"tel:0712345675", "en"}, "M1": {"mailto:somebody@example.org", "ta"}, "N1": {"tel:0112345678", "en"}, // who cannot be reached
	} {
		id := w.issue(source(), issuance.Certify, w.event(code, 1, old, contacts(c.contact))).ID
		if c.language == "" {
			continue
		}
		if err := w.House.Service.ChooseLanguage(t.Context(), desk(), id, c.language); err != nil {
			t.Fatal(err)
		}
	}
	link := len("https://certificates.example.org/my")
	first := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}
	make := func(si, ta, en int) deliver.Campaign {
		t.Helper()
		text := func(letter string, n int) string { return strings.Repeat(letter, n-link-1) + " {link}" }
		c, err := w.CreateCampaign(t.Context(), first, deliver.NewCampaign{Name: "all", Template: "campaign", Texts: map[string]string{"si": text("ක", si), "ta": text("க", ta), "en": text("a", en)}})
		if err == nil {
			err = w.CountCampaigns(t.Context())
		}
		if err == nil {
			c, err = w.Campaign(t.Context(), first, c.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, x := range map[string]struct {
		si, ta, en                int // characters of each text
		siParts, taParts, enParts int // of one message
	}{
		"each in one part":         {70, 70, 160, 1, 1, 1},
		"one character too many":   {71, 71, 161, 2, 2, 2},
		"two parts to the last":    {134, 134, 306, 2, 2, 2},
		"three where two were not": {135, 70, 160, 3, 1, 1},
		"Tamil alone is long":      {70, 135, 160, 1, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := make(x.si, x.ta, x.en)
			want := []deliver.Spoken{
				{Language: "si", People: 2, Parts: 2 * x.siParts, Cost: float64(x.siParts)},
				{Language: "ta", People: 3, Email: 1, Parts: 2 * x.taParts, Cost: float64(x.taParts)},
				{Language: "en", People: 1, Parts: x.enParts, Cost: float64(x.enParts) / 2},
			}
			if diff := cmp.Diff(want, c.Speech, cmpopts.IgnoreFields(deliver.Spoken{}, "Each")); diff != "" {
				t.Error(diff)
			}
			for i, parts := range []int{x.siParts, x.taParts, x.enParts} {
				if c.Speech[i].Each.Parts != parts {
					t.Errorf("one message in %s is %+v", c.Speech[i].Language, c.Speech[i].Each)
				}
			}
			if all := 2*x.siParts + 2*x.taParts + x.enParts; c.People != 6 || c.Parts != all || c.Cost != float64(all)/2 {
				t.Errorf("%d people, %d parts, %v, want 6, %d, %v", c.People, c.Parts, c.Cost, all, float64(all)/2)
			}
		})
	}
	c := make(135, 71, 160)
	if err := w.ApproveCampaign(t.Context(), access.Caller{Actor: "staff:2", Role: access.ProgrammeAdmin}, c.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.RunCampaigns(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	var parts int
	w.scan("SELECT coalesce(sum(parts), 0) FROM message WHERE channel = 'sms' AND state = 1", &parts)
	if parts != c.Parts || parts != 2*3+2*2+1 {
		t.Errorf("%d parts were sent, %d were counted", parts, c.Parts)
	}
}

// TestTheProfilesTextsCostByLanguage has no texts of its own: those of the profile.
func TestTheProfilesTextsCostByLanguage(t *testing.T) {
	w := newWorld(t, "sri-lanka")
	w.gateway(gatewayFile)
	w.thousands(1100)
	w.exec("INSERT INTO person_language SELECT bucket, id, 'en', now() FROM person WHERE id % 4 = 0")
	w.exec("INSERT INTO person_language SELECT bucket, id, 'fr', now() FROM person WHERE id % 4 = 1") // that the profile has no more
	by := access.Caller{Actor: "staff:1", Role: access.ProgrammeAdmin}
	c, err := w.CreateCampaign(t.Context(), by, deliver.NewCampaign{Name: "all", Template: "ready"})
	if err == nil {
		err = w.CountCampaigns(t.Context())
	}
	if err == nil {
		c, err = w.Campaign(t.Context(), by, c.ID)
	}
	if err != nil || len(c.Speech) != 2 || c.Speech[0].Language != "si" || c.Speech[0].People != 825 || c.Speech[1].People != 275 {
		t.Fatalf("%+v, %v", c, err)
	}
	if si, en := c.Speech[0], c.Speech[1]; si.Each.Alphabet != "UCS-2" || en.Each.Alphabet != "GSM-7" || si.Parts != 825*si.Each.Parts || en.Parts != 275*en.Each.Parts || c.Parts != si.Parts+en.Parts || si.Each.Parts <= en.Each.Parts {
		t.Errorf("%+v", c)
	}
}
