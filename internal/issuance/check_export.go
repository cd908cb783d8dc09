package issuance

import (
	"context"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// exports checks that what was exported of the certificates of a group opens.
func (c *checking) exports(ctx context.Context, group int16) error {
	rows, err := c.q.ExportsBetween(ctx, query.ExportsBetweenParams{First: group << 6, Last: group<<6 | 63})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if len(row.Person.Key) == 0 {
			continue // the person was erased
		}
		r := &Record{ID: vaccination.CertificateID(row.Certificate), person: &person{row: row.Person}}
		if _, err := c.openExport(r, query.CertificateExport{Format: row.Format, Sealed: row.Sealed}); err != nil {
			c.problem("%v", err)
		}
	}
	return nil
}
