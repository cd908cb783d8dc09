package browser

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/verify/scan"
)

// entry are the rules' own words, by country and language.
var entry = map[string]map[string]string{"JM": {
	"en": "A vaccination against yellow fever.",
	"si": "කහ උණට එරෙහි එන්නතක්.",
	"ta": "மஞ்சள் காய்ச்சலுக்கு எதிரான தடுப்பூசி.",
}}

// rulesFile has a rule of ours for Jamaica and one of the EU for France, which asks
// what only an EU certificate answers.
func rulesFile(t *testing.T) string {
	t.Helper()
	type words = []map[string]string
	var own words
	for _, lang := range []string{"en", "si", "ta"} {
		own = append(own, map[string]string{"lang": lang, "desc": entry["JM"][lang]})
	}
	data, err := json.Marshal(map[string]any{
		"products": []any{map[string]any{"Identifier": "YF", "Country": "JM", "Disease": "1D47", "AfterDays": 10, "Years": 0, "Description": own}},
		"rules": []any{map[string]any{
			"Identifier": "VR-FR-0001", "Type": "Acceptance", "Country": "FR", "Version": "1.0.0", "SchemaVersion": "1.3.0",
			"Engine": "CERTLOGIC", "EngineVersion": "1.3.3", "CertificateType": "Vaccination",
			"ValidFrom": "2021-01-01T00:00:00Z", "ValidTo": "2100-01-01T00:00:00Z", "AffectedFields": []string{"v.0.dn"},
			"Description": words{{"lang": "en", "desc": "At least two doses."}},
			"Logic":       map[string]any{">=": []any{map[string]string{"var": "payload.v.0.dn"}, 2}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var certificatePath = regexp.MustCompile(`/demo/certificates/[^/"]+`)

// product is the code of the first certificate of the start page for a product.
func (s *server) product(t *testing.T, name string) string {
	t.Helper()
	for _, row := range strings.Split(string(s.get(t, "/")), "samples__name")[1:] {
		if !strings.Contains(row, name) {
			continue
		}
		codes, err := scan.Codes(context.Background(), s.get(t, certificatePath.FindString(row)+"/qr.png"))
		if err != nil || len(codes) != 1 {
			t.Fatalf("%d codes in the picture of %s: %v", len(codes), name, err)
		}
		return codes[0]
	}
	t.Fatalf("the start page has no %s", name)
	return ""
}

// TestVerifying is verifying beside the page alone: in the page of another site, and
// with acceptance rules.
func TestVerifying(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "sri-lanka", "--rules", rulesFile(t))
	c := struct {
		setup
		YellowFever string                       `json:"yellowFever"`
		Covid       string                       `json:"covid"`
		Rules       map[string]map[string]string `json:"rules"`
	}{s.sample(t), s.product(t, "Stamaril"), s.product(t, "Covishield"), entry}
	c.Chromium = chromium
	for _, script := range []string{"embed", "rules"} { // the last stops the server
		t.Run(script, func(t *testing.T) { run(t, s, c, script) })
	}
}
