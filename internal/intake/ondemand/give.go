package ondemand

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Given is what somebody who proved who they are gets.
type Given struct {
	// Certificates stand. There may be none: then Waiting.
	Certificates []vaccination.CertificateID
	// Waiting doses are held for a person; Reference is what to call them by.
	Waiting   int
	Reference string
	CopyOf    time.Time // where the source could not be asked
}

// issueTime bounds how long somebody waits for what is being issued.
const issueTime = 20 * time.Second

// give issues what was found and remembers what came of it.
func (s *Service) give(ctx context.Context, c *challenge, p pending) (Given, error) {
	if p.Arrival == nil {
		return given(p)
	}
	out, err := s.deliver(ctx, p.Source, *p.Arrival)
	if err != nil {
		return Given{}, err
	}
	for _, id := range out.Certificates {
		p.Certificates = append(p.Certificates, id.String())
	}
	sealed, err := s.seal(c, p)
	if err != nil {
		return Given{}, err
	}
	return out, s.Store.Read().KeepOnDemandResult(ctx, query.KeepOnDemandResultParams{Bucket: c.bucket, ID: s.key(c), Sealed: sealed})
}

// deliver gives what a source holds of a person to the intake and sees it to its
// end.
func (s *Service) deliver(ctx context.Context, source string, a intake.Arrival) (Given, error) {
	ctx, cancel := context.WithTimeout(ctx, issueTime)
	defer cancel()
	references, err := s.Intake.Deliver(ctx, source, intake.Delivery{Arrivals: []intake.Arrival{a}})
	if err != nil {
		return Given{}, err
	}
	items, err := s.Intake.Settle(ctx, source, references[0])
	if err != nil {
		return Given{}, err
	}
	out := Given{Reference: references[0]}
	for _, i := range items {
		switch {
		case i.State == intake.Held:
			out.Waiting++
		case !i.Certificate.IsZero() && !slices.Contains(out.Certificates, i.Certificate):
			out.Certificates = append(out.Certificates, i.Certificate)
		}
	}
	return out, nil
}

// given is what a proven challenge gave.
func given(p pending) (Given, error) {
	out := Given{CopyOf: p.CopyOf}
	for _, text := range p.Certificates {
		id, err := vaccination.ParseCertificateID(text)
		if err != nil {
			return Given{}, err
		}
		out.Certificates = append(out.Certificates, id)
	}
	return out, nil
}

// proven is what a challenge gave whose code was given.
func (s *Service) proven(ctx context.Context, name string) (Given, error) {
	if !s.Open() {
		return Given{}, errClosed()
	}
	c, err := parseChallenge(name)
	if err != nil {
		return Given{}, err
	}
	sealed, err := s.Store.Read().ProvenOnDemandChallenge(ctx, query.ProvenOnDemandChallengeParams{Bucket: c.bucket, ID: s.key(c), At: s.Now().UTC()})
	if registry.IsNone(err) {
		return Given{}, errEnded()
	}
	if err != nil {
		return Given{}, err
	}
	p, err := s.unseal(c, sealed)
	if err != nil {
		return Given{}, err
	}
	return given(p)
}

// Records returns the certificates that a proven challenge gave and that stand,
// by programme and dose.
func (s *Service) Records(ctx context.Context, name, purpose string) ([]*issuance.Record, error) {
	g, err := s.proven(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []*issuance.Record
	for _, id := range g.Certificates {
		r, err := s.Issuance.ByID(ctx, caller(), id, purpose)
		if err != nil {
			return nil, err
		}
		if !r.Status.Final() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *issuance.Record) int { return cmp.Or(cmp.Compare(a.Programme, b.Programme), a.Dose-b.Dose) })
	return out, nil
}

// Page is [issuance.Service.Page] for a certificate that a proven challenge gave.
func (s *Service) Page(ctx context.Context, name string, id vaccination.CertificateID, purpose string) (doses []*issuance.Record, index int, err error) {
	g, err := s.proven(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	if !slices.Contains(g.Certificates, id) {
		return nil, 0, vaccination.Errorf(vaccination.NotFound, "there is no such certificate among yours")
	}
	return s.Issuance.Page(ctx, caller(), id, purpose)
}
