package render

import (
	"bytes"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
)

// traveller is a certificate against yellow fever; he is made up.
func traveller(size Size) ICVP {
	d := jamaica()
	c := d.Doses[0]
	c.Name, c.Nationality, c.Programme = "Keisha Mockingbird Henry", "JAM", "yellow-fever"
	c.Vaccination = vaccination.Dose{
		Disease: vaccination.Coding{Code: "1D47", Display: "Yellow fever"}, Lot: "YF-2291A", Date: date("2023-05-30"), Number: 1, Total: 1, Practitioner: "Dr. A. Example",
	}
	d.Profile.CountryName = func(code, _ string) string { return map[string]string{"JAM": "Jamaica"}[code] }
	return ICVP{
		Certificate: c, QR: sampleQR[:380], Vaccine: "Stamaril", Manufacturer: "Sanofi Pasteur SA", From: date("2023-06-09"),
		CodeUntil: c.Info.Period.End, Size: size, Profile: d.Profile,
	}
}

func icvpSamples() map[string]ICVP {
	out := map[string]ICVP{}
	for _, size := range []Size{A4, Card, CardFold} {
		out["icvp-"+string(size)] = traveller(size)
		hard := traveller(size)
		hard.Pilot, hard.Certificate.Specimen = true, true
		hard.Certificate.Name = "වර්ණකුලසූරිය මුදියන්සේලාගේ ක්\u200dරිෂාන්ත"
		hard.Certificate.Identifier = vaccination.Identifier{}
		hard.Certificate.Vaccination.Practitioner = ""
		hard.Until = date("2024-06-09")
		out["icvp-hard-"+string(size)] = hard
	}
	return out
}

func TestTheInternationalFormIsSound(t *testing.T) {
	r, dir := renderer(t), outDir(t)
	texts := map[string]string{}
	for name, d := range icvpSamples() {
		file, text := sound(t, dir, name, func(b io.Writer) error { return r.ICVP(b, d) })
		if file == "" {
			continue
		}
		texts[name] = text
		c := d.Certificate
		until := "life of person vaccinated"
		if !d.Until.IsZero() {
			until = d.Until.String()
		}
		for _, want := range []string{
			"International Certificate of Vaccination or Prophylaxis", "Certificat international de vaccination ou de prophylaxie",
			c.Name, c.BirthDate.String(), "female", "féminin", "Jamaica (JAM)", "Stamaril", c.Vaccination.Date.String(), d.Manufacturer, c.Vaccination.Lot,
			d.From.String(), until, c.Info.HCID,
		} {
			if !strings.Contains(text, words(want)) {
				t.Errorf("%s does not say %q: %s", name, want, text)
			}
		}
		if d.Size == A4 {
			for _, want := range []string{"yellow fever", "fièvre jaune", "International Health Regulations", "Règlement sanitaire international", "World Health Organization", "Official stamp", "Cachet officiel", "supervising clinician"} {
				if !strings.Contains(text, words(want)) {
					t.Errorf("%s does not say %q", name, want)
				}
			}
			if pages := tool(t, "pdfinfo", "poppler-utils", file); !regexp.MustCompile(`Pages: +1\n`).MatchString(pages) {
				t.Errorf("%s: %s", name, pages)
			}
		}
		if got := strings.Contains(text, words("PILOT")); got != d.Pilot {
			t.Errorf("%s says pilot: %v", name, got)
		}
		if png := strings.TrimSuffix(file, ".pdf"); scans(t, file, png) != strings.TrimSpace(d.QR) {
			t.Errorf("%s: its code is not read from paper", name)
		}
	}
	sameWords(t, "icvp.json", texts)
}

func TestTheFormSaysTheSameInBothLanguages(t *testing.T) {
	all, err := textsIn("icvp")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(all["en"])), slices.Sorted(maps.Keys(all["fr"]))); diff != "" || len(all) != 2 {
		t.Errorf("%d languages, %s", len(all), diff)
	}
}

func TestWhatIsNoInternationalForm(t *testing.T) {
	r := renderer(t)
	for what, change := range map[string]func(*ICVP){
		"without a code":      func(d *ICVP) { d.QR = "" },
		"on unknown paper":    func(d *ICVP) { d.Size = "letter" },
		"too much for a card": func(d *ICVP) { d.Certificate.Name = strings.Repeat("Long Name ", 60) },
	} {
		d := traveller(Card)
		change(&d)
		var b bytes.Buffer
		if err := r.ICVP(&b, d); vaccination.ErrorCode(err) != vaccination.Invalid || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", what, err, b.Len())
		}
	}
}
