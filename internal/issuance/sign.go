package issuance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Signed is a draft with its signatures, ready to be committed. Drafts that
// issue nothing (the same again, new contacts) pass through unsigned.
type Signed struct {
	draft    *Draft
	id       vaccination.CertificateID
	hcid     string
	issuedAt time.Time
	list     int32
	index    int32
	sealed   []byte
}

// listPositions is the number of positions in one status list; after that many
// a bucket group opens its next list.
const listPositions = vc.ListSize

// listID is the number of a list of a bucket group; it names the list in URLs.
func listID(group int16, position int64) int32 {
	return int32(group)<<16 | int32(position/listPositions)
}

// ListURL is where a status list is published.
func (s *Service) ListURL(purpose string, list int32) string {
	return fmt.Sprintf("%s/status/%s/%d", s.PublicURL, purpose, list)
}

// Sign signs drafts. A status position is reserved durably for each before its
// signature exists, so that no two certificates ever share one.
func (s *Service) Sign(ctx context.Context, drafts []*Draft) (out []*Signed, err error) {
	ctx, span := tracing.Step(ctx, "Sign", len(drafts))
	defer func() { span.End(err) }()
	out = make([]*Signed, len(drafts))
	err = inParallel(len(drafts), func(i int) error {
		d := drafts[i]
		out[i] = &Signed{draft: d}
		if d.same != nil || d.outcome == Unchanged || d.outcome == Updated {
			return nil
		}
		err := s.sign(ctx, out[i])
		var missing *hcert.MissingError
		if errors.As(err, &missing) {
			err = &ItemError{Item: i, Err: vaccination.Errorf(vaccination.Invalid, "%s", missing.Error())}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// inParallel calls f for 0 to n-1, as many at once as there are processors. The
// error is one that f returned; what was not begun by then is left out.
func inParallel(n int, f func(i int) error) error {
	var work errgroup.Group
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		work.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					next.Store(int64(n))
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

func (s *Service) sign(ctx context.Context, out *Signed) error {
	d := out.draft
	if d.programme.Tests {
		if err := s.mayTest(); err != nil {
			return err
		}
	}
	bucket := vaccination.Bucket(d.person.row.Bucket)
	id, err := vaccination.NewCertificateID(bucket, s.Random)
	if err != nil {
		return err
	}
	group := registry.GroupOf(d.person.row.Bucket)
	position, err := s.positions.take(ctx, group)
	if err != nil {
		return err
	}
	out.id, out.hcid = id, id.UVCI(s.Profile.Country.Alpha2)
	out.list = listID(group, position)
	index := s.Box.StatusIndex(uint32(out.list), uint32(position%listPositions))
	out.index = int32(index)

	codeKey, documentKey := s.Keys.QR(), s.Keys.Document()
	c := s.certificate(d.event, d.programme)
	c.Domestic = d.domestic
	c.Info.HCID = out.hcid
	c.Info.Period = validity(s.Now(), d.programme, d.event, codeKey.NotAfter())
	out.issuedAt = c.Info.Period.Start

	content := payload(c)
	if d.domestic {
		content = hcert.Domestic
	}
	parts := signedParts{}
	var extra []hcert.Element
	if s.Profile.IdentityInQR {
		extra = append(extra, hcert.Identifier)
	}
	if parts.code, err = hcert.Encode(c, content, codeKey, extra...); err != nil {
		return err
	}
	entries := []vc.StatusEntry{
		{Purpose: "revocation", List: s.ListURL("revocation", out.list), Index: index},
		{Purpose: "suspension", List: s.ListURL("suspension", out.list), Index: index},
	}
	if parts.document, err = vc.Issue(c, entries, documentKey, out.issuedAt); err != nil {
		return err
	}
	parts.event = d.written
	out.sealed, err = s.sealParts(d.person, id, parts)
	return err
}

// row is the certificate as it is stored.
func (g *Signed) row() query.Certificate {
	d := g.draft
	c := query.Certificate{
		Bucket: d.person.row.Bucket, Dose: int16(d.event.Number()), Version: int16(d.number),
		StatusList: g.list, StatusIndex: g.index, PersonID: d.person.row.ID, IssuedAt: g.issuedAt, StatusAt: g.issuedAt,
		ID: g.id[:], Content: d.content, Programme: d.programme.Key, Source: d.source, Sealed: g.sealed,
	}
	if d.previous != nil {
		c.Replaces = d.previous.row.ID
	}
	return c
}
