package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
)

var update = flag.Bool("update", false, "write the golden files anew")

// outDir is where samples are written: DIVOC_RENDER_OUT for a person who wants
// to look at them, or a folder of the test.
func outDir(t *testing.T) string {
	if dir := os.Getenv("DIVOC_RENDER_OUT"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// tool runs an outside program on files of ours.
func tool(t *testing.T, name, debian string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian package %s)", name, debian)
	}
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// write makes the PDF of every sample.
func write(t *testing.T) map[string]string {
	t.Helper()
	r, dir, files := renderer(t), outDir(t), map[string]string{}
	for name, d := range samples() {
		var b bytes.Buffer
		if err := r.PDF(&b, d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files[name] = filepath.Join(dir, name+".pdf")
		if err := os.WriteFile(files[name], b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestViewsAreAsTheyWere(t *testing.T) {
	r := renderer(t)
	for _, name := range []string{"jamaica", "sri-lanka", "bare"} {
		v, err := r.View(samples()[name])
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (run with -update when this is meant):\n%s", name, diff)
		}
	}
}

func TestPDFsAreSound(t *testing.T) {
	for name, file := range write(t) {
		if out := tool(t, "qpdf", "qpdf", "--check", file); !strings.Contains(out, "No syntax or stream encoding errors") || strings.Contains(out, "WARNING") {
			t.Errorf("%s: %s", name, out)
		}
		info := tool(t, "pdfinfo", "poppler-utils", file)
		if !regexp.MustCompile(`Tagged:\s+yes`).MatchString(info) || !regexp.MustCompile(`Page size:\s+595.28 x 841.89`).MatchString(info) {
			t.Errorf("%s: %s", name, info)
		}
	}
}

// words is text without spaces: lines are broken anew on paper.
func words(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func TestEveryWordOfTheViewCanBeExtracted(t *testing.T) {
	r := renderer(t)
	files := write(t)
	for name, d := range samples() {
		got := words(tool(t, "pdftotext", "poppler-utils", "-raw", files[name], "-"))
		v, err := r.View(d)
		if err != nil {
			t.Fatal(err)
		}
		said := append([]Text{v.Title, v.Issuer, v.PersonTitle, v.DosesTitle, v.AboutTitle, plain(v.HCID), v.Code}, v.Warnings...)
		for _, f := range slices.Concat(v.Person, v.Common, v.About) {
			said = append(said, f.Label, f.Value, f.Note)
		}
		for _, row := range v.Doses {
			for _, c := range row.Cells {
				said = append(said, c.Main)
				for _, l := range c.Lines {
					said = append(said, l.Label, l.Value)
				}
			}
		}
		for _, text := range append(said, v.Notes...) {
			for _, p := range text {
				if !strings.Contains(got, words(p.Text)) {
					t.Errorf("%s: %q is not in the text", name, p.Text)
				}
			}
		}
		// The order of reading: holder, doses, certificate.
		at := 0
		for _, text := range []Text{v.Issuer, v.Title, v.PersonTitle, v.DosesTitle, v.AboutTitle} {
			next := strings.Index(got[at:], words(text[0].Text))
			if next < 0 {
				t.Fatalf("%s: %q is not where it belongs", name, text[0].Text)
			}
			at += next
		}
	}
}

func TestStructureNamesLanguagesTablesAndFigures(t *testing.T) {
	files := write(t)
	out := tool(t, "pdfinfo", "poppler-utils", "-struct-text", files["sri-lanka"])
	for _, want := range []string{"Document", "H1", "H2", "Table", "TR", "TH", "TD", "Figure", "Span"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in the structure", want)
		}
	}
	raw := tool(t, "qpdf", "qpdf", "--qdf", "--object-streams=disable", files["sri-lanka"], "-")
	for _, want := range []string{"/Lang (si)", "/Lang (ta)", "/Lang (en)", "/Alt <feff", "/ActualText", "/MarkInfo", "/DisplayDocTitle true", "/Scope /Column"} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %s in the file", want)
		}
	}
}

func TestCodesOnPaperAreRead(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed (Debian package zbar-tools)")
	}
	files := write(t)
	for _, c := range []struct{ name, dpi string }{
		{"jamaica", "75"}, {"jamaica", "150"}, {"jamaica", "200"}, {"usual", "75"}, {"usual", "150"}, {"specimen", "75"},
	} {
		page := filepath.Join(t.TempDir(), "page")
		tool(t, "pdftoppm", "poppler-utils", "-r", c.dpi, "-l", "1", "-gray", "-singlefile", files[c.name], page)
		out := tool(t, "zbarimg", "zbar-tools", "-q", "-Sdisable", "-Sqrcode.enable", "-Scode128.enable", page+".pgm")
		if !strings.Contains(out, "QR-Code:"+sampleQR+"\n") {
			t.Errorf("%s at %s dpi: QR code not read: %s", c.name, c.dpi, out)
		}
		if c.dpi != "75" && !strings.Contains(out, "CODE-128:"+samples()[c.name].Doses[1].Info.HCID) {
			t.Errorf("%s at %s dpi: bar code not read: %s", c.name, c.dpi, out)
		}
	}
}

var bbox = regexp.MustCompile(`<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">`)

func TestNothingOverlapsOrLeavesThePage(t *testing.T) {
	for name, file := range write(t) {
		for _, page := range strings.Split(tool(t, "pdftotext", "poppler-utils", "-bbox", file, "-"), "<page ")[1:] {
			var boxes [][4]float64
			for _, m := range bbox.FindAllStringSubmatch(page, -1) {
				var b [4]float64
				for i := range b {
					b[i], _ = strconv.ParseFloat(m[i+1], 64)
				}
				if b[3]-b[1] > 60 {
					continue // the watermark
				}
				if b[0] < 30 || b[2] > 565.5 || b[1] < 20 || b[3] > 825 {
					t.Errorf("%s: a word at %v leaves the frame", name, b)
				}
				for _, o := range boxes {
					sameLine := min(b[3], o[3])-max(b[1], o[1]) > 0.6*min(b[3]-b[1], o[3]-o[1])
					if sameLine && min(b[2], o[2])-max(b[0], o[0]) > 1.5 {
						t.Errorf("%s: words at %v and %v overlap", name, b, o)
					}
				}
				boxes = append(boxes, b)
			}
		}
	}
}

func TestTheSameDocumentGivesTheSameBytes(t *testing.T) {
	r, again := renderer(t), renderer(t)
	for name, d := range samples() {
		var want, warm, other bytes.Buffer
		for _, run := range []struct {
			r *Renderer
			b *bytes.Buffer
		}{{r, &want}, {r, &warm}, {again, &other}} {
			if err := run.r.PDF(run.b, d); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(want.Bytes(), warm.Bytes()) || !bytes.Equal(want.Bytes(), other.Bytes()) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func TestRendererIsSafeForConcurrentUse(t *testing.T) {
	r := renderer(t)
	want := map[string][]byte{}
	for name, d := range samples() {
		var b bytes.Buffer
		if err := r.PDF(&b, d); err != nil {
			t.Fatal(err)
		}
		want[name] = b.Bytes()
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for name, d := range samples() {
				var b bytes.Buffer
				if err := r.PDF(&b, d); err != nil || !bytes.Equal(b.Bytes(), want[name]) {
					t.Errorf("%s: %v, or other bytes", name, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatCannotBePrintedIsRefused(t *testing.T) {
	r := renderer(t)
	for name, change := range map[string]func(*Document){
		"no certificate":        func(d *Document) { d.Doses = nil },
		"no such certificate":   func(d *Document) { d.Latest = 2 },
		"a text beyond a page":  func(d *Document) { d.Doses[0].Vaccination.Centre = strings.Repeat("long ", 2000) },
		"a layout with no code": func(d *Document) { d.Profile.Layout.Blocks = []Block{{Kind: "header"}} },
	} {
		t.Run(name, func(t *testing.T) {
			d := jamaica()
			change(&d)
			var b bytes.Buffer
			if err := r.PDF(&b, d); vaccination.ErrorCode(err) != vaccination.Invalid || b.Len() > 0 {
				t.Errorf("%v, %d bytes", err, b.Len())
			}
		})
	}
	d := jamaica()
	d.QR = strings.Repeat("a", 4000)
	if err := r.PDF(&bytes.Buffer{}, d); err == nil {
		t.Error("a text too long for a QR code was printed")
	}
}

func BenchmarkTable_PDF(b *testing.B) {
	r := renderer(b)
	d := samples()["usual"]
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := r.PDF(&buf, d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pdf/s")
}
