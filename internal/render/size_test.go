package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
)

// copied is a sample as a numbered print on some paper.
func copied(d Document, size Size) Document {
	d.Size = size
	d.Copy = &Copy{Number: 2, Facility: "KGN01", Serial: 1234, At: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)}
	return d
}

// paperSamples are usual pages on each paper.
func paperSamples() map[string]Document {
	out := map[string]Document{}
	all := samples()
	for _, name := range []string{"jamaica", "usual", "sri-lanka", "specimen"} {
		for _, size := range Sizes() {
			out[name+"-"+string(size)] = copied(all[name], size)
		}
	}
	return out
}

func TestPapersAreSoundAndSayWhichPrintTheyAre(t *testing.T) {
	r, dir := renderer(t), outDir(t)
	sizes := map[Size]string{A4: "595.28 x 841.89", A5: "419.53 x 595.28", Card: "242.65 x 153.01", CardFold: "595.28 x 841.89"}
	texts := map[string]string{}
	for name, d := range paperSamples() {
		file, text := sound(t, dir, name, func(b io.Writer) error { return r.PDF(b, d) })
		if file == "" {
			continue
		}
		texts[name] = text
		if info := tool(t, "pdfinfo", "poppler-utils", file); !strings.Contains(info, sizes[d.Size]) || !strings.Contains(strings.Join(strings.Fields(info), " "), "Tagged: yes") {
			t.Errorf("%s: %s", name, info)
		}
		person := d.Doses[d.Latest]
		// The day of the print is that of the country.
		day := map[bool]string{true: "2026-11-22", false: "2026-11-23"}[d.Profile.Country == "JM"]
		for _, want := range []string{"KGN01·1234·" + day, words(person.Name), person.BirthDate.String()[:4], strings.TrimSuffix(person.Info.HCID, "#")} {
			if !strings.Contains(text, words(want)) {
				t.Errorf("%s: no %q in %s", name, want, text)
			}
		}
		if png := strings.TrimSuffix(file, ".pdf"); scans(t, file, png) != strings.TrimSpace(d.QR) {
			t.Errorf("%s: its code is not read from paper", name)
		}
	}
	sameWords(t, "papers.json", texts)
}

// sound makes a file twice, which must give the same, asks qpdf whether it is whole,
// and returns its path and its words without spaces. Where it could not be made, that
// is told, and the path is empty.
func sound(t *testing.T, dir, name string, pdf func(io.Writer) error) (file, text string) {
	t.Helper()
	var b, again bytes.Buffer
	if err := pdf(&b); err != nil {
		t.Errorf("%s: %v", name, err)
		return "", ""
	}
	if err := pdf(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("%s: made again it is another file, %v", name, err)
	}
	file = filepath.Join(dir, name+".pdf")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "qpdf", "qpdf", "--check", file); strings.Contains(out, "WARNING") {
		t.Errorf("%s: %s", name, out)
	}
	return file, words(tool(t, "pdftotext", "poppler-utils", "-raw", file, "-"))
}

// sameWords compares the words of files, by name, with those on record in testdata.
func sameWords(t *testing.T, record string, texts map[string]string) {
	t.Helper()
	sums := map[string]string{}
	for name, text := range texts {
		sum := sha256.Sum256([]byte(text))
		sums[name] = hex.EncodeToString(sum[:8])
	}
	got, err := json.MarshalIndent(sums, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", record)
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("the words of %s changed (run with -update when this is meant):\n%s", record, diff)
	}
}

// scans reads the code of a file as printed with 200 dots to the inch.
func scans(t *testing.T, file, png string) string {
	t.Helper()
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed (Debian package zbar-tools)")
	}
	tool(t, "pdftoppm", "poppler-utils", "-r", "200", "-png", file, png)
	pages, err := filepath.Glob(png + "-*.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if strings.Count(filepath.Base(p), "-") == strings.Count(filepath.Base(png), "-")+1 {
			out, _ := exec.CommandContext(t.Context(), "zbarimg", "-q", "--raw", "-Sdisable", "-Sqrcode.enable", p).Output()
			if len(out) > 0 { // an error: the side of a card without a code
				return strings.TrimSpace(string(out))
			}
		}
	}
	return ""
}

func TestSeveralPapersAreOneFile(t *testing.T) {
	r := renderer(t)
	var b bytes.Buffer
	if err := r.PDF(&b, copied(jamaica(), A4), copied(sriLanka(), A5), copied(jamaica(), Card)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "several.pdf")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	info := tool(t, "pdfinfo", "poppler-utils", "-f", "1", "-l", "9", file)
	if !strings.Contains(info, "595.28 x 841.89") || !strings.Contains(info, "419.53 x 595.28") || strings.Count(info, "242.65 x 153.01") != 2 {
		t.Errorf("%s", info)
	}
}

func TestWhatFitsNoCardIsToldAndNothingIsWritten(t *testing.T) {
	r := renderer(t)
	d := copied(hard(), Card)
	d.Doses[d.Latest].Name = strings.Repeat("වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත ", 12)
	var b bytes.Buffer
	if err := r.PDF(&b, d); vaccination.ErrorCode(err) != vaccination.Invalid || b.Len() > 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
	d = copied(jamaica(), "letter")
	if err := r.PDF(&b, d); vaccination.ErrorCode(err) != vaccination.Invalid || b.Len() > 0 {
		t.Errorf("an unknown paper: %v, %d bytes", err, b.Len())
	}
	if err := r.PDF(&b); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("nothing to print: %v", err)
	}
}
