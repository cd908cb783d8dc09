package issuance

import (
	"context"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// ExportDIVOC returns a certificate that by was shown in DIVOC's own format,
// signed now, for verifiers that read no other. Nothing is stored but the entry
// of the audit: it has the certificate's id, so its state is the certificate's,
// and to revoke the one is to revoke the other.
//
// A programme whose profile does not ask for the format is
// [vaccination.NotFound]; a certificate that is not valid is
// [vaccination.Conflict]; one that the format cannot say is
// [vaccination.Invalid] and names what is missing.
func (s *Service) ExportDIVOC(ctx context.Context, by access.Caller, r *Record) ([]byte, error) {
	if err := s.notHeld(ctx, s.Store.Read()); err != nil {
		return nil, err
	}
	programme, ok := s.Profile.Programmes[r.Programme]
	if !ok || !programme.Offers(profile.PayloadDIVOC) {
		return nil, vaccination.Errorf(vaccination.NotFound, "certificates of this programme are not issued in DIVOC's format: its profile does not ask for it")
	}
	switch {
	case r.Status == vaccination.StatusSuspended: // the format has no word for it
		return nil, vaccination.Errorf(vaccination.Conflict, "this certificate is suspended: it is not signed in another format until that is over")
	case r.Status.Final():
		return nil, vaccination.Errorf(vaccination.Conflict, "this certificate is %s; ask for the current one", r.Status)
	}
	key := s.Keys.DIVOC()
	if key == nil {
		return nil, vaccination.Errorf(vaccination.Unavailable, "there is no key of DIVOC's format yet: whoever runs this system has to start the server again")
	}
	options := divocqr.Options{VerifyURL: s.PublicURL + "/verify", Identifier: s.Profile.IdentityInQR}
	credential, err := divocqr.Issue(r.Certificate, options, key, s.Now())
	if err := refusedByFormat(err); err != nil {
		return nil, err
	}
	err = registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.GroupOf(r.row.Bucket), Act: "export", Object: r.ID.String(), Detail: profile.PayloadDIVOC,
	})
	if err != nil {
		return nil, err
	}
	return credential, nil
}

// DIVOCCode returns the text of the QR code of what [Service.ExportDIVOC] made.
// Texts that do not fit are [vaccination.Invalid].
func DIVOCCode(credential []byte) (string, error) {
	code, err := divocqr.Code(credential)
	return code, refusedByFormat(err)
}
