package admin_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/admin"
	"github.com/opendivoc/divoc/vaccination"
)

// TestWhoMayOpenWhichPage asks for every page as everybody.
func TestWhoMayOpenWhichPage(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1").String()
	if err := w.intake.Create(t.Context(), access.System("test"), intake.NewSource{Name: "hq", Kind: intake.CommCare, Mapping: mapping}); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("/certificates/{id}/{act}", "/certificates/"+id+"/revoke", "/certificates/{id}", "/certificates/"+id, "{source}/{act}", "hq/test", "{source}", "hq",
		"{name}", "standard", "{version}", "1", "{sample}", "0", "{item}", "1024", "{act}", "rotate", "{decision}", "refuse", "{ticket}", "0000-0000-0000", "{n}", "1", "{code}", "NONE", "{id}", "1")
	// Which of anna, ben, facility, desk and auditor: 1 may.
	law := map[string]string{
		"": "11101", "/certificates": "11000", "/cases": "11000", "/withdrawals": "11000", "/sources": "11000", "/holds": "11000", "/likenesses": "11000", "/uploads": "10000", "/places": "11000", "/messages": "11000", "/staff": "10100", "/programmes": "11000", "/layouts": "11000", "/keys": "10000", "/settings": "10000",
	}
	people := []string{"anna", "ben", "facility", "desk", "auditor"}
	for _, pattern := range w.routes {
		method, path, _ := strings.Cut(pattern, " ")
		section := ""
		if rest := strings.TrimPrefix(path, admin.Path); rest != "" {
			section = "/" + strings.Split(rest, "/")[1]
		}
		for i, as := range append(people, "") {
			var form url.Values
			if method == http.MethodPost {
				form = url.Values{}
			}
			got := w.ask(as, fill.Replace(path), form)
			switch {
			case as == "" && (got.status != http.StatusSeeOther || got.header.Get("Location") != "/sign-in"):
				t.Errorf("%s by nobody: %d %s", pattern, got.status, got.header.Get("Location"))
			case as == "":
			case law[section] == "":
				t.Fatalf("nobody said who may ask %s", pattern)
			case law[section][i] == '0' && got.status != http.StatusForbidden:
				t.Errorf("%s by %s: %d", pattern, as, got.status)
			case law[section][i] == '1' && (got.status == http.StatusForbidden || got.status >= 500):
				t.Errorf("%s by %s: %d %.300s", pattern, as, got.status, words(got.text))
			}
			if c := got.header.Get("Cache-Control"); as != "" && c != "no-store" && got.status < 400 {
				t.Errorf("%s by %s: Cache-Control %q", pattern, as, c)
			}
		}
		if method == http.MethodPost {
			if got := w.ask("anna", fill.Replace(path), url.Values{}, "Sec-Fetch-Site", "cross-site"); got.status != http.StatusForbidden {
				t.Errorf("%s from another site: %d", pattern, got.status)
			}
		}
	}
	if n := w.count("SELECT count(*) FROM certificate WHERE status > 0"); n != 0 {
		t.Errorf("%d certificates were changed", n)
	}
}

const mapping = `
person: {name: case_name, birthDate: dob}
dose: {number: dose_number, product: vaccine, date: date_given}
`

func TestACertificateIsFoundSeenAndChanged(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1")
	w.issue("B", "Other Person", "PF1")
	at := admin.Path + "/certificates/" + id.String()

	w.ask("ben", admin.Path+"/certificates", nil).is(t, 200, "Find a certificate")
	for name, form := range map[string]url.Values{
		"by enrolment code": form("code", "A"),
		"by name":           form("born-day", "21", "born-month", "4", "born-year", "1987", "name", "marcia"),
	} {
		got := w.ask("ben", admin.Path+"/certificates", form).is(t, 200, "Marcia Campbell", "21 April 1987")
		if strings.Contains(got.text, "Other Person") || !strings.Contains(got.text, at) {
			t.Errorf("%s: %s", name, words(got.text))
		}
	}
	w.ask("ben", admin.Path+"/certificates", form("mobile", "876 555 0142")).is(t, 200, "Marcia Campbell", "Other Person")
	w.ask("ben", admin.Path+"/certificates", form("code", "nobody")).is(t, 200, "Nobody was found")
	w.ask("ben", admin.Path+"/certificates", form()).is(t, 422)
	w.ask("ben", admin.Path+"/certificates", form("certificate", "x")).is(t, 422, "24 letters")
	if got := w.ask("ben", admin.Path+"/certificates", form("certificate", id.String())).is(t, 200, "Falmouth Health Centre"); got.path != at {
		t.Errorf("by its number: %s", got.path)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'search' AND actor = 'staff:2'"); n != 4 {
		t.Errorf("%d searches are recorded", n)
	}

	w.ask("ben", at+"/suspend", form("reason", "")).is(t, 422, "Say why")
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "31", "until-month", "2", "until-year", "2027")).is(t, 422, "no date")
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "1", "until-month", "1", "until-year", "2020")).is(t, 422)
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "24", "until-month", "11", "until-year", "2026")).is(t, 200, "The certificate is suspended", "Suspended", "25 November 2026")
	w.ask("ben", at+"/correct", nil).is(t, 200, "This cannot be done")
	w.ask("ben", at+"/lift", form("reason", "was right")).is(t, 200, "valid again")
	w.ask("ben", at+"/revoke", nil).is(t, 200, "cannot be undone")
	revoked := w.ask("ben", at+"/revoke", form("reason", "never given")).is(t, 200, "is revoked", "never given", "staff:2", "token:1 clinic")
	if strings.Contains(revoked.text, at+"/revoke") || !strings.Contains(revoked.text, at+"/reissue") {
		t.Error("the ways on are not those of its state")
	}
	w.ask("ben", at+"/suspend", form("reason", "x")).is(t, 422)
	again := w.ask("ben", at+"/reissue", form("reason", "was given")).is(t, 200, "issued again", "Version", "2")
	if again.path == at {
		t.Error("the page is the old one's")
	}
	w.ask("ben", at+"/burn", form("reason", "x")).is(t, 404)
	w.ask("ben", admin.Path+"/certificates/nonsense", nil).is(t, 404)
	if strings.Contains(w.log.String(), "Marcia") {
		t.Error("a name is in the log")
	}
}

func TestACorrectionIsSeenBeforeItIsIssued(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1")
	at := admin.Path + "/certificates/" + id.String() + "/correct"
	page := w.ask("ben", at, nil).is(t, 200)
	all := form()
	for _, m := range regexp.MustCompile(`<input[^>]*\sid="([a-z]+)" name="[a-z]+" type="text" value="([^"]*)"`).FindAllStringSubmatch(page.text, -1) {
		all.Set(m[1], m[2])
	}
	if all.Get("lot") != "PF1" || all.Get("born") != "1987-04-21" {
		t.Fatalf("the form holds %v", all)
	}
	all.Set("product", "comirnaty")
	with := func(pairs ...string) url.Values {
		v := url.Values{}
		for k, x := range all {
			v[k] = x
		}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	w.ask("ben", at, with("step", "preview")).is(t, 200, "Nothing changes")
	w.ask("ben", at, with("step", "preview", "lot", "PF2")).is(t, 200, "What changes", "PF1", "PF2", "Issue the corrected certificate")
	w.ask("ben", at, with("step", "preview", "date", "2021-13-01")).is(t, 422, "cannot be read")
	if got := w.ask("ben", at, with("step", "preview", "born", "2199-01-01")).is(t, 422); strings.Contains(got.text, "Issue the corrected") {
		t.Error("what is wrong can be sent")
	}
	w.ask("ben", at, with("lot", "PF2", "reason", "a slip")).is(t, 200, "What changes") // not seen: no version
	w.ask("ben", at, with("lot", "PF2", "version", id.String())).is(t, 422, "Say why", "What changes", "Issue the corrected certificate")
	if n := w.count("SELECT count(*) FROM certificate"); n != 1 {
		t.Fatalf("%d certificates before it was seen", n)
	}
	both := with("name", "Marsha Campbell", "born", "1988-04-21", "version", id.String(), "reason", "x")
	w.ask("ben", at, both).is(t, 422, "two people")
	for range 2 { // the form comes twice
		w.ask("ben", at, with("lot", "PF2", "version", id.String(), "reason", "a slip"))
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != 2 {
		t.Errorf("%d certificates", n)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'correct' AND detail = 'a slip'"); n != 1 {
		t.Errorf("the reason is recorded %d times", n)
	}
	// The name now, the birth date next: together it is two people's to say.
	next := func(pairs ...string) (reply, vaccination.CertificateID) {
		var raw []byte
		if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT id FROM certificate WHERE status = 0").Scan(&raw); err != nil {
			t.Fatal(err)
		}
		now := vaccination.CertificateID(raw)
		return w.ask("ben", admin.Path+"/certificates/"+now.String()+"/correct", with(append(pairs, "version", now.String(), "reason", "x")...)), now
	}
	got, _ := next("lot", "PF2", "name", "Marsha Campbell")
	got.is(t, 200, "is issued")
	got, _ = next("lot", "PF2", "name", "Marsha Campbell", "born", "1988-04-21")
	got.is(t, 422, "within a month")
	w.house.Pass(31 * 24 * time.Hour)
	got, _ = next("lot", "PF2", "name", "Marsha Campbell", "born", "1988-04-21")
	got.is(t, 200, "is issued")
}

func TestManyAreWithdrawnByTwoPeople(t *testing.T) {
	w := newWorld(t)
	a, b := w.issue("A", "Marcia Campbell", "PF1"), w.issue("B", "Other Person", "PF2")
	new := admin.Path + "/withdrawals"
	w.ask("ben", new+"/new", nil).is(t, 200, "Begin a withdrawal")
	for _, path := range []string{new + "/new", new} {
		var f url.Values
		if path == new {
			f = form("act", "revoke", "reason", "x", "lot", "PF1", "once", "1")
		}
		if got := w.ask("stale", path, f); got.status != 303 || got.header.Get("Location") != "/sign-in/again" {
			t.Errorf("%s without proof: %d", path, got.status)
		}
	}
	w.ask("ben", new, form("act", "revoke", "reason", "x", "once", "2")).is(t, 422, "say which")
	w.ask("ben", new, form("act", "revoke", "reason", "x", "once", "3", "ids", a.String()+"\nnonsense1")).is(t, 422, "Line 2")
	asked := w.ask("ben", new, form("act", "revoke", "reason", "a recalled batch", "once", "4", "ids", "certificate\n"+a.String()+",x\n"+a.String())).is(t, 200, "being searched")
	if err := w.bulk.ProcessAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ask("ben", asked.path, nil).is(t, 200, "Somebody else has to approve", a.String())
	w.ask("ben", asked.path+"/approve", form("found", "1")).is(t, 422, "somebody else")
	w.ask("stale", asked.path+"/approve", form("found", "1")).is(t, 303)
	w.ask("anna", asked.path+"/approve", form("found", "2")).is(t, 422)
	w.ask("anna", asked.path+"/burn", form()).is(t, 404)
	w.ask("anna", asked.path+"/approve", form("found", "1")).is(t, 200, "approved")
	if err := w.bulk.ProcessAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ask("anna", asked.path, nil).is(t, 200, "Done", "staff:2", "staff:1", "Revoked")
	file := w.ask("anna", asked.path+"?format=csv", nil)
	if !strings.Contains(file.text, a.String()+",Revoked") || strings.Contains(file.text, b.String()) {
		t.Errorf("the file:\n%s", file.text)
	}

	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for k, v := range map[string]string{"act": "suspend", "reason": "looked at", "once": "5"} {
		_ = m.WriteField(k, v)
	}
	part, err := m.CreateFormFile("file", "list.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(part, "\xef\xbb\xbfcertificate,name\r\n%s,\"x\"\r\n", b)
	_ = m.Close()
	w.send("anna", http.MethodPost, new, &body, "Content-Type", m.FormDataContentType()).is(t, 200, "being searched")
	w.ask("anna", new, nil).is(t, 200, "a recalled batch", "looked at")
}

func TestToday(t *testing.T) {
	w := newWorld(t)
	w.issue("A", "Marcia Campbell", "PF1")
	err := registry.Count(t.Context(), w.house.Store.Read(), w.house.Now(), registry.Counted{Kind: registry.CountIssued, Facility: `=HYPERLINK("http://example.org")`, Product: "<script>", Source: "@x", N: 3})
	if err != nil {
		t.Fatal(err)
	}
	got := w.ask("anna", admin.Path, nil).is(t, 200, "Today", "Issued 4", "Falmouth Health Centre", "Comirnaty")
	if strings.Contains(got.text, "<script>=") || strings.Contains(got.text, "<script>\n") || !strings.Contains(got.text, "&lt;script&gt;") {
		t.Error("a name is a part of the page")
	}
	if strings.Contains(got.text, "style=") {
		t.Error("styles in the page, which the policy refuses")
	}
	for _, of := range []string{"hours", "facilities", "products", "sources"} {
		file := w.ask("anna", admin.Path+"?format=csv&of="+of, nil).is(t, 200)
		if !strings.HasPrefix(file.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(file.text, "\xef\xbb\xbf") {
			t.Errorf("%s: %s", of, file.header.Get("Content-Type"))
		}
		for _, line := range strings.Split(strings.TrimPrefix(file.text, "\xef\xbb\xbf"), "\n") {
			if cell := strings.TrimLeft(line, `"`); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%s: a spreadsheet runs %s", of, line)
			}
		}
	}
	w.ask("anna", admin.Path+"?format=csv&of=none", nil).is(t, 404)
	w.ask("anna", admin.Path+"?day=2026-11-21", nil).is(t, 200, "What happened from 21 November 2026", "Issued 0")
	w.ask("anna", admin.Path+"?days=31", nil).is(t, 200, "Issued 4", "by day")
	w.ask("anna", admin.Path+"?day=x&days=-1&programme=%27", nil).is(t, 200, "Issued 0")
}

func TestFacilities(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/places"
	w.ask("ben", at+"/new", form("code", "", "name", "")).is(t, 422, "has a code", "has a name")
	w.ask("ben", at+"/new", form("code", "a/b", "name", "x")).is(t, 422)
	w.ask("ben", at+"/new", form("code", "FAL", "name", "Falmouth Health Centre", "district", "Trelawny", "status", "active")).is(t, 200, "is saved", "Falmouth")
	send := func(table string) reply {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		part, err := m.CreateFormFile("file", "places.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(table))
		_ = m.Close()
		return w.send("ben", http.MethodPost, at, &body, "Content-Type", m.FormDataContentType())
	}
	send("facilityCode\nX\n").is(t, 422, "facilityName is missing")
	send("facilityCode,facilityName\nX,\nY,y\n").is(t, 422, "row 1", "has a name")
	send("facilityCode,facilityName\nX,x\nX,y\n").is(t, 422, "row 2", "twice")
	if n := w.count("SELECT count(*) FROM place"); n != 1 {
		t.Errorf("%d places after wrong tables", n)
	}
	send("\xef\xbb\xbffacilityName,facilityCode,status\r\n'=1+1,KGN,Active\r\nFalmouth Health Centre,FAL,Inactive\r\n").is(t, 200, "2 rows read, 2 changed")
	file := w.ask("ben", at+"?format=csv", nil).is(t, 200)
	if !strings.Contains(file.text, "KGN,'=1+1,") {
		t.Errorf("the file:\n%s", file.text)
	}
	send(file.text).is(t, 200, "2 rows read, 0 changed") // a file comes back as it went
	if list := w.ask("ben", at, nil).is(t, 200); strings.Contains(list.text, "Falmouth") {
		t.Error("a closed place is listed")
	}
	w.ask("ben", at+"?all=1&search=falm", nil).is(t, 200, "Falmouth", "Not active")
	w.ask("ben", at+"/FAL", nil).is(t, 200, "Falmouth")
	w.ask("ben", at+"/NONE", nil).is(t, 404)
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'place'"); n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestKeysNeedProofAndCare(t *testing.T) {
	w := newWorld(t)
	before := w.house.Keys.List()
	if got := w.ask("stale", admin.Path+"/keys/rotate", form("set", "signing")); got.header.Get("Location") != "/sign-in/again" {
		t.Errorf("without proof: %d", got.status)
	}
	w.ask("anna", admin.Path+"/keys/rotate", form("set", "everything")).is(t, 422)
	w.ask("anna", admin.Path+"/keys/retire", form("key", before[0].ID, "sure", "x")).is(t, 422, "not the first five")
	w.ask("anna", admin.Path+"/keys/retire", form("key", "none", "sure", "none")).is(t, 422)
	if n := len(w.house.Keys.List()); n != len(before) {
		t.Fatalf("%d keys", n)
	}
	w.ask("anna", admin.Path+"/keys/rotate", form("set", "document")).is(t, 200, "There are new keys")
	if n := len(w.house.Keys.List()); n != len(before)+1 {
		t.Errorf("%d keys", n)
	}
	old := before[slices.IndexFunc(before, func(k keyring.Info) bool { return k.Kind == "document" })]
	w.ask("anna", admin.Path+"/keys/retire", form("key", old.ID, "sure", old.ID[:5])).is(t, 200, "is retired")
	if n := w.count("SELECT count(*) FROM audit WHERE act IN ('keys.rotate', 'keys.retire') AND actor = 'staff:1'"); n != 2 {
		t.Errorf("%d entries", n)
	}
}

func TestUploads(t *testing.T) {
	w := newWorld(t)
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("dates", "DMY")
	part, err := m.CreateFormFile("file", "list.json")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, `[{"enrolmentCode":"X"}]`)
	_ = m.Close()
	got := w.send("anna", http.MethodPost, admin.Path+"/uploads", &body, "Content-Type", m.FormDataContentType()).is(t, 200, "list.json", "Being read")
	w.send("anna", http.MethodPost, admin.Path+"/uploads", strings.NewReader("x"), "Content-Type", "text/plain").is(t, 422, "Choose a file")
	w.ask("anna", admin.Path+"/uploads", nil).is(t, 200, "list.json")
	w.ask("anna", got.path, nil).is(t, 200)
	w.ask("anna", admin.Path+"/uploads/99", nil).is(t, 404)
}
