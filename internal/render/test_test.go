package render

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// testPage is the page of the second of two tests.
func testPage() Document {
	d := jamaica()
	c := d.Doses[0]
	c.Vaccination = vaccination.Dose{}
	c.Test = vaccination.Test{
		Pathogen: vaccination.Coding{Code: "XN109", Display: "SARS-CoV-2"}, Type: vaccination.Coding{Code: "2056159157"}, Brand: vaccination.Coding{Display: "Panbio"},
		Lot: "T77", Origin: vaccination.Coding{Code: "JAE.AH.XF"}, Date: time.Date(2026, 11, 21, 14, 5, 0, 0, time.UTC), ResultDate: time.Date(2026, 11, 21, 14, 25, 0, 0, time.UTC),
		Result: vaccination.Coding{Code: "RA01.0"}, Centre: "First Centre", Country: vaccination.Coding{Code: "JAM"}, Practitioner: "N. Brown",
	}
	c.Info.Period.End = time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC)
	second := c
	second.Test.Result.Code, second.Test.Centre = "QA02", "Second Centre"
	d.Doses, d.Latest = []vaccination.Certificate{c, second}, 1
	return d
}

func TestAPageShowsOneTest(t *testing.T) {
	v, err := renderer(t).View(testPage())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Doses) != 1 || !v.Doses[0].Current {
		t.Fatalf("%d rows", len(v.Doses))
	}
	var all []string
	for _, c := range v.Doses[0].Cells {
		all = append(all, c.Main.String())
		for _, l := range c.Lines {
			all = append(all, l.Label.String()+"="+l.Value.String())
		}
	}
	for _, f := range v.About {
		all = append(all, f.Key+"="+f.Value.String())
	}
	page := v.Title.String() + "\n" + strings.Join(all, "\n")
	for _, want := range []string{
		"test certificate", "2026-11-21 09:05 UTC-05:00", "Result at=2026-11-21 09:25 UTC-05:00", "Rapid antigen test", "=Panbio", "Batch number=T77", "Sample from=nose",
		"Not detected (negative)", "Second Centre", "Answered for by=N. Brown", "validUntil=2026-11-24 09:05 UTC-05:00",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	for _, other := range []string{"positive", "First Centre"} {
		if strings.Contains(page, other) {
			t.Errorf("the other test's %q is on the page", other)
		}
	}
	for _, n := range v.Notes {
		if strings.Contains(n.String(), "dose") {
			t.Errorf("a test's page says %q", n)
		}
	}
}
