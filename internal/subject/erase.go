package subject

import (
	"context"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Erasure is that a person's data is to be destroyed, or was.
type Erasure struct {
	ID           int64
	Certificate  vaccination.CertificateID // by which the person was named
	Certificates string                    // what becomes of those that stand: keep, revoke
	Reason       string
	Asked        time.Time
	AskedBy      string
	Ended        time.Time // zero while it waits for a second person
	EndedBy      string
	Done         bool // ended otherwise, it was refused
}

// choice is what becomes of certificates, the profile's where nothing is said.
func (s *Service) choice(certificates string) (string, error) {
	switch certificates {
	case "":
		return s.Profile.Erased, nil
	case profile.EraseKeep, profile.EraseRevoke:
		return certificates, nil
	}
	return "", vaccination.Errorf(vaccination.Invalid, "say what becomes of the certificates that stand: keep or revoke")
}

// checkReason bounds a reason that is kept.
func checkReason(reason string) error {
	if reason == "" || len(reason) > 200 {
		return vaccination.Errorf(vaccination.Invalid, "say why in at most 200 bytes, with nothing of the person")
	}
	for _, r := range reason {
		if r < ' ' || r == 0x7f {
			return vaccination.Errorf(vaccination.Invalid, "the reason holds a line break or an invisible character")
		}
	}
	return nil
}

// Ask asks that the person of a certificate be erased. Nothing happens until
// another one approves it. certificates is "keep", "revoke", or "" for what the
// profile says. A person for whom it was asked already is
// [vaccination.Conflict].
func (s *Service) Ask(ctx context.Context, by access.Caller, id vaccination.CertificateID, certificates, reason string) (int64, error) {
	certificates, err := s.choice(certificates)
	if err == nil {
		err = checkReason(reason)
	}
	if err != nil {
		return 0, err
	}
	who, err := s.Issuance.WhomOf(ctx, by, id)
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		now := s.Now().UTC()
		n, err = q.AskErasure(ctx, query.AskErasureParams{Bucket: who.Bucket, PersonID: who.Person, Certificate: id[:], Certificates: certificates, Reason: reason, AskedAt: now, AskedBy: by.Actor})
		if registry.IsRace(err) {
			return vaccination.Errorf(vaccination.Conflict, "that this person be erased is asked already, and waits for a second person")
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.GroupOf(who.Bucket), Act: "erasure.ask", Object: id.String(), Detail: fmt.Sprintf("erasure %d, %s: %s", n, certificates, reason)})
	})
	return n, err
}

// Decide approves an erasure that another one asked for, and does it; or refuses
// it. Who asked may refuse, and never approve ([vaccination.Forbidden]).
func (s *Service) Decide(ctx context.Context, by access.Caller, erasure int64, approve bool) error {
	if err := by.Can(access.ErasePerson); err != nil {
		return err
	}
	row, err := s.Store.Read().ErasureByID(ctx, erasure)
	if registry.IsNone(err) {
		return vaccination.Errorf(vaccination.NotFound, "there is no such erasure")
	}
	if err != nil {
		return err
	}
	if row.EndedAt != nil {
		return vaccination.Errorf(vaccination.Conflict, "this erasure has ended")
	}
	if approve && !by.Second(row.AskedBy) {
		return vaccination.Errorf(vaccination.Forbidden, "you asked for it, or somebody at another door did who may be you: somebody else has to approve where it was asked for")
	}
	end := func(ctx context.Context, q *query.Queries, _ issuance.Whom) error {
		n, err := q.EndErasure(ctx, query.EndErasureParams{ID: erasure, At: s.Now().UTC(), By: by.Actor, Done: approve})
		if err == nil && n != 1 {
			err = registry.ErrChanged
		}
		return err
	}
	id := vaccination.CertificateID(row.Certificate)
	if approve {
		_, err := s.Issuance.Erase(ctx, by, id, row.Certificates == profile.EraseRevoke, row.Reason, append(s.forget(by), end)...)
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := end(ctx, q, issuance.Whom{}); err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(row.Bucket), Act: "erasure.refuse", Object: id.String(), Detail: fmt.Sprintf("erasure %d", erasure)})
	})
}

// EraseNow erases at once, for who holds the machine and its keys.
func (s *Service) EraseNow(ctx context.Context, by access.Caller, id vaccination.CertificateID, certificates, reason string) (issuance.Whom, error) {
	certificates, err := s.choice(certificates)
	if err != nil {
		return issuance.Whom{}, err
	}
	note := func(ctx context.Context, q *query.Queries, who issuance.Whom) error {
		n, err := q.AskErasure(ctx, query.AskErasureParams{Bucket: who.Bucket, PersonID: who.Person, Certificate: id[:], Certificates: certificates, Reason: reason, AskedAt: who.At, AskedBy: by.Actor})
		if registry.IsRace(err) {
			return vaccination.Errorf(vaccination.Conflict, "that this person be erased is asked already: approve or refuse it")
		}
		if err == nil {
			_, err = q.EndErasure(ctx, query.EndErasureParams{ID: n, At: who.At, By: by.Actor, Done: true})
		}
		return err
	}
	return s.Issuance.Erase(ctx, by, id, certificates == profile.EraseRevoke, reason, append(s.forget(by), note)...)
}

// Erasures lists erasures, open ones first; at most max.
func (s *Service) Erasures(ctx context.Context, by access.Caller, max int) ([]Erasure, error) {
	if err := by.Can(access.ErasePerson); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().Erasures(ctx, int32(max))
	out := make([]Erasure, len(rows))
	for i, r := range rows {
		out[i] = Erasure{ID: r.ID, Certificate: vaccination.CertificateID(r.Certificate), Certificates: r.Certificates, Reason: r.Reason, Asked: r.AskedAt, AskedBy: r.AskedBy, EndedBy: r.EndedBy, Done: r.Done}
		if r.EndedAt != nil {
			out[i].Ended = *r.EndedAt
		}
	}
	return out, err
}
