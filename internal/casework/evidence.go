package casework

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// maxEvidence is how many photographs a case may have.
const maxEvidence = 6

// AddEvidence adds a photograph to a case, made anew (see [MaxPhoto]), and returns
// its number. The same bytes again are the same photograph. A case that waits for
// it is open again, and one that was approved by the first of two begins anew.
func (s *Service) AddEvidence(ctx context.Context, by access.Caller, t Ticket, data []byte) (int, error) {
	f, err := s.may(ctx, by, t)
	if err != nil {
		return 0, err
	}
	if _, err := f.state().After(ActEvidence); err != nil {
		return 0, err
	}
	if f.seal == nil {
		return 0, errNoCase()
	}
	hash := s.Box.Index(seal.Content, t.object()+" "+string(data))
	files, err := s.Store.Read().CaseEvidenceOf(ctx, query.CaseEvidenceOfParams{Bucket: t.Bucket(), CaseID: int64(t)})
	if err != nil {
		return 0, err
	}
	for _, e := range files {
		if string(e.Hash) == string(hash) {
			return int(e.N), nil
		}
	}
	if len(files) >= maxEvidence {
		return 0, vaccination.Errorf(vaccination.TooMany, "a case has at most %d photographs", maxEvidence)
	}
	picture, width, height, err := s.photo(ctx, data)
	if err != nil {
		return 0, err
	}
	n := len(files) + 1
	sealed, err := f.seal.Seal(picture, t.fileColumn(n))
	if err != nil {
		return 0, err
	}
	_, err = s.do(ctx, by, f, step{act: ActEvidence, row: func(c *query.CaseFile) { c.ApprovedBy = "" }}, func(q *query.Queries) error {
		added, err := q.InsertCaseEvidence(ctx, query.InsertCaseEvidenceParams{
			Bucket: t.Bucket(), CaseID: int64(t), N: int16(n), AddedAt: s.now(), AddedBy: by.Actor,
			Size: int32(len(picture)), Width: int32(width), Height: int32(height), Hash: hash, Sealed: sealed,
		})
		if err == nil && added == 0 {
			err = errMeanwhile()
		}
		return err
	})
	return n, err
}

// photo is [photo] for few at a time: each takes a hundred megabytes while it is
// being decoded.
func (s *Service) photo(ctx context.Context, data []byte) ([]byte, int, int, error) {
	if err := s.room.Acquire(ctx, 1); err != nil {
		return nil, 0, 0, err
	}
	defer s.room.Release(1)
	return photo(data)
}

// Photo returns a photograph of a case as JPEG, to who decides cases alone; the
// look is recorded. It is handed out as a file, never shown within a page of ours.
func (s *Service) Photo(ctx context.Context, by access.Caller, t Ticket, n int) ([]byte, error) {
	if err := by.Can(access.DecideCases); err != nil {
		return nil, err
	}
	f, err := s.may(ctx, by, t)
	if err != nil {
		return nil, err
	}
	none := vaccination.Errorf(vaccination.NotFound, "there is no such photograph, or it was deleted")
	if f.seal == nil || n < 1 || n > maxEvidence {
		return nil, none
	}
	sealed, err := s.Store.Read().CaseEvidenceByN(ctx, query.CaseEvidenceByNParams{Bucket: t.Bucket(), CaseID: int64(t), N: int16(n)})
	if registry.IsNone(err) || err == nil && sealed == nil {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	if err := s.looked(ctx, by, t, "evidence"); err != nil {
		return nil, err
	}
	return f.seal.Unseal(sealed, t.fileColumn(n))
}
