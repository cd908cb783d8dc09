package issuance

import (
	"context"
	"sync"
	"time"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Times of what is published about status.
const (
	listLife     = 7 * 24 * time.Hour // a published list is valid so long
	listRefresh  = 24 * time.Hour     // and is signed anew after this
	snapshotLife = 24 * time.Hour     // after that an offline verifier should fetch anew
	snapshotKeep = time.Minute        // how long a snapshot is answered from memory
)

// lockStatusLists is the class of the advisory locks on status lists.
const lockStatusLists = 7273

// Status returns the state of a certificate of ours by its id. known is false
// for an id that this registry never issued.
func (s *Service) Status(ctx context.Context, id vaccination.CertificateID) (status vaccination.Status, known bool, err error) {
	row, err := s.Store.Read().CertificateStatus(ctx, query.CertificateStatusParams{Bucket: int16(id.Bucket()), ID: id[:]})
	if registry.IsNone(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return statusOf(row.Status), true, nil
}

// StatusList returns a published status list credential, its version and when
// it was signed. A list that was never opened is [vaccination.NotFound]. A list
// nobody published yet, or not for a day, is signed now.
func (s *Service) StatusList(ctx context.Context, purpose string, list int32) ([]byte, time.Time, error) {
	if purpose != "revocation" && purpose != "suspension" {
		return nil, time.Time{}, vaccination.Errorf(vaccination.NotFound, "there are status lists for revocation and suspension")
	}
	get := query.GetStatusListParams{List: list, Purpose: purpose}
	row, err := s.Store.Read().GetStatusList(ctx, get)
	if err == nil && s.Now().Sub(row.IssuedAt) < listRefresh {
		return row.Credential, row.IssuedAt, nil
	}
	if err != nil && !registry.IsNone(err) {
		return nil, time.Time{}, err
	}
	if open, err := s.listOpen(ctx, list); err != nil || !open {
		if err == nil {
			err = vaccination.Errorf(vaccination.NotFound, "there is no such status list")
		}
		return nil, time.Time{}, err
	}
	if err := s.PublishList(ctx, list); err != nil {
		return nil, time.Time{}, err
	}
	row, err = s.Store.Read().GetStatusList(ctx, get)
	return row.Credential, row.IssuedAt, err
}

// listOpen reports whether positions of a list were ever handed out.
func (s *Service) listOpen(ctx context.Context, list int32) (bool, error) {
	groups, err := s.Store.Read().StatusNext(ctx)
	if err != nil {
		return false, err
	}
	for _, g := range groups {
		if g.ID < registry.AdminChain && int32(g.ID) == list>>16 {
			return list >= 0 && g.StatusNext > int64(list&0xffff)*listPositions, nil
		}
	}
	return false, nil
}

// PublishList signs the status lists of one list number from what the database
// says now. Publishers of one list wait for each other, so that an older state
// never overwrites a newer one.
func (s *Service) PublishList(ctx context.Context, list int32) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.LockStatusList(ctx, query.LockStatusListParams{Class: lockStatusLists, List: list}); err != nil {
			return err
		}
		flagged, err := q.FlaggedInList(ctx, list)
		if err != nil {
			return err
		}
		lists := map[string]*vc.StatusList{"revocation": {}, "suspension": {}}
		for _, f := range flagged {
			if statusOf(f.Status) == vaccination.StatusSuspended {
				lists["suspension"].Set(uint32(f.StatusIndex), true)
			} else {
				lists["revocation"].Set(uint32(f.StatusIndex), true)
			}
		}
		now := s.Now().UTC().Truncate(time.Second)
		for purpose, bits := range lists {
			info := vc.ListInfo{URL: s.ListURL(purpose, list), Purpose: purpose, Issuer: s.issuer.ID, ValidUntil: now.Add(listLife)}
			credential, err := vc.IssueStatusList(info, bits, s.Keys.Document(), now)
			if err != nil {
				return err
			}
			if err := q.PutStatusList(ctx, query.PutStatusListParams{List: list, Purpose: purpose, IssuedAt: now, Credential: credential}); err != nil {
				return err
			}
		}
		return nil
	})
}

// snapshotCache keeps the last trust bundle for a minute, or until a status
// changed here.
type snapshotCache struct {
	mu   sync.Mutex
	data []byte
	at   time.Time
}

func (c *snapshotCache) drop() {
	c.mu.Lock()
	c.data = nil
	c.mu.Unlock()
}

// TrustBundle returns what an offline verifier needs: our keys and a signed
// snapshot of every certificate that is not valid, as the JSON of
// [trust.Bundle].
func (s *Service) TrustBundle(ctx context.Context) ([]byte, error) {
	s.snapshot.mu.Lock()
	defer s.snapshot.mu.Unlock()
	now := s.Now().UTC().Truncate(time.Second)
	if s.snapshot.data != nil && now.Sub(s.snapshot.at) < snapshotKeep {
		return s.snapshot.data, nil
	}
	flagged, err := s.Store.Read().Flagged(ctx)
	if err != nil {
		return nil, err
	}
	hashes := map[vaccination.Status][]trust.Hash{}
	for _, f := range flagged {
		status := statusOf(f.Status)
		hashes[status] = append(hashes[status], trust.HashOf(vaccination.CertificateID(f.ID).UVCI(s.Profile.Country.Alpha2)))
	}
	bundle := &trust.Bundle{Version: now.Unix(), Issued: now, Issuers: []trust.Issuer{s.Keys.Issuer()}, Status: []trust.Snapshot{{
		Issuer: s.issuer.ID, AsOf: now, NextUpdate: now.Add(snapshotLife),
		Superseded: trust.NewHashes(hashes[vaccination.StatusSuperseded]),
		Suspended:  trust.NewHashes(hashes[vaccination.StatusSuspended]),
		Revoked:    trust.NewHashes(hashes[vaccination.StatusRevoked]),
	}}}
	data, err := bundle.Sign(s.Keys.BundleSigners()...)
	if err != nil {
		return nil, err
	}
	s.snapshot.data, s.snapshot.at = data, now
	return data, nil
}
