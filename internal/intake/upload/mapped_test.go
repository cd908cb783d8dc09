package upload_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/vaccination"
)

// spanish is the mapping of an invented ministry: one row a dose.
const spanish = `
dateOrder: DMY
person:
  code: Cédula
  name: {from: [Nombres, Apellidos], join: " "}
  birthDate: Fecha de nacimiento
  sex: {from: [Sexo], codes: {M: male, F: female}}
  phone: [Teléfono, Celular]
  identifiers: {national-id: Cédula}
dose:
  number: {from: [Dosis], codes: {Primera: "1", Segunda: "2"}}
  totalDoses: {constant: "2"}
  product: {from: [Biológico], codes: {PFIZER: Comirnaty, MODERNA: Spikevax}}
  lot: Lote
  date: Fecha de aplicación
  centre: Establecimiento
`

// wide is one of one row a person, in Sinhala.
const wide = `
person:
  code: අංකය
  name: නම
  birthDate: උපන් දිනය
dose:
  product: {from: [එන්නත], constant: Comirnaty}
  lot: කාණ්ඩය
  date: දිනය
slots:
  - {prefix: පළමු_, number: 1, when: දිනය}
  - {prefix: දෙවන_, number: 2, when: දිනය}
`

// sources makes sources of kind file, as an administrator does.
func (w *world) sources() *intake.Service {
	return intake.New(intake.Options{
		Store: w.store, Box: w.o.Box, Issuance: w.issuance, Profile: w.issuance.Profile, Now: w.o.Now, Log: w.o.Log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.FileKind: {Files: true, CheckMapping: (*mapping.Mapping).CheckFile}},
	})
}

// fileSource is a source of kind file with a mapping.
func (w *world) fileSource(name, text string) access.Caller {
	w.t.Helper()
	err := w.sources().Create(w.ctx, access.System("admin"), intake.NewSource{Name: name, Kind: intake.FileKind, Mapping: text})
	if err != nil {
		w.t.Fatal(err)
	}
	return access.Caller{Actor: "token:9 " + name, Role: access.SourceRole, Source: name}
}

func (w *world) setMapping(name, text string) {
	w.t.Helper()
	if _, err := w.sources().SetMapping(w.ctx, access.System("admin"), name, text); err != nil {
		w.t.Fatal(err)
	}
}

func TestMappingsThatFilesCannotHave(t *testing.T) {
	w := newWorld(t)
	for want, text := range map[string]string{
		"person.code":  strings.Replace(spanish, "code: Cédula", "code: {constant: X}", 1),
		"stages":       spanish + "stages: {a: {number: 1}}\n",
		"statuses":     spanish + "statuses: [given]\n",
		"person.types": strings.Replace(spanish, "person:\n", "person:\n  types: [person]\n", 1),
		"errors":       strings.Replace(spanish, "Lote", "Errors", 1),
	} {
		err := w.sources().Create(w.ctx, access.System("admin"), intake.NewSource{Name: "x", Kind: intake.FileKind, Mapping: text})
		if vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), want+": ") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for name, n := range map[string]intake.NewSource{"a limit": {HourlyLimit: 5}, "a scope": {Scope: []string{"/a"}}} {
		n.Name, n.Kind, n.Mapping = "x", intake.FileKind, spanish
		if err := w.sources().Create(w.ctx, access.System("admin"), n); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func table(text string) upload.File {
	return upload.File{Name: "gente.csv", Format: upload.CSV, Body: strings.NewReader(text)}
}

const spanishHeader = "CÉDULA;Nombres;apellidos; Fecha  de nacimiento;Sexo;Celular;Dosis;Biológico;Lote;Fecha de aplicación;Establecimiento;Observaciones\n"

func spanishRow(n int, lot string) string {
	return fmt.Sprintf("%03d-1;María José;Peña;03/04/1987;F;8765550142;Primera;pfizer;%s;05/03/2021;Hospital Central;nada\n", n, lot)
}

func (w *world) sent(by access.Caller, f upload.File) upload.Info {
	w.t.Helper()
	before := w.by
	w.by = by
	defer func() { w.by = before }()
	return w.process(w.receive(by, f).ID)
}

func TestAnyColumns(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("ministerio", spanish)
	u := w.sent(w.by, table(spanishHeader+spanishRow(1, "PF1")+spanishRow(2, "PF1")))
	w.totals(u, "done: 2 rows, 2 issued, 0 unchanged, 0 wrong")
	if diff := cmp.Diff([]string{"Observaciones"}, u.NotRead); diff != "" || u.Mapping != 1 {
		t.Errorf("mapping %d, not read (-want +got):\n%s", u.Mapping, diff)
	}
	records, err := w.issuance.ByCode(w.ctx, w.by, "", "001-1", "test")
	if err != nil {
		t.Fatal(err)
	}
	c := records[0].Certificate
	want := []string{"María José Peña", "1987-04-03", "female", "2021-03-05", "1", "Hospital Central", "PF1"}
	got := []string{c.Name, c.BirthDate.String(), string(c.Sex), c.Vaccination.Date.String(), fmt.Sprint(c.Vaccination.Number), c.Vaccination.Centre, c.Vaccination.Lot}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}

	// The source knows best: other content is a correction, and one that it takes
	// back is one too.
	for i, lot := range []string{"PF2", "PF2", "PF1"} {
		w.now = w.now.Add(time.Hour)
		u := w.sent(w.by, table(spanishHeader+spanishRow(1, lot)))
		w.totals(u, []string{"done: 1 rows, 1 issued, 0 unchanged, 0 wrong", "done: 1 rows, 0 issued, 1 unchanged, 0 wrong", "done: 1 rows, 1 issued, 0 unchanged, 0 wrong"}[i])
	}
	if records, err = w.issuance.ByCode(w.ctx, w.by, "", "001-1", "test"); err != nil || len(records) != 3 || records[2].Certificate.Vaccination.Lot != "PF1" {
		t.Errorf("%d versions, %v", len(records), err)
	}
	w.agrees()
}

// TestTheEncodingOfAHeader reads what a spreadsheet of Windows writes.
func TestTheEncodingOfAHeader(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("ministerio", spanish)
	text, err := charmap.Windows1252.NewEncoder().String(spanishHeader + spanishRow(1, "PF1"))
	if err != nil {
		t.Fatal(err)
	}
	u := w.sent(w.by, table(text))
	w.totals(u, "done: 1 rows, 1 issued, 0 unchanged, 0 wrong")
	if u.Encoding != "windows-1252" {
		t.Errorf("encoding %q", u.Encoding)
	}
	f := table("sep=\t\r\n" + strings.ReplaceAll(strings.ReplaceAll(spanishHeader+spanishRow(2, "PF1"), ";", "\t"), "\n", "\r\n"))
	f.Encoding = "utf-8"
	w.totals(w.sent(w.by, f), "done: 1 rows, 1 issued, 0 unchanged, 0 wrong")
	f = table(spanishHeader + strings.Replace(spanishRow(3, "PF1"), "05/03/2021", "03/05/2021", 1))
	f.Dates = dates.MDY // declared with the file, it counts for more than the mapping's
	w.totals(w.sent(w.by, f), "done: 1 rows, 1 issued, 0 unchanged, 0 wrong")
	records, err := w.issuance.ByCode(w.ctx, w.by, "", "003-1", "test")
	if err != nil || records[0].Certificate.Vaccination.Date.String() != "2021-03-05" {
		t.Errorf("date %v, %v", records, err)
	}
}

func TestHeadersThatAMappingRefuses(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("ministerio", spanish)
	tests := map[string]struct{ header, want string }{
		"a column missing":         {strings.Replace(spanishHeader, "Lote;", "", 1), "dose.lot: looked for Lote"},
		"both of two missing":      {strings.Replace(spanishHeader, "Celular;", "", 1), "person.phone: looked for Teléfono, Celular"},
		"a column twice":           {"Lote;" + spanishHeader, "Lote: this column is there twice"},
		"a record in place of it":  {"MARKED;person\n", "Missing Headers"},
		"nothing":                  {"", "the file is empty"},
		"a quotation mark open":    {`"MARKED;` + spanishHeader, "is not a header"},
		"the columns of DIVOC":     {header(), "Missing Headers"},
		"letters that are nothing": {"MARKED\x01;" + spanishHeader, "cannot be shown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, receive := range []func() error{
				func() error { _, err := w.Receive(w.ctx, w.by, table(tt.header)); return err },
				func() error { _, err := w.Try(w.ctx, w.by, table(tt.header), nil); return err },
			} {
				err := receive()
				if vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "MARKED") {
					t.Errorf("error = %v; want %q", err, tt.want)
				}
			}
		})
	}
	if n := w.count("upload") + w.count("upload_chunk"); n != 0 {
		t.Errorf("%d rows of refused files are kept", n)
	}
	if err := w.sources().Pause(w.ctx, access.System("admin"), "ministerio", "a test"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Receive(w.ctx, w.by, table(spanishHeader)); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("a paused source: %v", err)
	}
}

// TestTheWordsOfErrorFiles compares the error file of every way in which a row
// goes wrong with one that was read by eye.
func TestTheWordsOfErrorFiles(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("ministerio", spanish)
	other := spanishRow(1, "PF9")
	rows := []string{spanishRow(1, "PF1"), other, "too;few\n"}
	for i, change := range [][2]string{
		{"pfizer", "SPUTNIK"}, {"05/03/2021", "45/03/2021"}, {"05/03/2021", ""}, {"Primera", "Tercera"}, {";F;", ";X;"}, {"8765550142", "8,76E+09"},
		{"María José", "=María"}, {"03/04/1987", "03/04/2187"}, {"pfizer", ""}, {"María José;Peña", ";"}, {"01%d-1", ""},
	} {
		from := change[0]
		if strings.Contains(from, "%d") {
			from = fmt.Sprintf("%03d-1", i+10)
		}
		rows = append(rows, strings.Replace(spanishRow(i+10, "PF1"), from, change[1], 1))
	}
	u := w.sent(w.by, table(spanishHeader+strings.Join(rows, "")))
	golden(t, "ministerio.errors.csv", w.errorFile(u))
	w.agrees()
}

// golden compares text with a file; DIVOC_UPDATE=1 writes it.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("DIVOC_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestSeveralDosesInOneRow(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("wide", wide)
	text := "අංකය,නම,උපන් දිනය,පළමු_දිනය,පළමු_කාණ්ඩය,දෙවන_දිනය,දෙවන_කාණ්ඩය\n"
	for i := range 700 {
		text += fmt.Sprintf("W-%d,නිමල් පෙරේරා,1987-04-21,2021-03-05,A,2021-04-05,B\n", i)
	}
	text += "W-none,නිමල් පෙරේරා,1987-04-21,,,,\n"
	text += "W-one,නිමල් පෙරේරා,1987-04-21,2021-03-05,A,,\n"
	text += "W-bad,නිමල් පෙරේරා,1987-04-21,2021-03-05,A,5.4.2021,B\n"
	text += "W-worse,,1987-04-21,2021-03-05,A,5.4.2021,B\n"
	id := w.receive(w.by, table(text)).ID
	// Stopped after the first batch, it goes on with whole rows.
	if err := w.Process(w.ctx, id, func(upload.Info) { w.Stop() }); err == nil {
		t.Fatal("it was not stopped")
	}
	w.Service = upload.New(w.o)
	u := w.process(id)
	w.totals(u, "done: 1406 rows, 1402 issued, 0 unchanged, 3 wrong")
	if u.RowsRead != 704 || u.NoDose != 1 {
		t.Errorf("%d rows of the file, %d without a dose", u.RowsRead, u.NoDose)
	}
	rows, err := w.Rows(w.ctx, w.by, id, 1400, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r.Row, " ", r.Dose, " ", r.State, " ", len(r.Reasons)))
	}
	want := []string{"701  no-dose 0", "702 පළමු_ issued 0", "703 පළමු_ issued 0", "703 දෙවන_ wrong 1", "704 පළමු_ wrong 1", "704 දෙවන_ wrong 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	file := w.errorFile(u)
	if n := strings.Count(file, "\n"); n != 3 || strings.Count(file, "නම: ") != 1 || strings.Count(file, "දෙවන_දිනය: this can be two different days") != 2 {
		t.Errorf("error file:\n%s", file)
	}
	w.agrees()
}

func TestObjectsOfAnyNames(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("app", `
person: {code: person.id, name: person.name, birthDate: person.born}
dose: {date: date, product: {from: [vaccine], constant: Comirnaty}}
slots:
  - {prefix: doses.0., number: 1, when: date}
  - {prefix: doses.1., number: 2, when: date}
`)
	lines := `{"person":{"id":17,"NAME":"Marcia Campbell","born":"1987-04-21"},"doses":[{"date":"2021-03-05"},{"date":"2021-04-05","vaccine":"Spikevax"}]}
{"person":{"id":"18","name":"Marcia Campbell","born":"1987-04-21"},"doses":[]}
["no object"]
{"person":{"id":"19","name":"A B","Name":"C D"}}
{"person":{"id":"20","name":"Marcia Campbell"},"doses":[{"date":"3/4/2021"}]}
`
	u := w.sent(w.by, upload.File{Name: "x.jsonl", Format: upload.JSON, Body: strings.NewReader(lines)})
	w.totals(u, "done: 6 rows, 2 issued, 0 unchanged, 3 wrong")
	golden(t, "objects.errors.jsonl", w.errorFile(u))
	w.agrees()
}

func TestTheSameFileIsKnown(t *testing.T) {
	w := newWorld(t)
	w.by = w.fileSource("ministerio", spanish)
	text := spanishHeader + spanishRow(1, "PF1")
	u := w.sent(w.by, table(text))
	known := func(f upload.File) bool {
		t.Helper()
		k, ok, err := w.Known(w.ctx, w.by, f)
		if err != nil || ok && k.ID != u.ID {
			t.Fatal(k.ID, err)
		}
		return ok
	}
	declared := table(text)
	declared.Dates = dates.DMY
	if !known(table(text)) || known(table(text+" ")) || known(declared) {
		t.Error("another file is known, or the same is not")
	}
	w.setMapping("ministerio", spanish)
	if known(table(text)) {
		t.Error("known although the mapping changed")
	}
}
