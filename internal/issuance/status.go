package issuance

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/credential/tokenstatus"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Times of status lists.
const (
	listLife    = 7 * 24 * time.Hour // a published list is valid so long
	listRefresh = 24 * time.Hour     // and is signed anew after this
	listSkew    = time.Minute        // by which the clocks of two servers may differ
	listTTL     = time.Minute        // how long whoever fetched one may keep it
)

// lockStatusLists is the class of the advisory locks on status lists, by their
// number; lockExports stands for the lists that are made from exports.
const (
	lockStatusLists = 7273
	lockExports     = -1
)

// The purposes, beside those of credentials, of lists in the forms of the IETF's Token
// Status List: both states of the same positions in one. Both forms have one address,
// that of PurposeToken, and who asks there says which.
const (
	PurposeToken = "token" // a JWT
	PurposeCWT   = "token-cwt"
)

// Status returns the state of a certificate of ours by its id. known is false
// for an id that this registry never issued.
func (s *Service) Status(ctx context.Context, id vaccination.CertificateID) (status vaccination.Status, known bool, err error) {
	get := query.CertificateStatusParams{Bucket: int16(id.Bucket()), ID: id[:]}
	row, err := s.Store.Read().CertificateStatus(ctx, get)
	if registry.IsDown(err) { // it may be back: who verifies should not hear of that
		s.Store.Reconnect()
		row, err = s.Store.Read().CertificateStatus(ctx, get)
	}
	if registry.IsNone(err) {
		return s.lostStatus(ctx, id)
	}
	if err != nil {
		return "", false, err
	}
	status = statusOf(row.Status)
	if status == vaccination.StatusSuspended {
		over, err := s.overdue(ctx, id)
		if err != nil {
			return "", false, err
		}
		if over {
			status = vaccination.StatusValid
		}
	}
	if !status.Final() { // on hold, nobody knows whether it still is so
		err = s.notHeld(ctx, s.Store.Read())
	}
	return status, err == nil, err
}

// lostStatus is the state of a certificate that a restore lost.
func (s *Service) lostStatus(ctx context.Context, id vaccination.CertificateID) (vaccination.Status, bool, error) {
	hash := s.hashOf(nil, id)
	n, err := s.Store.Read().LostCertificate(ctx, hash[:])
	if registry.IsNone(err) {
		return "", false, s.notHeld(ctx, s.Store.Read())
	}
	if err != nil {
		return "", false, err
	}
	return statusOf(n), true, nil
}

// StatusList returns a published status list and when it was signed: a credential
// for the purposes "revocation" and "suspension", a JWT for [PurposeToken], a CWT for
// [PurposeCWT]. A list that was never opened is [vaccination.NotFound]. A list nobody
// published yet, or not for a day, or in which something changed since, is signed now.
func (s *Service) StatusList(ctx context.Context, purpose string, list int32) ([]byte, time.Time, error) {
	if purpose != "revocation" && purpose != "suspension" && purpose != PurposeToken && purpose != PurposeCWT {
		return nil, time.Time{}, vaccination.Errorf(vaccination.NotFound, "there are status lists for revocation and suspension, and token for both")
	}
	if err := s.notHeld(ctx, s.Store.Read()); err != nil {
		return nil, time.Time{}, err
	}
	get := query.GetStatusListParams{List: list, Purpose: purpose}
	row, err := s.Store.Read().GetStatusList(ctx, get)
	if err == nil {
		if current, err := s.current(ctx, s.Store.Read(), row); err != nil || current {
			return row.Credential, row.IssuedAt, err
		}
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
	if err := s.publish(ctx, list, false); err != nil {
		return nil, time.Time{}, err
	}
	row, err = s.Store.Read().GetStatusList(ctx, get)
	return row.Credential, row.IssuedAt, err
}

// fresh reports whether a list signed then can still be handed out. One from the
// future was signed while the clock was wrong.
func (s *Service) fresh(issued time.Time) bool {
	age := s.Now().Sub(issued)
	return age < listRefresh && age > -listSkew
}

// current reports whether a stored list says what is so now.
func (s *Service) current(ctx context.Context, q *query.Queries, row query.StatusList) (bool, error) {
	if !s.fresh(row.IssuedAt) {
		return false, nil
	}
	outlived, err := q.ListOutlived(ctx, query.ListOutlivedParams{List: row.List, IssuedAt: row.IssuedAt, Now: s.Now().UTC()})
	return !outlived, err
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
	return s.publish(ctx, list, true)
}

// publish is [Service.PublishList], which again signs also what is current.
func (s *Service) publish(ctx context.Context, list int32, again bool) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := s.notHeld(ctx, q); err != nil {
			return err
		}
		if err := q.LockStatusList(ctx, query.LockStatusListParams{Class: lockStatusLists, List: list}); err != nil {
			return err
		}
		if !again { // many asked at once, and one of them was first
			// The CWT came last: where it is, the others are.
			row, err := q.GetStatusList(ctx, query.GetStatusListParams{List: list, Purpose: PurposeCWT})
			current := false
			if err == nil {
				current, err = s.current(ctx, q, row)
			}
			if err != nil && !registry.IsNone(err) || current {
				return err
			}
		}
		flagged, err := q.FlaggedInList(ctx, query.FlaggedInListParams{List: list, Now: s.Now().UTC()})
		if err != nil {
			return err
		}
		lists := map[string]*vc.StatusList{"revocation": {}, "suspension": {}}
		tokens := tokenstatus.New(vc.ListSize)
		for _, f := range flagged {
			purpose, value := "revocation", tokenstatus.Invalid
			if statusOf(f.Status) == vaccination.StatusSuspended {
				purpose, value = "suspension", tokenstatus.Suspended
			}
			lists[purpose].Set(uint32(f.StatusIndex), true)
			if before, _ := tokens.Get(uint32(f.StatusIndex)); before != tokenstatus.Invalid { // what a restore lost may stand twice
				tokens.Set(uint32(f.StatusIndex), value)
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
		info := tokenstatus.Info{URL: s.ListURL(PurposeToken, list), Issuer: s.issuer.ID, IssuedAt: now, ExpiresAt: now.Add(listLife), TTL: listTTL}
		jwt, err := tokenstatus.Issue(info, tokens, s.Keys.Document())
		if err != nil {
			return err
		}
		if err := q.PutStatusList(ctx, query.PutStatusListParams{List: list, Purpose: PurposeToken, IssuedAt: now, Credential: jwt}); err != nil {
			return err
		}
		cwt, err := tokenstatus.IssueCWT(info, tokens, s.Keys.Document())
		if err != nil {
			return err
		}
		return q.PutStatusList(ctx, query.PutStatusListParams{List: list, Purpose: PurposeCWT, IssuedAt: now, Credential: cwt})
	})
}
