package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

const (
	keyMark     = "divoc-seal-key-1:"
	keySize     = 32
	keySumSize  = 4
	keyFileSize = 4096 // more than any seal-key file has
)

// GenerateKey returns the text of a new seal-key file: comments, then one line
// with 256 bits from random and a check sum against typing mistakes. It fails
// only when random does.
func GenerateKey(random io.Reader) ([]byte, error) {
	key := make([]byte, keySize, keySize+keySumSize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("make a seal key: %w", err)
	}
	return fmt.Appendf(nil, "# The seal key of a divoc installation (key id %s).\n"+
		"# Keep it outside the data folder, secret, and with a copy in a safe place:\n"+
		"# whoever has it and the data can read every record; without it nobody can.\n%s%s\n",
		keyID(key), keyMark, base64.RawURLEncoding.EncodeToString(append(key, keySum(key)...))), nil
}

// CheckKey says what is wrong with the text of a seal-key file, repeating nothing
// of it.
func CheckKey(text []byte) error {
	_, err := parseKey(text)
	return err
}

// parseKey reads the text of a seal-key file. Its errors repeat nothing of it.
func parseKey(text []byte) ([]byte, error) {
	if len(text) > keyFileSize {
		return nil, keyErrorf("the file is too large to be a seal key")
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, keyErrorf("the seal-key file is empty: make one with \"divoc keys seal-key -o FILE\"")
	}
	var key []byte
	for line := range bytes.Lines(text) {
		s := strings.TrimSpace(string(line))
		if s == "" || strings.HasPrefix(s, "#") {
			continue
		}
		rest, ok := strings.CutPrefix(s, keyMark)
		if !ok {
			return nil, keyErrorf("this is not a seal-key file: its key line begins with %q; make one with \"divoc keys seal-key -o FILE\"", keyMark)
		}
		if key != nil {
			return nil, keyErrorf("the seal-key file holds more than one key")
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
		if err != nil || len(raw) != keySize+keySumSize {
			return nil, keyErrorf("the key line of the seal-key file is cut off or was changed")
		}
		key = raw[:keySize:keySize]
		if !bytes.Equal(keySum(key), raw[keySize:]) {
			return nil, keyErrorf("the check sum of the seal-key file is wrong: a character of its key line was changed")
		}
	}
	if key == nil {
		return nil, keyErrorf("the seal-key file holds comments only, no key line")
	}
	return key, nil
}

func keyErrorf(format string, args ...any) error {
	return vaccination.Errorf(vaccination.Invalid, format, args...)
}

func keySum(key []byte) []byte {
	sum := sha256.Sum256(append([]byte("divoc seal key check sum\x00"), key...))
	return sum[:keySumSize]
}

// keyID names a seal key without telling it, so that a wrong key can be told
// from a damaged keyset.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("divoc seal key id\x00"), key...))
	return hex.EncodeToString(sum[:4])
}
