package deliver

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/gsm"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// problem is why a message cannot be composed; its text is a code.
type problem string

// Error is the code.
func (p problem) Error() string { return string(p) }

// compose opens a message and writes its text, unless somebody is not to get it.
func (s *Service) compose(ctx context.Context, g gateway, m query.ClaimMessagesRow) (transport.Message, int16, error) {
	if code, err := s.suppressed(ctx, m); err != nil || code != "" {
		if err != nil {
			s.Log.Error("a message could not be composed", slog.Int64("message", m.ID), slog.String("error", err.Error()))
			code = "not-composed"
		}
		return transport.Message{}, 0, problem(code)
	}
	c, err := s.unseal(Person{m.Bucket, m.PersonID}, m.Key, m.Once, m.Sealed)
	if err != nil {
		return transport.Message{}, 0, problem("erased")
	}
	text, err := s.text(ctx, m.Template, m.Language, m.Campaign, c.Values)
	if err != nil {
		s.Log.Error("a message could not be composed", slog.Int64("message", m.ID), slog.String("error", err.Error()))
		return transport.Message{}, 0, problem("not-composed")
	}
	out := transport.Message{
		Ref: ref(m.Bucket, m.ID), To: c.To, Text: text, Code: Class(m.Class) == Code, Expires: m.ExpiresAt, ReceiptURL: g.receipts,
		Subject: profile.Fill(s.Profile.Message(m.Language, profile.MessageSubject), map[string]string{"issuer": s.Profile.IssuerName(m.Language)}),
	}
	return out, int16(min(gsm.Measure(text).Parts, 99)), nil
}

func (s *Service) unseal(p Person, wrapped, once, sealed []byte) (c content, err error) {
	if sealed == nil {
		return c, vaccination.Errorf(vaccination.NotFound, "what the message said is not kept any more")
	}
	var plain []byte
	if p.ID == 0 {
		plain, err = s.Box.Unseal(sealed, messageAAD(Person{}, once))
	} else {
		var key *seal.PersonKey
		if key, err = s.Box.PersonKey(wrapped, seal.AAD(vaccination.Bucket(p.Bucket), p.ID, "key")); err == nil {
			plain, err = key.Unseal(sealed, messageAAD(p, once))
		}
	}
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

// text is what a message says: a campaign's own words, else the profile's.
func (s *Service) text(ctx context.Context, template, language string, campaign *int64, values map[string]string) (string, error) {
	text := s.Profile.Message(language, template)
	if campaign != nil && template == profile.MessageCampaign {
		row, err := s.queries().CampaignByID(ctx, *campaign)
		if err != nil {
			return "", err
		}
		var own map[string]string
		if err := json.Unmarshal(row.Texts, &own); err != nil {
			return "", fmt.Errorf("reading the texts of campaign %d: %w", *campaign, err)
		}
		if own[language] != "" {
			text = own[language]
		}
	}
	if text == "" {
		return "", fmt.Errorf("there is no text %q", template)
	}
	return profile.Fill(text, values), nil
}

// ref names a message to gateways: it tells nothing, and nobody who has it can do
// anything with it.
func ref(bucket int16, id int64) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, uint16(bucket)), uint64(id)))
}

func parseRef(text string) (bucket int16, id int64, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 10 || binary.BigEndian.Uint16(b) > 1023 {
		return 0, 0, false
	}
	return int16(binary.BigEndian.Uint16(b)), int64(binary.BigEndian.Uint64(b[2:])), true
}
