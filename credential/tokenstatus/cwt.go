package tokenstatus

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/opendivoc/divoc/credential/cose"
)

// MediaTypeCWT is that of a list as a CWT, which is its typ too (sections 5.2, 8.2).
const MediaTypeCWT = "application/statuslist+cwt"

// The claims of a list as a CWT (RFC 8392 section 3.1, section 5.2).
const (
	claimIssuer   = 1
	claimURL      = 2
	claimExpires  = 4
	claimIssuedAt = 6
	claimList     = 65533
	claimTTL      = 65534
)

const maxKeyID = 500 // bytes

// algorithms are the names in a JWT of those in a CWT.
var algorithms = map[int]string{cose.EdDSA: "EdDSA", cose.Ed25519: "Ed25519", cose.ES256: "ES256"}

// IssueCWT returns the signed list as a CWT (section 5.2), tagged as COSE_Sign1.
func IssueCWT(info Info, l *List, s Signer) ([]byte, error) {
	packed, err := l.pack()
	if err != nil {
		return nil, err
	}
	claims := map[int]any{
		claimURL: info.URL, claimIssuer: info.Issuer, claimIssuedAt: info.IssuedAt.Unix(),
		claimList: map[string]any{"bits": l.bits, "lst": packed},
	}
	if !info.ExpiresAt.IsZero() {
		claims[claimExpires] = info.ExpiresAt.Unix()
	}
	if info.TTL > 0 {
		claims[claimTTL] = int64(info.TTL / time.Second)
	}
	payload, err := cose.Marshal(claims)
	if err != nil {
		return nil, err
	}
	header := map[int]any{cose.HeaderAlg: cose.EdDSA, cose.HeaderKid: []byte(s.ID()), cose.HeaderType: MediaTypeCWT}
	return cose.Sign(header, payload, s.Sign)
}

// ParseCWT is [Parse] of a list as a CWT.
func ParseCWT(data []byte) (*Token, error) {
	if len(data) > maxText {
		return nil, ErrTooLarge
	}
	m, err := cose.Parse(data)
	if err != nil {
		return nil, malformed(err)
	}
	if m.Header[int64(cose.HeaderType)] != MediaTypeCWT {
		return nil, fmt.Errorf("%w: its header is of another kind of token", ErrMalformed)
	}
	alg, ok := m.Header[int64(cose.HeaderAlg)].(int64) // what is not protected says nothing here
	if !ok || algorithms[int(alg)] == "" {
		return nil, ErrAlgorithm
	}
	kid, err := m.KeyID(maxKeyID)
	if err != nil {
		return nil, malformed(err)
	}
	t := &Token{Algorithm: algorithms[int(alg)], KeyID: string(kid), signed: m.Signed(), signature: m.Signature}
	var claims map[any]any
	if err := cose.Unmarshal("claims", m.Payload, &claims); err != nil {
		return nil, malformed(err)
	}
	return t, t.readCWT(claims)
}

func malformed(err error) error {
	if errors.Is(err, cose.ErrTooLarge) {
		return ErrTooLarge
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

func (t *Token) readCWT(claims map[any]any) error {
	t.URL, _ = claims[int64(claimURL)].(string)
	t.Issuer, _ = claims[int64(claimIssuer)].(string)
	var dated bool
	if t.IssuedAt, dated = cose.NumericDate(claims[int64(claimIssuedAt)]); !dated || t.URL == "" {
		return fmt.Errorf("%w: sub and iat", ErrMalformed)
	}
	if end, ok := claims[int64(claimExpires)]; ok {
		if t.ExpiresAt, ok = cose.NumericDate(end); !ok {
			return fmt.Errorf("%w: exp", ErrMalformed)
		}
	}
	if limit, ok := claims[int64(claimTTL)]; ok {
		seconds, ok := limit.(int64)
		if !ok || seconds <= 0 || seconds > math.MaxInt32 {
			return fmt.Errorf("%w: ttl", ErrMalformed)
		}
		t.TTL = time.Duration(seconds) * time.Second
	}
	list, _ := claims[int64(claimList)].(map[any]any)
	bits, _ := list["bits"].(int64)
	packed, ok := list["lst"].([]byte)
	if !ok {
		return fmt.Errorf("%w: lst", ErrMalformed)
	}
	var err error
	t.list, err = unpack(bits, packed)
	return err
}
