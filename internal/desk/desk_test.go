package desk_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/vaccination"
)

func TestWhatAPersonIsFoundBy(t *testing.T) {
	w := newWorld(t)
	ids := w.issue(
		event("JM-000001", "Shanice Alicia Brown-Campbell", "1987-04-21", "+18765550142"),
		event("JM-000002", "Oliver Brown", "1987-04-21", "+18765550143"),
		event("JM-000003", "Marcia Reid", "1987-04-21", ""),
	)
	r, err := w.house.Service.ByID(t.Context(), w.house.Admin, ids[1], "test")
	if err != nil {
		t.Fatal(err)
	}
	by := clerk(1, "KGN01")
	for name, c := range map[string]struct {
		q     desk.Question
		how   desk.How
		found int
	}{
		"a mobile number of ten digits":     {desk.Question{Text: "876 555 0142"}, desk.ByMobile, 1},
		"an enrolment code":                 {desk.Question{Text: "JM-000003"}, desk.ByCode, 1},
		"a code that nobody has":            {desk.Question{Text: "JM-999999"}, desk.ByCode, 0},
		"a date with a name beginning":      {desk.Question{BirthDate: date("1987-04-21"), Name: "bro"}, desk.ByBirthDate, 2},
		"a date with a second name":         {desk.Question{BirthDate: date("1987-04-21"), Name: "camp"}, desk.ByBirthDate, 1},
		"a date with a place":               {desk.Question{BirthDate: date("1987-04-21"), Centre: "saint jago"}, desk.ByBirthDate, 3},
		"a date with another place":         {desk.Question{BirthDate: date("1987-04-21"), Centre: "Kingston"}, desk.ByBirthDate, 0},
		"a date with the middle of a name":  {desk.Question{BirthDate: date("1987-04-21"), Name: "liver"}, desk.ByBirthDate, 0},
		"a certificate's number as printed": {desk.Question{Text: ids[0].UVCI("JM")}, desk.ByCertificate, 1},
		"its barcode, with a line end":      {desk.Question{Text: ids[0].UVCI("JM") + "\r\n"}, desk.ByCertificate, 1},
		"a scanned code":                    {desk.Question{Text: r.Code}, desk.ByScan, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := w.search(by, c.q)
			if found.How != c.how || len(found.Matches) != c.found || found.More {
				t.Errorf("%+v", found)
			}
			for _, m := range found.Matches {
				if len(m.CodeEnd) != 4 || strings.Contains(m.Initials, "rown") || m.BirthYear != 1987 {
					t.Errorf("not masked: %+v", m)
				}
			}
		})
	}
}

func TestWhatIsNotEnoughToSearchBy(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	foreign := other.issue(event("JM-1", "Oliver Brown", "1987-04-21", ""))
	r, err := other.house.Service.ByID(t.Context(), other.house.Admin, foreign[0], "test")
	if err != nil {
		t.Fatal(err)
	}
	id := w.issue(event("JM-1", "Oliver Brown", "1987-04-21", ""))[0]
	uvci := id.UVCI("JM")
	for name, c := range map[string]struct {
		q    desk.Question
		code string
	}{
		"nothing":                               {desk.Question{}, "empty"},
		"a date of birth alone":                 {desk.Question{BirthDate: date("1987-04-21")}, "more"},
		"one letter of a name":                  {desk.Question{BirthDate: date("1987-04-21"), Name: "B"}, "more"},
		"two letters of a place":                {desk.Question{BirthDate: date("1987-04-21"), Centre: "Sa"}, "more"},
		"a name alone":                          {desk.Question{Name: "Brown"}, "birth-date"},
		"a year of birth":                       {desk.Question{BirthDate: date("1987"), Name: "Brown"}, "birth-date"},
		"a wrong check character":               {desk.Question{Text: strings.TrimSuffix(uvci, uvci[len(uvci)-1:]) + "*"}, "foreign"},
		"a code that another house signed":      {desk.Question{Text: r.Code}, "foreign"},
		"a code that was made up":               {desk.Question{Text: "HC1:6BFOXN"}, "foreign"},
		"a text of five thousand characters":    {desk.Question{Text: strings.Repeat("A", 5000)}, "too-long"},
		"a code of a hundred characters":        {desk.Question{Text: strings.Repeat("A", 100)}, "too-long"},
		"a document that says it is somebody's": {desk.Question{Text: `{"id":"` + uvci + `"}`}, "foreign"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.Search(t.Context(), clerk(1, "KGN01"), c.q)
			var e *vaccination.Error
			if !errors.As(err, &e) || e.Code != vaccination.Invalid || len(e.Faults) != 1 || e.Faults[0].Code != c.code {
				t.Errorf("%v", err)
			}
		})
	}
	if n := w.count(desk.ActSearch); n != 0 {
		t.Errorf("%d searches that were none are recorded", n)
	}
}

func TestMoreThanTenAreNotShown(t *testing.T) {
	w := newWorld(t)
	var events []vaccination.Event
	for i := range 12 {
		events = append(events, event("JM-"+string(rune('A'+i)), "Brown Person", "1987-04-21", ""))
	}
	w.issue(events...)
	_, found := w.search(clerk(1, "KGN01"), desk.Question{BirthDate: date("1987-04-21"), Name: "Brown"})
	if len(found.Matches) != 10 || !found.More {
		t.Errorf("%d found, more %t", len(found.Matches), found.More)
	}
}

func TestARecordOpensWithASecondFact(t *testing.T) {
	w := newWorld(t)
	e := event("JM-000001", "Shanice Brown", "1987-04-21", "+18765550142")
	e.Person.Identifier = vaccination.Identifier{Kind: "passport", Value: "A 1234567"}
	w.issue(e)
	phone := desk.Question{Text: "8765550142"}
	birth := desk.Question{BirthDate: date("1987-04-21"), Name: "Sh"}
	code := desk.Question{Text: "JM-000001"}
	for name, c := range map[string]struct {
		q           desk.Question
		fact, value string
		want        vaccination.Code
	}{
		"the birth date after the number":         {phone, desk.FactBirthDate, "1987-04-21", ""},
		"the document in another spelling":        {phone, desk.FactIdentity, "a-1234567", ""},
		"the end of the number after the birth":   {birth, desk.FactMobileEnd, "0142", ""},
		"the code after the birth":                {birth, desk.FactCode, "JM-000001", ""},
		"the birth date after the code":           {code, desk.FactBirthDate, "1987-04-21", ""},
		"another birth date":                      {phone, desk.FactBirthDate, "1987-04-22", vaccination.Forbidden},
		"the year alone":                          {phone, desk.FactBirthDate, "1987", vaccination.Forbidden},
		"nothing":                                 {phone, desk.FactBirthDate, "", vaccination.Forbidden},
		"no fact":                                 {phone, "", "1987-04-21", vaccination.Forbidden},
		"the number by which they were found":     {phone, desk.FactMobileEnd, "0142", vaccination.Forbidden},
		"the birth date by which they were found": {birth, desk.FactBirthDate, "1987-04-21", vaccination.Forbidden},
		"the code by which they were found":       {code, desk.FactCode, "JM-000001", vaccination.Forbidden},
		"the end of another number":               {birth, desk.FactMobileEnd, "0143", vaccination.Forbidden},
		"the whole number":                        {birth, desk.FactMobileEnd, "+18765550142", vaccination.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			by := clerk(len(name), "KGN01")
			search, found := w.search(by, c.q)
			record, err := w.Open(t.Context(), by, search, found.Matches[0].ID, c.fact, c.value, "")
			is(t, err, c.want)
			if c.want == "" {
				if _, h, err := w.Record(t.Context(), by, record); err != nil || h.Person.Name != "Shanice Brown" || len(h.Records) != 1 {
					t.Errorf("%+v, %v", h, err)
				}
			}
		})
	}
}

func TestThreeWrongFactsEndASearch(t *testing.T) {
	w := newWorld(t)
	w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", "+18765550142"))
	by := clerk(1, "KGN01")
	search, found := w.search(by, desk.Question{Text: "8765550142"})
	open := func(value string) error {
		_, err := w.Open(t.Context(), by, search, found.Matches[0].ID, desk.FactBirthDate, value, "")
		return err
	}
	is(t, open("1987-04-21"), "") // a right one takes no try
	is(t, open("1987-04-21"), "")
	// Guesses at once get no more than guesses one by one.
	var wg sync.WaitGroup
	codes := make([]vaccination.Code, 12)
	for i := range codes {
		wg.Go(func() { codes[i] = vaccination.ErrorCode(open("1987-01-01")) })
	}
	wg.Wait()
	wrong := 0
	for _, c := range codes {
		if c == vaccination.Forbidden {
			wrong++
		} else if c != vaccination.NotFound {
			t.Errorf("%s", c)
		}
	}
	if wrong != 3 {
		t.Errorf("%d guesses were looked at", wrong)
	}
	is(t, open("1987-04-21"), vaccination.NotFound)
	if n := w.count(desk.ActRefused); n != 3 {
		t.Errorf("%d wrong facts in the audit", n)
	}
	// A new search begins anew, up to the bound of a day.
	for range 6 {
		search, found = w.search(by, desk.Question{Text: "8765550142", Reason: "training"})
		for range 3 {
			_ = open("1987-01-02")
		}
	}
	search, found = "", desk.Found{}
	_, _, err := w.Search(t.Context(), by, desk.Question{Text: "8765550142", Reason: "training"})
	is(t, err, vaccination.TooMany)
	w.house.Pass(24 * time.Hour)
	w.search(by, desk.Question{Text: "8765550142"})
}

func TestAReasonIsAskedOfWhoBrowses(t *testing.T) {
	w := newWorld(t)
	var events []vaccination.Event
	for i := range 30 {
		events = append(events, event(fmt.Sprintf("JM-%06d", i), "Shanice Brown", "1987-04-21", ""))
	}
	ids := w.issue(events...)
	by, busy, id := clerk(1, "KGN01"), clerk(2, "KGN01"), ids[0]
	open := func(by access.Caller, reason string) (string, error) {
		search, found, err := w.Search(t.Context(), by, desk.Question{Text: id.UVCI("JM"), Reason: reason})
		if err != nil {
			return "", err
		}
		return w.Open(t.Context(), by, search, found.Matches[0].ID, "", "", reason)
	}
	for i := range 30 {
		id = ids[i]
		record, err := open(busy, "")
		if err != nil {
			t.Fatalf("who prints is asked after %d: %v", i, err)
		}
		if _, err := w.Print(t.Context(), busy, record, desk.Order{Act: w.act(), Certificates: []vaccination.CertificateID{id}, Size: "a4"}); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for i := range 20 {
		if _, err := open(by, ""); errors.Is(err, desk.ErrReason) {
			asked = i
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if asked != 15 {
		t.Errorf("asked after %d", asked)
	}
	if _, err := open(by, "training"); err != nil {
		t.Errorf("with a reason: %v", err)
	}
	_, err := open(by, "because")
	is(t, err, vaccination.Invalid)
	var detail string
	if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT detail FROM audit WHERE act = 'desk.open' AND actor = 'staff:1' ORDER BY chain, seq DESC LIMIT 1").Scan(&detail); err != nil || detail != "by certificate, reason training" {
		t.Errorf("%q, %v", detail, err)
	}
}

func TestADraftIsItsOwnersAlone(t *testing.T) {
	w := newWorld(t)
	id := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", "+18765550142"))[0]
	mine, theirs := clerk(1, "KGN01"), clerk(2, "KGN01")
	search, found := w.search(mine, desk.Question{Text: "8765550142"})
	record := w.opened(mine, id)
	ctx := t.Context()
	_, err := w.Found(ctx, theirs, search)
	is(t, err, vaccination.NotFound)
	_, err = w.Open(ctx, theirs, search, found.Matches[0].ID, desk.FactBirthDate, "1987-04-21", "")
	is(t, err, vaccination.NotFound)
	_, _, err = w.Record(ctx, theirs, record)
	is(t, err, vaccination.NotFound)
	_, err = w.PreviewFile(ctx, theirs, record, id, "a4", nil)
	is(t, err, vaccination.NotFound)
	_, err = w.Print(ctx, theirs, record, desk.Order{Act: w.act(), Certificates: []vaccination.CertificateID{id}})
	is(t, err, vaccination.NotFound)
	for _, name := range []string{"", "x", search[:21], search + "A", strings.Repeat("A", 22), "../../../../../../etc/"} {
		_, _, err := w.Record(ctx, mine, name)
		is(t, err, vaccination.NotFound)
	}
	_, _, err = w.Record(ctx, mine, search) // a name of another kind
	is(t, err, vaccination.NotFound)
	// Another certificate than those found is not opened by a search.
	other := w.issue(event("JM-000002", "Oliver Brown", "1987-04-21", "+18765550143"))[0]
	_, err = w.Open(ctx, mine, search, other, desk.FactBirthDate, "1987-04-21", "")
	is(t, err, vaccination.NotFound)
	_, err = w.Print(ctx, mine, record, desk.Order{Act: w.act(), Certificates: []vaccination.CertificateID{other}})
	is(t, err, vaccination.NotFound)
	// It ends, and who signs out forgets it at once.
	w.house.Pass(31 * time.Minute)
	_, _, err = w.Record(ctx, mine, record)
	is(t, err, vaccination.NotFound)
	record = w.opened(mine, id)
	is(t, w.KeepForm(ctx, mine, w.act(), map[string]string{"name": "x"}), "")
	is(t, w.Forget(ctx, mine), "")
	_, _, err = w.Record(ctx, mine, record)
	is(t, err, vaccination.NotFound)
	var left int
	if err := w.house.Store.Pool().QueryRow(ctx, "SELECT count(*) FROM desk_draft WHERE actor = 'staff:1'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d drafts are left, %v", left, err)
	}
}

func TestNothingOfAPersonIsInClear(t *testing.T) {
	w := newWorld(t)
	id := w.issue(event("JM-SECRET-1", "Shanice Brown", "1987-04-21", "+18765550142"))[0]
	by := clerk(1, "KGN01")
	w.search(by, desk.Question{BirthDate: date("1987-04-21"), Name: "Shanice"})
	w.search(by, desk.Question{Text: "8765550142"})
	record := w.opened(by, id)
	if _, err := w.Print(t.Context(), by, record, desk.Order{Act: w.act(), Certificates: []vaccination.CertificateID{id}}); err != nil {
		t.Fatal(err)
	}
	is(t, w.KeepForm(t.Context(), by, w.act(), map[string]string{"name": "Shanice Brown"}), "")
	is(t, w.AddLater(t.Context(), by, []desk.Later{{Reference: "ABCD-1234", Text: "8765550142", At: w.house.Now()}}), "")
	for _, table := range []string{"audit", "desk_draft", "desk_day", "print", "print_counter"} {
		var all string
		if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT coalesce(string_agg(t::text, ' '), '') FROM "+table+" t").Scan(&all); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"Shanice", "Brown", "1987-04-21", "5550142", "JM-SECRET-1"} {
			if strings.Contains(all, secret) {
				t.Errorf("%s holds %s", table, secret)
			}
		}
	}
}

func TestWhoMayNotSearchFindsNothing(t *testing.T) {
	w := newWorld(t)
	id := w.issue(event("JM-000001", "Shanice Brown", "1987-04-21", ""))[0]
	for _, role := range []access.Role{access.Auditor, access.SourceRole, access.Recipient, access.Citizen, "", "root"} {
		by := access.Caller{Actor: "x", Role: role, Source: "s", Facility: "KGN01"}
		_, _, err := w.Search(t.Context(), by, desk.Question{Text: id.UVCI("JM")})
		is(t, err, vaccination.Forbidden)
		_, err = w.Print(t.Context(), by, w.act(), desk.Order{Act: w.act(), Certificates: []vaccination.CertificateID{id}})
		is(t, err, vaccination.Forbidden)
		_, _, err = w.Queue(t.Context(), by, 0)
		is(t, err, vaccination.Forbidden)
		_, err = w.Register(t.Context(), by, desk.Dose{Act: w.act(), Event: event("JM-2", "A B", "1987-04-21", "")})
		is(t, err, vaccination.Forbidden)
	}
}
