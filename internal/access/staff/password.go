package staff

import (
	"context"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/vaccination"
)

// What a password is stretched with: argon2id (RFC 9106) at the least that OWASP
// names for it, 19 MiB and two passes.
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
	argonLanes  = 1
	saltSize    = 16
	keySize     = 32
)

// Bounds of a password.
const (
	MinPassword = 12  // characters
	maxPassword = 200 // characters
)

var encoding = base64.RawURLEncoding

// hashPassword is the stored form of a password: parameters, salt and key. The
// same password typed on another keyboard is the same (NFC).
func hashPassword(password string, salt []byte) string {
	key := argon2.IDKey([]byte(norm.NFC.String(password)), salt, argonTime, argonMemory, argonLanes, keySize)
	return fmt.Sprintf("argon2id$%d,%d,%d$%s$%s", argonMemory, argonTime, argonLanes, encoding.EncodeToString(salt), encoding.EncodeToString(key))
}

// matches compares a password with a stored form; a form of another kind matches
// nothing.
func matches(password, stored string) bool {
	parts := strings.Split(stored, "$")
	if len(parts) != 4 {
		return false
	}
	salt, err := encoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(hashPassword(password, salt)), []byte(stored)) == 1
}

// verify works on a password and says whether it is the stored one. An account
// without one, and nobody's, cost the same: stored is then "".
func (s *Service) verify(ctx context.Context, password, stored string) (bool, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	s.hashed.Add(1)
	against, known := stored, 1
	if stored == "" {
		against, known = s.nobody, 0
	}
	if utf8.RuneCountInString(password) > maxPassword { // still the same work
		password, known = "", 0
	}
	same := 0
	if matches(password, against) {
		same = 1
	}
	return same&known == 1, nil
}

//go:embed common.txt
var commonWords string

// CheckPassword says what is wrong with a password that login chooses; the error
// is [vaccination.Invalid] and repeats nothing of it. Its fault's code is
// "too-short", "too-long", "contains-login", "common" or "simple".
func CheckPassword(login, password string) error {
	fault := func(code, message string) error {
		return &vaccination.Error{Code: vaccination.Invalid, Message: "this password is not safe", Faults: []vaccination.Fault{{Path: "password", Code: code, Message: message}}}
	}
	plain := strings.ToLower(norm.NFKC.String(password))
	switch n := utf8.RuneCountInString(norm.NFC.String(password)); {
	case n < MinPassword:
		return fault("too-short", fmt.Sprintf("use at least %d characters: three or four words are easy to keep", MinPassword))
	case n > maxPassword:
		return fault("too-long", fmt.Sprintf("use at most %d characters", maxPassword))
	}
	for _, part := range strings.FieldsFunc(plainLogin(login), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if utf8.RuneCountInString(part) >= 4 && strings.Contains(plain, part) {
			return fault("contains-login", "leave your sign-in name out of it")
		}
	}
	if simple(plain) {
		return fault("simple", "it repeats or follows a row of the keyboard: choose words that do not belong together")
	}
	if common(plain) {
		return fault("common", "it is one of those tried first, with something before or after it: choose words that do not belong together")
	}
	return nil
}

// simple says whether a text is a few characters repeated, or a row of them.
func simple(text string) bool {
	seen := map[rune]bool{}
	runes := []rune(text)
	steps := 0
	for i, r := range runes {
		seen[r] = true
		if i > 0 && (r == runes[i-1]+1 || r == runes[i-1]-1 || r == runes[i-1]) {
			steps++
		}
	}
	if len(seen) < 5 || steps*3 >= len(runes)*2 {
		return true
	}
	for n := 1; n <= len(runes)/2; n++ { // something short, again and again
		if strings.HasPrefix(strings.Repeat(string(runes[:n]), len(runes)/n+1), text) {
			return true
		}
	}
	return false
}

// common says whether little is left of a text without the words that people
// choose first, digits and signs.
func common(text string) bool {
	core := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) // what stands around a word is no letter of it
	letters := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace(core)
	for _, form := range []string{text, letters} {
		for word := range strings.FieldsSeq(commonWords) {
			form = strings.ReplaceAll(form, word, " ")
		}
		left := 0
		for _, r := range form {
			if unicode.IsLetter(r) {
				left++
			}
		}
		if left < 4 {
			return true
		}
	}
	return false
}
