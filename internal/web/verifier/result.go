package verifier

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/web/assets"
	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/rules"
)

// row says how one line of a result is made from the Statement's JSON: which
// member, written how. The server and the page's script follow the same table,
// so that both write the same result.
type row struct {
	Group string `json:"group"` // "content" or "issued"
	Label string `json:"label"` // key of a text
	Path  string `json:"path"`  // members, separated by dots; "a|b": the first that is there
	Kind  string `json:"kind"`  // text, coding, date, time, dose, sex, status
	// Must shows the line also where nothing was recorded, saying so.
	Must bool `json:"must,omitempty"`
	// Known leaves the line out where the issuer is not known: there is nothing
	// to say of a state then.
	Known bool `json:"known,omitempty"`
	// Of leaves the line out where another thing is certified: "vaccination", "test"
	// or "recovery".
	Of string `json:"of,omitempty"`
}

func rows() []row {
	return []row{
		{Group: "content", Label: "row.name", Path: "content.name", Kind: "text", Must: true},
		{Group: "content", Label: "row.birthDate", Path: "content.birthDate", Kind: "date", Must: true},
		{Group: "content", Label: "row.sex", Path: "content.sex", Kind: "sex"},
		{Group: "content", Label: "row.identifier", Path: "content.identifier.value", Kind: "text"},
		{Group: "content", Label: "row.disease", Of: "vaccination", Path: "content.vaccination.disease", Kind: "coding"},
		{Group: "content", Label: "row.vaccine", Of: "vaccination", Path: "content.vaccination.brand|content.vaccination.vaccine", Kind: "coding", Must: true},
		{Group: "content", Label: "row.manufacturer", Of: "vaccination", Path: "content.vaccination.manufacturer|content.vaccination.maholder", Kind: "coding"},
		{Group: "content", Label: "row.dose", Of: "vaccination", Path: "content.vaccination", Kind: "dose", Must: true},
		{Group: "content", Label: "row.date", Of: "vaccination", Path: "content.vaccination.date", Kind: "date", Must: true},
		{Group: "content", Label: "row.lot", Of: "vaccination", Path: "content.vaccination.lot", Kind: "text", Must: true},
		{Group: "content", Label: "row.centre", Of: "vaccination", Path: "content.vaccination.centre", Kind: "text"},
		{Group: "content", Label: "row.country", Of: "vaccination", Path: "content.vaccination.country", Kind: "coding"},
		{Group: "content", Label: "row.validFrom", Of: "vaccination", Path: "content.vaccination.validFrom", Kind: "date"},
		{Group: "content", Label: "row.validUntil", Of: "vaccination", Path: "content.vaccination.validUntil", Kind: "date"},
		{Group: "content", Label: "row.pathogen", Of: "test", Path: "content.test.pathogen", Kind: "coding"},
		{Group: "content", Label: "row.test", Of: "test", Path: "content.test.type", Kind: "coding", Must: true},
		{Group: "content", Label: "row.testName", Of: "test", Path: "content.test.brand", Kind: "coding"},
		{Group: "content", Label: "row.manufacturer", Of: "test", Path: "content.test.manufacturer", Kind: "coding"},
		{Group: "content", Label: "row.sample", Of: "test", Path: "content.test.date", Kind: "time", Must: true},
		{Group: "content", Label: "row.resultDate", Of: "test", Path: "content.test.resultDate", Kind: "time"},
		{Group: "content", Label: "row.result", Of: "test", Path: "content.test.result", Kind: "coding", Must: true},
		{Group: "content", Label: "row.testCentre", Of: "test", Path: "content.test.centre", Kind: "text"},
		{Group: "content", Label: "row.country", Of: "test", Path: "content.test.country", Kind: "coding"},
		{Group: "content", Label: "row.recovered", Of: "recovery", Path: "content.recovery.disease", Kind: "coding", Must: true},
		{Group: "content", Label: "row.firstPositive", Of: "recovery", Path: "content.recovery.firstPositive", Kind: "date", Must: true},
		{Group: "content", Label: "row.country", Of: "recovery", Path: "content.recovery.country", Kind: "coding"},
		{Group: "issued", Label: "row.issuer", Path: "issuer.name|issuer.id", Kind: "text"},
		{Group: "issued", Label: "row.status", Path: "status", Kind: "status", Known: true},
		{Group: "issued", Label: "row.statusAsOf", Path: "statusAsOf", Kind: "time", Known: true},
		{Group: "issued", Label: "row.from", Path: "validFrom", Kind: "time"},
		{Group: "issued", Label: "row.until", Path: "validUntil", Kind: "time"},
		{Group: "issued", Label: "row.hcid", Path: "content.certificate.hcid", Kind: "text"},
		{Group: "issued", Label: "row.key", Path: "issuer.key", Kind: "text"},
	}
}

// line is one row filled in.
type line struct{ Label, Value string }

// result is a Statement as the page shows it.
type result struct {
	Verdict           string
	Specimen          bool
	Reasons, Warnings []string
	Content, Issued   []line
	Rules             []ruled
	blank             bool // every part, empty: what the script clones
}

// ruled is what an acceptance rule says, in words.
type ruled struct{ Outcome, Text string }

// The verdicts of the page beside those of a statement: a certificate that is valid
// and not accepted must not look like one that is both.
const (
	notAccepted = "not-accepted"
	undecided   = "undecided"
)

// verdicts are all of the page's, for its templates.
func verdicts() []string {
	return []string{string(verify.Valid), string(verify.NotValid), string(verify.CannotTell), notAccepted, undecided}
}

func verdictOf(s verify.Statement) string {
	switch {
	case s.Verdict == verify.Valid && s.Accepted == rules.Failed:
		return notAccepted
	case s.Verdict == verify.Valid && s.Accepted == rules.Open:
		return undecided
	}
	return string(s.Verdict)
}

// choice is one of the rules that can be asked.
type choice struct{ Value, Name string }

// choices are the rules that can be asked, in the reader's language.
func (h *handler) choices(l *locale.Locale) []choice {
	out := []choice{{"", l.T("verify.rules.none")}, {rules.YellowFever, l.T("verify.rules.yellow-fever")}}
	for _, code := range h.Countries {
		name := code
		if c, ok := catalogue.FindCountry(code); ok {
			name = c.Name
		}
		out = append(out, choice{code, l.T("verify.rules.country", "country", name)})
	}
	return out
}

func blank(verdict string) result { return result{Verdict: verdict, Specimen: true, blank: true} }

// resultOf writes a Statement's lines, by way of its JSON as the script does.
func resultOf(l *locale.Locale, s verify.Statement) (result, error) {
	out := result{Verdict: verdictOf(s), Specimen: s.Specimen}
	for _, r := range s.Rules {
		out.Rules = append(out.Rules, ruled{l.T("rule." + string(r.Outcome)), r.Text})
	}
	for _, n := range s.Reasons {
		out.Reasons = append(out.Reasons, n.Text)
	}
	for _, n := range s.Warnings {
		out.Warnings = append(out.Warnings, n.Text)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return result{}, err
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		return result{}, err
	}
	for _, r := range rows() {
		if r.Group == "content" && s.Content == nil || r.Known && s.Issuer.ID == "" || r.Of != "" && r.Of != certified(root) {
			continue
		}
		value := write(l, r.Kind, find(root, r.Path))
		if value == "" && !r.Must {
			continue
		}
		if value == "" {
			value = l.T("result.missing")
		}
		if r.Group == "content" {
			out.Content = append(out.Content, line{l.T(r.Label), value})
		} else {
			out.Issued = append(out.Issued, line{l.T(r.Label), value})
		}
	}
	return out, nil
}

// certified is what a statement's content is about.
func certified(root map[string]any) string {
	for _, of := range []string{"test", "recovery"} {
		if find(root, "content."+of) != nil {
			return of
		}
	}
	return "vaccination"
}

func find(root map[string]any, paths string) any {
	for _, path := range strings.Split(paths, "|") {
		var v any = root
		for _, name := range strings.Split(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				v = nil
				break
			}
			v = m[name]
		}
		if v != nil && v != "" {
			return v
		}
	}
	return nil
}

// write makes the text of a value; "" when there is none or it is not of the
// kind.
func write(l *locale.Locale, kind string, v any) string {
	text, _ := v.(string)
	object, _ := v.(map[string]any)
	member := func(name string) string { s, _ := object[name].(string); return s }
	switch kind {
	case "coding":
		return l.Term(vaccination.Coding{Code: member("code"), Display: member("display")})
	case "date":
		d, err := vaccination.ParseDate(text)
		if err != nil || d.IsZero() {
			return ""
		}
		return l.Date(d)
	case "time":
		t, err := time.Parse(time.RFC3339, text)
		if err != nil || t.IsZero() {
			return ""
		}
		return l.UTC(t)
	case "dose":
		number := func(name string) int {
			n, _ := object[name].(float64)
			return int(n)
		}
		switch dose, total := number("dose"), number("totalDoses"); {
		case dose <= 0:
			return ""
		case total < dose: // not known, or a dose beyond the schedule
			return l.T("dose.text", "dose", strconv.Itoa(dose))
		default:
			return l.T("dose.of", "dose", strconv.Itoa(dose), "total", strconv.Itoa(total))
		}
	case "sex", "status":
		if key := kind + "." + text; text != "" && l.Has(key) {
			return l.T(key)
		}
		return text
	default:
		return text
	}
}

// config is what the page's script needs: where things are, the texts and the
// table of rows.
type config struct {
	Lang    string `json:"lang"`
	Wasm    string `json:"wasm"`
	Exec    string `json:"exec"`
	Trust   string `json:"trust"`
	Reader  string `json:"reader"`
	ReadWas string `json:"readerWasm"`
	Rules   string `json:"rules"` // of countries; "" where there are none
	PDF     string `json:"pdf"`
	PDFWork string `json:"pdfWorker"`
	Worker  string `json:"worker"`
	// Languages are those the page is kept in, for when there is no network.
	Languages []string `json:"languages"`
	// MaxAge is how old a state may be, milliseconds.
	MaxAge  int64             `json:"maxStatusAge"`
	MaxFile int               `json:"maxFile"`
	Rows    []row             `json:"rows"`
	Texts   map[string]string `json:"texts"`
}

func (h *handler) config(v page.View) config {
	countries := ""
	if len(h.Countries) > 0 {
		countries = RulesPath
	}
	return config{
		Rules: countries,
		Lang:  v.L.Tag, Trust: h.TrustURL, MaxFile: MaxFile, Rows: rows(),
		Wasm: v.Asset("verifier.wasm"), Exec: v.Asset("wasm_exec.js"),
		Reader: v.Asset("reader.js"), ReadWas: v.Asset("reader.wasm"),
		Worker: v.Asset(assets.Worker), Languages: h.Frame.Languages(), MaxAge: h.MaxStatusAge.Milliseconds(),
		PDF: v.Asset("pdf.mjs"), PDFWork: v.Asset("pdf.worker.mjs"),
		Texts: v.L.Texts("verify.", "result.", "row.", "rule.", "term.", "dose.", "sex.", "status.", "month.", "date.", "error.prefix", "error.summary"),
	}
}

// role makes a screen reader say the verdict: at once when it is a refusal.
func role(verdict string) string {
	if verdict == "valid" {
		return "status"
	}
	return "alert"
}

func describedBy(faults []page.Fault) string {
	if page.Message(faults, "file") != "" {
		return "file-hint file-error"
	}
	return "file-hint"
}
