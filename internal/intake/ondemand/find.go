package ondemand

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// record is one person that was found: in a source, or in our copy.
type record struct {
	source   string
	arrival  *intake.Arrival // nil for our copy
	code     string          // enrolment code
	person   vaccination.Person
	contacts []string
	doses    []vaccination.Dose // that are complete
	partial  bool               // some dose is not
	copyOf   time.Time          // of our copy
	copies   []string           // certificates of our copy
}

// found are the people with a number. down says that a source could not be
// asked, so that there may be more.
func (s *Service) found(ctx context.Context, kind string, id profile.Identity) (records []record, down bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	sources, err := s.Intake.OfKind(ctx, s.Kind)
	if err != nil {
		return nil, false, err
	}
	for _, src := range sources {
		arrivals, err := s.Finder.Find(ctx, src, kind, id.Forms)
		if err != nil {
			var told *vaccination.Error
			if !errors.As(err, &told) {
				return nil, false, err
			}
			// Whoever asks hears that it cannot be reached; why is for us.
			s.Log.Warn("on demand: a source was not asked", slog.String("source", src.Name), slog.String("error", err.Error()))
			down = true
			continue
		}
		for _, a := range arrivals {
			r, err := s.read(src, a)
			if err != nil {
				return nil, false, err
			}
			records = append(records, r...)
		}
	}
	return records, down || len(sources) == 0, nil
}

// read is who stands in an arrival.
func (s *Service) read(src intake.Source, a intake.Arrival) ([]record, error) {
	reading, err := s.Reader.Read(a, src.Mapping)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, p := range reading.Fragments {
		if p.Kind != intake.PersonFragment || p.Deleted {
			continue
		}
		in := mapping.Input{Source: src.Name, PersonID: p.ID, Person: p.Fields}
		who := src.Mapping.Who(in)
		r := record{source: src.Name, arrival: &a, code: who.EnrolmentCode, person: who.Person, contacts: who.Contacts}
		for _, d := range reading.Fragments {
			if d.Kind != intake.DoseFragment || d.Person != p.ID || d.Deleted {
				continue
			}
			in.Stage, in.Status, in.Dose = d.Stage, d.Status, d.Fields
			switch o := src.Mapping.Event(in); {
			case o.Skip != "":
			case len(o.Problems) > 0:
				r.partial = true
			default:
				r.doses = append(r.doses, o.Event.Vaccination)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// copies are the people of whom we have certificates, for when a source cannot
// be asked.
func (s *Service) copies(ctx context.Context, kind string, id profile.Identity) ([]record, error) {
	if kind == SystemID {
		return nil, nil // the source's own number is not kept
	}
	holders, err := s.Issuance.Holders(ctx, caller(), id.Forms, "on-demand")
	if err != nil {
		return nil, err
	}
	var out []record
	for _, h := range holders {
		r := record{source: h.Source, code: h.EnrolmentCode, person: h.Person, contacts: h.Contacts, copyOf: h.Updated}
		for _, c := range h.Records {
			r.doses = append(r.doses, c.Certificate.Vaccination)
			r.copies = append(r.copies, c.ID.String())
		}
		out = append(out, r)
	}
	return out, nil
}

// phone is the number of the record that can get a message, "" for none.
func (s *Service) phone(r record) string {
	for _, c := range r.contacts {
		if text, ok := strings.CutPrefix(c, "tel:"); ok {
			if number, err := s.Issuance.Profile.Phone(text); err == nil {
				return number
			}
		}
	}
	return ""
}

// factor is what must be given beside the code, and what is right. The birth
// date proves nothing where the typed number tells it, and nothing can be asked
// where the record does not know it to the day.
func (s *Service) factor(r record, id profile.Identity) (name string, right []string) {
	birth := r.person.BirthDate
	if !id.BirthDate.IsZero() {
		birth = vaccination.Date{}
	}
	return s.Issuance.Factor(birth, r.doses)
}
