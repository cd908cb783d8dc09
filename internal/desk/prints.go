package desk

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

// Print is one numbered print of a certificate.
type Print struct {
	Certificate vaccination.CertificateID
	Copy        int   // of this version of the certificate, from 1
	Serial      int64 // of all prints of the facility, from 1
	Facility    string
	At          time.Time
	Actor       string
	Size        render.Size
	Languages   []string
}

// Order is what to print.
type Order struct {
	// Act names the form it was asked for with ([Service.NewName]): what is sent
	// twice prints once.
	Act          string
	Certificates []vaccination.CertificateID // of the opened record
	Size         render.Size
	Languages    []string // of the profile; none means all
}

// maxOrder bounds the certificates of one order.
const maxOrder = 20

// Print numbers prints of certificates of an opened record, durably on return:
// the next copies of each, under the next numbers of the caller's facility. The
// same act again returns what it made. A number is never given twice, whoever
// prints at the same time and whatever ends in between.
func (s *Service) Print(ctx context.Context, by access.Caller, record string, o Order) ([]Print, error) {
	if len(o.Certificates) == 0 || len(o.Certificates) > maxOrder {
		return nil, vaccination.Errorf(vaccination.Invalid, "choose 1 to %d certificates to print", maxOrder)
	}
	_, h, err := s.Record(ctx, by, record)
	if err != nil {
		return nil, err
	}
	pages, err := pagesOf(h.Records, o.Certificates)
	if err != nil {
		return nil, err
	}
	// What does not fit its paper is told before it has a number.
	var papers []printer.Paper
	for _, p := range pages {
		papers = append(papers, printer.Paper{Doses: p.Doses, Index: p.Index, Languages: o.Languages, Size: o.Size,
			Copy: &render.Copy{Number: 1000, Serial: 1_000_000, Facility: s.FacilityName(by.Facility), At: s.Now()}})
	}
	if _, err := s.Printer.Prints(papers); err != nil {
		return nil, err
	}
	return s.number(ctx, by, o)
}

// number writes the prints of an order.
func (s *Service) number(ctx context.Context, by access.Caller, o Order) (prints []Print, err error) {
	act, err := s.key(o.Act)
	if err != nil {
		return nil, err
	}
	if !o.Size.Valid() {
		return nil, vaccination.Errorf(vaccination.Invalid, "there is no such size of paper")
	}
	slices.SortFunc(o.Certificates, func(a, b vaccination.CertificateID) int { return slices.Compare(a[:], b[:]) })
	o.Certificates = slices.Compact(o.Certificates)
	languages := slices.DeleteFunc(slices.Clone(o.Languages), func(l string) bool { return !slices.Contains(s.Issuance.Profile.Languages, l) })
	for range attempts {
		prints, err = s.numberOnce(ctx, by, act, o, languages)
		if err == nil || !registry.IsRace(err) {
			return prints, err
		}
	}
	return nil, vaccination.Errorf(vaccination.Unavailable, "others print the same certificate at this moment: try again")
}

// attempts bounds how often two facilities that print one certificate at the same
// moment are told apart again.
const attempts = 10

func (s *Service) numberOnce(ctx context.Context, by access.Caller, act []byte, o Order, languages []string) (prints []Print, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		// Whoever prints at this facility waits here, also the same form sent twice.
		last, err := q.LockPrintCounter(ctx, by.Facility)
		if err != nil {
			return err
		}
		before, err := q.PrintsOfAct(ctx, act)
		if err != nil {
			return err
		}
		if len(before) > 0 {
			if before[0].Actor != by.Actor || before[0].Facility != by.Facility {
				return errEnded()
			}
			prints = printsOf(before)
			return nil
		}
		in := query.InsertPrintsParams{Facility: by.Facility, Act: act, At: s.Now().UTC(), Actor: by.Actor, Size: string(o.Size), Languages: strings.Join(languages, " ")}
		var look query.LastCopiesParams
		for _, id := range o.Certificates {
			look.Buckets, look.Certificates = append(look.Buckets, int16(id.Bucket())), append(look.Certificates, id[:])
		}
		served := Today{Printed: 1} // one person a day, however many pages and copies
		again, err := q.PrintedSince(ctx, query.PrintedSinceParams{Buckets: look.Buckets, Certificates: look.Certificates, Actor: by.Actor, Since: s.Now().UTC().Truncate(24 * time.Hour)})
		if err != nil {
			return err
		}
		if again {
			served.Printed = 0
		}
		copies, err := q.LastCopies(ctx, look)
		if err != nil {
			return err
		}
		var entries []registry.Entry
		for _, c := range copies {
			last++
			id := vaccination.CertificateID(c.Certificate)
			p := Print{id, int(c.Copies) + 1, last, by.Facility, in.At, by.Actor, o.Size, languages}
			in.Buckets, in.Certificates = append(in.Buckets, c.Bucket), append(in.Certificates, id[:])
			in.Copies, in.Serials = append(in.Copies, int32(p.Copy)), append(in.Serials, p.Serial)
			prints = append(prints, p)
			entries = append(entries, registry.Entry{Chain: registry.GroupOf(c.Bucket), Act: ActPrint, Object: id.String(),
				Detail: fmt.Sprintf("copy %d, number %d of %q, %s", p.Copy, p.Serial, by.Facility, o.Size)})
		}
		if err := q.InsertPrints(ctx, in); err != nil {
			return err
		}
		if err := q.MovePrintCounter(ctx, query.MovePrintCounterParams{Facility: by.Facility, Last: last}); err != nil {
			return err
		}
		if _, err := s.count(ctx, q, by, served); err != nil {
			return err
		}
		return registry.Audit(ctx, q, in.At, by.Actor, entries...)
	})
	return prints, err
}

func printsOf(rows []query.Print) []Print {
	out := make([]Print, len(rows))
	for i, r := range rows {
		out[i] = Print{vaccination.CertificateID(r.Certificate), int(r.Copy), r.Serial, r.Facility, r.At, r.Actor, render.Size(r.Size), strings.Fields(r.Languages)}
	}
	return out
}

// fetchTime is how long the file of a print may be fetched: a printer jams, a
// browser asks twice. After it, what is printed is another copy.
const fetchTime = 15 * time.Minute

// Printed returns the prints of an act of the caller's, for a while.
func (s *Service) Printed(ctx context.Context, by access.Caller, act string) ([]Print, error) {
	if err := by.Can(access.Print); err != nil {
		return nil, err
	}
	key, err := s.key(act)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().PrintsOfAct(ctx, key)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].Actor != by.Actor || s.Now().Sub(rows[0].At) > fetchTime {
		return nil, errEnded()
	}
	return printsOf(rows), nil
}

// File makes the PDF of an act of the caller's, for a while; each fetch is
// recorded. A certificate that was replaced meanwhile is [vaccination.Conflict].
func (s *Service) File(ctx context.Context, by access.Caller, act string) ([]byte, error) {
	prints, err := s.Printed(ctx, by, act)
	if err != nil {
		return nil, err
	}
	var papers []printer.Paper
	for _, p := range prints {
		h, err := s.Issuance.HolderOf(ctx, by, p.Certificate, ActFetch, nil)
		if err != nil {
			return nil, err
		}
		pages, err := pagesOf(h.Records, []vaccination.CertificateID{p.Certificate})
		if err != nil {
			return nil, vaccination.Errorf(vaccination.Conflict, "a certificate was replaced since: open the record again and print the current one")
		}
		papers = append(papers, printer.Paper{Doses: pages[0].Doses, Index: pages[0].Index, Languages: p.Languages, Size: p.Size,
			Copy: &render.Copy{Number: p.Copy, Serial: p.Serial, Facility: s.FacilityName(p.Facility), At: p.At}})
	}
	return s.Printer.Prints(papers)
}

// PreviewFile makes the page of one certificate of an opened record as it would
// be printed, without its code: what is handed over is a numbered print.
func (s *Service) PreviewFile(ctx context.Context, by access.Caller, record string, id vaccination.CertificateID, size render.Size, languages []string) ([]byte, error) {
	_, pages, err := s.Preview(ctx, by, record, []vaccination.CertificateID{id})
	if err != nil {
		return nil, err
	}
	return s.Printer.Prints([]printer.Paper{{Doses: pages[0].Doses, Index: pages[0].Index, Languages: languages, Size: size, NoCode: true}})
}

// FacilityName is how a facility is named on paper: its code, as the profile
// knows no names of facilities, and the issuer's name for staff of none.
func (s *Service) FacilityName(code string) string {
	if code != "" {
		return code
	}
	return s.Issuance.Profile.IssuerName("en")
}

// Queued is one print of today's, masked.
type Queued struct {
	Print
	Match
}

// maxQueue bounds the prints shown at once.
const maxQueue = 20

// Queue returns today's prints of the caller's facility, the newest first, those
// below the serial before where that is not 0; more says that there are others.
// That it was looked at is recorded.
func (s *Service) Queue(ctx context.Context, by access.Caller, before int64) (list []Queued, more bool, err error) {
	if err := by.Can(access.Print); err != nil {
		return nil, false, err
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := s.Store.Read().PrintsOfFacility(ctx, query.PrintsOfFacilityParams{Facility: by.Facility, Since: s.today(), Before: before, MaxRows: maxQueue + 1})
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > maxQueue; more {
		rows = rows[:maxQueue]
	}
	prints := printsOf(rows)
	ids := make([]vaccination.CertificateID, len(prints))
	for i, p := range prints {
		ids[i] = p.Certificate
	}
	who, err := s.Issuance.WhoIs(ctx, by, ids)
	if err != nil {
		return nil, false, err
	}
	err = registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.AdminChain, Act: "desk.queue", Object: by.Facility, Detail: fmt.Sprintf("%d prints", len(prints)),
	})
	if err != nil {
		return nil, false, err
	}
	for _, p := range prints {
		list = append(list, Queued{p, mask(who[p.Certificate])})
	}
	return list, more, nil
}

// today is when the day began where the country is.
func (s *Service) today() time.Time {
	zone := s.Issuance.Profile.TimeZone
	if zone == nil {
		zone = time.UTC
	}
	now := s.Now().In(zone)
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone).UTC()
}

// Again prints once more what was printed at the caller's facility today, as
// another copy; act is as in an [Order]. Another facility's, or another day's, is
// [vaccination.NotFound]; what does not stand any more [vaccination.Conflict].
func (s *Service) Again(ctx context.Context, by access.Caller, serial int64, act string) ([]Print, error) {
	if err := by.Can(access.Print); err != nil {
		return nil, err
	}
	row, err := s.Store.Read().PrintOfFacility(ctx, query.PrintOfFacilityParams{Facility: by.Facility, Serial: serial, Since: s.today()})
	if registry.IsNone(err) {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such print of your facility today")
	}
	if err != nil {
		return nil, err
	}
	p := printsOf([]query.Print{row})[0]
	if _, err := s.stands(ctx, by, p.Certificate); err != nil {
		return nil, err
	}
	return s.number(ctx, by, Order{Act: act, Certificates: []vaccination.CertificateID{p.Certificate}, Size: p.Size, Languages: p.Languages})
}

// stands returns the holder of a certificate that stands.
func (s *Service) stands(ctx context.Context, by access.Caller, id vaccination.CertificateID) (issuance.Holder, error) {
	h, err := s.Issuance.HolderOf(ctx, by, id, "desk", nil)
	if err != nil {
		return h, err
	}
	if !slices.ContainsFunc(h.Records, func(r *issuance.Record) bool { return r.ID == id }) {
		return h, vaccination.Errorf(vaccination.Conflict, "this certificate does not stand any more: open the record and print the current one")
	}
	return h, nil
}

// PrintsOf returns every print of certificates, oldest first, for their history.
func (s *Service) PrintsOf(ctx context.Context, ids []vaccination.CertificateID) ([]Print, error) {
	var in query.PrintsOfCertificatesParams
	for _, id := range ids {
		in.Buckets, in.Certificates = append(in.Buckets, int16(id.Bucket())), append(in.Certificates, id[:])
	}
	rows, err := s.Store.Read().PrintsOfCertificates(ctx, in)
	return printsOf(rows), err
}
