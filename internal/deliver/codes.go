package deliver

import (
	"context"
	"encoding/base64"
	"io"
	"time"

	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// codeLife is how long a code of certificates on demand counts.
const codeLife = 5 * time.Minute

// SendCode sends a code for certificates on demand, within the budget of codes.
// It returns when the code stands in the outbox. It is ondemand.Sender.
func (s *Service) SendCode(ctx context.Context, number, language, code string) error {
	has, err := s.Carries(ctx, number)
	if err != nil {
		return err
	}
	if !has {
		return vaccination.Errorf(vaccination.Unavailable, "nobody carries messages")
	}
	delay, err := s.Budget.Take(ctx, budget.Ask{To: number})
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	if _, err := io.ReadFull(s.Random, random); err != nil {
		return err
	}
	now := s.Now().UTC()
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		return s.Queue(ctx, q, Message{
			Template: profile.MessageCode, Class: Code, To: number, Language: language, Values: map[string]string{"code": code, "minutes": "5"},
			Once: "on demand " + base64.RawStdEncoding.EncodeToString(random), After: now.Add(delay), Expires: now.Add(codeLife),
		})
	})
	if err == nil {
		s.Wake(Code)
	}
	return err
}
