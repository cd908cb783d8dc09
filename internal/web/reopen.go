package web

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// reopen lets whom a certificate is about open their record as a citizen again;
// nil where there is no portal for citizens.
func (o Options) reopen() func(ctx context.Context, by access.Caller, id vaccination.CertificateID, seen string) error {
	if o.Citizens == nil {
		return nil
	}
	return func(ctx context.Context, by access.Caller, id vaccination.CertificateID, seen string) error {
		p, err := o.Service.PersonOf(ctx, id)
		if err != nil {
			return err
		}
		return o.Citizens.Reopen(ctx, by, p, seen)
	}
}
