package issuance

import (
	"context"
	"encoding/hex"

	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// noSeal says why no seal can be made of r, "" where one can: it wants a signer
// that the country's passport authority (CSCA) issued, which is imported and never
// made here.
func (s *Service) noSeal(r *Record) string {
	switch key := s.Keys.Seal(); {
	case r.Certificate.Domestic:
		return IsDomestic
	case key == nil || !key.Usable():
		return NoSigner
	case r.Certificate.IsTest() && !vdsnc.Certifies(key):
		return NoSigner
	}
	return ""
}

// ofTest is a test's certificate as a seal may say it, and whom borders ask about it.
// The passport's number is not written where the profile keeps it out of codes.
func (s *Service) ofTest(r *Record) (vaccination.Certificate, vdsnc.Contact) {
	c, contact := r.Certificate, vdsnc.Contact{}
	if !s.Profile.IdentityInQR {
		c.Identifier = vaccination.Identifier{}
	}
	if p, ok := s.Profile.Programmes[r.Programme]; ok {
		contact = vdsnc.Contact{Phone: p.ContactPhone, Email: p.ContactEmail}
	}
	return c, contact
}

// missingSeal returns what a seal of r requires and is not recorded.
func (s *Service) missingSeal(r *Record) []string {
	if !r.Certificate.IsTest() {
		return vdsnc.Missing(r.Certificate)
	}
	return vdsnc.MissingTest(s.ofTest(r))
}

// signSeal makes ICAO's seal. It has no room for the certificate's id: it carries
// the short name of it ([trust.Handle]), by which snapshots and this registry know
// its state.
func (s *Service) signSeal(r *Record) (export, error) {
	key := s.Keys.Seal()
	handle := trust.Handle(r.ID.UVCI(s.Profile.Country.Alpha2))
	encode := func() ([]byte, error) { return vdsnc.Encode(r.Certificate, s.Profile.Country.Alpha3, handle, key) }
	if r.Certificate.IsTest() {
		c, contact := s.ofTest(r)
		encode = func() ([]byte, error) {
			return vdsnc.EncodeTest(c, contact, s.Profile.Country.Alpha3, handle, key)
		}
	}
	text, err := encode()
	if err != nil {
		return export{}, err
	}
	return export{body: text, code: string(text), keyID: hex.EncodeToString(trust.CertificateKeyID(key.Certificate())), handle: handle}, nil
}

// SealStatus is [Service.Status] of the certificate that a seal of ours names by
// its short name, and which that is.
func (s *Service) SealStatus(ctx context.Context, handle string) (id vaccination.CertificateID, status vaccination.Status, known bool, err error) {
	row, err := s.Store.Read().ExportByHandle(ctx, query.ExportByHandleParams{Format: string(FormatVDS), Handle: handle})
	if registry.IsNone(err) {
		return id, "", false, s.notHeld(ctx, s.Store.Read())
	}
	if err != nil {
		return id, "", false, err
	}
	id = vaccination.CertificateID(row.Certificate)
	status, known, err = s.Status(ctx, id)
	return id, status, known, err
}
