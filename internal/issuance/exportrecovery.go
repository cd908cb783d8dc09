package issuance

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// The days of a certificate of recovery, counted from the day of the first positive
// test (Regulation (EU) 2021/953, article 7, and its annex, point 3).
const (
	recoveryFrom  = 11
	recoveryUntil = 180
	// sameInfection is how many days after a positive test another one is taken to be
	// of the same infection (ECDC, surveillance definition of reinfection, 2021).
	sameInfection = 60
)

// recovered is what a positive test says of its person from the eleventh day on: the
// certificate with a recovery in place of the test, whose time is the recovery's.
func (s *Service) recovered(c vaccination.Certificate) vaccination.Certificate {
	first := c.Day(s.Profile.TimeZone)
	on := func(days int) time.Time {
		return time.Date(first.Year, first.Month, first.Day+days, 0, 0, 0, 0, s.Profile.TimeZone)
	}
	c.Recovery = vaccination.Recovery{
		FirstPositive: first, Country: c.Test.Country, ValidFrom: vaccination.DateOf(on(recoveryFrom)), ValidUntil: vaccination.DateOf(on(recoveryUntil)),
	}
	c.Info.Period = vaccination.Period{Start: on(recoveryFrom).UTC(), End: on(recoveryUntil + 1).Add(-time.Second).UTC()}
	c.Test = vaccination.Test{}
	return c
}

// noRecovery says why no certificate of recovery can be made of r, as far as r says.
func (s *Service) noRecovery(r *Record) string {
	if !r.Certificate.IsTest() {
		return OtherKind
	}
	t := r.Certificate.Test
	if result, _ := catalogue.TestResult(t.Result.Code); result.Key != catalogue.Detected {
		return NotPositive
	}
	if !s.provesInfection(r.Programme, t) {
		return OtherTest
	}
	counts := s.recovered(r.Certificate).Info.Period
	switch now := s.Now(); {
	case now.Before(counts.Start):
		return TooEarly
	case now.After(counts.End):
		return IsOver
	case !s.maySign(trust.Recovery):
		return NoSigner
	}
	return ""
}

// provesInfection reports whether a test is of a kind whose positive result a
// certificate of recovery is made from: an amplification test, and an antigen test
// where the programme's profile says so.
func (s *Service) provesInfection(programme string, t vaccination.Test) bool {
	kind, _ := catalogue.TestType(t.Type.Code)
	p, ok := s.Profile.Programmes[programme]
	return ok && p.Tests && (kind.Key == catalogue.NAAT || kind.Key == catalogue.RAT && p.RecoveryFromAntigen)
}

// notFirst returns [NotFirst] where an earlier positive test of the same infection is
// recorded of the person: from that one the days are counted.
func (s *Service) notFirst(ctx context.Context, r *Record) (string, error) {
	people, err := s.linked(ctx, r.person)
	if err != nil {
		return "", err
	}
	for _, p := range people {
		versions, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{p.row.Bucket}, People: []int64{p.row.ID}})
		if err != nil {
			return "", err
		}
		for _, v := range current(versions) {
			if other, ok := s.Profile.Programmes[v.row.Programme]; !ok || !other.Tests || v.id() == r.ID {
				continue
			}
			e, err := s.eventOf(p, v)
			if err != nil {
				return "", err
			}
			result, _ := catalogue.TestResult(e.Test.Result.Code)
			before := r.Certificate.Test.Date.Sub(e.Test.Date)
			if result.Key == catalogue.Detected && s.provesInfection(v.row.Programme, e.Test) && before > 0 && before < sameInfection*24*time.Hour {
				return NotFirst, nil
			}
		}
	}
	return "", nil
}

// signRecovery signs group r of EU DCC.
func (s *Service) signRecovery(r *Record) (export, error) {
	return s.signHCERT(s.recovered(r.Certificate), func(c vaccination.Certificate, key hcert.Signer) ([]byte, error) {
		return hcert.EncodeEU(c, s.Profile.Catalogue, key)
	})
}
