package trust

import (
	"crypto"
	_ "embed"
	"strings"
)

// published lists keys whose private halves are published: a line each, the
// SHA-256 of the SubjectPublicKeyInfo and what the key is.
//
//go:embed published.txt
var published string

// Published reports whether the private half of public is known to be
// published, so that anybody can sign with it, and where.
func Published(public crypto.PublicKey) (where string, ok bool) {
	print := Fingerprint(public)
	if print == "" {
		return "", false
	}
	for line := range strings.Lines(published) {
		if rest, ok := strings.CutPrefix(line, print+" "); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// publics are the public keys that k rests on.
func (k Key) publics() []crypto.PublicKey {
	out := []crypto.PublicKey{k.Public}
	for _, c := range k.Chain {
		out = append(out, c.PublicKey)
	}
	return out
}
