package citizen

import (
	"net/mail"
	"strings"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// number reads a telephone number that codes may go to.
func (s *Service) number(text string) (string, error) {
	e164, err := s.Profile.Phone(text)
	if err == nil && !s.Profile.Sendable(e164) {
		err = vaccination.Errorf(vaccination.Invalid, "codes are sent to numbers of this country only: type it like %s", s.Profile.PhoneRules.Example)
	}
	return e164, err
}

// maxAddress is the longest e-mail address there can be (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// address reads an e-mail address; "" stays.
func address(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || a.Address != text || len(text) > maxAddress {
		return "", vaccination.Errorf(vaccination.Invalid, "this is no e-mail address: it looks like name@example.org")
	}
	return strings.ToLower(text), nil
}

// digits are those of a code, however it was typed or pasted.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text[:min(len(text), 40)])
}

// email is the blind index of an address, nil for none.
func (s *Service) email(text string) []byte {
	if text == "" {
		return nil
	}
	return Email(s.Box, text)
}

// Email is the blind index of an e-mail address in small letters.
func Email(box *seal.Box, address string) []byte {
	return box.Index(seal.Content, "citizen email "+address)
}
