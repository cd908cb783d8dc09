package shc

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
)

// Bounds of a revocation list.
const (
	maxRids = 1 << 20
	maxCRL  = 32 << 20 // bytes
)

// CRL is a card revocation list: what an issuer revoked of the cards that one of
// its keys signed.
type CRL struct {
	KeyID   string
	Counter int64 // of the list; its key names the newest as crlVersion
	rids    []string
}

// ParseCRL reads a card revocation list. Errors are [ErrMalformed] and
// [ErrTooLarge].
func ParseCRL(data []byte) (*CRL, error) {
	v, err := jcs.ParseUpTo(data, maxCRL)
	if errors.Is(err, jcs.ErrTooLarge) {
		return nil, ErrTooLarge
	}
	kid, _ := v.Get("kid")
	method, _ := v.Get("method")
	ctr, _ := v.Get("ctr")
	rids, _ := v.Get("rids")
	if err != nil || kid.Text == "" || method.Text != "rid" || ctr.Kind != jcs.Number || ctr.Number < 0 || ctr.Number != math.Trunc(ctr.Number) || rids.Kind != jcs.Array {
		return nil, fmt.Errorf("%w: not a revocation list of cards", ErrMalformed)
	}
	if len(rids.Items) > maxRids {
		return nil, ErrTooLarge
	}
	list := make([]string, len(rids.Items))
	for i, r := range rids.Items {
		list[i] = r.Text
	}
	return NewCRL(kid.Text, int64(ctr.Number), list)
}

// NewCRL returns the list of the rids of a key's cards, in any order, under a number.
// One that is no rid is [ErrMalformed].
func NewCRL(keyID string, counter int64, rids []string) (*CRL, error) {
	for _, r := range rids {
		rid, at, timed := strings.Cut(r, ".")
		if !goodRid(rid) {
			return nil, fmt.Errorf("%w: a rid", ErrMalformed)
		}
		if timed {
			if _, err := strconv.ParseInt(at, 10, 64); err != nil {
				return nil, fmt.Errorf("%w: a rid", ErrMalformed)
			}
		}
	}
	rids = slices.Clone(rids)
	slices.Sort(rids)
	return &CRL{KeyID: keyID, Counter: counter, rids: slices.Compact(rids)}, nil
}

// Rids returns what l revokes, sorted and each once: rids, or a rid, a dot and the
// second from which on its cards are good again. It is not to be changed.
func (l *CRL) Rids() []string { return l.rids }

// Has reports whether a rid of [CRL.Rids] is in l.
func (l *CRL) Has(rid string) bool {
	_, ok := slices.BinarySearch(l.rids, rid)
	return ok
}

// Revoked reports whether the list revokes a card with this rid, issued then: a
// rid with a time revokes only cards from before it.
func (l *CRL) Revoked(rid string, notBefore time.Time) bool {
	if rid == "" {
		return false
	}
	i, _ := slices.BinarySearch(l.rids, rid)
	for ; i < len(l.rids) && strings.HasPrefix(l.rids[i], rid); i++ {
		rest := l.rids[i][len(rid):]
		if rest == "" {
			return true
		}
		if at, err := strconv.ParseInt(strings.TrimPrefix(rest, "."), 10, 64); rest[0] == '.' && err == nil && notBefore.Unix() < at {
			return true
		}
	}
	return false
}

// EncodeCRL returns a card revocation list.
func EncodeCRL(keyID string, counter int64, rids []string) []byte {
	rids = slices.Clone(rids)
	slices.Sort(rids)
	b := append(jcs.AppendString([]byte(`{"kid":`), keyID), `,"method":"rid","ctr":`...)
	b = append(strconv.AppendInt(b, counter, 10), `,"rids":[`...)
	for i, r := range rids {
		if i > 0 {
			b = append(b, ',')
		}
		b = jcs.AppendString(b, r)
	}
	return append(b, "]}"...)
}
