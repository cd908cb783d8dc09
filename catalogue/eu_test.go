package catalogue_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
)

// TestVectorsEUValueSets looks every code of the EU's value sets up.
func TestVectorsEUValueSets(t *testing.T) {
	v := credentialtest.NewVectors(t, "eu-dcc-valuesets", "")
	sets := map[string]string{
		"disease-agent-targeted": "tg", "sct-vaccines-covid-19": "vp", "vaccines-covid-19-names": "mp", "vaccines-covid-19-auth-holders": "ma",
		"covid-19-lab-test-type": "tt", "covid-19-lab-result": "tr", "covid-19-lab-test-manufacturer-and-name": "device",
	}
	for _, file := range v.Files(t, ".json") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set struct {
			ID     string                              `json:"valueSetId"`
			Values map[string]struct{ Display string } `json:"valueSetValues"`
		}
		if err := json.Unmarshal(raw, &set); err != nil {
			t.Fatal(err)
		}
		for code, value := range set.Values {
			switch {
			case set.ID == "country-2-codes":
				_, ok := catalogue.CountryByCode(code)
				v.Check(t, set.ID+" "+code, ok, "no such country")
			case sets[set.ID] != "":
				v.Check(t, set.ID+" "+code, catalogue.EUSet(code) == sets[set.ID] && catalogue.EUName(code) != "" && value.Display != "", "not in the catalogue")
			}
		}
	}
	if catalogue.EUName("no such code") != "" {
		t.Error("a code that is none has a name")
	}
}
