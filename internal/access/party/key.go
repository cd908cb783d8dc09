package party

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, section 2.2
	assertionLife = time.Minute
	keyBits       = 2048
)

// Key is what this service proves with who it is, and a second one that what a
// provider says of somebody may be encrypted to. RSA, as every provider takes it.
type Key struct{ sign, open jose.JSONWebKey }

// NewKey draws a Key.
func NewKey(random io.Reader) (*Key, error) {
	sign, err := newKey(random, "sig", string(jose.RS256))
	if err != nil {
		return nil, err
	}
	open, err := newKey(random, "enc", string(jose.RSA_OAEP_256))
	return &Key{sign, open}, err
}

func newKey(random io.Reader, use, algorithm string) (jose.JSONWebKey, error) {
	private, err := rsa.GenerateKey(random, keyBits)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	k := jose.JSONWebKey{Key: private, Use: use, Algorithm: algorithm}
	print, err := k.Thumbprint(crypto.SHA256) // RFC 7638
	k.KeyID = base64.RawURLEncoding.EncodeToString(print)
	return k, err
}

// ParseKey reads what [Key.Private] wrote.
func ParseKey(private []byte) (*Key, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(private, &set); err != nil || len(set.Keys) != 2 || set.Keys[0].IsPublic() || set.Keys[1].IsPublic() {
		return nil, errors.New("this is no key of a client")
	}
	return &Key{set.Keys[0], set.Keys[1]}, nil
}

// Private is the Key whole, to be sealed.
func (k *Key) Private() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.sign, k.open}})
}

// Public is the JSON Web Key Set (RFC 7517) that a provider is given.
func (k *Key) Public() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.sign.Public(), k.open.Public()}})
}

// Assertion says to a provider's token endpoint who this service is (RFC 7523,
// section 3). It counts once, for a minute.
func (k *Key) Assertion(clientID, audience string, now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.sign}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing who this service is: %w", err)
	}
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: clientID, Subject: clientID, Audience: jwt.Audience{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
}

// Decrypt opens what was encrypted to the Key.
func (k *Key) Decrypt(text string) (string, error) {
	e, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM, jose.A128GCM, jose.A128CBC_HS256, jose.A256CBC_HS512})
	if err != nil {
		return "", err
	}
	plain, err := e.Decrypt(k.open)
	return string(plain), err
}
