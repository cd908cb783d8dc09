package issuance

import (
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// programmeOf is the programme of an event: the one it names, else its source's,
// else the profile's. A test whose source delivers doses is of the only programme
// that certifies tests.
func (s *Service) programmeOf(e vaccination.Event, source string) (*profile.Programme, bool) {
	if e.Programme == "" && source != "" {
		if p, ok := s.Profile.Programme(source, ""); !e.IsTest() || ok && p.Tests {
			return p, ok
		}
	}
	return s.Profile.ProgrammeFor(e.Programme, e.IsTest())
}

// noTests says why no programme was found for a test that names none.
func noTests(p *profile.Profile) string {
	keys := slices.DeleteFunc(p.ProgrammeKeys(), func(key string) bool { return !p.Programmes[key].Tests })
	if len(keys) == 0 {
		return "no programme of this country certifies results of tests"
	}
	return "several programmes certify tests: name one of " + strings.Join(keys, ", ")
}

// wrongKind is the fault of a dose in a programme of tests, or the other way.
func wrongKind(p *profile.Programme, add func(path, code, message string)) {
	if p.Tests {
		add("test", "wrong-kind", "the programme "+p.Key+" certifies results of tests: send test in place of vaccination, or name another programme")
		return
	}
	add("test", "wrong-kind", "the programme "+p.Key+" certifies doses: send vaccination in place of test, or name a programme that certifies tests")
}

// resolveTest finds kind, result, device and country of a test and keeps only the
// keys of what it finds, as resolveDose does. A name of the pathogen that means
// what the programme is about says nothing more.
func (s *Service) resolveTest(e *vaccination.Event, add func(path, code, message string)) {
	t := &e.Test
	resolveTerm(&t.Type, catalogue.TestType, func() {
		add("test.type", "unknown", "no test of this kind is known: write NAAT (RT-PCR) or RAT")
	})
	resolveTerm(&t.Result, catalogue.TestResult, func() {
		add("test.result", "unknown", "write Positive, Negative, Inconclusive or Void")
	})
	resolveTerm(&t.Origin, catalogue.TestOrigin, nil) // another place is as it was said
	switch name := said(t.Pathogen); {
	case name == "" || catalogue.IsSARSCoV2(name):
		t.Pathogen = vaccination.Coding{}
	default:
		add("test.pathogen", "not-in-programme", "the programme certifies tests for COVID-19: write COVID-19, or leave it out")
	}
	if id := said(t.Manufacturer); catalogue.EUSet(id) == "device" {
		t.Manufacturer = vaccination.Coding{Code: id, System: vaccination.SystemEUDevice}
	}
	s.resolveCountry(&t.Country, "test.country", add)
	if t.Date.After(s.Now().Add(tellSkew)) {
		add("test.date", vaccination.FaultInFuture, "the sample was taken in the future")
	}
}

// said is what a source wrote where a coding is expected: a code, or words.
func said(c vaccination.Coding) string {
	if c.Code != "" {
		return c.Code
	}
	return c.Display
}

// resolveTerm keeps of a coding the key of the term that it means.
func resolveTerm(c *vaccination.Coding, find func(string) (catalogue.TestTerm, bool), unknown func()) {
	if said(*c) == "" {
		return
	}
	term, ok := find(said(*c))
	switch {
	case ok:
		*c = vaccination.Coding{Code: term.Key}
	case unknown != nil:
		unknown()
	}
}

// completeTest adds the codes of what resolveTest found.
func completeTest(t *vaccination.Test) {
	t.Pathogen = catalogue.SARSCoV2()
	for _, x := range []struct {
		c    *vaccination.Coding
		find func(string) (catalogue.TestTerm, bool)
	}{{&t.Type, catalogue.TestType}, {&t.Result, catalogue.TestResult}, {&t.Origin, catalogue.TestOrigin}} {
		if term, ok := x.find(x.c.Code); ok {
			*x.c = term.Coding()
		}
	}
	if t.Manufacturer.System == vaccination.SystemEUDevice && t.Manufacturer.Display == "" {
		t.Manufacturer.Display = catalogue.EUName(t.Manufacturer.Code)
	}
}

// number gives tests without a number that of their record: that of the test of
// the same sample, whichever version of it, also in the same call; else the next.
// Two callers with tests of one person may take one number; a unique constraint
// lets one of them in, and the other begins again. From here on the number is part
// of what was said.
func (s *Service) number(people map[string]*person, drafts []*Draft, errs []error) {
	given := map[*person][]*Draft{}
	for i, d := range drafts {
		if d == nil || errs[i] != nil || !d.said.IsTest() {
			continue
		}
		p := people[string(s.codeIndex(d.event.EnrolmentCode))]
		if d.said.Test.Number == 0 {
			n, err := s.numberOf(p, d, given[p])
			if err != nil {
				errs[i] = err
				continue
			}
			d.said.Test.Number, d.event.Test.Number = n, n
			d.written = written(d.said)
			d.content = s.contentHash(d.written)
		}
		given[p] = append(given[p], d)
	}
}

func (s *Service) numberOf(p *person, d *Draft, before []*Draft) (int, error) {
	highest := 0
	for _, o := range before {
		if o.programme != d.programme {
			continue
		}
		if o.said.Test.Same(d.said.Test) {
			return o.said.Test.Number, nil
		}
		highest = max(highest, o.said.Test.Number)
	}
	for _, v := range p.versions {
		if v.row.Programme != d.programme.Key {
			continue
		}
		e, err := s.eventOf(p, v)
		if err != nil {
			return 0, err
		}
		if e.Test.Same(d.said.Test) {
			return int(v.row.Dose), nil
		}
		highest = max(highest, int(v.row.Dose))
	}
	return highest + 1, nil
}

// inTime refuses to certify what would be over at once.
func (d *Draft) inTime(now time.Time) error {
	if !d.programme.Tests || d.outcome != Issued && d.outcome != Corrected || now.Before(testEnds(d.programme, d.event.Test)) {
		return nil
	}
	return &vaccination.Error{Code: vaccination.Invalid, Message: "the record has faults", Faults: []vaccination.Fault{
		{Path: "test.date", Code: vaccination.FaultTooOld, Message: "the sample was taken longer ago than a certificate of this programme counts"},
	}}
}

// testEnds is when a test's certificate ends.
func testEnds(p *profile.Programme, t vaccination.Test) time.Time {
	return t.Date.Add(time.Duration(p.ValidHours) * time.Hour)
}

// mayTest refuses to sign a test with a key whose signer certificate is for others:
// every verifier would refuse it.
func (s *Service) mayTest() error {
	if s.maySign(trust.Test) {
		return nil
	}
	return vaccination.Errorf(vaccination.Unavailable, "the signer certificate of the codes does not allow test results: whoever runs this system has to make a new one (divoc keys rotate --set signing), or, where another authority signs it, to import one that does")
}

// maySign reports whether the signer certificate of codes allows what is certified.
func (s *Service) maySign(what trust.Usage) bool {
	return (trust.Key{Usage: trust.CertificateUsage(s.Keys.QR().Certificate())}).Allows(what)
}
