package mapping_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

const filed = `
person: {code: [Cédula, ID], name: Nombre, district: {from: Distrito, constant: None}}
dose: {date: fecha, lot: lote, product: vacuna}
slots:
  - {prefix: "d1 ", number: 1, when: fecha}
  - {prefix: "d2 ", number: 2, when: fecha}
`

func fileMapping(t testing.TB) *mapping.Mapping {
	t.Helper()
	p, err := profile.Open("jamaica")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse("test", []byte(filed), p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestColumnsOfFiles(t *testing.T) {
	const full = "ID|Nombre|d1 fecha|d1 lote|d2 fecha|vacuna"
	tests := map[string]struct {
		header, missing, fault string
	}{
		"all that is needed":             {full, "", ""},
		"other letters and spaces":       {" cE\u0301dula |NOMBRE|D1  Fecha|d1\u00a0LOTE|d2 fecha|Vacuna", "", ""},
		"columns it does not name":       {full + "|nota|", "", ""},
		"both spellings of one rule":     {full + "|Cédula", "", ""},
		"a rule without its columns":     {"ID|d1 fecha|d1 lote|d2 fecha|vacuna", "person.name (Nombre)", ""},
		"a slot without its date":        {"ID|Nombre|d1 fecha|d1 lote|vacuna", "slots (d2 fecha)", ""},
		"a dose's field of no slot":      {"ID|Nombre|d1 fecha|lote|d2 fecha|vacuna", "", ""},
		"a dose's field nowhere":         {"ID|Nombre|d1 fecha|d2 fecha|vacuna", "dose.lot (lote)", ""},
		"a person's field within a slot": {"ID|d1 Nombre|d1 fecha|d1 lote|d2 fecha|vacuna", "person.name (Nombre)", ""},
		"one name twice":                 {full + "|nombre ", "", "Nombre"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, check, err := fileMapping(t).FileNames().Columns(strings.Split(tt.header, "|"))
			if (err != nil) != (tt.fault != "") || tt.fault != "" && (vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), tt.fault)) {
				t.Fatalf("error = %v; want %q", err, tt.fault)
			}
			if diff := cmp.Diff(tt.missing, strings.Join(check.Missing, "; ")); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAFieldIsMadeOf(t *testing.T) {
	m := fileMapping(t)
	for path, want := range map[string]string{
		"enrolmentCode": "Cédula ID", "vaccination.date": "fecha", "vaccination.product": "vacuna", "address.district": "Distrito",
		"vaccination.dateless": "", "person.birthDate": "", "contacts[0]": "",
	} {
		if got := strings.Join(m.Sources(path), " "); got != want {
			t.Errorf("%s is made of %q, want %q", path, got, want)
		}
	}
}

// FuzzHeader matches headers of any letters: each column has the names that the
// mapping gives it, and each name one column.
func FuzzHeader(f *testing.F) {
	f.Add("ID|Nombre|d1 fecha|d1 lote|d2 fecha|vacuna")
	f.Add("ce\u0301dula|ID|id|\xff|D2 FECHA|d1 d1 fecha")
	f.Fuzz(func(t *testing.T, header string) {
		cells := strings.Split(header, "|")
		names := fileMapping(t).FileNames()
		c, _, err := names.Columns(cells)
		if err != nil {
			if vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Fatal(err)
			}
			return
		}
		found := 0
		for i := range cells {
			for _, name := range c.Names(i) {
				if c.At(name) != i {
					t.Fatalf("column %d is %q, which is column %d", i, name, c.At(name))
				}
			}
			if len(c.Names(i)) > 0 {
				found++
			}
		}
		if n := names.Count(cells); n != found {
			t.Fatalf("%d of %d columns are looked for", found, n)
		}
	})
}
